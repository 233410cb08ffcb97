"""pip as the resolver: requirements become wheel files for the target.

pip is the one of the Python that `az` runs on, as for `az extension add`, with the user's own configuration: indexes,
proxies, certificates, the cache of downloads. It resolves and downloads; nothing of a package is run. uv is not used:
it does not read pip's configuration, and a second resolver would give second answers.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from azext_mlfunc.packaging.dependencies.problems import explain, masked
from azext_mlfunc.packaging.dependencies.target import Target
from azext_mlfunc.progress import Progress

_RUN_PIP = Path(__file__).with_name("run_pip.py")
_LAST_LINES = 15
_TAKEN = frozenset(
    f"PIP_{name}"
    for name in (
        "CACHE_DIR CERT CLIENT_CERT CONFIG_FILE CONSTRAINT DEFAULT_TIMEOUT EXTRA_INDEX_URL FIND_LINKS INDEX_URL "
        "KEYRING_PROVIDER NO_CACHE_DIR NO_INDEX PRE PROXY RETRIES TIMEOUT TRUSTED_HOST USE_DEPRECATED USE_FEATURE"
    ).split()
)


def download(requirements: Path, target: Target, folder: Path, progress: Progress, is_lock: bool) -> list[Path]:
    """Download the wheels that the requirements need, and all that these need.

    :param requirements: a requirements file.
    :param folder: where the wheels go: empty, on a disk with room for them.
    :param is_lock: install exactly these packages, each of which has a checksum.
    :raises NoWheels: a package cannot be had as a wheel, or pip fails; its findings say why.
    :raises OSError: the folder cannot be written.
    """
    wheels, unpacked, log = folder / "wheels", folder / "unpacked", folder / "pip.log"
    wheels.mkdir()
    unpacked.mkdir()
    command = [sys.executable, str(_RUN_PIP), json.dumps(target.markers())]
    command += ["download", "--dest", str(wheels), "--requirement", str(requirements), "--log", str(log)]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", *target.pip_options()]
    if is_lock:
        command += ["--no-deps", "--require-hashes"]
    # pip puts downloads into the temporary folder first, and that is memory on many machines.
    environment = {name: value for name, value in os.environ.items() if _is_taken(name)}
    environment |= {"TMPDIR": str(unpacked), "TEMP": str(unpacked), "TMP": str(unpacked)}
    environment |= {"PYTHONIOENCODING": "utf-8", "PIP_QUIET": "0", "NO_COLOR": "1"}
    said: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8", errors="replace",
    ) as pip:  # fmt: skip
        assert pip.stdout is not None
        try:
            for line in pip.stdout:
                said.append(line.rstrip())
                if re.match(r"\s*(Collecting|Downloading|Processing) ", line):
                    progress.live(masked(line.strip())[:70])
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        raise explain(text, "\n".join(said), target)
    return sorted(wheels.iterdir())


def _is_taken(variable: str) -> bool:
    """Whether pip gets an environment variable: of its own only those that say where and how it downloads, as others
    would choose other packages than the requirements do (PIP_PLATFORM, PIP_NO_DEPS, PIP_REQUIREMENT, …)."""
    return not variable.startswith("PIP_") or variable in _TAKEN


def configuration(environment: Mapping[str, str]) -> Iterator[bytes]:
    """What the user told pip outside the requirements: it may resolve differently when any of it changes.

    Source: pip documentation, "Configuration", for the places of its files.
    """
    for name in sorted(environment):
        if name.startswith("PIP_") and _is_taken(name):
            yield f"{name}={environment[name]}".encode()
    home = Path(environment.get("USERPROFILE" if os.name == "nt" else "HOME") or Path.home())
    folders = [Path(sys.prefix), home / ".pip", home / "pip", home / "Library" / "Application Support" / "pip"]
    folders += [Path("/etc"), Path("/Library/Application Support/pip")]
    folders.append(Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip")
    shared = environment.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    folders += [Path(folder) / "pip" for folder in shared.split(os.pathsep)]
    folders += [Path(environment[name]) / "pip" for name in ("APPDATA", "PROGRAMDATA") if environment.get(name)]
    files = [folder / name for folder in folders for name in ("pip.conf", "pip.ini")]
    if environment.get("PIP_CONFIG_FILE"):
        files.append(Path(environment["PIP_CONFIG_FILE"]))
    for file in files:
        try:
            yield file.read_bytes()
        except OSError:
            continue
