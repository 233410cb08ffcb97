"""Images as App Service pulls them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class PullFailed(Exception):
    """An image cannot be pulled; the text is what Docker says: wrong credentials, no such image, no such registry."""


@dataclass(frozen=True)
class Layer:
    """A layer of an image, as its manifest lists it."""

    digest: str
    media_type: str


@dataclass(frozen=True)
class PulledImage:
    """An image that may be pulled.

    Attributes:
        digest: of its manifest.
        config: its OCI image config.
        layers: from the lowest to the uppermost.
        local_reference: what a Docker engine on this machine pulls without login, ``127.0.0.1:PORT/repo@sha256:…``.
        open_layer: gives the bytes of the layer of a digest.
    """

    digest: str
    config: Mapping[str, Any] = field(repr=False)
    layers: tuple[Layer, ...]
    local_reference: str
    open_layer: Callable[[str], AsyncIterator[bytes]] = field(repr=False, compare=False)

    @property
    def environment(self) -> dict[str, str]:
        """The image's ENV."""
        lines = self._settings.get("Env") or []
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    @property
    def command(self) -> list[str]:
        """What a container of it runs."""
        return [*(self._settings.get("Entrypoint") or []), *(self._settings.get("Cmd") or [])]

    @property
    def architecture(self) -> str:
        return str(self.config.get("architecture") or "amd64")

    @property
    def _settings(self) -> Mapping[str, Any]:
        settings: Mapping[str, Any] = self.config.get("config") or {}
        return settings


class ImageSource(Protocol):
    """The registries that App Service can reach."""

    async def pull(self, image: str, settings: Mapping[str, str], identity: bool) -> PulledImage:
        """Find an image with the credentials of the app.

        Args:
            image: its reference, as linuxFxVersion has it.
            settings: the app settings, of which DOCKER_REGISTRY_SERVER_* say how to log in.
            identity: log in with the app's managed identity, which may pull.

        Raises:
            PullFailed: it may not be pulled, or is not there.
        """
        ...
