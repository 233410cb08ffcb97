"""A Service Bus to start and stop, in a thread of this process; its one port speaks AMQP and HTTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from aiohttp import web

from local_azure.service_bus import rest
from local_azure.service_bus.broker import Broker
from local_azure.service_bus.connection import Connection
from local_azure.service_bus.entity import DEFAULT_LOCK_SECONDS, DEFAULT_MAX_DELIVERY

KEY_NAME = "RootManageSharedAccessKey"
_AMQP = b"AMQP"  # the first bytes of its protocol header
_TIMEOUT = 30.0  # seconds for the thread to start or stop
_MAXIMUM_REQUEST = 1 << 30  # bytes; far larger than a message may be, so that it is the message that is refused


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

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(Connection(self._broker, reader, writer).run())
            clients.add(task)
            task.add_done_callback(clients.discard)

        async def answer(request: web.Request) -> web.Response:
            return await rest.respond(request, self._rest.answer)

        application = web.Application(client_max_size=_MAXIMUM_REQUEST)
        application.router.add_route("*", "/{path:.*}", answer)
        # A client that goes while it waits for a message must not get one.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1, handler_cancellation=True)
        await runner.setup()
        http = runner.server
        assert http is not None

        def amqp() -> asyncio.Protocol:
            return asyncio.StreamReaderProtocol(asyncio.StreamReader(), connected)

        try:
            server = await self._loop.create_server(lambda: _Undecided(amqp, http, undecided), self._host, self._port)
        except OSError as error:
            await runner.cleanup()
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
        for task in (sweeping, *clients):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._broker.close()  # who waits for a message over HTTP, and would keep the runner waiting
        await runner.cleanup()


class _Undecided(asyncio.Protocol):
    """A connection until its first bytes tell what it speaks.

    Args:
        amqp: makes the protocol of AMQP.
        http: makes that of HTTP.
        undecided: those of which it is not known yet.
    """

    def __init__(
        self,
        amqp: Callable[[], asyncio.Protocol],
        http: Callable[[], asyncio.Protocol],
        undecided: set[asyncio.Transport],
    ) -> None:
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
        protocol = self._amqp() if self._first.startswith(_AMQP) else self._http()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(self._first)

    def connection_lost(self, error: Exception | None) -> None:
        self._undecided.discard(self._transport)
