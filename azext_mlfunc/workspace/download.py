"""A model's files as streams that are downloaded ahead of their reader.

Threads fetch pieces into the cache, several at a time and in the reader's order; the reader reads each back as soon as
it is there. So the download goes on while the reader works, and nothing but a block per thread is in memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Protocol

from azext_mlfunc.workspace import errors
from azext_mlfunc.workspace.cache import Piece, Slot
from azext_mlfunc.workspace.storage import RemoteFile

CONNECTIONS = 8
"""How many pieces are on their way at the same time."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""How long is waited before each further attempt that brings nothing new, in seconds."""


class Source(Protocol):
    """Where files come from: a `Container`."""

    url: str

    def read(self, file: RemoteFile, start: int, stop: int) -> Iterator[bytes]:
        """See `Container.read`."""


class Download:
    """Files on their way; a context manager, in which they may be read. Threads begin with the first read.

    :param source: where from.
    :param files: all files of the model, in the order of the slot's.
    :param slot: where to.
    :param wanted: the numbers of the files that will be read, in that order; all if left out.
    :param connections: see `CONNECTIONS`.
    :param pause: waits that many seconds; returns True when there is no more use in waiting.
    """

    def __init__(
        self,
        source: Source,
        files: Sequence[RemoteFile],
        slot: Slot,
        wanted: Sequence[int] | None = None,
        connections: int = CONNECTIONS,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._source = source
        self._files = files
        self._slot = slot
        self._wanted = range(len(files)) if wanted is None else wanted
        self._connections = connections
        self._stopped = threading.Event()
        self._pause = pause or self._stopped.wait
        self._news = threading.Condition()
        self._failure: BaseException | None = None
        self._queue: Iterator[Piece] | None = None

    def __enter__(self) -> Download:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()  # nobody waits for what is on its way: a thread ends with its block
        with self._news:
            self._news.notify_all()

    def chunks(self, number: int) -> Iterator[bytes]:
        """Yield the bytes of a file, whose number is among the wanted ones.

        :raises azure.cli.core.azclierror.AzCLIError: storage refuses, does not answer for too long, or has another
            file by now; the disk is full; the content is not what its hash says.
        """
        self._start()
        expected = None if self._slot.is_checked(number) else self._files[number].md5
        # Not for safety: the hash is storage's, and may be of a build without MD5 (FIPS).
        md5 = hashlib.md5(usedforsecurity=False) if expected else None
        for piece in self._slot.pieces(number):
            self._wait_for(piece)
            if not self._slot.is_sound(piece):
                self._slot.write(piece, self._blocks(piece))
            for chunk in self._slot.read(piece):
                if md5:
                    md5.update(chunk)
                yield chunk
        if md5 and expected:
            if md5.digest() != expected:
                self._slot.forget()
                raise errors.wrong_hash(self._address(number))
            self._slot.set_checked(number)

    def _start(self) -> None:
        if self._queue is not None:
            return
        # What is not there yet, settled before anything comes.
        missing = [piece for number in self._wanted for piece in self._slot.pieces(number) if not self._slot.has(piece)]
        self._queue = iter(missing)
        for _ in range(min(self._connections, len(missing))):
            # Daemons: az must be able to end while one of them still waits for a byte.
            threading.Thread(target=self._work, name="ml-func-download", daemon=True).start()

    def _work(self) -> None:
        assert self._queue is not None
        try:
            while not self._stopped.is_set():
                with self._news:
                    piece = next(self._queue, None)
                if piece is None:
                    return
                self._slot.write(piece, self._while_wanted(self._blocks(piece)))
                with self._news:
                    self._news.notify_all()
        except BaseException as problem:
            with self._news:
                if not self._stopped.is_set():
                    self._failure = problem
                    self._stopped.set()
                self._news.notify_all()

    def _wait_for(self, piece: Piece) -> None:
        with self._news:
            self._news.wait_for(lambda: self._slot.has(piece) or self._stopped.is_set())
            if not self._slot.has(piece):
                raise self._failure or RuntimeError("the download was closed before all of it was read")

    def _while_wanted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            yield block
            if self._stopped.is_set():
                raise _Stopped

    def _blocks(self, piece: Piece) -> Iterator[bytes]:
        """Yield the bytes of a piece, and go on where the connection broke, as long as that brings something new."""
        file = self._files[piece.file]
        position, failures = piece.start, 0
        while position < piece.stop:
            try:
                for block in self._source.read(file, position, piece.stop):
                    position += len(block)
                    failures = 0
                    yield block
            except errors.Transient as problem:
                if failures == len(PAUSES) or self._pause(max(PAUSES[failures], problem.wait)):
                    raise problem.error from None
                failures += 1

    def _address(self, number: int) -> str:
        return f"{self._source.url}/{self._files[number].blob}"


class _Stopped(Exception):
    """Nobody reads any more."""
