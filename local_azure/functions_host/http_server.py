"""The host's HTTP server: from bytes to requests, and back from answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from local_azure.functions_host.bindings.http import HttpRequest, HttpResponse

DEFAULT_BODY_LIMIT = 104857600  # bytes; FUNCTIONS_REQUEST_BODY_SIZE_LIMIT
_CHUNK = 1 << 16


class HostServer:
    """Listens on ``address``; the port may be 0 for any free one.

    Args:
        answer: gives the answer to a request; called from many threads.
        address: interface and port.
        body_limit: in bytes; longer bodies are refused with 413.
    """

    def __init__(
        self,
        answer: Callable[[HttpRequest], HttpResponse],
        address: tuple[str, int],
        body_limit: int = DEFAULT_BODY_LIMIT,
    ) -> None:
        self._answer = answer
        self._address = address
        self._body_limit = body_limit
        self._server: _Server | None = None

    def start(self) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = _Server(self._address, self._answer, self._body_limit)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return int(self._server.server_address[1])

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


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
