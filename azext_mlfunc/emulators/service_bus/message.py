"""A message in the broker: the client's sections as they came, and what the broker itself says about it."""

from __future__ import annotations

import uuid
from typing import Any

from azext_mlfunc.emulators.service_bus import amqp
from azext_mlfunc.emulators.service_bus.amqp import Described, EncodedMap, Symbol, encode, section, timestamp, uint

MAX_SIZE = 1 << 20  # bytes; the Premium tier's default


class Message:
    """One message.

    Args:
        encoded: the message as a client sent it (bare message and annotations).
    """

    def __init__(self, encoded: bytes) -> None:
        self.sequence_number = 0
        self.delivery_count = 0  # failed deliveries
        self.enqueued_at = 0.0  # seconds since the epoch
        self.scheduled_at: float | None = None  # seconds since the epoch
        self.dead_letter_source: str | None = None
        self.dead_letter_reason: dict[str, str] = {}  # application properties that the broker adds
        self._time_to_live: int | None = None  # milliseconds
        self._annotations = EncodedMap()
        self._application_properties = EncodedMap()
        self._properties = b""
        self._body = b""
        for part in amqp.sections(encoded):
            if part.code == amqp.HEADER:
                header = part.decoded()
                self._time_to_live = header[2] if len(header) > 2 else None
            elif part.code == amqp.MESSAGE_ANNOTATIONS:
                self._annotations = EncodedMap.of(part.content)
                scheduled = part.decoded().get("x-opt-scheduled-enqueue-time")
                self.scheduled_at = None if scheduled is None else scheduled / 1000
            elif part.code == amqp.APPLICATION_PROPERTIES:
                self._application_properties = EncodedMap.of(part.content)
            elif part.code == amqp.PROPERTIES:
                self._properties = part.whole
            elif part.code != amqp.DELIVERY_ANNOTATIONS:
                self._body += part.whole

    @property
    def id(self) -> str | None:
        """The sender's name for it (MessageId)."""
        fields = amqp.decode(self._properties, len(amqp.section(amqp.PROPERTIES, b"")))[0] if self._properties else []
        return str(fields[0]) if fields and fields[0] is not None else None

    def encode(self, lock: tuple[uuid.UUID, float] | None = None) -> bytes:
        """The message as a receiver gets it.

        Args:
            lock: token and end (seconds since the epoch) of the lock; None when peeked.
        """
        header = [False, None, uint(self._time_to_live) if self._time_to_live else None, None]
        encoded = encode(Described(amqp.HEADER, [*header, uint(self.delivery_count)]))
        if lock is not None:
            encoded += encode(Described(amqp.DELIVERY_ANNOTATIONS, {Symbol("x-opt-lock-token"): lock[0]}))
        annotations = self._annotations.encode_with(self._broker_annotations(lock))
        encoded += section(amqp.MESSAGE_ANNOTATIONS, annotations)
        encoded += self._properties
        if self._application_properties.count or self.dead_letter_reason:
            added: dict[Any, Any] = dict(self.dead_letter_reason)
            encoded += section(amqp.APPLICATION_PROPERTIES, self._application_properties.encode_with(added))
        return encoded + self._body

    def _broker_annotations(self, lock: tuple[uuid.UUID, float] | None) -> dict[Any, Any]:
        annotations: dict[Any, Any] = {
            Symbol("x-opt-sequence-number"): self.sequence_number,
            Symbol("x-opt-enqueued-time"): timestamp(self.enqueued_at),
        }
        if self.dead_letter_source is not None:
            annotations[Symbol("x-opt-deadletter-source")] = self.dead_letter_source
        if lock is not None:
            annotations[Symbol("x-opt-locked-until")] = timestamp(lock[1])
        return annotations
