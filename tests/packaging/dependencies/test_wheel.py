"""What one wheel installs."""

from __future__ import annotations

import zipfile

import pytest
from packaging.utils import parse_wheel_filename

from azext_mlfunc.packaging.dependencies.layer import write_layer
from azext_mlfunc.packaging.dependencies.wheel import DamagedWheel, installed_files

from .conftest import contents, members

SCRIPT = "#!python -s\nprint(1)\n"


def installed(wheel, tmp_path):
    write_layer([wheel], tmp_path / "layer.tar.gz")
    return contents(tmp_path / "layer.tar.gz")


def test_every_part_of_a_wheel_has_its_place(house, tmp_path):
    wheel = house.wheel(
        "parts",
        files={
            "parts/__init__.py": "x = 1\n",
            "{data}/purelib/parts/pure.py": "",
            "{data}/platlib/parts/fast.so": b"\x7fELF",
            "{data}/scripts/run-it": SCRIPT,
            "{data}/scripts/binary": b"\x7fELF program",
            "{data}/headers/parts.h": "int x;",
            "{data}/data/share/parts/read.me": "hello",
        },
    )
    files = installed(wheel, tmp_path)
    assert sorted(path for path in files if ".dist-info" not in path) == [
        "bin/binary", "bin/run-it", "include/python/parts/parts.h", "parts.py", "parts/__init__.py", "parts/fast.so",
        "parts/pure.py", "share/parts/read.me",
    ]  # fmt: skip
    assert files["bin/run-it"] == b"#!/usr/bin/env python\nprint(1)\n"
    assert files["bin/binary"] == b"\x7fELF program"


def test_entry_points_become_scripts_and_replace_what_stands_in_for_them(house, tmp_path):
    points = "[console_scripts]\nOne = pkg.cli:main [extra]\ntwo=pkg:Tool.run\n[gui_scripts]\nthree = pkg:show\n"
    wheel = house.wheel(
        "pkg",
        files={"{info}/entry_points.txt": points, "{data}/scripts/One-script.py": SCRIPT, "{data}/scripts/two": "old"},
    )
    files = installed(wheel, tmp_path)
    assert sorted(path for path in files if path.startswith("bin/")) == ["bin/One", "bin/three", "bin/two"]
    assert files["bin/One"].startswith(b"#!/usr/bin/env python\n") and b"from pkg.cli import main\n" in files["bin/One"]
    assert b"from pkg import Tool\n" in files["bin/two"] and b"Tool.run()" in files["bin/two"]


def test_modes_are_those_of_programs_and_of_other_files(house, tmp_path):
    wheel = house.wheel("modes", files={"tool": "x", "{data}/scripts/s": "x"}, executable=["tool"])
    write_layer([wheel], tmp_path / "layer.tar.gz")
    modes = {member.name: oct(member.mode) for member, _ in members(tmp_path / "layer.tar.gz")}
    assert modes["tool"] == modes["bin/s"] == "0o755"
    assert modes["modes.py"] == "0o644"


@pytest.mark.parametrize("path", ["../outside", "/absolute", "a/../../b", "{data}/scripts/../../x", "{data}/nowhere/x"])
def test_a_wheel_that_reaches_outside_is_refused(house, path):
    with pytest.raises(DamagedWheel, match=r"path|place"):
        installed_files(house.wheel("evil", files={path: "x"}))


def test_a_file_that_is_no_wheel_is_refused(house, tmp_path):
    (tmp_path / "broken-1.0-py3-none-any.whl").write_bytes(b"PK nothing")
    with pytest.raises(DamagedWheel, match="broken"):
        installed_files(tmp_path / "broken-1.0-py3-none-any.whl")
    renamed = house.wheel("one").rename(tmp_path / "two-1.0-py3-none-any.whl")
    with pytest.raises(DamagedWheel, match="dist-info"):
        installed_files(renamed)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_any_compression_of_the_wheel_will_do(house, tmp_path, compression):
    text = "line\n" * 100_000
    wheel = house.wheel("pkg", files={"pkg/a.txt": text, "pkg/empty": ""}, compression=compression)
    files = installed(wheel, tmp_path)
    assert files["pkg/a.txt"] == text.encode() and files["pkg/empty"] == b""
    assert parse_wheel_filename(wheel.name)[0] == "pkg"


def test_a_wheel_whose_content_is_not_what_it_says_is_refused(house, tmp_path):
    wheel = house.wheel("pkg", files={"pkg/a.txt": "some text\n" * 1000})
    data = bytearray(wheel.read_bytes())
    data[data.index(b"pkg/a.txt") + 12] ^= 0xFF
    wheel.write_bytes(data)
    with pytest.raises(DamagedWheel, match=r"pkg/a\.txt"):
        write_layer([wheel], tmp_path / "layer.tar.gz")
