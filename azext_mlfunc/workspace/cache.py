"""Models on disk, each in one file, with a journal of which of its pieces are there.

`<key>` holds a model's files one after the other, `<key>.journal` names the pieces that are there, each with its
CRC-32, written after the piece. A model is whole when all pieces are named: an interrupted download goes on where it
stopped, and one that is finished is found, in one and the same way. A piece that was written by another run is read
once more before it is given out, as a machine that lost its power may have kept the journal and lost the data.

Who has the journal's lock may write. The lock lasts as long as the `Slot`, and what is locked is not evicted. Whoever
comes second reads the model if it is whole, and makes a copy of its own if it is not, which nobody goes on with.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from azext_mlfunc.packaging.context import CHUNK
from azext_mlfunc.workspace import errors

PIECE = 8 << 20
"""The length of a piece, in bytes; the last one of a file is shorter."""
_JOURNAL = ".journal"
_OWN = "own-"


@dataclass(frozen=True)
class Piece:
    """A part of a file.

    :param file: the file's number.
    :param start: its first byte within the file.
    :param stop: the byte after its last one.
    """

    file: int
    start: int
    stop: int


class ModelCache:
    """The folder of all models.

    :param folder: its place; made when something is first put there.
    :param limit: how many bytes it may hold; what was not used for longest goes first, and what is in use stays.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit

    def open(self, identity: Sequence[str], sizes: Sequence[int]) -> Slot:
        """The place of a model, whole, begun or new.

        :param identity: what tells its content from any other's.
        :param sizes: the lengths of its files, in bytes.
        :raises azure.cli.core.azclierror.FileOperationError: it cannot be written, or the disk has no room for it.
        """
        key = hashlib.sha256(json.dumps([PIECE, list(identity), list(sizes)]).encode()).hexdigest()
        with _disk(self.folder):
            self.folder.mkdir(0o700, parents=True, exist_ok=True)
            slot = Slot(self.folder / key, sizes)
            if not slot.is_ours and not slot.is_whole:
                slot.close()
                slot = Slot(self.folder / f"{_OWN}{uuid.uuid4().hex}", sizes)
            needed = slot.missing_bytes
            if needed:
                self._make_room(needed)
                free = shutil.disk_usage(self.folder).free
                if free < needed:
                    slot.close()
                    raise OSError(errno.ENOSPC, f"{needed >> 20} MiB are needed, and {free >> 20} MiB are free")
        return slot

    def _make_room(self, needed: int) -> None:
        """Remove what was not used for longest, until `needed` more bytes are within the limit."""
        found: list[tuple[float, int, Path]] = []
        for journal in self.folder.glob(f"*{_JOURNAL}"):
            with contextlib.suppress(OSError):  # another process took it away
                data = journal.with_suffix("")
                found.append((journal.stat().st_mtime, _occupied(data), data))
        total = sum(size for _, size, _ in found) + needed
        for _, size, data in sorted(found):
            if (total > self._limit or data.name.startswith(_OWN)) and _remove(data):
                total -= size


class Slot:
    """A model's place in the cache; threads may write pieces at the same time.

    :param path: of its data.
    :param sizes: the lengths of its files, in bytes.
    :raises OSError: it cannot be opened.
    """

    def __init__(self, path: Path, sizes: Sequence[int]) -> None:
        self.path = path
        self.sizes = tuple(sizes)
        self._starts = [sum(self.sizes[:number]) for number in range(len(self.sizes))]
        self._there: dict[Piece, int] = {}
        self._former: set[Piece] = set()
        self._checked: set[int] = set()
        self._lock = threading.Lock()
        self._journal, self.is_ours = _open_journal(path.with_name(path.name + _JOURNAL))
        self._read_journal()
        if self.is_ours:
            with path.open("ab") as data:  # makes it where it is missing
                if os.fstat(data.fileno()).st_size != sum(self.sizes):
                    self._forget_all()
                    data.truncate(sum(self.sizes))
        self._data = path.open("rb", buffering=0) if self.is_ours or self.is_whole else None

    def pieces(self, file: int) -> Iterator[Piece]:
        """The pieces of a file, in order."""
        for start in range(0, self.sizes[file], PIECE):
            yield Piece(file, start, min(start + PIECE, self.sizes[file]))

    def has(self, piece: Piece) -> bool:
        """Whether a piece is there."""
        return piece in self._there

    @property
    def missing_bytes(self) -> int:
        """How many bytes are not there."""
        return sum(self.sizes) - sum(piece.stop - piece.start for piece in self._there)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self.missing_bytes == 0

    def is_checked(self, file: int) -> bool:
        """Whether a file was found to be what it should, once it was whole."""
        return file in self._checked

    def set_checked(self, file: int) -> None:
        """Remember that a file is what it should be."""
        self._checked.add(file)
        self._note(f"checked {file}")

    def write(self, piece: Piece, blocks: Iterable[bytes]) -> None:
        """Write a piece, and then note that it is there. `blocks` are all of its bytes.

        :raises azure.cli.core.azclierror.FileOperationError: it cannot be written.
        """
        crc = 0
        with _disk(self.path), self.path.open("r+b", buffering=0) as data:
            data.seek(self._starts[piece.file] + piece.start)
            for block in blocks:
                crc = zlib.crc32(block, crc)
                data.write(block)
        self._there[piece] = crc
        self._note(f"piece {piece.file} {piece.start} {piece.stop} {crc}")

    def read(self, piece: Piece) -> Iterator[bytes]:
        """Yield the bytes of a piece that is there, in chunks of at most `CHUNK`."""
        assert self._data is not None, "it is ours, or whole"
        position = piece.start
        while position < piece.stop:
            with self._lock:
                self._data.seek(self._starts[piece.file] + position)
                chunk = self._data.read(min(CHUNK, piece.stop - position))
            if not chunk:
                raise OSError(errno.EIO, "it became shorter while it was read", str(self.path))
            position += len(chunk)
            yield chunk

    def is_sound(self, piece: Piece) -> bool:
        """Whether a piece is what was written; one that is not counts as missing from now on.

        :raises azure.cli.core.azclierror.FileOperationError: it is not, and another process has the lock.
        """
        if piece not in self._former:
            return True
        crc = 0
        for chunk in self.read(piece):
            crc = zlib.crc32(chunk, crc)
        if crc == self._there[piece]:
            self._former.remove(piece)
            return True
        if not self.is_ours:
            raise _cannot(self.path, OSError(errno.EIO, "it is damaged"))
        del self._there[piece]
        self._former.remove(piece)
        return False

    def forget(self) -> None:
        """Nothing of it counts as there any more."""
        if self.is_ours:
            self._forget_all()

    def close(self) -> None:
        """Let others have it; a copy of our own is removed."""
        if self._data is not None:
            self._data.close()
        if self.is_ours and self.path.name.startswith(_OWN):
            _unlink(self.path)
        self._journal.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            self.close()

    def _note(self, line: str) -> None:
        if not self.is_ours:
            return
        with self._lock:
            if not self._journal.closed:
                self._journal.write(f"{line}\n".encode())

    def _forget_all(self) -> None:
        self._there.clear()
        self._former.clear()
        self._checked.clear()
        self._journal.truncate(0)

    def _read_journal(self) -> None:
        self._journal.seek(0)
        text = self._journal.read()
        whole = text[: text.rfind(b"\n") + 1]
        for line in whole.decode("ascii", "replace").splitlines():
            kind, *words = line.split()
            numbers = [int(word) for word in words if word.isdecimal()]
            if kind == "piece" and len(numbers) == 4:
                piece = Piece(*numbers[:3])
                self._there[piece] = numbers[3]
            elif kind == "checked" and len(numbers) == 1:
                self._checked.add(numbers[0])
        self._former = set(self._there)
        if self.is_ours:
            if len(whole) != len(text):
                self._journal.truncate(len(whole))  # a line that was cut off
            os.utime(self._journal.name)


def _open_journal(path: Path) -> tuple[IO[bytes], bool]:
    """The journal, and whether its lock is ours."""
    while True:
        file = path.open("a+b", buffering=0)
        if not _lock(file):
            return file, False
        try:
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file, True
        except FileNotFoundError:
            pass
        file.close()  # it was removed between our opening and our locking it


def _lock(file: IO[bytes]) -> bool:
    """Lock a file for as long as it is open; False where another has the lock, or there are no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 40)  # beyond all content, which is locked to readers, too
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(data: Path) -> bool:
    """Remove a model that nobody uses; False where somebody does."""
    try:
        journal, is_ours = _open_journal(data.with_name(data.name + _JOURNAL))
    except OSError:
        return False
    with journal:
        if is_ours:
            _unlink(data)
    return is_ours


def _unlink(data: Path) -> None:
    for path in (data, data.with_name(data.name + _JOURNAL)):
        with contextlib.suppress(OSError):  # Windows keeps what is open: the next run removes it
            path.unlink()


def _occupied(data: Path) -> int:
    """How many bytes of the disk a file takes: it may have holes."""
    status = data.stat()
    return getattr(status, "st_blocks", status.st_size // 512 + 1) * 512


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn what a disk refuses into an error that says what to do.

    :raises azure.cli.core.azclierror.FileOperationError: it refuses.
    """
    try:
        yield
    except OSError as problem:
        raise _cannot(path, problem) from problem


def _cannot(path: Path, problem: OSError) -> Exception:
    from azure.cli.core.azclierror import FileOperationError

    folder = path.parent if path.suffix or path.is_file() else path
    return errors.made(
        FileOperationError,
        f"The model could not be kept in {folder}: {problem.strerror or problem}.",
        [
            "Make room on the disk, or check the permissions of the folder.",
            "Everything in it may be removed: it is downloaded again.",
        ],
    )
