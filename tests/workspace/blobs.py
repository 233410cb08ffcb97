"""A container in Azurite, and the line to it, which can break, stop and count."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import struct
import threading
from types import TracebackType
from typing import Any

from azure.storage.blob import BlobServiceClient, ContainerClient, ContentSettings, generate_container_sas

from azext_mlfunc.registry.credentials import Secret
from azext_mlfunc.workspace.access import AccountKey
from azext_mlfunc.workspace.storage import Container
from local_azure.azurite import ACCOUNT, Azurite

_BLOCK = 64 << 10


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that are the same in each run, no two MiB of which are alike."""
    block = hashlib.sha256(bytes([seed])).digest() * (1 << 15)
    return b"".join(struct.pack(">Q", start) + block[8:] for start in range(0, size, 1 << 20))[:size]


class Line:
    """A TCP relay on a free port of 127.0.0.1; a context manager.

    :param port: where it leads.
    """

    def __init__(self, port: int) -> None:
        self.received = 0
        """How many bytes came back so far."""
        self.broken = 0
        """How many connections it broke so far."""
        self.go_on = threading.Event()
        """Lets what was held go on."""
        self._breaks: list[int] = []
        self._hold_after: int | None = None
        self._to = port
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]

    def break_after(self, *counts: int) -> None:
        """Break a connection once it has brought back that many bytes: the next big answers, one count each."""
        self._breaks = list(counts)

    def hold_after(self, count: int) -> None:
        """Bring back no more once that many bytes came, until `go_on` is set."""
        self._hold_after = self.received + count

    def __enter__(self) -> Line:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go_on.set()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                threading.Thread(target=self._send, args=(client, server), daemon=True).start()
                threading.Thread(target=self._bring, args=(client, server), daemon=True).start()

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_BLOCK):
                server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _bring(self, client: socket.socket, server: socket.socket) -> None:
        own = 0
        limit: int | None = None
        with client, server, contextlib.suppress(OSError):
            while data := server.recv(_BLOCK):
                with self._lock:
                    if limit is None and self._breaks and own + len(data) > _BLOCK:
                        limit = self._breaks.pop(0)
                    self.received += len(data)
                    held = self._hold_after is not None and self.received > self._hold_after
                own += len(data)
                if limit is not None and own > limit:
                    client.sendall(data[: max(0, len(data) - (own - limit))])
                    with self._lock:
                        self.broken += 1
                    client.shutdown(socket.SHUT_RDWR)  # closing is not enough while another thread reads
                    return
                if held:
                    self.go_on.wait()
                client.sendall(data)


class Blobs:
    """A container of its own.

    :param azurite: where it is.
    :param name: its name.
    :param line: what `container` reads over.
    """

    def __init__(self, azurite: Azurite, name: str, line: Line) -> None:
        self.line = line
        self.name = name
        self.key = azurite.keys(ACCOUNT)[0]
        self.url = f"http://127.0.0.1:{line.port}/{ACCOUNT}/{name}"
        self._client = BlobServiceClient.from_connection_string(azurite.connection_string()).create_container(name)

    def put(self, name: str, data: bytes = b"x", md5: bytes | None = None, **more: Any) -> None:
        """Write a blob, in place of what is there; `md5` is what storage shall say that its hash is."""
        blob = self._client.upload_blob(name, data, overwrite=True, **more)
        if md5:
            blob.set_http_headers(ContentSettings(content_md5=bytearray(md5)))

    @property
    def container(self) -> Container:
        """It, opened with the account's key."""
        access = AccountKey(ACCOUNT, self.name, Secret(self.key), generate_container_sas)
        return Container(self.url, access, ContainerClient.from_container_url)
