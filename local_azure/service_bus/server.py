"""A Service Bus to start and stop, in a thread of this process."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import threading
from collections.abc import Sequence
from types import TracebackType

from local_azure.service_bus.broker import Broker
from local_azure.service_bus.connection import Connection
from local_azure.service_bus.entity import DEFAULT_LOCK_SECONDS, DEFAULT_MAX_DELIVERY

KEY_NAME = "RootManageSharedAccessKey"
_TIMEOUT = 30.0  # seconds for the thread to start or stop


class ServiceBus:
    """Queues over AMQP 1.0 that azure-servicebus talks to; in memory, without TLS.

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
        self, name: str, max_delivery: int = DEFAULT_MAX_DELIVERY, lock_seconds: float = DEFAULT_LOCK_SECONDS
    ) -> None:
        """Add a queue, also while it runs.

        Args:
            name: not case-sensitive.
            max_delivery: failed deliveries after which a message goes to the dead-letter queue.
            lock_seconds: how long a receiver keeps a message without renewing.
        """
        self._broker.add_queue(name, max_delivery, lock_seconds)

    def delete_queue(self, name: str) -> None:
        """Take a queue away, with its messages."""
        self._broker.delete_queue(name)

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

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(Connection(self._broker, reader, writer).run())
            clients.add(task)
            task.add_done_callback(clients.discard)

        try:
            server = await asyncio.start_server(connected, self._host, self._port)
        except OSError as error:
            self._failure = error
            self._ready.set()
            return
        self._port = server.sockets[0].getsockname()[1]
        sweeping = asyncio.ensure_future(self._broker.sweep())
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in (sweeping, *clients):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
