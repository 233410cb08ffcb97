"""A message over HTTP: its properties are headers, its body is the body.

Source: Azure Service Bus REST docs: "Message headers and properties", "Send Message", "Send Message Batch", "Peek-Lock
Message"; where it is general knowledge, it says so. Not there: properties that are dates.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from azext_mlfunc.emulators.service_bus import amqp
from azext_mlfunc.emulators.service_bus.amqp import Described, Symbol, encode, timestamp, uint

BROKER_PROPERTIES = "BrokerProperties"
CONTENT_TYPE = "Content-Type"
# Where they are in the properties section of a message (OASIS AMQP 1.0, 3.2.4).
_POSITIONS = {
    "MessageId": 0,
    "To": 2,
    "Label": 3,
    "ReplyTo": 4,
    "CorrelationId": 5,
    "SessionId": 10,
    "ReplyToSessionId": 12,
}
_CONTENT_TYPE_POSITION = 6
_FIELDS = 13
_SCHEDULED, _PARTITION = Symbol("x-opt-scheduled-enqueue-time"), Symbol("x-opt-partition-key")
_LONGEST_LIFE = 2**32 - 1  # milliseconds that the header of a message can name
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # what a header may be called (RFC 9110, 5.6.2)
# Headers of HTTP itself are no properties of the message. Which ones: general knowledge.
_OF_HTTP = frozenset(
    "accept accept-charset accept-encoding accept-language authorization brokerproperties cache-control connection "
    "content-encoding content-language content-length content-location content-md5 content-range content-type cookie "
    "date expect from host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive location "
    "max-forwards origin pragma proxy-authenticate proxy-authorization proxy-connection range referer server te "
    "trailer transfer-encoding upgrade user-agent via warning www-authenticate".split()
)
_OF_SERVICES = ("x-ms-", "x-forwarded-")


class BadMessage(ValueError):
    """What was sent is no message; the text says why. HTTP: 400."""


@dataclass(frozen=True)
class Received:
    """A message as a receiver over HTTP gets it.

    Attributes:
        headers: broker properties, content type, and a header for each custom property.
        body: its bytes.
    """

    headers: dict[str, str]
    body: bytes


# -- sending


def read_message(headers: Mapping[str, str], body: bytes) -> bytes:
    """The encoded message that a request sends.

    Raises:
        BadMessage: the broker properties are malformed.
    """
    custom = {
        name: _infer(value)
        for name, value in headers.items()
        if name.lower() not in _OF_HTTP and not name.lower().startswith(_OF_SERVICES)
    }
    return _encode(_json_object(headers.get(BROKER_PROPERTIES) or "{}"), custom, headers.get(CONTENT_TYPE), body)


def read_batch(body: bytes) -> list[bytes]:
    """The encoded messages that a request sends as a batch.

    Raises:
        BadMessage: the batch is malformed.
    """
    try:
        batch = json.loads(body)
    except ValueError as error:
        raise BadMessage(f"The batch is not JSON: {error}.") from None
    if not isinstance(batch, list) or not all(isinstance(each, dict) for each in batch):
        raise BadMessage("The batch is no array of messages.")
    encoded = []
    for each in batch:
        broker, custom = each.get(BROKER_PROPERTIES) or {}, each.get("UserProperties") or {}
        if not isinstance(broker, dict) or not isinstance(custom, dict):
            raise BadMessage("BrokerProperties and UserProperties are JSON objects.")
        encoded.append(_encode(broker, custom, broker.get("ContentType"), str(each.get("Body", "")).encode()))
    return encoded


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadMessage(f"BrokerProperties is not JSON: {error}.") from None
    if not isinstance(found, dict):
        raise BadMessage("BrokerProperties is no JSON object.")
    return found


def _infer(value: str) -> str | bool | int | float:
    """A custom property, of the type that it looks like.

    The docs say that text without quotation marks is refused, and send some in their example: here it is text.
    """
    try:
        found = json.loads(value)
    except ValueError:
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if isinstance(found, int) and not isinstance(found, bool) and not -(2**63) <= found < 2**63:
        return float(found)
    return found if isinstance(found, (str, bool, int, float)) else value


def _encode(broker: Mapping[str, Any], custom: Mapping[str, Any], content_type: str | None, body: bytes) -> bytes:
    encoded = b""
    life = broker.get("TimeToLive")
    if life is not None:
        if not isinstance(life, (int, float)) or life <= 0:
            raise BadMessage("TimeToLive is no number of seconds.")
        milliseconds = uint(min(int(life * 1000), _LONGEST_LIFE))
        encoded += encode(Described(amqp.HEADER, [False, None, milliseconds, None, uint(0)]))
    annotations: dict[Any, Any] = {}
    scheduled = broker.get("ScheduledEnqueueTimeUtc")
    if scheduled is not None:
        try:
            annotations[_SCHEDULED] = timestamp(parsedate_to_datetime(str(scheduled)).timestamp())
        except ValueError:
            raise BadMessage("ScheduledEnqueueTimeUtc is no date of RFC 2616.") from None
    if broker.get("PartitionKey") is not None:
        annotations[_PARTITION] = str(broker["PartitionKey"])
    if annotations:
        encoded += encode(Described(amqp.MESSAGE_ANNOTATIONS, annotations))
    fields: list[Any] = [None] * _FIELDS
    for name, position in _POSITIONS.items():
        value = broker.get(name)
        if value is not None and not isinstance(value, str):
            raise BadMessage(f"{name} is no string.")
        fields[position] = value
    fields[0] = fields[0] or uuid.uuid4().hex  # the service names a message that its sender does not
    fields[_CONTENT_TYPE_POSITION] = None if content_type is None else Symbol(content_type)
    encoded += encode(Described(amqp.PROPERTIES, fields))
    if custom:
        encoded += encode(Described(amqp.APPLICATION_PROPERTIES, dict(custom)))
    return encoded + amqp.section(amqp.DATA, encode(body))


# -- receiving


def write_message(encoded: bytes) -> Received:
    """A message for a receiver over HTTP.

    Args:
        encoded: as a receiver over AMQP gets it (``Message.encode``).
    """
    parts: dict[int, Any] = {}
    body = b""
    for part in amqp.sections(encoded):
        parts[part.code] = part.decoded()
        if part.code in (amqp.DATA, amqp.AMQP_VALUE):
            body += _as_bytes(parts[part.code])
    fields = [*(parts.get(amqp.PROPERTIES) or []), *[None] * _FIELDS]
    headers = {BROKER_PROPERTIES: json.dumps(_broker_properties(parts, fields), separators=(",", ":"))}
    if fields[_CONTENT_TYPE_POSITION] is not None:
        headers[CONTENT_TYPE] = str(fields[_CONTENT_TYPE_POSITION])
    for name, value in (parts.get(amqp.APPLICATION_PROPERTIES) or {}).items():
        if value is not None and _TOKEN.fullmatch(str(name)) and str(name).lower() not in _OF_HTTP:
            headers[str(name)] = json.dumps(value if isinstance(value, (bool, int, float)) else str(value))
    return Received(headers, body)


def _broker_properties(parts: Mapping[int, Any], fields: list[Any]) -> dict[str, Any]:
    """Names and their order are those of the docs' examples."""
    header = [*(parts.get(amqp.HEADER) or []), *[None] * 5]
    annotations = parts.get(amqp.MESSAGE_ANNOTATIONS) or {}
    token = (parts.get(amqp.DELIVERY_ANNOTATIONS) or {}).get("x-opt-lock-token")
    found = {
        "DeliveryCount": (header[4] or 0) + 1,  # this delivery counts here, in AMQP it does not
        "EnqueuedSequenceNumber": 0,
        "EnqueuedTimeUtc": _date(annotations.get("x-opt-enqueued-time")),
        "LockToken": None if token is None else str(token),
        "LockedUntilUtc": _date(annotations.get("x-opt-locked-until")),
        "SequenceNumber": annotations.get("x-opt-sequence-number"),
        "State": "Active",
        "TimeToLive": None if header[2] is None else header[2] / 1000,
        "PartitionKey": annotations.get(_PARTITION),
        "DeadLetterSource": annotations.get("x-opt-deadletter-source"),  # general knowledge
        **{name: None if fields[at] is None else str(fields[at]) for name, at in _POSITIONS.items()},
    }
    return {name: value for name, value in sorted(found.items()) if value is not None}


def _date(milliseconds: int | None) -> str | None:
    """A date as HTTP writes them."""
    return None if milliseconds is None else formatdate(milliseconds / 1000, usegmt=True)


def _as_bytes(body: Any) -> bytes:
    """Bytes as they are, and a value (which no sender of bytes sends) as text."""
    return body if isinstance(body, bytes) else str("" if body is None else body).encode()
