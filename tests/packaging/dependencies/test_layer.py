"""The layer: the same bytes everywhere, read by everything, and like what `pip install --target` lays out."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import importlib.metadata
import os
import stat
import subprocess
import sys
import tarfile

import pytest

from azext_mlfunc.packaging.dependencies.layer import write_layer
from azext_mlfunc.packaging.dependencies.wheel import DamagedWheel

from .conftest import SITE_PACKAGES, contents

# All that differs from `pip install --target --no-compile` of the same wheels, and why.
DIFFERENCES = {
    "*.dist-info/INSTALLER": "it names who installed the package",
    "*.dist-info/REQUESTED": "left out: the layer depends on the wheels, not on which of them were asked for",
    "*.dist-info/RECORD": "the wheel's own with our rows behind; pip's --target leaves rows that lead nowhere",
    "bin/*": "a script asks for the image's python; pip's names the interpreter of the machine that installed it",
    "include/*": "headers lie where pip puts them in the image; in a virtual environment it has another folder",
    "lib/*": "a package's data below lib/ is kept; pip's --target loses it",
}


def wheels_of_all_kinds(house):
    return [
        house.wheel(
            "alpha", files={"ns/alpha.py": "", "alpha/data.bin": bytes(300_000), "deep/" + "d" * 120 + "/x": "1"}
        ),
        house.wheel("beta", files={"ns/beta.py": "b = 1\n", "beta/größe.txt": "ü", "{info}/entry_points.txt": POINTS}),
        house.wheel(
            "gamma",
            files={
                "{data}/scripts/gamma-tool": "#!python\nprint('gamma')\n",
                "{data}/data/share/gamma.txt": "shared",
                "{data}/data/lib/libgamma.so": "lib",
                "{data}/headers/gamma.h": "int g;",
                "{data}/platlib/gamma_fast.so": b"\x7fELF",
                "program": b"\x7fELF",
            },
            executable=["program"],
        ),
    ]


POINTS = "[console_scripts]\nbeta = ns.beta:b.bit_length\n"


def test_a_layer_is_the_same_in_any_folder_time_zone_umask_and_language(house, tmp_path):
    wheels = wheels_of_all_kinds(house)
    program = (
        f"import sys, os; sys.path[:0] = {sys.path!r}; os.umask(int(sys.argv[1], 8)); from pathlib import Path\n"
        "from azext_mlfunc.packaging.dependencies.layer import write_layer\n"
        "print(write_layer([Path(p) for p in sys.argv[3:]], Path(sys.argv[2])).digest)"
    )
    digests = set()
    for number, (mask, zone, language) in enumerate([("022", "UTC", "C"), ("077", "Asia/Tokyo", "de_DE.UTF-8")]):
        copies = []
        for wheel in wheels:
            copy = tmp_path / str(number) / wheel.name
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(wheel.read_bytes())
            copies.append(copy)
        layer = tmp_path / f"{number}.tar.gz"
        environment = {**os.environ, "TZ": zone, "LANG": language, "LC_ALL": language, "PYTHONHASHSEED": str(number)}
        done = subprocess.run(
            [sys.executable, "-c", program, mask, layer, *copies], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        digests |= {done.stdout.strip(), "sha256:" + hashlib.sha256(layer.read_bytes()).hexdigest()}
    assert len(digests) == 1


def test_the_bytes_of_these_wheels_never_change(house, tmp_path):
    # The wheel is stored, not deflated, so that this machine's compressor has no part in it. Another digest here means
    # that all users' layers change: raise FORMAT in layer.py.
    wheel = house.wheel("fixed", files={"fixed/a.txt": "text", "é/" + "p" * 90 + ".py": ""}, compression=0)
    written = write_layer([wheel], tmp_path / "layer.tar.gz")
    assert written.digest == "sha256:50a471fb6bbc1df09a12034d39e0d3d867539936763674ea354abed871e3376b"


def test_tar_and_gzip_read_it_with_fixed_owners_and_times(house, tmp_path):
    layer, out = tmp_path / "layer.tar.gz", tmp_path / "out"
    written = write_layer(wheels_of_all_kinds(house), layer)
    assert (written.size, written.replaced) == (layer.stat().st_size, ())
    plain = subprocess.run(["gzip", "-dc", layer], capture_output=True, check=True).stdout
    assert written.diff_id == "sha256:" + hashlib.sha256(plain).hexdigest()
    out.mkdir()
    subprocess.run(["tar", "-xzf", layer, "-C", out], check=True)
    files = contents(layer)
    root = out / SITE_PACKAGES
    assert {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()} == files
    with tarfile.open(layer) as archive:
        everything = archive.getmembers()
    names = [member.name for member in everything]
    assert len(names) == len(set(names))
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in everything} == {(0, 0, "", "", 315532800)}
    assert {m.mode for m in everything if m.isdir()} == {0o755}
    for name in names:  # every folder comes before what is in it
        assert "/" not in name or names.index(name.rpartition("/")[0]) < names.index(name)


def test_it_is_what_pip_installs_but_for_the_differences_listed(house, tmp_path):
    wheels = wheels_of_all_kinds(house)
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-index"]
    pip += ["--find-links", house.folder, "--target", target]
    subprocess.run([*pip, "alpha", "beta", "gamma"], check=True, umask=0o022)
    write_layer(wheels, tmp_path / "layer.tar.gz")
    with tarfile.open(tmp_path / "layer.tar.gz") as archive:
        archive.extractall(tmp_path / "out", filter="fully_trusted")
    different = _tree(target).items() ^ _tree(tmp_path / "out" / SITE_PACKAGES).items()
    unlisted, used = [], set()
    for path in sorted({path for path, _ in different}):
        reasons = [pattern for pattern in DIFFERENCES if fnmatch.fnmatch(path, pattern)]
        used.update(reasons)
        if not reasons:
            unlisted.append(path)
    assert unlisted == []
    assert set(DIFFERENCES) - used == set(), "these no longer differ: take them out of the table"


def _tree(root):
    return {
        str(path.relative_to(root)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file()
    }


def test_metadata_tells_every_file_and_its_checksum(house, tmp_path):
    write_layer(wheels_of_all_kinds(house), tmp_path / "layer.tar.gz")
    with tarfile.open(tmp_path / "layer.tar.gz") as archive:
        archive.extractall(tmp_path / "out", filter="fully_trusted")
    root = tmp_path / "out" / SITE_PACKAGES
    told = set()
    for distribution in importlib.metadata.distributions(path=[str(root)]):
        for file in distribution.files:
            told.add(str(file))
            if file.hash:
                digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
                assert file.hash.value == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert told == set(_tree(root))


def test_two_wheels_with_the_same_file(house, tmp_path):
    one = house.wheel("one", files={"same.py": "x = 1\n", "other.py": "first = 1\n"})
    two = house.wheel("two", files={"same.py": "x = 1\n", "other.py": "last = 2\n"})
    written = write_layer([one, two], tmp_path / "layer.tar.gz")
    assert written.replaced == ("other.py",)
    assert contents(tmp_path / "layer.tar.gz")["other.py"] == b"last = 2\n"
    with tarfile.open(tmp_path / "layer.tar.gz") as archive:
        assert [name for name in archive.getnames() if name.endswith("other.py")] == [f"{SITE_PACKAGES}other.py"]


def test_a_file_where_another_wheel_has_a_folder_is_refused(house, tmp_path):
    wheels = [house.wheel("one", files={"thing": "x"}), house.wheel("two", files={"thing/x.py": ""})]
    with pytest.raises(DamagedWheel, match="'thing' is a file in one wheel"):
        write_layer(wheels, tmp_path / "layer.tar.gz")


def test_nothing_to_install_is_an_empty_folder(tmp_path):
    write_layer([], tmp_path / "layer.tar.gz")
    with tarfile.open(tmp_path / "layer.tar.gz") as archive:
        assert archive.getnames()[-1] == SITE_PACKAGES.rstrip("/")
