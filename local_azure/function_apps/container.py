"""Apps as containers of a Docker engine on this machine.

Containers share this machine's network, so that the names of Azure lead where they lead for everything else here, and
engines without a bridge will do; each is told a port of its own, in the way of Azure's images (ASPNETCORE_URLS; PORT).
"""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from local_azure.function_apps.compute import ComputeUnavailable, Launch, StartFailed, nobodys_port, to_the_end
from local_azure.function_apps.environment import listening_port
from local_azure.processes import free_port

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

LABEL = "local-azure.folder"
"""Of every container: the folder of the local Azure that it belongs to."""
SITE = "local-azure.site"
_LOCAL_SOCKET = "http+docker://localhost"  # as the SDK calls it
_GRACE = 5  # seconds; WEBSITES_CONTAINER_STOP_TIME_LIMIT of App Service
_ENDED = ("exited", "dead", "removing")


def connect() -> DockerClient:
    """A client of the engine on this machine.

    Raises:
        ComputeUnavailable: there is none.
    """
    advice = "Start one, or name its socket in DOCKER_HOST; without one, choose the compute 'process'."
    try:
        import docker
        from docker.errors import DockerException
    except ImportError as error:
        raise ComputeUnavailable(f"The package 'docker' is not installed: pip install docker. ({error})") from error
    try:
        client = docker.from_env()
    except DockerException as error:
        raise ComputeUnavailable(f"No Docker engine answers on this machine ({error}). {advice}") from error
    if client.api.base_url != _LOCAL_SOCKET:
        client.close()
        raise ComputeUnavailable(f"The engine at {client.api.base_url} cannot reach this machine's loopback. {advice}")
    try:
        client.ping()
    except (DockerException, OSError) as error:
        client.close()
        raise ComputeUnavailable(f"No Docker engine answers on this machine ({error}). {advice}") from error
    return client


class ContainerCompute:
    """Runs apps as containers.

    Args:
        client: of an engine on this machine; closed with this.
    """

    name: ClassVar[str] = "docker"

    def __init__(self, client: DockerClient) -> None:
        self._client = client
        self._label = ""
        self._images: set[str] = set()

    async def prepare(self, folder: Path) -> None:
        self._label = f"{LABEL}={folder.resolve()}"
        await to_the_end(self._remove_containers)

    async def fetch(self, launch: Launch) -> None:
        stop = threading.Event()
        await to_the_end(partial(self._pull, launch.image.local_reference, stop), stop)

    async def start(self, launch: Launch) -> RunningContainer:
        real_port = free_port()
        try:
            container = await to_the_end(partial(self._create, launch, real_port))
        except asyncio.CancelledError:
            await to_the_end(partial(self._remove_containers, launch))
            raise
        listens = listening_port(launch.environment, launch.image.command) == launch.port
        return RunningContainer(container, real_port if listens else None)

    async def close(self) -> None:
        await to_the_end(self._let_go)

    # -- in a thread

    def _pull(self, reference: str, stop: threading.Event) -> None:
        from docker.errors import APIError

        try:
            for line in self._client.api.pull(reference, stream=True, decode=True):
                if stop.is_set():
                    return
                if "error" in line:
                    raise StartFailed(str(line["error"]))
        except APIError as error:
            raise StartFailed(f"{error.explanation or error}") from error
        self._images.add(reference)

    def _create(self, launch: Launch, port: int) -> Container:
        from docker.errors import APIError

        environment = {**launch.environment, "ASPNETCORE_URLS": f"http://127.0.0.1:{port}", "PORT": str(port)}
        launch.secrets.mkdir(parents=True, exist_ok=True)
        volumes = {str(launch.secrets.resolve()): {"bind": environment["FUNCTIONS_SECRETS_PATH"], "mode": "rw"}}
        for path in launch.of_this_machine.values():
            if path.startswith("/") and Path(path).is_file():  # certificates
                volumes[path] = {"bind": path, "mode": "ro"}
        if launch.storage:
            launch.home.mkdir(parents=True, exist_ok=True)
            volumes[str(launch.home.resolve())] = {"bind": "/home", "mode": "rw"}
        name, _, value = self._label.partition("=")
        try:
            container: Container = self._client.containers.create(
                launch.image.local_reference,
                name=launch.container,
                environment=environment,
                labels={name: value, SITE: launch.site},
                network_mode="host",
                volumes=volumes,
            )
        except APIError as error:
            raise StartFailed(f"{error.explanation or error}") from error
        try:
            container.start()
        except APIError as error:
            container.remove(force=True)
            raise StartFailed(f"{error.explanation or error}") from error
        return container

    def _remove_containers(self, launch: Launch | None = None) -> None:
        """Remove those of this local Azure; with a launch, its one only."""
        from docker.errors import NotFound

        filters: dict[str, Any] = {"label": self._label}
        if launch is not None:
            filters["name"] = f"^/{launch.container}$"
        for container in self._client.containers.list(all=True, filters=filters, ignore_removed=True):
            try:
                container.remove(force=True)
            except NotFound:
                pass  # it went by itself

    def _let_go(self) -> None:
        from docker.errors import APIError

        for image in self._images:
            try:
                self._client.images.remove(image)
            except APIError:
                pass  # something else of the engine uses it
        self._client.close()


class RunningContainer:
    """A container that was started.

    Args:
        container: it.
        port: where it listens if it does what Azure's images do; None: not where the platform expects it.
    """

    def __init__(self, container: Container, port: int | None) -> None:
        self._container = container
        self._nobody: socket.socket | None = None
        if port is None:
            self._nobody, port = nobodys_port()
        self.url = f"http://127.0.0.1:{port}"

    async def exited(self) -> bool:
        return await asyncio.to_thread(self._has_ended)

    async def output(self, limit: int) -> str:
        return await asyncio.to_thread(self._logs, limit)

    async def stop(self, gently: bool) -> None:
        await to_the_end(partial(self._stop, gently))
        if self._nobody is not None:
            self._nobody.close()

    def _has_ended(self) -> bool:
        from docker.errors import DockerException

        try:
            self._container.reload()
        except (DockerException, OSError):
            return True  # somebody removed it, or the engine is gone
        return self._container.status in _ENDED

    def _logs(self, limit: int) -> str:
        from docker.errors import DockerException

        try:
            return bytes(self._container.logs(tail=10_000))[-limit:].decode(errors="replace")
        except (DockerException, OSError):
            return ""

    def _stop(self, gently: bool) -> None:
        from docker.errors import NotFound

        try:
            if gently:
                self._container.stop(timeout=_GRACE)
            self._container.remove(force=True)
        except NotFound:
            pass  # somebody removed it
