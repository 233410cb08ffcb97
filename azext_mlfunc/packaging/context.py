"""The build context: entries that become a tar stream or a folder, never a copy in memory or in a staging folder.

The same entries give the same bytes: order is the caller's, and times, owners and modes are fixed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from azext_mlfunc.packaging.layout import PARTIAL

CHUNK = 1 << 20
"""How much of a file is held in memory at once, in bytes."""
_ATTEMPTS = 20
# ZIP files know no earlier time: code in the image that zips its own folder would fail on 1970.
TIME = 315532800  # 1980-01-01T00:00:00Z
"""When everything that is packed was changed last, in seconds since 1970."""


class Hash(Protocol):
    """The part of a hashlib object that is used here."""

    def update(self, data: bytes, /) -> None: ...


@dataclass(frozen=True)
class Entry:
    """A file, link or folder of the context.

    :param path: where it lies, relative, with forward slashes.
    :param size: a file's length in bytes.
    :param chunks: called once, gives a file's bytes, `size` of them in all; None for a link or a folder.
    :param target: what a symbolic link points to.
    :param is_executable: whether a file may be run.
    """

    path: str
    size: int = 0
    chunks: Callable[[], Iterable[bytes]] | None = None
    target: str | None = None
    is_executable: bool = False


def file_entry(source: Path, path: str, digest: Hash | None = None) -> Entry:
    """An entry for a file on this machine, read when it is its turn.

    :param source: the file.
    :param path: its place in the context.
    :param digest: is fed with the bytes as they are read.
    :raises OSError: the file cannot be looked at.
    """
    status = source.stat()
    return Entry(
        path, status.st_size, lambda: _read(source, status.st_size, digest), None, bool(status.st_mode & 0o100)
    )


def text_entry(path: str, text: str) -> Entry:
    """An entry for a file that we write ourselves."""
    data = text.encode()
    return Entry(path, len(data), lambda: (data,))


def folder_entries(folder: Path) -> Iterator[Entry]:
    """The entries of a context that was written to a folder.

    :raises OSError: it cannot be read.
    """
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield Entry(place, target=os.readlink(path))
        elif path.is_dir():
            yield Entry(place)
        else:
            yield file_entry(path, place)


def with_folders(entries: Iterable[Entry], top: str = "") -> Iterator[Entry]:
    """Put an entry for each folder before the first thing in it: else a builder makes up its mode and time.

    :param top: a folder above all entries that gets none, nor its parents: it is somebody else's.
    """
    known: set[str] = set()
    skipped = len(top.split("/")) if top else 0
    for entry in entries:
        parts = entry.path.split("/")[:-1]
        for depth in range(skipped + 1, len(parts) + 1):
            folder = "/".join(parts[:depth])
            if folder not in known:
                known.add(folder)
                yield Entry(folder)
        if entry.path not in known:
            yield entry
        if entry.chunks is None and entry.target is None:
            known.add(entry.path)


def tar_stream(entries: Iterable[Entry], top: str = "") -> Iterator[bytes]:
    """Yield the context as a tar file, piece by piece; each entry is read when its turn has come.

    :param top: see `with_folders`.
    :raises azure.cli.core.azclierror.FileOperationError: a file became longer or shorter while it was read.
    :raises OSError: a file cannot be read.
    """
    for entry in with_folders(entries, top):
        header = tarfile.TarInfo(entry.path)
        header.mtime = TIME
        header.mode = _mode(entry)
        if entry.target is not None:
            header.type, header.linkname = tarfile.SYMTYPE, entry.target
        elif entry.chunks is None:
            header.type = tarfile.DIRTYPE
        else:
            header.size = entry.size
        yield header.tobuf(tarfile.PAX_FORMAT)
        if entry.chunks is not None:
            yield from entry.chunks()
            yield bytes(-entry.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def write_folder(entries: Iterable[Entry], folder: Path) -> None:
    """Write the context as files. It is written beside `folder` first, so that nobody finds half of it.

    :param folder: does not exist yet, or is empty, or is a former context: then it is replaced.
    :raises azure.cli.core.azclierror.FileOperationError: a file changed while it was read.
    :raises OSError: something cannot be read or written.
    """
    folder = Path(os.path.realpath(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(PARTIAL, f".{folder.name[:100]}-", folder.parent) as scratch:
        partial = Path(scratch) / "new"
        _make_folder(partial)
        for entry in with_folders(entries):
            place = partial / entry.path
            if entry.target is not None:
                place.symlink_to(entry.target)
            elif entry.chunks is None:
                _make_folder(place)
            else:
                with place.open("wb") as file:
                    file.writelines(entry.chunks())
                place.chmod(_mode(entry))
        _replace(folder, partial, Path(scratch))


def _replace(folder: Path, partial: Path, scratch: Path) -> None:
    """Put the finished folder in its place, whatever other runs do there at the same time: the last one stays."""
    for attempt in range(_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            folder.rename(scratch / f"old-{attempt}")
        try:
            partial.rename(folder)
            return
        except OSError as problem:
            if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == _ATTEMPTS - 1:
                raise


def _make_folder(place: Path) -> None:
    place.mkdir()
    place.chmod(0o755)  # whatever the umask


def _mode(entry: Entry) -> int:
    if entry.target is not None:
        return 0o777
    return 0o755 if entry.chunks is None or entry.is_executable else 0o644


def _read(source: Path, size: int, digest: Hash | None) -> Iterator[bytes]:
    left = size
    with source.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            if digest is not None:
                digest.update(chunk)
            yield chunk
    if left:
        from azure.cli.core.azclierror import FileOperationError

        raise FileOperationError(
            f"{source} changed while it was packed: it was {size} bytes long when its turn came.",
            recommendation="Wait until nothing writes to it, and run the same command again.",
        )
