"""App Service's front end: passes requests on to an app, and answers itself where it cannot.

The two pages are those of real apps, as public reports quote them; the headers that are added are general knowledge.
"""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
     "upgrade", "expect"}
)  # fmt: skip
_APPLICATION_ERROR = """\
<div style="display: block; margin: auto; width: 600px; height: 500px; text-align: center; \
font-family: 'Courier', cursive, sans-serif;">
  <h1 style="color: 747474">:( Application Error</h1>
  <p style="color:#666">If you are the application administrator, you can access the
    <a style="color: grey" href="https://{scm}/detectors">diagnostic resources</a>.
  </p>
</div>
"""
_STOPPED = """\
<!DOCTYPE html>
<html>
<head><title>Web App - Unavailable</title></head>
<body><h1>Error 403 - This web app is stopped.</h1></body>
</html>
"""
_NOT_FOUND = """\
<!DOCTYPE html>
<html>
<head><title>404 Web Site not found.</title></head>
<body><h1>404 Web Site not found.</h1></body>
</html>
"""


def not_found() -> web.Response:
    """No app has this host name."""
    return _page(404, _NOT_FOUND)


def stopped() -> web.Response:
    """The app is stopped."""
    return _page(403, _STOPPED)


def application_error(host_name: str) -> web.Response:
    """The app's container is not up."""
    site, _, domain = host_name.partition(".")
    return _page(503, _APPLICATION_ERROR.format(scm=f"{site}.scm.{domain}"))


async def forward(
    session: aiohttp.ClientSession, request: web.BaseRequest, url: str, host_name: str, limit: float
) -> web.StreamResponse:
    """Pass a request on, and its answer back, both as they come.

    Args:
        session: with ``auto_decompress`` off.
        request: from a client.
        url: of the app, without a path.
        host_name: the app's name for clients.
        limit: seconds until the answer has to begin.
    """
    headers = _without_hop_by_hop(request.headers)
    headers["Host"] = host_name
    headers["X-Forwarded-Proto"] = "https"
    headers["X-Forwarded-For"] = request.remote or "127.0.0.1"
    try:
        async with asyncio.timeout(limit):
            answer = await session.request(
                request.method,
                URL(url + request.raw_path, encoded=True),
                headers=headers,
                data=request.content if request.body_exists else None,
                allow_redirects=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            )
    except TimeoutError:
        return _page(504, "504.0 GatewayTimeout")
    except aiohttp.ClientError:  # it ended just now
        return application_error(host_name)
    async with answer:
        response = web.StreamResponse(
            status=answer.status, reason=answer.reason, headers=_without_hop_by_hop(answer.headers)
        )
        await response.prepare(request)
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
        except aiohttp.ClientError:  # it ended within its answer: so does this one, in a way that the client notices
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response


def _without_hop_by_hop(headers: CIMultiDict[str] | aiohttp.typedefs.LooseHeaders) -> CIMultiDict[str]:
    copied: CIMultiDict[str] = CIMultiDict(headers)
    for name in [each for each in copied if each.lower() in _HOP_BY_HOP]:
        copied.popall(name, None)
    return copied


def _page(status: int, html: str) -> web.Response:
    return web.Response(status=status, text=html, content_type="text/html")
