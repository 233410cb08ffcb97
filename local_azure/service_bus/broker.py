"""The broker: its queues by path, and who may use them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from local_azure.service_bus.entity import (
    DEAD_LETTER_SUFFIX,
    DEFAULT_LOCK_SECONDS,
    DEFAULT_MAX_DELIVERY,
    QueueEntity,
)

_SWEEP_INTERVAL = 0.1  # seconds between two looks for locks that ran out


class Broker:
    """Queues and access keys.

    Args:
        keys: the shared access keys of each rule, by the rule's name.
    """

    def __init__(self, keys: Mapping[str, Sequence[str]]) -> None:
        self._keys = dict(keys)
        self._queues: dict[str, QueueEntity] = {}

    def add_queue(
        self, name: str, max_delivery: int = DEFAULT_MAX_DELIVERY, lock_seconds: float = DEFAULT_LOCK_SECONDS
    ) -> None:
        """Add a queue with its dead-letter queue; one that exists stays as it is."""
        path = name.lower()
        if path in self._queues:
            return
        dead_letters = QueueEntity(f"{name}/$DeadLetterQueue", lock_seconds=lock_seconds)
        self._queues[path + DEAD_LETTER_SUFFIX] = dead_letters
        self._queues[path] = QueueEntity(name, max_delivery, lock_seconds, dead_letters)

    def delete_queue(self, name: str) -> None:
        """Take a queue and its dead-letter queue away, with their messages."""
        for path in (name.lower(), name.lower() + DEAD_LETTER_SUFFIX):
            self._queues.pop(path, None)

    def put_rule(self, name: str, keys: Sequence[str]) -> None:
        """Let these keys in under this name."""
        self._keys[name] = keys

    def delete_rule(self, name: str) -> None:
        self._keys.pop(name, None)

    def counts(self, name: str) -> dict[str, int]:
        """How many messages a queue holds: ``active`` (locked ones too), ``scheduled``, ``dead_letter``."""
        dead = self._queues[name.lower() + DEAD_LETTER_SUFFIX].counts()
        return {**self._queues[name.lower()].counts(), "dead_letter": dead["active"]}

    def queue(self, path: str) -> QueueEntity | None:
        """A queue or a dead-letter queue, to receive from."""
        return self._queues.get(path)

    def queue_to_send_to(self, path: str) -> QueueEntity | None:
        """A queue that accepts messages, which dead-letter queues do not."""
        return None if path.endswith(DEAD_LETTER_SUFFIX) else self._queues.get(path)

    def authorises(self, token: str) -> bool:
        """Whether a shared access signature was made with one of the keys and is not over.

        Source: Azure Service Bus docs: "Service Bus access control with Shared Access Signatures".
        """
        scheme, _, fields = token.partition(" ")
        given = {name: values[0] for name, values in parse_qs(fields).items()}
        keys = self._keys.get(given.get("skn", ""), ())
        if scheme != "SharedAccessSignature" or not {"sr", "se", "sig"} <= given.keys():
            return False
        resource = next(part[3:] for part in fields.split("&") if part.startswith("sr="))  # signed as it is encoded
        text = f"{resource}\n{given['se']}".encode()
        signed = [base64.b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest()).decode() for key in keys]
        is_ours = any(hmac.compare_digest(each, given["sig"]) for each in signed)
        return is_ours and float(given["se"]) > time.time()

    async def sweep(self) -> None:
        """Return messages whose locks ran out, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL)
            for queue in list(self._queues.values()):
                queue.expire_locks(time.time())
