"""``/_control``: what happens in this Azure, for tests and the curious; on loopback only, as everything here is.

========================  =====================================================================
GET /_control/resources   every resource as a GET of ARM would show it, by ID
GET /_control/requests    the log of requests: method, host, path, query, status, started, seconds
DELETE …/requests         forgets them
GET /_control/faults      the faults that are set, and how often each was met
POST …/faults             adds one (see ``faults.Fault``), or a list of them
DELETE …/faults           takes all away
GET /_control/apps        what runs behind each function app
========================  =====================================================================
"""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local_azure.arm.azure import Azure
from local_azure.arm.providers.web.sites import TYPE as SITE
from local_azure.faults import FaultRefused, Faults, parse

PREFIX = "/_control"
_KEPT = 100_000  # requests


@dataclass(frozen=True)
class Logged:
    """One request that was answered.

    Attributes:
        started: seconds since the epoch.
        seconds: until it was answered, injected delays included.
        own: seconds of that which this server needed itself.
        status: 0: the connection was dropped.
    """

    method: str
    host: str
    path: str
    query: str
    status: int
    started: float
    seconds: float
    own: float


class RequestLog:
    """The latest requests."""

    def __init__(self) -> None:
        self.entries: deque[Logged] = deque(maxlen=_KEPT)


async def answer(request: web.Request, azure: Azure, log: RequestLog, faults: Faults) -> web.Response:
    """Answer one request below ``PREFIX``."""
    what = request.path.removeprefix(PREFIX).strip("/")
    if what == "resources" and request.method == "GET":
        return web.json_response({each.id: each.document for each in azure.store})
    if what == "requests" and request.method == "GET":
        return web.json_response([dataclasses.asdict(each) for each in log.entries])
    if what == "requests" and request.method == "DELETE":
        log.entries.clear()
        return web.Response(status=204)
    if what == "apps" and request.method == "GET":
        return web.json_response({each.name: _app(azure, each.name) for each in azure.store.select(SITE)})
    if what == "faults":
        return await _faults(request, faults)
    return web.json_response({"error": f"There is no {request.method} {request.path}."}, status=404)


def _app(azure: Azure, name: str) -> dict[str, Any]:
    status = azure.apps.status(name)
    return {"phase": status.phase.value, "reason": status.reason, "digest": status.digest}


async def _faults(request: web.Request, faults: Faults) -> web.Response:
    if request.method == "DELETE":
        faults.all.clear()
    elif request.method == "POST":
        document = await request.json()
        try:
            faults.all += [parse(each) for each in (document if isinstance(document, list) else [document])]
        except (FaultRefused, TypeError) as refused:
            return web.json_response({"error": str(refused)}, status=400)
    return web.json_response([dataclasses.asdict(each) for each in faults.all])
