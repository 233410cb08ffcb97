"""One client connection: SASL, sessions, links, transfers, settlement.

Frames carry every field of a performative, as those of Service Bus do: azure-servicebus up to 7.14 reads them by
position. Source: OASIS AMQP Version 1.0, Part 2 (Transport), Part 5 (Security); Azure Service Bus AMQP protocol guide.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import uuid
from collections.abc import Callable
from typing import Any

from azext_mlfunc.emulators.service_bus import amqp, management
from azext_mlfunc.emulators.service_bus.amqp import (
    Described,
    Symbol,
    encode,
    symbol_array,
    ubyte,
    uint,
    ulong,
    ushort,
)
from azext_mlfunc.emulators.service_bus.broker import Broker
from azext_mlfunc.emulators.service_bus.entity import QueueEntity, Settlement
from azext_mlfunc.emulators.service_bus.message import MAX_SIZE, Message

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
SASL_MECHANISMS, SASL_OUTCOME = 0x40, 0x44
_AMQP_FRAME, _SASL_FRAME = 0, 1
_SASL_PROTOCOL = 3
_MAX_FRAME = 65536  # bytes
_WINDOW = 2**31 - 1
_SENDER_CREDIT = 1000
_MAX_HANDLE = 255
_IDLE_TIMEOUT = 240000  # milliseconds
_BATCH_FORMAT = 0x80013700  # a transfer whose data sections are messages of their own
_FRAME_OVERHEAD = 200  # bytes left for the performative of a transfer


class Link:
    """One direction of one client's talk with one address."""

    def __init__(self, connection: Connection, channel: int, handle: int, path: str, target: Any) -> None:
        self.connection = connection
        self.channel = channel
        self.handle = handle
        self.path = path
        self.target = target  # the client's own address, by which requests name where answers go
        self.count = 0  # deliveries so far


class OutgoingLink(Link):
    """The client receives."""

    def __init__(
        self, connection: Connection, channel: int, handle: int, path: str, target: Any, settled: bool
    ) -> None:
        super().__init__(connection, channel, handle, path, target)
        self.credit = 0
        self._settled = settled  # receive and delete

    def deliver(self, queue: QueueEntity, message: Message) -> None:
        token, until = queue.lock(message)
        delivery = self.send(message.encode((token, until)), token.bytes_le, self._settled)
        if self._settled:
            queue.settle(token, Settlement.COMPLETE)
        else:
            self.connection.unsettled[self.channel, delivery] = (queue, token)

    def gone(self, queue: QueueEntity) -> None:
        self.connection.end_link(self)

    def send(self, payload: bytes, tag: bytes | None = None, settled: bool = True) -> int:
        """Send one delivery, in as many frames as it takes; returns its number."""
        delivery = self.connection.next_delivery(self.channel)
        self.credit -= 1
        self.count += 1
        size = self.connection.max_frame - _FRAME_OVERHEAD
        for start in range(0, len(payload), size):
            more = start + size < len(payload)
            fields = [
                uint(self.handle), uint(delivery), tag or struct.pack(">I", delivery), uint(0), settled, more,
                None, None, None, None, False,
            ]  # fmt: skip
            self.connection.send(self.channel, TRANSFER, fields, payload[start : start + size])
        return delivery


class IncomingLink(Link):
    """The client sends."""

    def __init__(self, connection: Connection, channel: int, handle: int, path: str, target: Any) -> None:
        super().__init__(connection, channel, handle, path, target)
        self._parts: list[bytes] = []
        self._first: list[Any] | None = None

    def add(self, fields: list[Any], payload: bytes) -> tuple[list[Any], bytes] | None:
        """Take one transfer frame; returns the first frame's fields and the whole payload with the last one."""
        self._first = self._first or fields
        self._parts.append(payload)
        if fields[5]:  # more follows
            return None
        first, whole = self._first, b"".join(self._parts)
        self._first, self._parts = None, []
        self.count += 1
        return first, whole


class Connection:
    """One client's connection.

    Args:
        broker: what it talks to.
        reader: the client's bytes.
        writer: ours.
    """

    def __init__(self, broker: Broker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._broker = broker
        self._reader = reader
        self._writer = writer
        self._links: dict[tuple[int, int], Link] = {}  # by channel and handle
        self._deliveries: dict[int, int] = {}  # next number by channel
        self._heartbeat: asyncio.Task[None] | None = None
        self._authorised = False
        self.unsettled: dict[tuple[int, int], tuple[QueueEntity, uuid.UUID]] = {}  # by channel and delivery
        self.max_frame = _MAX_FRAME

    def next_delivery(self, channel: int) -> int:
        number = self._deliveries.get(channel, 0)
        self._deliveries[channel] = number + 1
        return number

    def send(self, channel: int, code: int, fields: list[Any], payload: bytes = b"", kind: int = _AMQP_FRAME) -> None:
        body = encode(Described(code, fields)) + payload
        self._writer.write(struct.pack(">IBBH", len(body) + 8, 2, kind, channel) + body)

    async def run(self) -> None:
        """Serve the client until it closes."""
        handlers: dict[int, Callable[[int, list[Any], bytes], None]] = {
            OPEN: self._open,
            BEGIN: self._begin,
            ATTACH: self._attach,
            FLOW: self._flow,
            TRANSFER: self._transfer,
            DISPOSITION: self._disposition,
            DETACH: self._detach,
            END: self._end,
        }
        try:
            await self._greet()
            while True:
                channel, performative, payload = await self._frame()
                if performative is None:
                    continue  # a heartbeat
                if performative.code == CLOSE:
                    self.send(0, CLOSE, [None])
                    await self._writer.drain()
                    return
                fields = [*performative.value, *[None] * 14][:14]
                handlers[performative.code](channel, fields, payload)
                await self._writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went without a word
        finally:
            for link in self._links.values():
                self._drop(link)
            if self._heartbeat is not None:
                self._heartbeat.cancel()
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    async def _greet(self) -> None:
        """Exchange protocol headers, and SASL ANONYMOUS when the client wants it (the real check is the CBS token)."""
        header = await self._reader.readexactly(8)
        if header[4] == _SASL_PROTOCOL:
            self._writer.write(header)
            self.send(0, SASL_MECHANISMS, [symbol_array(["ANONYMOUS"])], kind=_SASL_FRAME)
            await self._frame()
            self.send(0, SASL_OUTCOME, [ubyte(0), None], kind=_SASL_FRAME)
            header = await self._reader.readexactly(8)
        self._writer.write(header)

    async def _frame(self) -> tuple[int, Described | None, bytes]:
        size, offset, _, channel = struct.unpack(">IBBH", await self._reader.readexactly(8))
        body = (await self._reader.readexactly(size - 8))[offset * 4 - 8 :]
        if not body:
            return channel, None, b""
        performative, end = amqp.decode(body)
        return channel, performative, body[end:]

    # -- performatives: channel, fields by position, payload

    def _open(self, _channel: int, fields: list[Any], _payload: bytes) -> None:
        self.max_frame = min(fields[2] or _MAX_FRAME, _MAX_FRAME)
        product = {Symbol("product"): "local-azure"}
        limits = [uint(_MAX_FRAME), ushort(4999), uint(_IDLE_TIMEOUT)]
        self.send(0, OPEN, ["local-azure", None, *limits, None, None, None, None, product])
        if fields[4]:
            self._heartbeat = asyncio.ensure_future(self._beat(fields[4] / 2000))

    async def _beat(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            self._writer.write(struct.pack(">IBBH", 8, 2, _AMQP_FRAME, 0))

    def _begin(self, channel: int, _fields: list[Any], _payload: bytes) -> None:
        windows = [uint(_WINDOW), uint(_WINDOW)]
        self.send(channel, BEGIN, [ushort(channel), uint(0), *windows, uint(_MAX_HANDLE), None, None, None])

    def _attach(self, channel: int, fields: list[Any], _payload: bytes) -> None:
        name, handle, receives = fields[0], fields[1], bool(fields[2])  # role true: the client receives
        source, target = (_terminus(fields[5], 11), _terminus(fields[6], 7))
        path = _path((source if receives else target)[0])
        link: Link
        if receives:
            link = OutgoingLink(self, channel, handle, path, target[0], settled=fields[3] == 1)
        else:
            link = IncomingLink(self, channel, handle, path, target[0])
        error = self._refusal(path, receives)
        ends = [
            Described(code, [end[0], *[None] * (len(end) - 1)]) if error is None else None
            for code, end in ((amqp.SOURCE, source), (amqp.TARGET, target))
        ]
        modes = [ubyte(fields[3] if fields[3] is not None else 2), ubyte(fields[4] or 0)]
        initial_count = uint(0) if receives else None
        offered: dict[Any, Any] | None = {} if fields[13] else None
        self.send(
            channel,
            ATTACH,
            [name, uint(handle), not receives, *modes, *ends, None, None, initial_count, ulong(MAX_SIZE), None,
             None, offered],
        )  # fmt: skip
        if error is not None:
            self.send(channel, DETACH, [uint(handle), True, error])
            return
        self._links[channel, handle] = link
        if isinstance(link, IncomingLink):
            self._grant(link)
        elif isinstance(link, OutgoingLink) and not management.looks_like_node(path):
            queue = self._broker.queue(path)
            assert queue is not None
            queue.attach(link)

    def _refusal(self, path: str, receives: bool) -> Described | None:
        """Why a link to ``path`` is refused, or None."""
        if path == management.CBS:
            return None
        if not self._authorised:
            return _error("amqp:unauthorized-access", "Unauthorized access. 'Listen' or 'Send' claim(s) are required.")
        found = self._broker.queue(path) if receives else self._broker.queue_to_send_to(path)
        if management.is_node(path, self._broker) or found is not None:
            return None
        return _not_found(path)

    def _flow(self, channel: int, fields: list[Any], _payload: bytes) -> None:
        link = self._links.get((channel, fields[4])) if fields[4] is not None else None
        if isinstance(link, OutgoingLink):
            link.credit = (fields[5] or 0) + (fields[6] or 0) - link.count
            queue = self._broker.queue(link.path)
            if queue is not None:
                queue.pump()
            if fields[8]:  # drain: give back the credit that is not used
                link.count += link.credit
                link.credit = 0
                self._send_flow(link, credit=0, drain=True)
        elif isinstance(link, IncomingLink) and fields[9]:  # echo
            self._grant(link)

    def _grant(self, link: Link) -> None:
        self._send_flow(link, credit=_SENDER_CREDIT)

    def _send_flow(self, link: Link, credit: int, drain: bool = False) -> None:
        session = [uint(0), uint(_WINDOW), uint(self._deliveries.get(link.channel, 0)), uint(_WINDOW)]
        ours = [uint(link.handle), uint(link.count), uint(credit), uint(0), drain, False, None]
        self.send(link.channel, FLOW, [*session, *ours])

    def _transfer(self, channel: int, fields: list[Any], payload: bytes) -> None:
        link = self._links.get((channel, fields[0]))
        if not isinstance(link, IncomingLink):
            return  # detached meanwhile
        complete = link.add(fields, payload)
        if complete is None:
            return
        first, encoded = complete
        delivery, message_format, settled = first[1], first[3] or 0, first[4]
        outcome = Described(amqp.ACCEPTED, [])
        if not management.looks_like_node(link.path):
            queue = self._broker.queue_to_send_to(link.path)
            if queue is None:  # deleted meanwhile
                outcome = Described(amqp.REJECTED, [_not_found(link.path)])
            else:
                self._accept(queue, encoded, batch=message_format == _BATCH_FORMAT)
        if not settled:
            self.send(channel, DISPOSITION, [True, uint(delivery), uint(delivery), True, outcome, False])
        self._grant(link)
        if management.looks_like_node(link.path):
            self._answer(link, encoded)

    def end_link(self, link: Link) -> None:
        """Tell the client that what the link leads to has been deleted."""
        if self._links.pop((link.channel, link.handle), None) is not None:
            self.send(link.channel, DETACH, [uint(link.handle), True, _not_found(link.path)])

    def _accept(self, queue: QueueEntity, encoded: bytes, batch: bool) -> None:
        parts = [part.decoded() for part in amqp.sections(encoded) if part.code == amqp.DATA] if batch else [encoded]
        for part in parts:
            queue.put(Message(part))

    def _answer(self, link: IncomingLink, request: bytes) -> None:
        reply = management.answer(self._broker, link.path, request)
        self._authorised = self._authorised or reply.authorises
        for other in self._links.values():
            if not isinstance(other, OutgoingLink) or other.path != link.path:
                continue
            if link.path == management.CBS or reply.to in (None, other.target):
                other.send(reply.encoded)
                return

    def _disposition(self, channel: int, fields: list[Any], _payload: bytes) -> None:
        first, last, settled, state = fields[1], fields[2], fields[3], fields[4]
        for delivery in range(first, (first if last is None else last) + 1):
            held = self.unsettled.pop((channel, delivery), None) if state is not None else None
            if held is None:
                continue
            queue, token = held
            done = queue.settle(token, *_settlement(state))
            if not settled:
                outcome = Described(state.code, []) if done else Described(amqp.REJECTED, [_lock_lost()])
                self.send(channel, DISPOSITION, [False, uint(delivery), uint(delivery), True, outcome, False])

    def _detach(self, channel: int, fields: list[Any], _payload: bytes) -> None:
        link = self._links.pop((channel, fields[0]), None)
        if link is not None:
            self._drop(link)
        self.send(channel, DETACH, [uint(fields[0]), True, None])

    def _end(self, channel: int, _fields: list[Any], _payload: bytes) -> None:
        for key in [key for key in self._links if key[0] == channel]:
            self._drop(self._links.pop(key))
        self.send(channel, END, [None])

    def _drop(self, link: Link) -> None:
        """Deliver nothing more there. Locks are not given back: they run out, as in Service Bus."""
        queue = self._broker.queue(link.path)
        if isinstance(link, OutgoingLink) and queue is not None:
            queue.detach(link)


def _terminus(described: Described | None, length: int) -> list[Any]:
    fields = described.value if described is not None else []
    return [*fields, *[None] * length][:length]


def _path(address: Any) -> str:
    """The entity's path in an address, which may be a whole URL."""
    text = str(address or "")
    if "://" in text:
        text = text.split("://", 1)[1].partition("/")[2]
    return text.strip("/").lower()


def _error(condition: str, text: str) -> Described:
    return Described(amqp.ERROR, [Symbol(condition), text, None])


def _not_found(path: str) -> Described:
    return _error("amqp:not-found", f"The messaging entity '{path}' could not be found.")


def _lock_lost() -> Described:
    return _error(
        "com.microsoft:message-lock-lost",
        "The lock supplied is invalid. Either the lock expired, or the message has already been removed.",
    )


def _settlement(state: Described) -> tuple[Settlement, str | None, str | None]:
    """What a delivery state asks for, with the reason and the description of a rejection."""
    fields = state.value
    if state.code == amqp.ACCEPTED:
        return Settlement.COMPLETE, None, None
    if state.code == amqp.REJECTED:
        error = [*(fields[0].value if fields and fields[0] else []), None, None, None]
        info = error[2] or {}
        return Settlement.DEAD_LETTER, info.get("DeadLetterReason"), info.get("DeadLetterErrorDescription") or error[1]
    if state.code == amqp.MODIFIED and len(fields) > 1 and fields[1]:  # undeliverable here
        return Settlement.DEFER, None, None
    if state.code == amqp.RELEASED:
        return Settlement.RELEASE, None, None
    return Settlement.ABANDON, None, None
