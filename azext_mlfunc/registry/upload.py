"""Sending one blob in chunks, going on after a break where the registry says that it is.

Source: OCI Distribution Specification 1.1, "Pushing a blob in chunks" and "Get upload status".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

from azext_mlfunc.registry import errors

if TYPE_CHECKING:
    import requests

    from azext_mlfunc.registry.connection import Wire

CHUNK = 8 << 20
"""How much is sent in one request, and the most of a blob that is held in memory, in bytes."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""How long is waited before each further attempt that brings nothing new, in seconds."""
_MAX_RESTARTS = 5
# Small enough for a slow line to take it within the time limit of one block.
_BLOCK = 64 << 10
_RANGE = re.compile(r"(?:bytes[= ])?0-(\d+)")
_GONE = {"BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN"}


class _SessionLost(Exception):
    """The registry no longer knows the upload, or no longer agrees with us on it: it has to start anew."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.response = response


class Upload:
    """One blob on its way.

    :param wire: where to.
    :param digest: `sha256:…`.
    :param size: its length in bytes.
    :param chunks: gives its bytes from the start, whenever called.
    :param on_bytes: is told how many more bytes the registry has; less than 0 when the upload had to start anew.
    :param has_blob: whether the registry has the blob.
    :param pause: waits that many seconds.
    """

    def __init__(
        self,
        wire: Wire,
        digest: str,
        size: int,
        chunks: Callable[[], Iterable[bytes]],
        on_bytes: Callable[[int], None],
        has_blob: Callable[[str], bool],
        pause: Callable[[float], None],
    ) -> None:
        self._wire = wire
        self._digest = digest
        self._size = size
        self._window = _Window(chunks, size, self._changed)
        self._on_bytes = on_bytes
        self._has_blob = has_blob
        self._pause = pause
        self._doing = f"to push layer {digest} to {wire.repository}"
        self._location = ""
        self._position = 0

    def run(self) -> None:
        """Send it.

        :raises azure.cli.core.azclierror.AzCLIError: the registry refuses, or fails for too long; the blob changed.
        :raises OSError: the blob cannot be read.
        """
        failures, restarts, furthest, in_doubt = 0, 0, 0, False
        while True:
            try:
                if not self._location:
                    self._begin()
                elif in_doubt:
                    self._ask()
                in_doubt = False
                if self._position == self._size:
                    return self._finish()
                self._send_chunk()
                if self._position > furthest:
                    failures, furthest = 0, self._position
            except errors.Transient as problem:
                in_doubt = True
                failures += 1
                if failures > len(PAUSES):
                    raise problem.error from None
                self._pause(max(PAUSES[failures - 1], problem.wait))
            except _SessionLost as problem:
                restarts += 1
                if restarts > _MAX_RESTARTS:
                    raise errors.refused(self._wire.place, self._doing, "push", problem.response) from None
                self._pause(PAUSES[restarts - 1])
                self._location, furthest = "", 0

    def _begin(self) -> None:
        self._move(0)
        address = self._wire.address("blobs/uploads/")
        response = self._wire.request(self._doing, "post", address, expect=(202,), action="push")
        self._location = self._wire.location(response)

    def _ask(self) -> None:
        """After a break: how much has arrived, and where to go on."""
        response = self._on_session("get", self._location, (200, 202, 204))
        known = _RANGE.fullmatch(response.headers.get("Range", ""))
        if known is None:
            raise _SessionLost(response)
        # Registries say 0-0 of an upload that has nothing yet.
        end = int(known[1])
        arrived = end + 1 if end else 0
        if arrived > self._size:
            raise _SessionLost(response)
        self._relocate(response)
        self._move(arrived)

    def _send_chunk(self) -> None:
        start = self._position
        body = _Body(self._window.at(start))
        end = start + len(body)
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{start}-{end - 1}"}
        response = self._on_session("patch", self._location, (201, 202, 204), headers, body)
        known = _RANGE.fullmatch(response.headers.get("Range", ""))
        self._relocate(response)
        # A registry may take less than it was sent.
        self._move(min(end, int(known[1]) + 1) if known else end)

    def _finish(self) -> None:
        self._window.expect_end()
        address = f"{self._location}{'&' if '?' in self._location else '?'}digest={quote(self._digest, safe='')}"
        try:
            response = self._on_session("put", address, (201, 204, 400))
        except (errors.Transient, _SessionLost):
            if self._has_blob(self._digest):
                return  # it was only the answer that did not arrive
            raise
        if response.status_code == 400:
            if "DIGEST_INVALID" in errors.codes(response):
                raise self._changed("other bytes than its digest was made of", "the same bytes as before")
            raise errors.refused(self._wire.place, self._doing, "push", response)
        confirmed = response.headers.get("Docker-Content-Digest", self._digest)
        if confirmed != self._digest:
            raise errors.unexpected(self._wire.place, f"it took layer {confirmed}", self._digest)

    def _on_session(
        self,
        method: str,
        address: str,
        expect: tuple[int, ...],
        headers: dict[str, str] | None = None,
        body: _Body | None = None,
    ) -> requests.Response:
        response = self._wire.request(
            self._doing,
            method,
            address,
            expect=(*expect, 400, 404, 416),
            action="push",
            headers=headers or {},
            data=body,
        )
        status = response.status_code
        if status == 416:
            # It is elsewhere than it said; perhaps it went on taking what was on its way when the connection broke.
            raise errors.Transient(errors.refused(self._wire.place, self._doing, "push", response))
        if status == 404 or (status == 400 and errors.codes(response) & _GONE):
            raise _SessionLost(response)
        if status not in expect:
            raise errors.refused(self._wire.place, self._doing, "push", response)
        return response

    def _relocate(self, response: requests.Response) -> None:
        if "Location" in response.headers:
            self._location = self._wire.location(response)

    def _move(self, position: int) -> None:
        if position != self._position:
            self._on_bytes(position - self._position)
        self._position = position

    def _changed(self, found: str, expected: str) -> Exception:
        return errors.changed(self._wire.place, self._digest, found, expected)


class _Body:
    """A view that `requests` sends block by block, and again from its start when the registry wants a new login."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[memoryview]:
        return (self._view[start : start + _BLOCK] for start in range(0, len(self._view), _BLOCK))


class _Window:
    """A chunk of the blob's bytes that moves over it, forward; to go back it reads the blob anew.

    :param chunks: gives the blob's bytes from the start.
    :param size: how many there are.
    :param changed: makes the error for a blob of another size.
    """

    def __init__(
        self, chunks: Callable[[], Iterable[bytes]], size: int, changed: Callable[[str, str], Exception]
    ) -> None:
        self._chunks = chunks
        self._size = size
        self._changed = changed
        self._pieces: Iterator[bytes] = iter(())
        self._piece = memoryview(b"")
        self._view = memoryview(b"")
        self._start = 0
        self._length = 0

    def at(self, position: int) -> memoryview:
        """The bytes from `position` on, a chunk of them or what is left; good until the next call.

        :raises azure.cli.core.azclierror.FileOperationError: the blob is shorter or longer than it should be.
        """
        if not self._view or position < self._start:
            self._rewind()
        kept = max(self._start + self._length - position, 0)
        if kept:
            self._view[:kept] = self._view[self._length - kept : self._length]
        else:
            self._skip(position - self._start - self._length)
        self._start, self._length = position, kept
        wanted = min(CHUNK, self._size - position)
        while self._length < wanted:
            piece = self._take(wanted - self._length)
            self._view[self._length : self._length + len(piece)] = piece
            self._length += len(piece)
        if position + wanted == self._size:
            self.expect_end()
        return self._view[:wanted]

    def expect_end(self) -> None:
        """Check that nothing comes after the last byte.

        :raises azure.cli.core.azclierror.FileOperationError: there is more.
        """
        if self._piece or any(self._pieces):
            raise self._changed(f"more than {self._size} bytes", f"{self._size} bytes")

    def _rewind(self) -> None:
        self._view = self._view or memoryview(bytearray(min(CHUNK, self._size)))
        self._pieces = iter(self._chunks())
        self._piece = memoryview(b"")
        self._start = self._length = 0

    def _skip(self, count: int) -> None:
        while count:
            count -= len(self._take(count))

    def _take(self, at_most: int) -> memoryview:
        """The next bytes, at least one."""
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                raise self._changed("fewer bytes", f"{self._size} bytes")
            self._piece = memoryview(piece)
        taken, self._piece = self._piece[:at_most], self._piece[at_most:]
        return taken
