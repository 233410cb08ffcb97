"""The images of one registry: a backend for the bytes, and an index of what they are."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

from local_azure.container_registry import attributes
from local_azure.container_registry.backends import Backend
from local_azure.container_registry.index import Index, Repository
from local_azure.container_registry.oci import digest_of

_LARGEST_CONFIG = 16 << 20  # in bytes; what is larger is not read for its attributes
Content = bytes | AsyncIterable[bytes] | IO[bytes]


@dataclass(frozen=True)
class Stored:
    """What the backend said of a manifest that it was given."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_taken(self) -> bool:
        return self.status == 201


class Images:
    """See the module. All but the constructor is for one event loop.

    Args:
        folder: the registry's own.
        make_backend: makes its backend.
    """

    def __init__(self, folder: Path, make_backend: Callable[[Path], Backend]) -> None:
        self._folder = folder
        self._make_backend = make_backend
        self._index = Index(folder / "index.json")
        self._opening = asyncio.Lock()
        # So that the backend and the index see changes in the same order, and nobody reads in between: docker-registry
        # writes over its files in place.
        self._changing = asyncio.Lock()
        self._committing: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._backend: Backend | None = None
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Start the backend, unless it is started.

        Raises:
            OSError: it cannot be run.
            TimeoutError: it did not come up.
        """
        async with self._opening:
            if self._backend is not None:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(self._index.load)
            backend = self._make_backend(self._folder)
            await backend.start()
            self._backend = backend
            # No limits: a layer may take its time, and each waiting upload would hold a connection.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(), auto_decompress=False
            )

    async def close(self) -> None:
        """End the backend; the images stay."""
        async with self._opening:
            session, backend = self._session, self._backend
            self._session = self._backend = None
            if session is not None:
                await session.close()
            if backend is not None:
                await backend.stop()

    async def delete(self) -> None:
        """End the backend, and remove the images."""
        await self.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, True)

    @property
    def is_open(self) -> bool:
        return self._session is not None

    def expect_open(self) -> None:
        """See that it is open, as all that follows needs it to be.

        Raises:
            aiohttp.ClientConnectionError: it is not, or no longer.
        """
        if not self.is_open:
            raise aiohttp.ClientConnectionError("the registry is not open")

    @property
    def url(self) -> str:
        """Where the backend answers, without any login."""
        return self._running.url

    @property
    def session(self) -> aiohttp.ClientSession:
        """For requests to the backend."""
        self.expect_open()
        assert self._session is not None
        return self._session

    def names(self) -> list[str]:
        """The repositories, in order."""
        return self._index.names()

    def repository(self, name: str) -> Repository | None:
        """A repository; None: there is none."""
        return self._index.repositories.get(name)

    def resolve(self, name: str, reference: str) -> str | None:
        """The digest that a tag or digest of a repository stands for; None: there is no such manifest."""
        repository = self.repository(name)
        return repository.resolve(reference) if repository else None

    async def manifest(self, name: str, digest: str) -> tuple[bytes, str]:
        """Content and media type of a manifest that the index has."""
        media_type = self._index.repositories[name].manifests[digest].media_type
        address = self._address(name, f"manifests/{digest}")
        async with (
            self._changing,
            self.session.get(address, headers={"Accept": media_type}, raise_for_status=True) as response,
        ):
            return await response.read(), media_type

    async def put_manifest(
        self, name: str, reference: str, content: bytes, media_type: str, headers: Mapping[str, str] | None = None
    ) -> Stored:
        """Give the backend a manifest, by tag or digest, and take it into the index.

        Args:
            name: the repository.
            reference: a tag, or the manifest's digest.
            content: the manifest.
            media_type: its type.
            headers: say how the client calls the registry.
        """
        address, headers = (
            self._address(name, f"manifests/{reference}"),
            {**(headers or {}), "Content-Type": media_type},
        )
        async with self._changing:
            async with self.session.put(address, data=content, headers=headers) as response:
                stored = Stored(response.status, dict(response.headers), await response.read())
            if stored.is_taken:
                repository = self.repository(name)
                known = repository.manifests if repository else {}
                found = await attributes.read(content, media_type, known, lambda digest: self._small_blob(name, digest))
                self._index.put(name, digest_of(content), found, None if ":" in reference else reference)
        return stored

    async def delete_manifest(self, name: str, digest: str) -> None:
        """Delete a manifest that the index has, and its tags."""
        address = self._address(name, f"manifests/{digest}")
        async with self._changing:
            async with self.session.delete(address) as response:
                if response.status != 404:  # else somebody was faster
                    response.raise_for_status()
            self._index.remove(name, digest)
            if self.repository(name) is None:
                await self._running.forget(name)

    async def untag(self, name: str, tag: str) -> None:
        """Take a tag away that the index has; its manifest stays."""
        async with self._changing:
            await self._running.untag(name, tag)
            self._index.untag(name, tag)

    async def forget(self, name: str) -> None:
        """Delete a repository that the index has."""
        async with self._changing:
            await self._running.forget(name)
            self._index.forget(name)

    async def has_blob(self, name: str, digest: str) -> bool:
        """Whether a repository has a blob."""
        async with self.session.head(self._address(name, f"blobs/{digest}")) as response:
            return response.status == 200

    @asynccontextmanager
    async def read_blob(self, name: str, digest: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The backend's answer that has a blob."""
        async with self.session.get(self._address(name, f"blobs/{digest}"), raise_for_status=True) as response:
            yield response

    @asynccontextmanager
    async def making_blob(self, name: str, digest: str) -> AsyncIterator[bool]:
        """Be the only one who makes a blob in a repository; gives whether it is there already: then leave it alone.

        docker-registry would write over the file that says so in place, and others find it empty.
        """
        async with self._committing.setdefault((name, digest), asyncio.Lock()):
            yield await self.has_blob(name, digest)

    async def put_blob(self, name: str, digest: str, size: int, content: Content) -> None:
        """Give the backend a blob, within :meth:`making_blob`.

        Raises:
            aiohttp.ClientError: it did not take it.
        """
        async with self.session.post(self._address(name, "blobs/uploads/"), raise_for_status=True) as response:
            upload = URL(response.headers["Location"], encoded=True)
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        async with self.session.put(
            upload.extend_query(digest=digest), data=content, headers=headers, raise_for_status=True
        ):
            pass

    async def mount_blob(self, name: str, digest: str, source: str) -> bool:
        """Let a repository have a blob of another, within :meth:`making_blob`; False: that one has it not."""
        address = self._address(name, "blobs/uploads/").with_query({"mount": digest, "from": source})
        async with self.session.post(address) as response:
            return response.status == 201

    async def abandon_upload(self, path_and_query: str) -> None:
        """Give an upload up that has begun."""
        async with self.session.delete(URL(f"{self.url}{path_and_query}", encoded=True)):
            pass

    async def _small_blob(self, name: str, digest: str) -> bytes:
        async with self.read_blob(name, digest) as response:
            return await response.read() if (response.content_length or 0) <= _LARGEST_CONFIG else b""

    def _address(self, name: str, path: str) -> URL:
        return URL(f"{self.url}/v2/{quote(name)}/{path}", encoded=True)

    @property
    def _running(self) -> Backend:
        self.expect_open()
        assert self._backend is not None
        return self._backend
