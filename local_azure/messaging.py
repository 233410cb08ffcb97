"""The namespaces behind Microsoft.ServiceBus: a Service Bus each, on a port of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from azext_mlfunc.emulators.service_bus import ServiceBus, rest
from local_azure.processes import free_port

SUFFIX = ".servicebus.windows.net"
_LOOK_INTERVAL = 1.0  # seconds between two looks at whether a client that waits for a message is still there


@dataclass(frozen=True)
class Queue:
    """What a namespace has to know of a queue.

    Attributes:
        name: not case-sensitive.
        max_delivery: failed deliveries after which a message goes to the dead-letter queue.
        lock_seconds: how long a receiver keeps a message without renewing.
        idle_seconds: how long it may be without use before it is deleted (autoDeleteOnIdle); None: for ever.
    """

    name: str
    max_delivery: int
    lock_seconds: float
    idle_seconds: float | None = None


class ServiceBusNamespaces:
    """Namespaces that run in threads of this process; messages are gone when it ends."""

    def __init__(self) -> None:
        self._running: dict[str, ServiceBus] = {}

    async def open(self, namespace: str, port: int | None) -> int:
        """Start a namespace; returns its port.

        Args:
            namespace: its name.
            port: that of an earlier run, taken again if it is free; None for any.
        """
        if namespace.lower() not in self._running:
            self._running[namespace.lower()] = await asyncio.to_thread(_start, port)
        return self._running[namespace.lower()].port

    async def close(self, namespace: str | None = None) -> None:
        """End one namespace, or all."""
        names = list(self._running) if namespace is None else [namespace.lower()]
        ending = [self._running.pop(name) for name in names if name in self._running]
        await asyncio.gather(*(asyncio.to_thread(bus.stop) for bus in ending))

    def port(self, host: str) -> int | None:
        """The port of the namespace with this host name; None: there is none."""
        running = self._running.get(host.removesuffix(SUFFIX)) if host.endswith(SUFFIX) else None
        return None if running is None else running.port

    async def handle(self, namespace: str, request: web.Request) -> web.Response:
        """Answer a request over HTTP for a namespace's host name.

        A message that comes after the client has gone is not given to it.
        """
        bus = self._running.get(namespace.lower())
        if bus is None:
            return web.Response(status=404)
        answering = asyncio.ensure_future(_respond(request, bus))
        try:
            while not answering.done():
                await asyncio.wait([answering], timeout=_LOOK_INTERVAL)
                if request.transport is None or request.transport.is_closing():
                    answering.cancel()
            return await answering
        finally:
            answering.cancel()

    def put_queue(self, namespace: str, queue: Queue, expired: Callable[[], None] | None = None) -> None:
        """Add a queue; one that exists stays as it is.

        Args:
            namespace: its name.
            queue: the queue.
            expired: called, in this event loop, when the queue has been deleted because it was idle.
        """
        loop = asyncio.get_running_loop()

        def tell() -> None:
            if expired is not None:
                with contextlib.suppress(RuntimeError):  # this Azure is going down, and its loop with it
                    loop.call_soon_threadsafe(expired)

        bus = self._running[namespace.lower()]
        bus.add_queue(queue.name, queue.max_delivery, queue.lock_seconds, queue.idle_seconds, tell)

    def delete_queue(self, namespace: str, queue: str) -> None:
        self._running[namespace.lower()].delete_queue(queue)

    def counts(self, namespace: str, queue: str) -> dict[str, int]:
        """How many messages a queue holds, by Azure's names for their kinds."""
        return self._running[namespace.lower()].counts(queue)

    def put_rule(self, namespace: str, rule: str, keys: list[str]) -> None:
        """Let these keys in under the rule's name, for everything: a rule's rights are not looked at."""
        self._running[namespace.lower()].put_rule(rule, keys)

    def delete_rule(self, namespace: str, rule: str) -> None:
        self._running[namespace.lower()].delete_rule(rule)

    def connection_string(self, namespace: str, rule: str, key: str) -> str:
        """For the SDKs. It names this machine, where Azure's names NAMESPACE.servicebus.windows.net: AMQP does not go
        through a proxy; the flag is that of Microsoft's own emulator."""
        port = self._running[namespace.lower()].port
        return (
            f"Endpoint=sb://localhost:{port}/;SharedAccessKeyName={rule};SharedAccessKey={key};"
            "UseDevelopmentEmulator=true"
        )


async def _respond(request: web.Request, bus: ServiceBus) -> web.Response:
    asked = rest.Request(
        request.method,
        f"{request.scheme}://{request.host}",
        request.path,
        request.query.get("timeout"),
        request.headers,
        await request.read(),
    )
    told = await bus.answer(asked)
    return web.Response(status=told.status, headers=dict(told.headers), body=told.body or None)


def _start(port: int | None) -> ServiceBus:
    if port is not None:
        try:
            return ServiceBus(port, host="localhost").start()
        except OSError:
            pass
    return ServiceBus(free_port(), host="localhost").start()


def describe(counts: dict[str, int]) -> dict[str, Any]:
    """``countDetails`` of a queue, and what goes with it (servicebus-queue-put.json)."""
    return {
        "messageCount": sum(counts.values()),
        "countDetails": {
            "activeMessageCount": counts.get("active", 0),
            "deadLetterMessageCount": counts.get("dead_letter", 0),
            "scheduledMessageCount": counts.get("scheduled", 0),
            "transferMessageCount": 0,
            "transferDeadLetterMessageCount": 0,
        },
    }
