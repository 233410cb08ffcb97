"""Send, receive and settle over HTTP.

Source: Azure Service Bus REST docs: "Send Message", "Send Message Batch", "Peek-Lock Message (Non-Destructive Read)",
"Receive and Delete Message (Destructive Read)", "Delete Message", "Unlock Message", "Renew-Lock for a Message".
General knowledge: a queue that is not there is 404 and a lock that is lost 410 (the docs' tables have it the other way
round), the texts of the errors, and that a receiver waits for a minute if it does not say how long, and never longer.
"""

from __future__ import annotations

import asyncio
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.sax.saxutils import escape

from azext_mlfunc.emulators.service_bus import rest_message
from azext_mlfunc.emulators.service_bus.broker import Broker
from azext_mlfunc.emulators.service_bus.entity import QueueEntity, Settlement
from azext_mlfunc.emulators.service_bus.message import MAX_SIZE, Message
from azext_mlfunc.emulators.service_bus.rest_message import BadMessage

_BATCH = "application/vnd.microsoft.servicebus.json"
_PATH = re.compile(r"/(?P<queue>.+?)/messages(?:/(?P<head>head)|/(?P<id>[^/]+)/(?P<lock>[^/]+))?/?", re.IGNORECASE)
_LONGEST_WAIT = 60.0  # seconds
_XML = "application/xml; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """What a client asks.

    Attributes:
        method: of HTTP.
        url: scheme and host, as the client knows them.
        path: decoded.
        timeout: the parameter of that name, if it is there.
        headers: names are not case-sensitive.
        body: its bytes.
    """

    method: str
    url: str
    path: str
    timeout: str | None
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What it is told."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Refused(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        text = f"<Error><Code>{status}</Code><Detail>{escape(detail)}</Detail></Error>"
        self.answer = Answer(status, {"Content-Type": _XML}, text.encode())


def _not_allowed(method: str) -> _Refused:
    return _Refused(405, f"The method {method} is not for this.")


class Rest:
    """The operations; they happen on the broker's event loop.

    Args:
        broker: what they work on.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def answer(self, request: Request) -> Answer:
        """Carry out a request; one for a message waits until there is one."""
        try:
            return await self._answer(request)
        except BadMessage as error:
            return _Refused(400, str(error)).answer
        except _Refused as refused:
            return refused.answer

    async def _answer(self, request: Request) -> Answer:
        resource = request.url.partition("://")[2] + request.path
        if not self._broker.authorises(request.headers.get("Authorization", ""), resource):
            raise _Refused(401, f"40103: Invalid authorization token signature, Resource:sb://{resource}.")
        found = _PATH.fullmatch(request.path)
        queue = self._broker.queue(found["queue"].lower()) if found is not None else None
        if found is None or queue is None:
            raise _Refused(404, f"40400: Endpoint not found., Resource:sb://{resource}.")
        if found["lock"]:
            return self._settle(queue, found, request.method)
        if found["head"]:
            return await self._receive(queue, request)
        return self._send(found["queue"].lower(), request)

    def _send(self, path: str, request: Request) -> Answer:
        if request.method != "POST":
            raise _not_allowed(request.method)
        queue = self._broker.queue_to_send_to(path)
        if queue is None:
            raise _Refused(400, "A dead-letter queue takes no messages.")
        if request.headers.get("Content-Type", "").lower() == _BATCH:
            messages = rest_message.read_batch(request.body)
        else:
            messages = [rest_message.read_message(request.headers, request.body)]
        if sum(map(len, messages)) > MAX_SIZE:
            raise _Refused(403, f"40300: The message is larger than {MAX_SIZE} bytes.")
        for message in messages:
            queue.put(Message(message))
        return Answer(201, {"Content-Type": _XML})

    async def _receive(self, queue: QueueEntity, request: Request) -> Answer:
        """Peek and lock a message (POST), or receive and delete it (DELETE)."""
        if request.method not in ("POST", "DELETE"):
            raise _not_allowed(request.method)
        delete = request.method == "DELETE"
        received = await _next_message(queue, _seconds(request.timeout))
        if received is None:
            return Answer(204)
        message, (token, until) = received
        written = rest_message.write_message(message.encode(None if delete else (token, until)))
        if delete:
            queue.settle(token, Settlement.COMPLETE)
            return Answer(200, written.headers, written.body)
        location = f"{request.url}/{quote(queue.name, safe='/$~')}/messages/{message.sequence_number}/{token}"
        return Answer(201, {**written.headers, "Location": location}, written.body)

    def _settle(self, queue: QueueEntity, found: re.Match[str], method: str) -> Answer:
        """Complete (DELETE) or abandon (PUT) a locked message, or renew its lock (POST)."""
        if method not in ("DELETE", "PUT", "POST"):
            raise _not_allowed(method)
        try:
            token = uuid.UUID(found["lock"])
        except ValueError:
            raise _Refused(404, "No message was found with the specified MessageId or LockToken.") from None
        message = queue.locked(token)
        if message is None:
            text = "The lock supplied is invalid. Either the lock expired, or the message has already been removed."
            raise _Refused(410, text)
        if found["id"] not in (str(message.sequence_number), message.id):
            raise _Refused(404, "No message was found with the specified MessageId or LockToken.")
        if method == "POST":
            queue.renew(token)
        else:
            queue.settle(token, Settlement.COMPLETE if method == "DELETE" else Settlement.ABANDON)
        return Answer(200, {"Content-Type": _XML})


class _OneMessage:
    """A receiver of one message, which is locked at once; or of none, when the queue is deleted."""

    def __init__(self) -> None:
        self.credit = 1
        self.received: asyncio.Future[tuple[Message, tuple[uuid.UUID, float]] | None]
        self.received = asyncio.get_running_loop().create_future()

    def deliver(self, queue: QueueEntity, message: Message) -> None:
        self.credit = 0
        self.received.set_result((message, queue.lock(message)))

    def gone(self, queue: QueueEntity) -> None:
        if not self.received.done():
            self.received.set_result(None)


async def _next_message(queue: QueueEntity, seconds: float) -> tuple[Message, tuple[uuid.UUID, float]] | None:
    """Wait for a message; it comes with its lock. None: none came.

    Raises:
        _Refused: the queue was deleted meanwhile.
    """
    receiver = _OneMessage()
    queue.attach(receiver)
    try:
        queue.pump()
        await asyncio.wait([receiver.received], timeout=seconds)
    except asyncio.CancelledError:  # the client has gone
        if receiver.received.done() and (received := receiver.received.result()) is not None:
            queue.settle(received[1][0], Settlement.RELEASE)
        raise
    finally:
        queue.detach(receiver)
    if not receiver.received.done():
        return None
    found = receiver.received.result()
    if found is None:
        raise _Refused(404, f"40400: Endpoint not found., {queue.name} has been deleted.")
    return found


def _seconds(text: str | None) -> float:
    """How long to wait for a message."""
    try:
        seconds = _LONGEST_WAIT if text is None else float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise _Refused(400, "The timeout is no number of seconds.")
    return min(seconds, _LONGEST_WAIT)
