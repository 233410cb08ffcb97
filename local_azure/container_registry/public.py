"""The stand-in for mcr.microsoft.com: anybody may pull, nobody may push.

That it asks nobody for a login, and lists its tags and repositories, is known of the real one; that it refuses to be
pushed to with a 405 is general knowledge.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from local_azure.container_registry import functions_base
from local_azure.container_registry.answers import guarded, page_not_found, unsupported
from local_azure.container_registry.backends import make_backend
from local_azure.container_registry.docker_api import docker_api
from local_azure.container_registry.functions_base import BaseImage
from local_azure.container_registry.images import Images
from local_azure.container_registry.paths import take_apart

MCR = "mcr.microsoft.com"


class PublicRegistry:
    """A registry that everybody may read. All but the constructor is for one event loop.

    Args:
        folder: its own.
        backend: as for :class:`.registries.ContainerRegistries`.
    """

    def __init__(self, folder: Path, backend: str | None = None) -> None:
        self.images = Images(folder, lambda place: make_backend(place, backend))

    async def open(self) -> None:
        """Start it, with the images that its folder has.

        Raises:
            OSError: its backend cannot be run.
            TimeoutError: its backend did not come up.
        """
        await self.images.open()

    async def close(self) -> None:
        """End it; its images stay."""
        await self.images.close()

    def backend_url(self) -> str:
        """Where the real registry behind it answers: ``http://127.0.0.1:PORT``."""
        return self.images.url

    async def publish_base(self, cache: Path, runnable: bool = False) -> bool:
        """Put the stand-ins of the Functions base images there, as far as they are not.

        Args:
            cache: keeps the file system of the image that can be run, between runs.
            runnable: make the one for :data:`local_azure.base_image.PYTHON_VERSION` so that a Docker engine can run
                it, where this machine can make it (mmdebstrap, root); that takes a quarter of a minute when it is not
                in the cache. The others, or else all, are hollow: enough to be built on.

        Returns:
            Whether that one can be run.

        Raises:
            subprocess.CalledProcessError: mmdebstrap failed; it has said why on stderr.
            OSError: the registry did not take an image.
        """
        made = await functions_base.make(cache, runnable)
        for base in made:
            await self._publish(base, functions_base.tags(base.python_version))
        return any(base.is_runnable for base in made)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer whatever arrives for mcr.microsoft.com."""
        return await guarded(self._answer(request))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.images.expect_open()
        call = take_apart(request)
        if call is None or call.is_acr:
            return page_not_found()
        if request.method not in ("GET", "HEAD") or not call.supported:
            raise unsupported()
        return await docker_api(request, call, self.images)

    async def _publish(self, base: BaseImage, tags: Sequence[str]) -> None:
        name = functions_base.REPOSITORY
        missing = [tag for tag in tags if self.images.resolve(name, tag) != base.digest]
        if not missing:
            return
        for blob in (base.config, base.layer):
            async with self.images.making_blob(name, blob.digest) as is_there:
                if not is_there:
                    with blob.open() as content:
                        await self.images.put_blob(name, blob.digest, blob.size, content)
        for tag in missing:
            stored = await self.images.put_manifest(name, tag, base.manifest, base.media_type)
            if not stored.is_taken:
                raise OSError(f"{MCR} did not take {name}:{tag}: {stored.body.decode(errors='replace')}")
