"""Answers to `az ml-func test` of a Service Bus trigger: past the output queue, to the queue where the test waits.

A test marks its messages by where it wants the answer (ReplyTo): a queue of its own that is called
`mlfunc-test-` and some hexadecimal digits. Everybody else's messages are none of this file's business.

Sources: Azure Service Bus REST documentation, "Send Message"; "Service Bus access control with Shared Access
Signatures"; connection strings: "Service Bus emulator" for UseDevelopmentEmulator.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlsplit

TIMEOUT = 30.0  # seconds without a sign of life from Service Bus
_ATTEMPTS = 2
_PAUSE = 1.0  # seconds between them
_TOKEN_LIFE = 600  # seconds; clocks may differ
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_REASONS = {
    401: " (the trigger's connection must be allowed to send to every queue of the namespace)",
    403: " (the prediction may be too large for a message, or the namespace refuses this network)",
    404: " (the queue is not there: the test may be over)",
    410: " (the queue is not there: the test may be over)",
}
_QUEUE = re.compile(r"mlfunc-test-[0-9a-f]{1,64}")


class ReplyFailed(Exception):
    """The prediction could not be sent to the test; the message says why, and holds no secrets."""


@dataclass(frozen=True)
class Connection:
    """What a connection string says.

    :param url: of the namespace, without a slash at the end.
    :param key_name: the rule's name.
    :param key: its key.
    """

    url: str
    key_name: str
    key: str = field(repr=False)


@dataclass(frozen=True)
class Reply:
    """One answer.

    :param queue: where the test waits for it.
    :param correlation_id: by which the test knows what it belongs to.
    :param content_type: of the body.
    :param body: the prediction.
    """

    queue: str
    correlation_id: str | None
    content_type: str
    body: bytes


def is_for_a_test(reply_to: str | None) -> bool:
    """Whether a message with this ReplyTo is a test's."""
    return reply_to is not None and _QUEUE.fullmatch(reply_to) is not None


def find_connection(environ: Mapping[str, str], name: str | None) -> Connection | None:
    """The connection under a setting's name, looked up as the Functions host does it.

    :param environ: the environment variables.
    :param name: the setting; None where the manifest names none.
    :return: None where it is not there, or holds no key: an identity is used then, or a signature.
    """
    text = "" if name is None else environ.get(f"AzureWebJobs{name}") or environ.get(name) or ""
    fields = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in text.split(";"))}
    host = urlsplit(fields.get("endpoint", "")).netloc
    key_name, key = fields.get("sharedaccesskeyname", ""), fields.get("sharedaccesskey", "")
    if not (host and key_name and key):
        return None
    # EntityPath says what a key is for, not where a namespace is: what the key may do, the service decides.
    is_emulator = fields.get("usedevelopmentemulator", "").lower() == "true"
    return Connection(f"{'http' if is_emulator else 'https'}://{host}", key_name, key)


def send(connection: Connection, reply: Reply) -> None:
    """Send an answer; what may be a passing fault is tried once more. Proxies of the environment are used.

    :raises ReplyFailed: it could not be sent.
    """
    properties = {"MessageId": uuid.uuid4().hex, "CorrelationId": reply.correlation_id}
    url = f"{connection.url}/{reply.queue}"
    headers = {
        "Authorization": _token(connection, url),
        "BrokerProperties": json.dumps({name: value for name, value in properties.items() if value is not None}),
        "Content-Type": reply.content_type,
    }
    request = urllib.request.Request(f"{url}/messages", reply.body, headers, method="POST")
    problem = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE)
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=TIMEOUT):
                return
        except urllib.error.HTTPError as error:
            error.close()
            problem = f"status {error.code}{_REASONS.get(error.code, '')}"
            if error.code not in _TRANSIENT:
                break
        except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
            problem = str(getattr(error, "reason", error)) or type(error).__name__
    raise ReplyFailed(f"The prediction could not be sent to {url}, where a test waits for it: {problem}.")


def _token(connection: Connection, url: str) -> str:
    """A shared access signature for a queue."""
    audience, expiry = quote_plus(url), int(time.time()) + _TOKEN_LIFE
    signed = hmac.new(connection.key.encode(), f"{audience}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = quote_plus(base64.b64encode(signed))
    return f"SharedAccessSignature sr={audience}&sig={signature}&se={expiry}&skn={quote_plus(connection.key_name)}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Service Bus does not redirect, and the token is for no other host."""

    def redirect_request(self, *_: object) -> None:
        return None
