"""The broker: its queues by path, and who may use them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
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
        keys: shared access keys by name.
    """

    def __init__(self, keys: dict[str, str]) -> None:
        self._keys = keys
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
        key = self._keys.get(given.get("skn", ""))
        if scheme != "SharedAccessSignature" or key is None or not {"sr", "se", "sig"} <= given.keys():
            return False
        resource = next(part[3:] for part in fields.split("&") if part.startswith("sr="))  # signed as it is encoded
        signed = hmac.new(key.encode(), f"{resource}\n{given['se']}".encode(), hashlib.sha256).digest()
        expected = base64.b64encode(signed).decode()
        return hmac.compare_digest(expected, given["sig"]) and float(given["se"]) > time.time()

    async def sweep(self) -> None:
        """Return messages whose locks ran out, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL)
            for queue in list(self._queues.values()):
                queue.expire_locks(time.time())
