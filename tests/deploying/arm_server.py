"""An Azure Resource Manager that answers what it is told to, over TLS on this machine."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme


@dataclass(frozen=True)
class Reply:
    """One answer.

    :param body: JSON, or text as it is, which is said to be JSON only in `headers`; None: no body.
    :param headers: `{url}` in them is the server's own.
    :param drop: the connection is closed instead.
    :param silent: nothing is answered as long as the server lives.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Request:
    """One request that came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients that break off, or do not like the certificate, are what some tests are about."""


class ArmServer:
    """A context manager: it serves within.

    :param authority: signs its certificate.
    """

    def __init__(self, authority: trustme.CA) -> None:
        self.requests: list[Request] = []
        self._replies: dict[tuple[str, str], list[Reply]] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def __enter__(self) -> ArmServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def on(self, method: str, path: str, *replies: Reply) -> None:
        """Answer these, one after the other; the last of them from then on."""
        self._replies[method, path] = list(replies)

    def sent(self, method: str, path: str) -> list[Request]:
        """The requests of this kind."""
        return [each for each in self.requests if (each.method, each.path) == (method, path)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                url = urlsplit(self.path)
                reply = server._take(Request(self.command, url.path, parse_qs(url.query), dict(self.headers), body))
                if reply.silent:
                    server._closing.wait()
                if reply.silent or reply.drop:
                    self.close_connection = True
                    return
                content = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                data = b"" if reply.body is None else content.replace("{url}", server.url).encode()
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(data)))
                kind = "text/plain" if content is reply.body else "application/json"
                for name, value in {"Content-Type": kind, **reply.headers}.items():
                    self.send_header(name, value.replace("{url}", server.url))
                self.end_headers()
                self.wfile.write(data)

            do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                """Nothing: the requests are kept."""

        return Handler

    def _take(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            replies = self._replies.get((request.method, request.path))
            if not replies:
                return Reply(418, {"error": {"code": "Unexpected", "message": f"{request.method} {request.path}"}})
            return replies.pop(0) if len(replies) > 1 else replies[0]
