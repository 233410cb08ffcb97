"""How the host names of Azure reach this machine: a proxy that tunnels (HTTP CONNECT), and knows where to.

Clients find it by HTTPS_PROXY. A name of Azure that this Azure serves goes to the port that answers for it, one that it
could have but has not is refused as a name that does not resolve would be, and any other, such as a package index, is
passed on to the real host.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

_CHUNK = 256 * 1024
_AZURE = (".core.windows.net", ".azurecr.io", ".azurewebsites.net", ".servicebus.windows.net", "mcr.microsoft.com",
          ".applicationinsights.azure.com", ".monitor.azure.com", ".azureml.ms", ".azureml.net", "management.azure.com",
          "graph.microsoft.com", "login.microsoftonline.com")  # fmt: skip

Route = Callable[[str], int | None]
"""The port on this machine that answers for a host name; None: nothing does."""


class Front:
    """The proxy.

    Args:
        route: where a host name leads.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> int:
        """Listen on loopback; returns the port.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, and cut what is open."""
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, *_ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            if method != "CONNECT":
                await _refuse(writer, "405 Method Not Allowed", "Only CONNECT is spoken here.")
                return
            host, _, port = target.rpartition(":")
            await self._tunnel(host.lower(), int(port), reader, writer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
            pass
        finally:
            writer.close()

    async def _tunnel(self, host: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = self._route(host)
        if here is None and host.endswith(_AZURE):
            await _refuse(writer, "502 Bad Gateway", f"{host} is not known here.")
            return
        try:
            target = await asyncio.open_connection(*(("127.0.0.1", here) if here else (host, port)))
        except OSError as error:
            await _refuse(writer, "502 Bad Gateway", f"{host}: {error}")
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, target[1]), _pump(target[0], writer), return_exceptions=True)


async def _refuse(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    with contextlib.suppress(ConnectionError):
        await writer.drain()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass bytes on until there are no more; then the other side is told so."""
    try:
        while data := await source.read(_CHUNK):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except (ConnectionError, asyncio.CancelledError):
        sink.close()
        raise
