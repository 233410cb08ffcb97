"""A queue: messages that are ready, locked or deferred, and the rules by which they move.

Source: Azure Service Bus docs: "Message transfers, locks, and settlement", "Overview of dead-letter queues".
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from azext_mlfunc.emulators.service_bus.message import Message

DEAD_LETTER_SUFFIX = "/$deadletterqueue"
DEFAULT_MAX_DELIVERY = 10
DEFAULT_LOCK_SECONDS = 60.0  # Azure's default lock duration


class Settlement(Enum):
    """What a receiver can do with a locked message; the values are those of the management operation."""

    COMPLETE = "completed"
    ABANDON = "abandoned"
    RELEASE = "released"  # never looked at: not a failed delivery (AMQP 1.0, 3.4.4)
    DEFER = "defered"  # the service's own spelling
    DEAD_LETTER = "suspended"


class Receiver(Protocol):
    """Who takes messages while it has credit: a link, or a request over HTTP."""

    credit: int

    def deliver(self, queue: QueueEntity, message: Message) -> None: ...

    def gone(self, queue: QueueEntity) -> None:
        """The queue has been deleted: nothing more will come."""


@dataclass
class Lock:
    """A message in the hands of a receiver."""

    message: Message
    until: float  # seconds since the epoch
    deferred: bool  # it stays so when it is given back


class QueueEntity:
    """One queue, or the dead-letter queue of one. Everything in it happens on the broker's event loop.

    Args:
        name: as it is shown.
        max_delivery: failed deliveries after which a message is dead-lettered.
        lock_seconds: how long a receiver may keep a message without renewing.
        dead_letters: where dead messages go; None for a dead-letter queue itself.
        idle_seconds: how long it may be without use before it is deleted; None: for ever.
    """

    def __init__(
        self,
        name: str,
        max_delivery: int = DEFAULT_MAX_DELIVERY,
        lock_seconds: float = DEFAULT_LOCK_SECONDS,
        dead_letters: QueueEntity | None = None,
        idle_seconds: float | None = None,
    ) -> None:
        self.name = name
        self.lock_seconds = lock_seconds
        self._receivers: list[Receiver] = []
        self._idle_seconds = idle_seconds
        self._used_at = time.monotonic()
        self._max_delivery = max_delivery
        self._dead_letters = dead_letters
        self._ready: deque[Message] = deque()
        self._locks: dict[uuid.UUID, Lock] = {}
        self._deferred: dict[int, Message] = {}
        self._scheduled: dict[int, Message] = {}
        self._sequence = itertools.count(1)

    def attach(self, receiver: Receiver) -> None:
        """Give this receiver messages from now on, as soon as it has credit and somebody pumps."""
        self._used_at = time.monotonic()
        self._receivers.append(receiver)

    def detach(self, receiver: Receiver) -> None:
        """Give it nothing more; what it holds stays locked."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def close(self) -> None:
        """Tell the receivers that the queue is no more."""
        while self._receivers:
            self._receivers.pop().gone(self)

    def is_idle(self, now: float) -> bool:
        """Whether it has been without use for too long.

        Use is to send, receive, peek or settle; receivers that wait and scheduled messages count as use all the time.
        Source: Azure Service Bus docs: "Azure Service Bus advanced features", Autodelete on idle, Idleness.

        Args:
            now: of the monotonic clock.
        """
        if self._receivers or self._scheduled:
            self._used_at = now
        return self._idle_seconds is not None and now - self._used_at > self._idle_seconds

    def put(self, message: Message) -> None:
        """Take a message in, now or at the time that it is scheduled for."""
        self._used_at = time.monotonic()
        message.sequence_number = next(self._sequence)
        delay = (message.scheduled_at or 0.0) - time.time()
        if delay > 0:
            self._scheduled[message.sequence_number] = message
            asyncio.get_running_loop().call_later(delay, self._enqueue_scheduled, message.sequence_number)
        else:
            self._enqueue(message)

    def pump(self) -> None:
        """Give ready messages to receivers with credit."""
        for receiver in list(self._receivers):
            while self._ready and receiver.credit > 0:
                receiver.deliver(self, self._ready.popleft())

    def lock(self, message: Message, deferred: bool = False) -> tuple[uuid.UUID, float]:
        """Lock a message for a receiver; returns the token and the end of the lock."""
        self._used_at = time.monotonic()
        token, until = uuid.uuid4(), time.time() + self.lock_seconds
        self._locks[token] = Lock(message, until, deferred)
        return token, until

    def holds(self, token: uuid.UUID) -> bool:
        """Whether the lock is still valid."""
        return token in self._locks

    def locked(self, token: uuid.UUID) -> Message | None:
        """The message under a lock; None when the lock is lost."""
        lock = self._locks.get(token)
        return None if lock is None else lock.message

    def renew(self, token: uuid.UUID) -> float:
        """Extend a lock; returns its new end. KeyError: it is lost."""
        self._used_at = time.monotonic()
        lock = self._locks[token]
        lock.until = time.time() + self.lock_seconds
        return lock.until

    def settle(self, token: uuid.UUID, how: Settlement, reason: str | None = None, why: str | None = None) -> bool:
        """Settle a locked message; False when the lock is lost."""
        self._used_at = time.monotonic()
        lock = self._locks.pop(token, None)
        if lock is None:
            return False
        if how is Settlement.DEFER:
            self._deferred[lock.message.sequence_number] = lock.message
        elif how is Settlement.DEAD_LETTER:
            self._bury(lock.message, reason, why)
        elif how is Settlement.ABANDON:
            self._return(lock)
        elif how is Settlement.RELEASE:
            self._ready.appendleft(lock.message)
            self.pump()
        return True

    def expire_locks(self, now: float) -> None:
        """Return the messages whose locks have run out."""
        for token in [token for token, lock in self._locks.items() if lock.until < now]:
            self._return(self._locks.pop(token))

    def peek(self, from_sequence_number: int, count: int) -> list[Message]:
        """Messages in whatever state, without locking them."""
        self._used_at = time.monotonic()
        locked = [lock.message for lock in self._locks.values()]
        all_of_them = [*self._ready, *locked, *self._deferred.values(), *self._scheduled.values()]
        later = [message for message in all_of_them if message.sequence_number >= from_sequence_number]
        return sorted(later, key=lambda message: message.sequence_number)[:count]

    def counts(self) -> dict[str, int]:
        """How many messages are here: ``active`` (locked and deferred ones too) and ``scheduled``."""
        active = len(self._ready) + len(self._locks) + len(self._deferred)
        return {"active": active, "scheduled": len(self._scheduled)}

    def take_deferred(self, sequence_number: int) -> Message | None:
        """Take out a deferred message, to lock it; None when there is no such one."""
        return self._deferred.pop(sequence_number, None)

    def cancel_scheduled(self, sequence_number: int) -> bool:
        """Drop a message before its time; False when there is no such one."""
        return self._scheduled.pop(sequence_number, None) is not None

    def _enqueue_scheduled(self, sequence_number: int) -> None:
        message = self._scheduled.pop(sequence_number, None)
        if message is not None:  # not cancelled
            self._enqueue(message)

    def _enqueue(self, message: Message) -> None:
        message.enqueued_at = time.time()
        self._ready.append(message)
        self.pump()

    def _return(self, lock: Lock) -> None:
        message = lock.message
        message.delivery_count += 1
        if message.delivery_count >= self._max_delivery and self._dead_letters is not None:
            why = f"Message could not be consumed after {self._max_delivery} delivery attempts."
            self._bury(message, "MaxDeliveryCountExceeded", why)
        elif lock.deferred:
            self._deferred[message.sequence_number] = message
        else:
            self._ready.appendleft(message)
            self.pump()

    def _bury(self, message: Message, reason: str | None, why: str | None) -> None:
        texts = {"DeadLetterReason": reason, "DeadLetterErrorDescription": why}
        message.dead_letter_reason.update({name: text for name, text in texts.items() if text})
        message.dead_letter_source = self.name
        message.scheduled_at = None
        (self._dead_letters or self).put(message)
