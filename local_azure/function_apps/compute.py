"""Where apps run."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from local_azure.function_apps.image import PulledImage

Result = TypeVar("Result")


class ComputeUnavailable(Exception):
    """Apps cannot be run this way on this machine; the text says what to do."""


class StartFailed(Exception):
    """An app cannot be started; the text says why."""


@dataclass(frozen=True)
class Launch:
    """One start of an app.

    Attributes:
        site: name of the app.
        container: name of the container in the platform's log.
        folder: the app's own; ``secrets`` in it keeps its keys, ``home`` is its storage.
        image: what is started.
        environment: what the app finds in its environment, as a container of the image has it.
        of_this_machine: the part of it that this local Azure gives to every app; paths in it are paths of this machine.
        port: the port at which the platform expects the app to listen.
        storage: /home is the app's storage, not the image's.
    """

    site: str
    container: str
    folder: Path
    image: PulledImage
    environment: Mapping[str, str] = field(repr=False)
    of_this_machine: Mapping[str, str]
    port: int
    storage: bool

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def home(self) -> Path:
        return self.folder / "home"


class Running(Protocol):
    """An app that was started."""

    @property
    def url(self) -> str:
        """Where the port leads to at which the platform expects the app; nobody may listen there."""
        ...

    async def exited(self) -> bool:
        """Whether it has ended by itself."""
        ...

    async def output(self, limit: int) -> str:
        """The last ``limit`` bytes of what it has written, also after its end."""
        ...

    async def stop(self, gently: bool) -> None:
        """End it, ``gently``: with a little time to end by itself; returns when nothing of it is left."""
        ...


class Compute(Protocol):
    """A way of running apps. Whatever is cancelled leaves nothing running."""

    name: ClassVar[str]

    async def prepare(self, folder: Path) -> None:
        """Remove what an earlier run with the same folder left behind."""
        ...

    async def fetch(self, launch: Launch) -> None:
        """Bring the image here.

        Raises:
            StartFailed: it cannot be run this way.
        """
        ...

    async def start(self, launch: Launch) -> Running:
        """Start an app whose image is here.

        Raises:
            StartFailed: it cannot be started.
        """
        ...

    async def close(self) -> None:
        """Let go of all that is held; no app is running any more."""
        ...


def nobodys_port() -> tuple[socket.socket, int]:
    """A port at which nobody listens, and the socket that keeps it so until it is closed."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder, int(holder.getsockname()[1])


async def to_the_end(call: Callable[[], Result], stop: threading.Event | None = None) -> Result:
    """Run a blocking call in a thread; who is cancelled meanwhile still waits for its end, and is cancelled then.

    Args:
        call: what blocks.
        stop: set on cancellation, for a call that looks at it now and then.
    """
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if stop is not None:
            stop.set()
        await asyncio.gather(task, return_exceptions=True)
        raise
