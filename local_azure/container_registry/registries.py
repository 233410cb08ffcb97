"""All registries of the local Azure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from local_azure.container_registry import access, importing
from local_azure.container_registry.acr_api import acr_api
from local_azure.container_registry.answers import guarded, page_not_found, unauthorized, unsupported
from local_azure.container_registry.backends import make_backend
from local_azure.container_registry.callers import Caller, Callers, basic
from local_azure.container_registry.directory import Directory
from local_azure.container_registry.docker_api import docker_api
from local_azure.container_registry.images import Images
from local_azure.container_registry.importing import ImportRefused, ImportSource
from local_azure.container_registry.oauth import TokenEndpoint
from local_azure.container_registry.paths import Call, take_apart
from local_azure.container_registry.public import MCR, PublicRegistry
from local_azure.container_registry.tokens import Tokens


class ContainerRegistries:
    """What Microsoft.ContainerRegistry makes, each with a folder and a backend of its own.

    Names are those of registries in ARM, without regard to case. All but the constructor is for one event loop.

    Args:
        folder: the folders of all registries are in it.
        directory: knows who may do what.
        secret: signs the tokens.
        public: where images are imported from as mcr.microsoft.com; None: there is none.
        backend: ``docker-registry`` or ``small-registry``, for registries that have no images yet; None: the first
            where this machine has it, else the second.
    """

    def __init__(
        self,
        folder: Path,
        directory: Directory,
        secret: bytes,
        public: PublicRegistry | None = None,
        backend: str | None = None,
    ) -> None:
        self._folder = folder
        self._public = public
        self._backend = backend
        tokens = Tokens(secret)
        self._callers = Callers(directory, tokens)
        self._token_endpoint = TokenEndpoint(self._callers, tokens)
        self._registries: dict[str, Images] = {}

    async def open(self, name: str) -> None:
        """Start a registry, with the images that its folder has, if any; it may be open.

        Raises:
            OSError: its backend cannot be run.
            TimeoutError: its backend did not come up.
        """
        await self._made(name).open()

    async def delete(self, name: str) -> None:
        """End a registry, open or not, and remove its images."""
        await self._made(name).delete()
        self._registries.pop(name.lower(), None)

    async def close(self) -> None:
        """End all registries; their images stay."""
        await asyncio.gather(*(images.close() for images in self._registries.values()))
        self._registries.clear()

    def authorize(self, name: str, repository: str, user: str | None, password: str | None) -> bool:
        """Whether somebody may pull: what App Service has to show when it pulls an image.

        Args:
            name: the registry.
            repository: the image's.
            user: the admin user, or the null GUID with a refresh token as password; None: nobody.
            password: theirs.
        """
        callers = self._callers
        caller = callers.with_password(name, user, password or "") if user else callers.anonymous(name)
        wanted = access.repository(repository, access.PULL)
        return caller is not None and caller.granted(wanted) == wanted

    def backend_url(self, name: str) -> str:
        """Where the real registry behind an open one answers without a login: ``http://127.0.0.1:PORT``.

        It is for pulling: what is pushed there Azure's side does not come to know.

        Raises:
            KeyError: it is not open; the text lists those that are.
        """
        return self._opened(name).url

    async def import_image(
        self,
        name: str,
        source: ImportSource,
        target_tags: Sequence[str] = (),
        untagged_repositories: Sequence[str] = (),
        force: bool = False,
    ) -> None:
        """Copy an image from mcr.microsoft.com or another of these registries.

        The caller's right to the source is not asked for where it is named by resource: ARM does that.

        Args:
            name: the registry that gets it.
            source: where it is.
            target_tags: ``REPOSITORY[:TAG]`` each.
            untagged_repositories: get the image without a tag.
            force: replace tags that are there.

        Raises:
            ImportRefused: it is refused, or failed.
            KeyError: the registry is not open; the text lists those that are.
        """
        target = self._opened(name)
        targets = importing.parse_targets(source.source_image, target_tags, untagged_repositories)
        await importing.copy_image(self._source(source), source.source_image, target, targets, force)

    async def handle(self, name: str, request: web.Request) -> web.StreamResponse:
        """Answer whatever arrives for a registry's host name."""
        return await guarded(self._answer(name, request))

    async def _answer(self, name: str, request: web.Request) -> web.StreamResponse:
        images = self._registries.get(name.lower())
        if images is None:
            return page_not_found()
        images.expect_open()
        given = await self._token_endpoint.handle(name, request)
        if given is not None:
            return given
        call = take_apart(request)
        if call is None:
            return page_not_found()
        self._allow(name, request, call)
        if not call.supported:
            raise unsupported()
        return await (acr_api if call.is_acr else docker_api)(request, call, images)

    def _allow(self, name: str, request: web.Request, call: Call) -> None:
        """See that the caller may do what the call needs.

        Raises:
            Refused: with the challenge that says what is needed.
        """
        header = request.headers.get("Authorization", "")
        if not header:
            raise unauthorized(request.host, call.wanted)
        scheme, _, token = header.partition(" ")
        caller: Caller | None
        if scheme.lower() == "bearer":
            caller = self._callers.with_access_token(name, token.strip())
        else:
            credentials = basic(header)
            caller = self._callers.with_password(name, *credentials) if credentials else None
        if caller is None:
            raise unauthorized(request.host, call.wanted, "invalid_token" if scheme.lower() == "bearer" else "")
        if any(caller.granted(wanted) != wanted for wanted in call.wanted):
            raise unauthorized(request.host, call.wanted, "insufficient_scope")

    def _source(self, source: ImportSource) -> Images:
        """The registry that an import is from."""
        if source.resource_id:
            name = source.resource_id.rstrip("/").rpartition("/")[2]
            if name.lower() not in self._registries:
                raise ImportRefused("InvalidParameters", f"The source registry '{source.resource_id}' was not found.")
            return self._registries[name.lower()]
        host = (source.registry_uri or "").lower().removeprefix("https://").rstrip("/")
        if host == MCR and self._public is not None:
            return self._public.images
        name, _, suffix = host.partition(".")
        if name not in self._registries or not suffix.startswith("azurecr."):
            raise ImportRefused("InvalidParameters", f"The source registry '{host}' could not be reached.")
        repository, _, _ = importing.parse_source(source.source_image)
        if not self.authorize(name, repository, source.username, source.password):
            raise ImportRefused("InvalidParameters", f"Invalid message Unauthorized: {host} wants a login.")
        return self._registries[name]

    def _made(self, name: str) -> Images:
        key = name.lower()
        if key not in self._registries:
            self._registries[key] = Images(self._folder / key, lambda folder: make_backend(folder, self._backend))
        return self._registries[key]

    def _opened(self, name: str) -> Images:
        images = self._registries.get(name.lower())
        if images is None or not images.is_open:
            there = sorted(key for key, each in self._registries.items() if each.is_open)
            raise KeyError(f"There is no registry '{name}'; there are {', '.join(there) or 'none'}.")
        return images
