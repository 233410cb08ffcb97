"""The one operation of Service Bus that a reply needs, Send Message, on this machine and with the standard library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

RULE, KEY = "Root+Manage", "a+key/with=="


@dataclass
class Sent:
    """A request as it came; names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def broker(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.headers["brokerproperties"])
        return found


@dataclass
class Service:
    """A namespace, or a proxy to one; a context manager.

    :param answers: what it answers next: statuses, "drop" for none; 201 when there are no more.
    :param sent: what came.
    """

    answers: list[int | str] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def connection_string(self) -> str:
        return (
            f"Endpoint=sb://127.0.0.1:{self._server.server_port}/;SharedAccessKeyName={RULE};SharedAccessKey={KEY};"
            "UseDevelopmentEmulator=true;"
        )

    def __enter__(self) -> Service:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                service.sent.append(
                    Sent(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                )
                answer = service.answers.pop(0) if service.answers else self._status()
                if answer == "drop":
                    return
                self.send_response(int(answer))
                self.send_header("Location", "/elsewhere")  # for those that redirect
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _status(self) -> int:
                resource = self.path.partition("://")[2] or f"{self.headers['Host']}{self.path}"
                token = self.headers.get("Authorization", "")
                return 201 if is_signed(token, resource.removesuffix("/messages")) else 401

            do_GET = do_CONNECT = do_POST

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def is_signed(token: str, resource: str) -> bool:
    """Whether a shared access signature with `KEY` is good for a URL (given without its scheme) now."""
    scheme, _, fields = token.partition(" ")
    given = {name: values[0] for name, values in parse_qs(fields).items()}
    audience = fields.partition("sr=")[2].partition("&")[0]
    digest = hmac.new(KEY.encode(), f"{audience}\n{given.get('se')}".encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return (
        (scheme, given.get("skn"), given.get("sig")) == ("SharedAccessSignature", RULE, signature)
        and 0 < int(given["se"]) - time.time() < 3600
        and given["sr"].partition("://")[2] == resource
    )
