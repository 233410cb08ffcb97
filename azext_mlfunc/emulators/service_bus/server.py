"""A Service Bus to start and stop, in a thread of this process; its one port speaks AMQP and HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any

from azext_mlfunc.emulators.service_bus import rest
from azext_mlfunc.emulators.service_bus.broker import Broker
from azext_mlfunc.emulators.service_bus.connection import Connection
from azext_mlfunc.emulators.service_bus.entity import DEFAULT_LOCK_SECONDS, DEFAULT_MAX_DELIVERY
from azext_mlfunc.emulators.service_bus.http import HttpConnection

KEY_NAME = "RootManageSharedAccessKey"
_AMQP = b"AMQP"  # the first bytes of its protocol header
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
_GRACE = 5.0  # seconds for the answers to those who wait
_TIMEOUT = 30.0  # seconds for the thread to start or stop


class ServiceBus:
    """Queues over AMQP 1.0 that azure-servicebus talks to, and over HTTP (``rest``); in memory, without TLS.

    Args:
        port: 0 for any free one.
        host: interface to listen on.
        key: the access key; a new one when None.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1", key: str | None = None) -> None:
        self._host = host
        self._port = port
        self._key = key or base64.b64encode(secrets.token_bytes(32)).decode()
        self._broker = Broker({KEY_NAME: [self._key]})
        self._rest = rest.Rest(self._broker)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._failure: OSError | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def connection_string(self) -> str:
        """For azure-servicebus; the emulator flag makes it use plain TCP and the port."""
        return (
            f"Endpoint=sb://{self._host}:{self._port};SharedAccessKeyName={KEY_NAME};"
            f"SharedAccessKey={self._key};UseDevelopmentEmulator=true;"
        )

    def start(self) -> ServiceBus:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        self._ready.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="service-bus", daemon=True)
        self._thread.start()
        self._ready.wait(_TIMEOUT)
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Close every connection; the messages are gone."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_TIMEOUT)
            self._thread = self._loop = None

    def add_queue(
        self,
        name: str,
        max_delivery: int = DEFAULT_MAX_DELIVERY,
        lock_seconds: float = DEFAULT_LOCK_SECONDS,
        idle_seconds: float | None = None,
        expired: Callable[[], None] | None = None,
    ) -> None:
        """Add a queue, also while it runs.

        Args:
            name: not case-sensitive.
            max_delivery: failed deliveries after which a message goes to the dead-letter queue.
            lock_seconds: how long a receiver keeps a message without renewing.
            idle_seconds: how long it may be without use before it is deleted; None: for ever.
            expired: called, in the thread of the Service Bus, when that has happened.
        """
        self._broker.add_queue(name, max_delivery, lock_seconds, idle_seconds, expired)

    def delete_queue(self, name: str) -> None:
        """Take a queue away, with its messages; who receives from it is told."""
        for queue in self._broker.delete_queue(name):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(queue.close)

    async def answer(self, request: rest.Request) -> rest.Answer:
        """Answer a request over HTTP that did not come by the port, in whatever event loop.

        Raises:
            RuntimeError: it does not run.
        """
        if self._loop is None:
            raise RuntimeError("The Service Bus does not run.")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._rest.answer(request), self._loop))

    def put_rule(self, name: str, keys: Sequence[str]) -> None:
        """Let these keys in under a rule's name."""
        self._broker.put_rule(name, keys)

    def delete_rule(self, name: str) -> None:
        self._broker.delete_rule(name)

    def counts(self, name: str) -> dict[str, int]:
        """See ``Broker.counts``."""
        return self._broker.counts(name)

    def __enter__(self) -> ServiceBus:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        clients: set[asyncio.Task[None]] = set()
        undecided: set[asyncio.Transport] = set()

        requesting: dict[asyncio.Task[None], HttpConnection] = {}

        def served(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            task = asyncio.ensure_future(coroutine)
            clients.add(task)
            task.add_done_callback(clients.discard)
            return task

        def amqp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served(Connection(self._broker, reader, writer).run())

        def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            client = HttpConnection(self._rest.answer, reader, writer)
            task = served(client.run())
            requesting[task] = client
            task.add_done_callback(requesting.pop)

        def connection() -> _Undecided:
            return _Undecided(amqp, http, undecided)

        try:
            server = await self._loop.create_server(connection, self._host, self._port)
        except OSError as error:
            self._failure = error
            self._ready.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        sweeping = asyncio.ensure_future(self._broker.sweep())
        self._ready.set()
        await self._stop.wait()
        server.close()
        for transport in list(undecided):
            transport.abort()
        self._broker.close()
        for client in requesting.values():
            client.end()
        if requesting:  # who waits for a message over HTTP is told
            await asyncio.wait(list(requesting), timeout=_GRACE)
        for task in (sweeping, *clients):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class _Undecided(asyncio.Protocol):
    """A connection until its first bytes tell what it speaks.

    Args:
        amqp: serves one that speaks AMQP.
        http: serves one that speaks HTTP.
        undecided: those of which it is not known yet.
    """

    def __init__(self, amqp: Serve, http: Serve, undecided: set[asyncio.Transport]) -> None:
        self._amqp = amqp
        self._http = http
        self._undecided = undecided
        self._first = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._undecided.add(transport)

    def data_received(self, data: bytes) -> None:
        self._first += data
        if len(self._first) < len(_AMQP) and _AMQP.startswith(self._first):
            return
        self._undecided.discard(self._transport)
        serve = self._amqp if self._first.startswith(_AMQP) else self._http
        protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader(), serve)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._first)

    def connection_lost(self, error: Exception | None) -> None:
        self._undecided.discard(self._transport)
