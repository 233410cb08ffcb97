"""Wheels become one layer of an image: a .tar.gz whose bytes depend on the wheels alone.

Its files lie in the image's site-packages folder, owned by root, from 1980-01-01, as in the build context.
"""

from __future__ import annotations

import os
import struct
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from azext_mlfunc.packaging.context import CHUNK, TIME
from azext_mlfunc.packaging.dependencies.gzip_members import GzipMembers
from azext_mlfunc.packaging.dependencies.wheel import DamagedWheel, InstalledFile, Packed, data_offset, installed_files
from azext_mlfunc.packaging.layout import SITE_PACKAGES

FORMAT = 1
"""Goes up whenever the same wheels would give other bytes."""
MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
_ROOT = SITE_PACKAGES.lstrip("/")
# Below this a file goes among the headers as it is: two members more would cost as much as compression saves.
_WORTH_A_MEMBER = 40


@dataclass(frozen=True)
class WrittenLayer:
    """A layer's identity.

    :param digest: `sha256:…` of the file.
    :param diff_id: `sha256:…` of the tar in it.
    :param size: the file's length in bytes.
    :param replaced: paths that several wheels have, with different content; the last wheel's is in the layer.
    """

    digest: str
    diff_id: str
    size: int
    replaced: tuple[str, ...]


def write_layer(wheels: Sequence[Path], layer: Path) -> WrittenLayer:
    """Write the layer of these wheels to a file.

    :param wheels: in the order in which they are installed: later ones replace files of earlier ones.
    :raises DamagedWheel: a wheel is damaged, or has a file where another one has a folder.
    :raises OSError: something cannot be read or written.
    """
    contents = [installed_files(wheel) for wheel in wheels]
    owner = {file.path: number for number, files in enumerate(contents) for file in files}
    _check_folders(owner)
    known: set[str] = set()
    with layer.open("wb") as file:
        out = GzipMembers(file)
        _write_folders(out, f"{_ROOT}/", known)
        for number, (wheel, files) in enumerate(zip(wheels, contents, strict=True)):
            with wheel.open("rb") as source:
                for installed in files:
                    if owner[installed.path] == number:
                        _write_folders(out, f"{_ROOT}/{installed.path}", known)
                        _write_file(out, source, installed, wheel.name)
        out.write(bytes(2 * tarfile.BLOCKSIZE))
        out.flush()
        file.flush()
        os.fsync(file.fileno())
    return WrittenLayer(out.digest, out.diff_id, out.size, _replaced(contents))


def _write_folders(out: GzipMembers, path: str, known: set[str]) -> None:
    """Write the folders above `path` that were not written yet."""
    for at, character in enumerate(path):
        if character == "/" and path[:at] not in known:
            known.add(path[:at])
            out.write(_header(path[:at], 0, 0o755, tarfile.DIRTYPE))


def _write_file(out: GzipMembers, source: BinaryIO, file: InstalledFile, wheel: str) -> None:
    size = file.size
    out.write(_header(f"{_ROOT}/{file.path}", size, 0o755 if file.is_executable else 0o644, tarfile.REGTYPE))
    for piece in file.content:
        if isinstance(piece, bytes):
            out.write(piece)
            continue
        try:
            source.seek(data_offset(source, piece))
            saved = piece.size - piece.compressed_size
            if piece.is_deflated and (saved > _WORTH_A_MEMBER or piece.size > CHUNK):
                out.write_deflated(source, piece.compressed_size, piece.size, piece.crc)
            else:
                _copy(out, source, piece)
        except (ValueError, struct.error) as problem:
            raise DamagedWheel(f"{wheel}: {file.path}: {problem}") from problem
    out.write(bytes(-size % tarfile.BLOCKSIZE))


def _copy(out: GzipMembers, source: BinaryIO, piece: Packed) -> None:
    """Add a file of the wheel uncompressed: a small one, or one that the wheel has uncompressed."""
    crc, left = 0, piece.compressed_size
    inflated = zlib.decompressobj(-zlib.MAX_WBITS) if piece.is_deflated else None
    while left:
        data = source.read(min(left, CHUNK))
        if not data:
            raise ValueError("the file ends too early")
        left -= len(data)
        if inflated:
            try:
                data = inflated.decompress(data, piece.size + 1)
            except zlib.error as problem:
                raise ValueError(str(problem)) from problem
        crc = zlib.crc32(data, crc)
        out.write(data)
    if crc != piece.crc:
        raise ValueError("it does not hold what the directory says")


def _check_folders(paths: Iterable[str]) -> None:
    files = set(paths)
    for path in files:
        for folder in PurePosixPath(path).parents:
            if str(folder) in files:
                raise DamagedWheel(f"'{folder}' is a file in one wheel, and a folder with {path} in another")


def _replaced(contents: Iterable[Iterable[InstalledFile]]) -> tuple[str, ...]:
    first: dict[str, InstalledFile] = {}
    replaced = {
        file.path
        for files in contents
        for file in files
        if _content(first.setdefault(file.path, file)) != _content(file)
    }
    return tuple(sorted(replaced))


def _content(file: InstalledFile) -> list[object]:
    return [piece if isinstance(piece, bytes) else (piece.size, piece.crc) for piece in file.content]


def _header(path: str, size: int, mode: int, kind: bytes) -> bytes:
    """A file's or folder's header."""
    header = tarfile.TarInfo(path)
    header.size, header.mode, header.type, header.mtime = size, mode, kind, TIME
    try:
        # One block where pax takes three, for a path of more than 100 characters: most are, with site-packages before.
        return header.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")
    except ValueError:  # an even longer path, letters that are not ASCII, or more than 8 GiB
        return header.tobuf(tarfile.PAX_FORMAT)
