#!/bin/sh
# customize.sh ROOT: makes the Functions image's shape out of a plain Debian in ROOT. A hook of mmdebstrap.
set -eu
here=$(dirname "$0")
version=3.13

# The image trusts whom this machine trusts, so that pip in a RUN step of a build reaches the package index wherever
# pip on this machine does.
cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/ca-certificates.crt"

# The interpreter is found where the real image has it, and pip installs into it without asking.
rm "$1/usr/lib/python$version/EXTERNALLY-MANAGED"
mkdir -p "$1/opt/python/$version/bin"
ln -s "python$version" "$1/usr/bin/python"
for program in python python3 "python$version" pip pip3; do
    ln -s "/usr/bin/$program" "$1/opt/python/$version/bin/$program"
done

# Microsoft's worker, where the real image keeps it and the app sees it; and what our host imports, where it does not.
# As in a RUN step, pip knows nothing of this machine's environment.
install_into() {
    mkdir -p "$1/$2"
    cp "$here/$3" "$1/$2/requirements.txt"
    chroot "$1" env -i pip install --quiet --no-cache-dir --disable-pip-version-check --root-user-action ignore \
        --only-binary :all: --target "/$2" -r "/$2/requirements.txt"
}
install_into "$1" "azure-functions-host/workers/python/$version/LINUX/X64" worker.txt
install_into "$1" azure-functions-host/host/site-packages host.txt

mkdir -p "$1/home/site/wwwroot" "$1/home/data" "$1/home/LogFiles"
