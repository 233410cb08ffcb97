"""What one wheel installs, as `pip install --target` lays it out, without unpacking it.

Sources: "Binary distribution format" (PEP 427), "Entry points specification", "Recording installed projects" (PEP 376,
627), all on packaging.python.org; and pip's operations/install/wheel.py for what they leave open.
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import posixpath
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_INSTALLER = "az-ml-func"
# pip keeps these for itself, and takes none from a wheel.
_OF_THE_INSTALLER = ("INSTALLER", "REQUESTED", "direct_url.json")
_LOCAL_HEADER = struct.Struct("<26xHH")  # the lengths of name and extra field, which the data follows
_SHEBANG = b"#!/usr/bin/env python"
_SCRIPT = """\
#!/usr/bin/env python
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({attribute}())
"""
_ENTRY_POINT = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?\s*$")


class DamagedWheel(ValueError):
    """A wheel that cannot be installed; the text says why."""


@dataclass(frozen=True)
class Packed:
    """A file of the wheel, as its ZIP directory has it. Sizes are in bytes."""

    header_offset: int
    compressed_size: int
    size: int
    crc: int
    is_deflated: bool


@dataclass(frozen=True)
class InstalledFile:
    """A file to install.

    :param path: its place below site-packages, with forward slashes.
    :param content: what it holds, piece after piece: our own bytes, or a file of the wheel.
    :param is_executable: whether it may be run.
    """

    path: str
    content: tuple[bytes | Packed, ...]
    is_executable: bool = False

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in self.content)


def installed_files(wheel: Path) -> list[InstalledFile]:
    """Everything that the wheel installs, sorted by path.

    :raises DamagedWheel: it is no wheel, or one that pip would refuse.
    :raises OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = {file.path: file for file in _Layout(archive, wheel.name).files()}
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, configparser.Error, csv.Error) as problem:
        raise DamagedWheel(f"{wheel.name}: {problem}") from problem
    return [files[path] for path in sorted(files)]


def data_offset(file: BinaryIO, packed: Packed) -> int:
    """Where the bytes of a file of the wheel begin.

    :param file: the wheel, open for reading.
    """
    file.seek(packed.header_offset)
    name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    return packed.header_offset + _LOCAL_HEADER.size + int(name) + int(extra)


class _Layout:
    """One open wheel, and where its files go."""

    def __init__(self, archive: zipfile.ZipFile, file_name: str) -> None:
        self.archive = archive
        self.file_name = file_name
        self.members = [member for member in archive.infolist() if not member.is_dir()]
        self.dist_info = self._dist_info()
        self.data = self.dist_info.removesuffix(".dist-info") + ".data"
        self.entry_points = self._entry_points()

    def files(self) -> Iterator[InstalledFile]:
        moved: dict[str, InstalledFile] = {}  # by their name in the wheel, those that do not stay as they are
        for member in self.members:
            path, in_bin = self._place(member.filename)
            if path == self._info("RECORD") or path in map(self._info, _OF_THE_INSTALLER):
                continue
            if in_bin and self._is_wrapper(posixpath.basename(path)):
                continue
            file = self._file(member, path, in_bin)
            if path != member.filename:
                moved[member.filename] = file
            yield file
        written = [InstalledFile(self._info("INSTALLER"), (f"{_INSTALLER}\n".encode(),))]
        for script, reference in self.entry_points.items():
            written.append(InstalledFile(f"bin/{script}", (self._script(script, reference),), True))
        yield from written
        yield self._record(moved, written)

    def _dist_info(self) -> str:
        from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

        try:
            name = parse_wheel_filename(self.file_name)[0]
        except InvalidWheelFilename as problem:
            raise self._damaged(str(problem)) from problem
        tops = {member.filename.split("/")[0] for member in self.members}
        own = [top for top in tops if top.endswith(".dist-info") and canonicalize_name(top.split("-")[0]) == name]
        if len(own) != 1:
            raise self._damaged(f"it has {len(own)} .dist-info folders of its own instead of one")
        return own[0]

    def _info(self, name: str) -> str:
        return f"{self.dist_info}/{name}"

    def _place(self, member: str) -> tuple[str, bool]:
        """Where a file of the wheel goes, and whether that is among the scripts."""
        path, in_bin = member, False
        if member.startswith(f"{self.data}/"):
            _, scheme, path = [*member.split("/", 2), "", ""][:3]
            if scheme == "scripts":
                path, in_bin = f"bin/{path}", True
            elif scheme == "headers":
                path = f"include/python/{self.dist_info.split('-')[0]}/{path}"
            elif scheme not in ("purelib", "platlib", "data"):
                raise self._damaged(f"'{member}' is for a place that no Python has")
        if not path or path.startswith(("/", "..")) or "\\" in path or path != posixpath.normpath(path):
            raise self._damaged(f"'{member}' is no path below site-packages")
        return path, in_bin

    def _file(self, member: zipfile.ZipInfo, path: str, in_bin: bool) -> InstalledFile:
        mode = member.external_attr >> 16
        # As pip has it: the mode counts if it is one of a regular file.
        is_executable = in_bin or (mode & 0o170000 == 0o100000 and bool(mode & 0o111))
        if in_bin:
            with self.archive.open(member) as script:
                if script.read(8) == b"#!python":
                    return InstalledFile(path, (self._with_shebang(member),), True)
        return InstalledFile(path, (self._content(member),), is_executable)

    def _content(self, member: zipfile.ZipInfo) -> bytes | Packed:
        if member.flag_bits & 1:
            raise self._damaged(f"'{member.filename}' is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return self.archive.read(member)  # bzip2 or LZMA: allowed, and never seen
        deflated = member.compress_type == zipfile.ZIP_DEFLATED
        return Packed(member.header_offset, member.compress_size, member.file_size, member.CRC, deflated)

    def _with_shebang(self, member: zipfile.ZipInfo) -> bytes:
        _, newline, rest = self.archive.read(member).partition(b"\n")
        return _SHEBANG + newline + rest if newline else _SHEBANG + b"\n"

    def _entry_points(self) -> dict[str, str]:
        """The scripts to write: their names, and `module:attribute` for each."""
        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        text = self._read("entry_points.txt")
        parser.read_string(text)
        found: dict[str, str] = {}
        for group in ("console_scripts", "gui_scripts"):
            if parser.has_section(group):
                found.update(parser.items(group))
        return dict(sorted(found.items()))

    def _is_wrapper(self, name: str) -> bool:
        """Whether a file among the scripts is what an older setuptools made of an entry point, which is made anew."""
        for suffix in (".exe", "-script.py", ".pya"):
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
                break
        return name in self.entry_points

    def _script(self, script: str, reference: str) -> bytes:
        match = _ENTRY_POINT.match(reference)
        if not match or "/" in script or script in ("", ".", ".."):
            raise self._damaged(f"the entry point '{script} = {reference}' names no function")
        attribute = match["attribute"]
        return _SCRIPT.format(module=match["module"], name=attribute.split(".")[0], attribute=attribute).encode()

    def _record(self, moved: dict[str, InstalledFile], written: list[InstalledFile]) -> InstalledFile:
        """The wheel's own RECORD as it is, and our rows behind it; written anew if files of it lie elsewhere."""
        path = self._info("RECORD")
        members = [member for member in self.members if member.filename == path]
        if not members:
            raise self._damaged("it has no RECORD")
        ours = _rows([_row(file) for file in written])
        text = self.archive.read(members[-1]).decode()
        if not moved and not any(f"{self.dist_info}/{name}," in text for name in _OF_THE_INSTALLER):
            separator = b"" if text.endswith("\n") or not text else b"\n"
            return InstalledFile(path, (self._content(members[-1]), separator + ours))
        rows = []
        for row in csv.reader(io.StringIO(text)):
            if not row or posixpath.basename(row[0]) in _OF_THE_INSTALLER:
                continue
            if row[0].startswith(f"{self.data}/") and row[0] not in moved:
                continue
            file = moved.get(row[0])
            if file is None:
                rows.append(row)
            elif isinstance(file.content[0], bytes):
                rows.append(_row(file))
            else:
                rows.append([file.path, *row[1:]])
        return InstalledFile(path, (_rows(rows) + ours,))

    def _read(self, name: str) -> str:
        try:
            return self.archive.read(self._info(name)).decode()
        except KeyError:
            return ""

    def _damaged(self, why: str) -> DamagedWheel:
        return DamagedWheel(f"{self.file_name}: {why}")


def _row(file: InstalledFile) -> list[str]:
    data = b"".join(piece for piece in file.content if isinstance(piece, bytes))
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [file.path, f"sha256={digest}", str(len(data))]


def _rows(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
