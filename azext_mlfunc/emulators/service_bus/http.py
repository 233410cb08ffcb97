"""One client connection that speaks HTTP/1.1: requests one after the other, and their answers.

Only what clients of the REST operations send: bodies with their length, no chunks. Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from azext_mlfunc.emulators.service_bus.rest import Answer, Request

_MAXIMUM_BODY = 1 << 30  # bytes; far larger than a message may be, so that it is the message that is refused
_LINES = b"\r\n\r\n"


class HttpConnection:
    """A client.

    :param answer: `Rest.answer`, or what leads there; cancelled when the client goes while it waits: who has gone must
        not get a message.
    """

    def __init__(
        self,
        answer: Callable[[Request], Awaitable[Answer]],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._answer = answer
        self._reader = reader
        self._writer = writer
        self._ahead = b""  # of the next request, seen while this one was answered
        self._is_idle = True
        self._is_ending = False

    def end(self) -> None:
        """Take no more requests; the one that is being answered gets its answer."""
        self._is_ending = True
        if self._is_idle:
            self._writer.close()

    async def run(self) -> None:
        """Answer until the client goes, or says what is no request."""
        try:
            while await self._serve():
                pass
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            pass  # it went, or speaks something else
        finally:
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    async def _serve(self) -> bool:
        """Answer one request; False: it was the last one."""
        head = self._ahead + await self._reader.readuntil(_LINES)
        self._is_idle, self._ahead = False, b""
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ")
        headers = http.client.parse_headers(io.BytesIO(rest))
        length = int(headers.get("Content-Length") or 0)
        if "chunked" in headers.get("Transfer-Encoding", "").lower():
            return await self._write(Answer(HTTPStatus.LENGTH_REQUIRED), False)
        if length > _MAXIMUM_BODY:
            return await self._write(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE), False)
        if headers.get("Expect", "").lower() == "100-continue":
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await self._reader.readexactly(length)
        url = urlsplit(target)
        timeout = parse_qs(url.query, keep_blank_values=True).get("timeout", [None])[0]
        asked = Request(
            method,
            f"http://{headers.get('Host', '')}",
            unquote(url.path),
            timeout,
            cast(Mapping[str, str], headers),
            body,
        )
        told = await self._unless_gone(asyncio.ensure_future(self._answer(asked)))
        if told is None:
            return False
        stays = version == "HTTP/1.1" and headers.get("Connection", "").lower() != "close"
        return await self._write(told, stays)

    async def _unless_gone(self, answering: asyncio.Future[Answer]) -> Answer | None:
        """The answer; None: the client has gone."""
        listening: asyncio.Future[bytes] = asyncio.ensure_future(self._reader.read(1))
        waiting: set[asyncio.Future[Any]] = {answering, listening}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                self._ahead = listening.result()
                if not self._ahead:
                    return None
            return await answering
        finally:
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _write(self, told: Answer, stays: bool) -> bool:
        status = HTTPStatus(told.status)
        lines = [f"HTTP/1.1 {told.status} {status.phrase}", *(f"{name}: {text}" for name, text in told.headers.items())]
        if status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(told.body)}")
        stays = stays and not self._is_ending
        lines.append(f"Connection: {'keep-alive' if stays else 'close'}")
        self._is_idle = True
        self._writer.write("\r\n".join(lines).encode("latin-1") + _LINES + told.body)
        await self._writer.drain()
        return stays
