"""Service Bus over HTTP as a client of its own: the standard library, and what the REST documentation says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

DEAD_LETTERS = "/$DeadLetterQueue"


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def broker(self) -> dict[str, Any]:
        """BrokerProperties."""
        found: dict[str, Any] = json.loads(self.headers["BrokerProperties"])
        return found


def fields_of(connection_string: str) -> dict[str, str]:
    """The parts of a connection string, by name."""
    return dict(part.split("=", 1) for part in connection_string.split(";") if part)


def sign(url: str, key_name: str, key: str, expiry: float | None = None) -> str:
    """A shared access signature for a URL."""
    audience, until = quote_plus(url), int(time.time() + 300 if expiry is None else expiry)
    signature = hmac.new(key.encode(), f"{audience}\n{until}".encode(), hashlib.sha256).digest()
    signed = quote_plus(base64.b64encode(signature))
    return f"SharedAccessSignature sr={audience}&sig={signed}&se={until}&skn={key_name}"


class RestClient:
    """One namespace over HTTP; every request has a connection of its own.

    Args:
        connection_string: of the emulator's form.
    """

    def __init__(self, connection_string: str) -> None:
        fields = fields_of(connection_string)
        self.host = urlsplit(fields["Endpoint"]).netloc
        self.key_name, self.key = fields["SharedAccessKeyName"], fields["SharedAccessKey"]

    def token(self, path: str = "", **changed: Any) -> str:
        options: dict[str, Any] = {"key_name": self.key_name, "key": self.key, **changed}
        return sign(f"http://{self.host}/{path}", **options)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Answer:
        """One request; no status raises.

        Args:
            method: of HTTP.
            target: path and query, without a slash; or a whole URL, of which these are taken.
            body: of the request.
            headers: beside Authorization.
            token: other than a good one; "" for none.
        """
        parts = urlsplit(target) if "://" in target else None
        target = target if parts is None else parts.path.lstrip("/")
        authorization = {"Authorization": self.token() if token is None else token} if token != "" else {}
        connection = http.client.HTTPConnection(self.host, timeout=90)
        try:
            connection.request(method, f"/{target}", body, {**authorization, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def send(self, queue: str, body: bytes, headers: Mapping[str, str] | None = None, **broker: Any) -> Answer:
        properties = {"BrokerProperties": json.dumps(broker)} if broker else {}
        return self.ask("POST", f"{queue}/messages", body, {**properties, **(headers or {})})

    def peek_lock(self, queue: str, timeout: float = 30) -> Answer:
        return self.ask("POST", f"{queue}/messages/head?timeout={timeout:g}")

    def receive(self, queue: str, timeout: float = 30) -> Answer:
        return self.ask("DELETE", f"{queue}/messages/head?timeout={timeout:g}")

    def complete(self, locked: Answer) -> Answer:
        return self.ask("DELETE", locked.headers["Location"])

    def unlock(self, locked: Answer) -> Answer:
        return self.ask("PUT", locked.headers["Location"])

    def renew(self, locked: Answer) -> Answer:
        return self.ask("POST", locked.headers["Location"])

    def settle_down(self) -> None:
        """Come back when the service has seen all that was sent to it before."""
        for _ in range(20):
            assert self.receive("nowhere", 0).status == 404
