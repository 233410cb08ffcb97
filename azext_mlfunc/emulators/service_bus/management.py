"""The request/response nodes: ``$cbs`` for tokens and ``<queue>/$management`` for everything besides send and receive.

Source: Azure Service Bus docs: "AMQP 1.0 in Azure Service Bus: request-response-based operations" and the claims-based
security section of the AMQP protocol guide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from azext_mlfunc.emulators.service_bus import amqp
from azext_mlfunc.emulators.service_bus.amqp import (
    Described,
    Encoded,
    Symbol,
    encode,
    int32,
    long_array,
    timestamp_array,
)
from azext_mlfunc.emulators.service_bus.broker import Broker
from azext_mlfunc.emulators.service_bus.entity import QueueEntity, Settlement
from azext_mlfunc.emulators.service_bus.message import Message

CBS = "$cbs"
MANAGEMENT_SUFFIX = "/$management"
_VENDOR = "com.microsoft:"

Answer = tuple[int, Any, str | None]  # status code, body, error condition


def is_node(path: str, broker: Broker) -> bool:
    """Whether the path is a request/response node of this broker."""
    return path == CBS or (path.endswith(MANAGEMENT_SUFFIX) and broker.queue(_entity_path(path)) is not None)


def looks_like_node(path: str) -> bool:
    return path == CBS or path.endswith(MANAGEMENT_SUFFIX)


@dataclass(frozen=True)
class Reply:
    """The answer to a request.

    Attributes:
        to: the address that the client wants it at, if it named one.
        encoded: the message.
        authorises: whether a valid token was put.
    """

    to: str | None
    encoded: bytes
    authorises: bool


def answer(broker: Broker, path: str, request: bytes) -> Reply:
    """Carry out a request."""
    parts = {part.code: part.decoded() for part in amqp.sections(request)}
    properties = [*(parts.get(amqp.PROPERTIES) or []), *[None] * 6]
    message_id, reply_to = properties[0], properties[4]
    application, body = parts.get(amqp.APPLICATION_PROPERTIES) or {}, parts.get(amqp.AMQP_VALUE)
    authorises = path == CBS and _is_valid_token(broker, body)
    if path == CBS:
        status, content = _token_status(authorises), None
    else:
        status, content = _manage(broker, _entity_path(path), application.get("operation"), body)
    encoded = [
        Described(amqp.PROPERTIES, [None] * 5 + [message_id]),
        Described(amqp.APPLICATION_PROPERTIES, status),
        Described(amqp.AMQP_VALUE, content),
    ]
    return Reply(reply_to, b"".join(map(encode, encoded)), authorises)


def _entity_path(path: str) -> str:
    return path.removesuffix(MANAGEMENT_SUFFIX)


def _is_valid_token(broker: Broker, token: Any) -> bool:
    return broker.authorises(token if isinstance(token, str) else bytes(token or b"").decode())


def _token_status(valid: bool) -> dict[str, Any]:
    if valid:
        return {"status-code": int32(202), "status-description": "Accepted"}
    return {"status-code": int32(401), "status-description": "InvalidSignature: The token has an invalid signature."}


def _manage(broker: Broker, path: str, operation: Any, body: Any) -> tuple[dict[str, Any], Any]:
    queue = broker.queue(path)
    perform = OPERATIONS.get(str(operation or "").removeprefix(_VENDOR))
    result: Answer
    if queue is None:
        result = 404, {}, "amqp:not-found"
    elif perform is None:
        result = 501, {}, "amqp:not-implemented"
    else:
        result = perform(queue, body or {})
    code, content, condition = result
    description = "OK" if code == 200 else condition or ""
    status: dict[str, Any] = {"statusCode": int32(code), "statusDescription": description}
    if condition is not None:
        status["errorCondition"] = Symbol(condition)
    return status, content


def _schedule(queue: QueueEntity, body: dict[str, Any]) -> Answer:
    numbers = []
    for each in body["messages"]:
        message = Message(bytes(each["message"]))
        queue.put(message)
        numbers.append(message.sequence_number)
    return 200, {"sequence-numbers": long_array(numbers)}, None


def _cancel_scheduled(queue: QueueEntity, body: dict[str, Any]) -> Answer:
    cancelled = [queue.cancel_scheduled(number) for number in body["sequence-numbers"]]
    return (200, {}, None) if all(cancelled) else (404, {}, f"{_VENDOR}message-not-found")


def _peek(queue: QueueEntity, body: dict[str, Any]) -> Answer:
    messages = queue.peek(body["from-sequence-number"], body["message-count"])
    if not messages:
        return 204, {}, None
    return 200, {"messages": [{"message": message.encode()} for message in messages]}, None


def _receive_deferred(queue: QueueEntity, body: dict[str, Any]) -> Answer:
    received = []
    for number in body["sequence-numbers"]:
        message = queue.take_deferred(number)
        if message is None:
            return 404, {}, f"{_VENDOR}message-not-found"
        lock = queue.lock(message, deferred=True)
        received.append({"message": message.encode(lock), "lock-token": lock[0]})
    return 200, {"messages": received}, None


def _renew(queue: QueueEntity, body: dict[str, Any]) -> Answer:
    tokens = body["lock-tokens"]
    if not all(queue.holds(token) for token in tokens):
        return 410, {}, f"{_VENDOR}message-lock-lost"
    expirations: Encoded = timestamp_array([queue.renew(token) for token in tokens])
    return 200, {"expirations": expirations}, None


def _update_disposition(queue: QueueEntity, body: dict[str, Any]) -> Answer:
    tokens = body["lock-tokens"]
    if not all(queue.holds(token) for token in tokens):
        return 410, {}, f"{_VENDOR}message-lock-lost"
    how = Settlement(body["disposition-status"])
    for token in tokens:
        queue.settle(token, how, body.get("deadletter-reason"), body.get("deadletter-description"))
    return 200, {}, None


OPERATIONS = {
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel_scheduled,
    "peek-message": _peek,
    "receive-by-sequence-number": _receive_deferred,
    "renew-lock": _renew,
    "update-disposition": _update_disposition,
}
