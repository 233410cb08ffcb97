"""How App Service gets an app's image: from the registries of this Azure, with the credentials that the app has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from local_azure.container_registry import ContainerRegistries, PublicRegistry
from local_azure.function_apps import Layer, PulledImage, PullFailed

_PUBLIC = "mcr.microsoft.com"
_SUFFIX = ".azurecr.io"
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CHUNK = 256 * 1024


class RegistryImages:
    """See ``function_apps.ImageSource``.

    Args:
        registries: those of ARM.
        public: mcr.microsoft.com.
    """

    def __init__(self, registries: ContainerRegistries, public: PublicRegistry) -> None:
        self._registries = registries
        self._public = public

    async def pull(self, image: str, settings: Mapping[str, str], identity: bool) -> PulledImage:
        """What an image is made of.

        Args:
            image: ``HOST/REPOSITORY[:TAG][@DIGEST]``.
            settings: of the app; DOCKER_REGISTRY_SERVER_* are the credentials.
            identity: an identity of the app may pull it.

        Raises:
            PullFailed: in the words of the Docker engine, which App Service's log has.
        """
        host, _, name = image.partition("/")
        repository, _, digest = name.partition("@")
        repository, _, tag = repository.partition(":")
        backend = self._backend(host.lower(), repository, settings, identity)
        async with aiohttp.ClientSession() as session:
            digest, manifest = await _manifest(session, backend, repository, digest or tag or "latest", image)
            config = await _json(session, f"{backend}/v2/{repository}/blobs/{manifest['config']['digest']}")

        async def open_layer(layer: str) -> AsyncIterator[bytes]:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"{backend}/v2/{repository}/blobs/{layer}") as answer,
            ):
                answer.raise_for_status()
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    yield chunk

        return PulledImage(
            digest=digest,
            config=config,
            layers=tuple(Layer(each["digest"], each["mediaType"]) for each in manifest["layers"]),
            local_reference=f"{backend.removeprefix('http://')}/{repository}@{digest}",
            open_layer=open_layer,
        )

    def _backend(self, host: str, repository: str, settings: Mapping[str, str], identity: bool) -> str:
        """The real registry behind a host name, if the app may pull from it.

        Raises:
            PullFailed: it may not, or there is no such registry.
        """
        if host == _PUBLIC:
            return self._public.backend_url()
        registry = host.removesuffix(_SUFFIX)
        try:
            backend = self._registries.backend_url(registry) if host.endswith(_SUFFIX) else None
        except KeyError:
            backend = None
        if backend is None:
            raise PullFailed(f"Get https://{host}/v2/: dial tcp: lookup {host}: no such host")
        named = settings.get("DOCKER_REGISTRY_SERVER_URL", "").removeprefix("https://").split("/")[0].lower()
        user, password = (
            settings.get(f"DOCKER_REGISTRY_SERVER_{part}") if named == host else None
            for part in ("USERNAME", "PASSWORD")
        )
        if not identity and not self._registries.authorize(registry, repository, user, password):
            raise PullFailed(
                f"Head https://{host}/v2/{repository}/manifests: unauthorized: authentication required, visit "
                "https://aka.ms/acr/authorization for more information."
            )
        return backend


async def _manifest(
    session: aiohttp.ClientSession, backend: str, repository: str, reference: str, image: str
) -> tuple[str, dict[str, Any]]:
    """The digest and the manifest of the image for linux/amd64."""
    url = f"{backend}/v2/{repository}/manifests/{reference}"
    async with session.get(url, headers={"Accept": ", ".join(_MANIFESTS)}) as answer:
        if answer.status == 404:
            raise PullFailed(
                f"manifest for {image} not found: manifest unknown: manifest tagged by {reference} is not found"
            )
        answer.raise_for_status()
        digest, manifest = answer.headers["Docker-Content-Digest"], await answer.json(content_type=None)
    if "manifests" not in manifest:
        return digest, manifest
    platforms = [
        each["digest"]
        for each in manifest["manifests"]
        if (each.get("platform") or {}).get("os") == "linux" and each["platform"].get("architecture") == "amd64"
    ]
    if not platforms:
        raise PullFailed(f"no matching manifest for linux/amd64 in the manifest list entries: {image}")
    return await _manifest(session, backend, repository, platforms[0], image)


async def _json(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        answer.raise_for_status()
        document: dict[str, Any] = await answer.json(content_type=None)
        return document
