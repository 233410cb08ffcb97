"""The broker: its queues by path, and who may use them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qs

from azext_mlfunc.emulators.service_bus.entity import (
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
        self._expired: dict[str, Callable[[], None]] = {}  # by queue: what to call when idleness has deleted it

    def add_queue(
        self,
        name: str,
        max_delivery: int = DEFAULT_MAX_DELIVERY,
        lock_seconds: float = DEFAULT_LOCK_SECONDS,
        idle_seconds: float | None = None,
        expired: Callable[[], None] | None = None,
    ) -> None:
        """Add a queue with its dead-letter queue; one that exists stays as it is. See ``ServiceBus.add_queue``."""
        path = name.lower()
        if path in self._queues:
            return
        dead_letters = QueueEntity(f"{name}/$DeadLetterQueue", lock_seconds=lock_seconds)
        if expired is not None:
            self._expired[path] = expired
        self._queues[path + DEAD_LETTER_SUFFIX] = dead_letters
        self._queues[path] = QueueEntity(name, max_delivery, lock_seconds, dead_letters, idle_seconds)

    def delete_queue(self, name: str) -> list[QueueEntity]:
        """Take a queue and its dead-letter queue away, with their messages; returns them, to be closed."""
        self._expired.pop(name.lower(), None)
        paths = (name.lower(), name.lower() + DEAD_LETTER_SUFFIX)
        return [self._queues.pop(path) for path in paths if path in self._queues]

    def close(self) -> None:
        """Tell all receivers that no more will come."""
        for queue in list(self._queues.values()):
            queue.close()

    def put_rule(self, name: str, keys: Sequence[str]) -> None:
        """Let these keys in under this name."""
        self._keys[name] = keys

    def delete_rule(self, name: str) -> None:
        self._keys.pop(name, None)

    def counts(self, name: str) -> dict[str, int]:
        """How many messages a queue holds: ``active`` (locked ones too), ``scheduled``, ``dead_letter``.

        Nothing for a queue that is not there: idleness may have deleted it a moment ago.
        """
        if name.lower() not in self._queues:
            return {}
        dead = self._queues[name.lower() + DEAD_LETTER_SUFFIX].counts()
        return {**self._queues[name.lower()].counts(), "dead_letter": dead["active"]}

    def queue(self, path: str) -> QueueEntity | None:
        """A queue or a dead-letter queue, to receive from."""
        return self._queues.get(path)

    def queue_to_send_to(self, path: str) -> QueueEntity | None:
        """A queue that accepts messages, which dead-letter queues do not."""
        return None if path.endswith(DEAD_LETTER_SUFFIX) else self._queues.get(path)

    def authorises(self, token: str, resource: str | None = None) -> bool:
        """Whether a shared access signature was made with one of the keys, is not over, and is for the resource.

        Source: Azure Service Bus docs: "Service Bus access control with Shared Access Signatures".

        Args:
            token: the whole of it, from "SharedAccessSignature" on.
            resource: a URL without its scheme; None: whatever the token is for.
        """
        scheme, _, fields = token.partition(" ")
        given = {name: values[0] for name, values in parse_qs(fields).items()}
        keys = self._keys.get(given.get("skn", ""), ())
        if scheme != "SharedAccessSignature" or not {"sr", "se", "sig"} <= given.keys():
            return False
        audience = next(part[3:] for part in fields.split("&") if part.startswith("sr="))  # signed as it is encoded
        text = f"{audience}\n{given['se']}".encode()
        signed = [base64.b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest()).decode() for key in keys]
        is_ours = any(hmac.compare_digest(each.encode(), given["sig"].encode()) for each in signed)
        is_over = not given["se"].isdecimal() or int(given["se"]) <= time.time()
        return is_ours and not is_over and (resource is None or _covers(given["sr"], resource))

    async def sweep(self) -> None:
        """Return messages whose locks ran out, and delete queues that have been idle for too long, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL)
            for path, queue in list(self._queues.items()):
                queue.expire_locks(time.time())
                if queue.is_idle(time.monotonic()):
                    self._delete_idle(path)

    def _delete_idle(self, path: str) -> None:
        expired = self._expired.get(path)
        for queue in self.delete_queue(path):
            queue.close()
        if expired is not None:
            expired()


def _covers(audience: str, resource: str) -> bool:
    """Whether a token for one URL is good for another: the same, or one below it; schemes and ports do not count."""
    wanted, given = (_parts(resource), _parts(audience.partition("://")[2] or audience))
    return wanted[: len(given)] == given


def _parts(url: str) -> list[str]:
    """Host and path of a URL without scheme, part by part."""
    host, _, path = url.lower().strip("/").partition("/")
    return [host.partition(":")[0], *(part for part in path.split("/") if part)]
