"""The registry that keeps the bytes: a real one on loopback, without any login."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

from local_azure.container_registry.backends.docker_registry import PROGRAM, DockerRegistry
from local_azure.container_registry.backends.small_registry import SmallRegistry


class Backend(Protocol):
    """A registry after the OCI Distribution Specification 1.1. It keeps its images in its folder between runs."""

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, once it is started."""

    async def start(self) -> None:
        """Start it; returns when it answers.

        Raises:
            OSError: it cannot be run.
            TimeoutError: it did not come up.
        """

    async def stop(self) -> None:
        """End it; returns when it is gone."""

    async def untag(self, repository: str, tag: str) -> None:
        """Take a tag away. Here, as registries differ in whether they can do so when asked."""

    async def forget(self, repository: str) -> None:
        """Take a repository away: its tags, manifests and blobs, not those of repositories below its name."""


_KINDS: dict[str, type[DockerRegistry] | type[SmallRegistry]] = {
    "docker-registry": DockerRegistry,
    "small-registry": SmallRegistry,
}


def make_backend(folder: Path, kind: str | None = None) -> Backend:
    """The backend in a folder: whichever has its images there; else, Debian's docker-registry where there is one.

    Args:
        folder: the registry's own.
        kind: which one to take for new images: ``docker-registry`` or ``small-registry``.

    Raises:
        ValueError: there is no such kind.
    """
    if kind is not None and kind not in _KINDS:
        raise ValueError(f"There is no registry '{kind}'; there are {', '.join(_KINDS)}.")
    found = next((name for name in _KINDS if (folder / name).is_dir()), None)
    chosen = found or kind or ("docker-registry" if shutil.which(PROGRAM) else "small-registry")
    return _KINDS[chosen](folder / chosen)
