"""The host's HTTP server: functions' routes, the home page and the admin pages.

Sources: Azure/azure-functions-host, ``HomepageMiddleware``, ``HostAvailabilityCheckMiddleware``,
``FunctionInvocationMiddleware``, ``HostController``, ``FunctionsController``.
"""

from __future__ import annotations

import json
import threading
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from local_azure.functions_host.bindings.base import Trigger
from local_azure.functions_host.bindings.http import HttpRequest, HttpResponse, HttpTrigger
from local_azure.functions_host.errors import HostError
from local_azure.functions_host.keys import Keys
from local_azure.functions_host.log import HostLog

KEY_HEADER = "x-functions-key"
KEY_QUERY = "code"
DEFAULT_BODY_LIMIT = 104857600  # bytes; FUNCTIONS_REQUEST_BODY_SIZE_LIMIT
HOME_PAGE = b"<!DOCTYPE html><html><body><h1>Your Functions app is up and running</h1></body></html>"
NOT_RUNNING = HttpResponse(503, (("Content-Type", "text/plain"),), b"Function host is not running.")
_CHUNK = 1 << 16


class HostView(Protocol):
    """What the server asks of the host."""

    keys: Keys
    home_page: bool

    @property
    def log(self) -> HostLog: ...

    def wait_until_available(self) -> bool:
        """Wait while the host starts; False when it cannot serve functions."""
        ...

    def triggers(self) -> dict[str, Trigger]:
        """By function name."""
        ...

    def status(self) -> dict[str, Any]: ...

    def describe_functions(self, base_url: str) -> list[dict[str, Any]]: ...

    def function_errors(self, name: str) -> list[str]: ...


class HostServer:
    """Serves a host on ``address``; the port may be 0 for any free one.

    Args:
        host: what is served.
        address: interface and port.
        body_limit: in bytes; longer bodies are refused with 413.
    """

    def __init__(self, host: HostView, address: tuple[str, int], body_limit: int = DEFAULT_BODY_LIMIT) -> None:
        self._host = host
        self._address = address
        self._body_limit = body_limit
        self._server: _Server | None = None

    def start(self) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = _Server(self._address, Router(self._host).answer, self._body_limit)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class Router:
    """Decides who answers a request."""

    def __init__(self, host: HostView) -> None:
        self._host = host

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to any request; a fault of the host itself is logged and becomes a 500."""
        try:
            return self._answer(request)
        except HostError:
            return NOT_RUNNING
        except Exception:
            self._host.log.error("Host.Http", f"{request.method} {request.path}\n{traceback.format_exc()}".rstrip())
            return HttpResponse(500)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.path.lower().startswith("/admin/"):
            return self._admin(request)
        if not self._host.wait_until_available():
            return NOT_RUNNING
        routed = self._route(request)
        if routed is not None:
            trigger, values = routed
            if not self._host.keys.opens(trigger.auth_level, trigger.function.name, _offered_key(request)):
                return HttpResponse(401)
            return trigger.respond(request, values)
        if request.path == "/":
            return (
                HttpResponse(200, (("Content-Type", "text/html"),), HOME_PAGE)
                if self._host.home_page
                else HttpResponse(204)
            )
        return HttpResponse(404)

    def _route(self, request: HttpRequest) -> tuple[HttpTrigger, dict[str, str]] | None:
        http = [trigger for trigger in self._host.triggers().values() if isinstance(trigger, HttpTrigger)]
        for trigger in sorted(http, key=lambda each: each.route.precedence):
            if request.method in trigger.methods:
                values = trigger.route.match(request.path)
                if values is not None:
                    return trigger, values
        return None

    def _admin(self, request: HttpRequest) -> HttpResponse:
        pages: dict[tuple[str, ...], Callable[[], HttpResponse]] = {
            ("GET", "host", "ping"): lambda: HttpResponse(200),
            ("POST", "host", "ping"): lambda: HttpResponse(200),
            ("GET", "host", "status"): lambda: _json(self._host.status()),
            ("GET", "functions"): lambda: _json(self._host.describe_functions(f"http://{request.host}")),
        }
        steps = tuple(step for step in request.path.split("/")[2:] if step)
        page = pages.get((request.method, *map(str.lower, steps)))
        if steps[:2] != ("host", "ping"):
            offered = _offered_key(request)
            if not self._host.keys.opens("admin", None, offered):
                return HttpResponse(401)
        if page is not None:
            return page()
        if len(steps) >= 2 and steps[0].lower() == "functions":
            return self._admin_function(request, steps[1], steps[2:])
        return HttpResponse(404)

    def _admin_function(self, request: HttpRequest, name: str, rest: tuple[str, ...]) -> HttpResponse:
        described = {each["name"].lower(): each for each in self._host.describe_functions(f"http://{request.host}")}
        if name.lower() not in described:
            return HttpResponse(404)
        if request.method == "GET" and not rest:
            return _json(described[name.lower()])
        if request.method == "GET" and rest == ("status",):
            errors = self._host.function_errors(name)
            return _json({"errors": errors} if errors else {})
        if request.method == "POST" and not rest:
            return self._run_manually(request, name)
        return HttpResponse(404)

    def _run_manually(self, request: HttpRequest, name: str) -> HttpResponse:
        try:
            document = json.loads(request.body or b"{}")
        except ValueError:
            return HttpResponse(400)
        if not self._host.wait_until_available():
            return NOT_RUNNING
        trigger = next((each for key, each in self._host.triggers().items() if key.lower() == name.lower()), None)
        if trigger is None:
            return HttpResponse(404)
        text = document.get("input") or "" if isinstance(document, dict) else ""
        threading.Thread(target=trigger.run_manually, args=(str(text),), daemon=True).start()
        return HttpResponse(202)


def _offered_key(request: HttpRequest) -> str | None:
    header = next((value for name, value in request.headers if name.lower() == KEY_HEADER), None)
    if header is not None:
        return header
    return parse_qs(urlsplit(request.target).query).get(KEY_QUERY, [None])[0]


def _json(document: Any) -> HttpResponse:
    return HttpResponse(200, (("Content-Type", "application/json; charset=utf-8"),), json.dumps(document).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], answer: Callable[[HttpRequest], HttpResponse], body_limit: int
    ) -> None:
        self.answer = answer
        self.body_limit = body_limit
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def __getattr__(self, name: str) -> Any:  # every method is a matter of routes
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            self._send(HttpResponse(400), close=True)
            return
        if int(length) > self.server.body_limit:
            self._send(HttpResponse(413), close=True)
            return
        body = self.rfile.read(int(length)) if int(length) else None
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        if chunked:
            self._discard_chunks()
        request = HttpRequest(
            method=self.command,
            target=self.path,
            host=self.headers.get("Host", "localhost"),
            headers=tuple(self.headers.items()),
            body=body,
        )
        self._send(self.server.answer(request))

    def _discard_chunks(self) -> None:
        """The host does not read a body without Content-Length; here it is read past, to keep the connection."""
        while True:
            try:
                remaining = int(self.rfile.readline(_CHUNK).split(b";")[0], 16)
            except ValueError:  # not chunks, or the client is gone
                self.close_connection = True
                return
            last = remaining == 0
            while remaining:
                read = len(self.rfile.read(min(remaining, _CHUNK)))
                if not read:
                    self.close_connection = True
                    return
                remaining -= read
            if last:
                while self.rfile.readline(_CHUNK) not in (b"\r\n", b"\n", b""):
                    pass
                return
            self.rfile.readline(_CHUNK)

    def _send(self, response: HttpResponse, close: bool = False) -> None:
        try:
            self.send_response(response.status)
            for name, value in response.headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            if response.status not in (204, 304):
                self.send_header("Content-Length", str(len(response.body)))
            if close:
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD" and response.status not in (204, 304):
                self.wfile.write(response.body)
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True  # the client did not wait

    def version_string(self) -> str:
        return "Kestrel"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are logged as invocations."""
