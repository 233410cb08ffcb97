"""Handing a request on to the backend, and its answer back, piece by piece: neither is ever held whole in memory."""

from __future__ import annotations

from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from local_azure.container_registry.answers import Refused, headers
from local_azure.container_registry.oci import LARGEST_MANIFEST

# RFC 9110, "Connection": these are for one hop. Authorization is for us, not for the backend.
_NOT_HANDED_ON = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"),
    *("transfer-encoding", "upgrade", "authorization", "expect"),
}
_OURS = {name.lower() for name in headers()} | {"date"}
_PIECE = 1 << 16


def outside(request: web.Request) -> dict[str, str]:
    """Headers that tell the backend how the client calls the registry, so that its Locations lead back here."""
    return {"Host": request.host, "X-Forwarded-Proto": "https"}


async def forward(request: web.Request, session: aiohttp.ClientSession, backend: str) -> web.StreamResponse:
    """Answer a request with what the backend answers.

    Args:
        request: the request.
        session: for requests to the backend.
        backend: where it is.

    Raises:
        aiohttp.ClientError: the backend did not answer, or the client broke off.
    """
    sent = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in _NOT_HANDED_ON)
    sent.update(outside(request))
    # The path that was checked, not another way to write it.
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    address = URL(f"{backend}{quote(request.path, safe='/:@')}{query}", encoded=True)
    body = request.content if request.body_exists else None
    async with session.request(request.method, address, headers=sent, data=body, allow_redirects=False) as answer:
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_HANDED_ON | _OURS]
        response = web.StreamResponse(status=answer.status, headers=CIMultiDict([*kept, *headers().items()]))
        await response.prepare(request)
        if request.method != "HEAD":
            try:
                async for piece in answer.content.iter_chunked(_PIECE):
                    await response.write(piece)
            except aiohttp.ClientError:
                # Too late to say so: the client, if it is still there, is to see that the answer is not whole.
                if request.transport is not None:
                    request.transport.abort()
                return response
        await response.write_eof()
        return response


async def read_manifest(request: web.Request) -> bytes:
    """The manifest in a request.

    Raises:
        Refused: it is too large.
    """
    content = bytearray()
    async for piece in request.content.iter_any():
        content += piece
        if len(content) > LARGEST_MANIFEST:
            raise Refused(413, "MANIFEST_INVALID", f"A manifest may have {LARGEST_MANIFEST} bytes.")
    return bytes(content)
