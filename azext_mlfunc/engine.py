"""The Docker engine of this machine: images that are built, found or pulled, and containers that run for a while.

Source: Docker Engine API 1.41, through the `docker` SDK's low-level client.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import socket
import tarfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.progress import Progress

# A step of a build says nothing for as long as it works; a big wheel takes minutes to download.
_SILENCE = 3600
_LAST_LINES = 25
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(r"Step \S+ : (FROM|COPY|RUN) ")
_OWNER = "azure.mlfunc.process"
"""The label that says which process a container was started for."""
_KILLED = 137  # 128 and SIGKILL
_LOCAL_SOCKETS = ("http+docker://", "npipe://")


class EngineError(Exception):
    """The engine refused, or could not do it; the text says what it said."""


class BuildFailed(Exception):
    """A step of a build failed; the text is what it said, with the lines before."""


class ImageMissing(Exception):
    """An image is neither in the engine nor to be had; the text says why."""


def connect(advice: str) -> Any:
    """A client of the engine that DOCKER_HOST or the current Docker context names.

    :param advice: what to do without an engine.
    :raises azure.cli.core.azclierror.ResourceNotFoundError: none answers.
    """
    import docker
    from azure.cli.core.azclierror import ResourceNotFoundError
    from docker.errors import DockerException

    try:
        return docker.APIClient(timeout=_SILENCE, version="auto", **_endpoint())
    except DockerException as problem:
        where = os.environ.get("DOCKER_HOST") or "its usual place"
        raise ResourceNotFoundError(
            f"No Docker engine answers at {where}.",
            recommendation=["Start Docker, or name an engine in DOCKER_HOST.", advice],
        ) from problem


def _endpoint() -> dict[str, Any]:
    """Where the engine is: DOCKER_HOST and its companions, else the current context, as the docker command has it."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    if os.environ.get("DOCKER_HOST"):
        return dict(kwargs_from_env())
    context = ContextAPI.get_current_context()
    return {"base_url": context.Host, "tls": context.TLSConfig} if context and context.Host else {}


def build(
    client: Any, stream: Iterator[bytes], name: str, platform: str, network: str | None, progress: Progress
) -> None:
    """Build an image of a context.

    :param stream: the context, as a tar file.
    :param name: the image's name with its tag.
    :param network: the network of its RUN steps, as `docker build --network` takes it.
    :raises EngineError: it was not built.
    """
    from docker.errors import APIError
    from requests import RequestException

    try:
        answer = client.build(
            fileobj=_Stream(stream),
            custom_context=True,
            tag=name,
            platform=platform,
            network_mode=network,
            rm=True,
            forcerm=True,
            decode=True,
        )
        said: deque[str] = deque(maxlen=_LAST_LINES)
        for message in answer:
            if "error" in message:
                raise BuildFailed("\n".join((_COLOURS.sub("", message["error"]).strip(), *said)))
            for line in message.get("stream", "").splitlines():
                _tell(line, said, progress)
            if "progressDetail" in message:
                progress.live(f"{message.get('status', '')} {message.get('id', '')}", fraction(message))
    except APIError as problem:
        raise EngineError(f"The Docker engine refused to build: {problem.explanation or problem}") from problem
    except RequestException as problem:
        raise EngineError(
            f"The connection to the Docker engine broke, or a file could not be read: {problem}"
        ) from problem


class _Stream:
    """An iterator that the SDK sends as it comes: it must be iterable, and must not look like a file of known size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


def _tell(line: str, said: deque[str], progress: Progress) -> None:
    line = _COLOURS.sub("", line).rstrip()
    if line:
        said.append(line)
        if _STEP.match(line):
            progress.step(line)
        else:
            progress.live(line[:70])


def fraction(message: dict[str, Any]) -> float | None:
    """How far a transfer is that the engine reports, from 0 to 1; None: it does not say."""
    detail = message.get("progressDetail") or {}
    total = detail.get("total")
    return min(detail.get("current", 0) / total, 1.0) if total else None


def inspect_image(client: Any, image: str, login: Callable[[], dict[str, str] | None], progress: Progress) -> Any:
    """What the engine knows of an image, which it pulls when it has none of that name.

    :param login: a user's name and password for its registry, asked when it is pulled; None: Docker's own.
    :raises ImageMissing: it cannot be had.
    """
    from docker.errors import APIError, ImageNotFound

    with contextlib.suppress(ImageNotFound):
        return client.inspect_image(image)
    progress.step(f"Pulling {image}")
    try:
        for message in client.pull(image, stream=True, decode=True, auth_config=login()):
            if "error" in message:
                raise ImageMissing(str(message["error"]))
            progress.live(f"{message.get('status', '')} {message.get('id', '')}", fraction(message))
        return client.inspect_image(image)
    except APIError as problem:
        raise ImageMissing(str(problem.explanation or problem)) from problem


@dataclass(frozen=True)
class Network:
    """How this machine and the containers reach each other.

    :param is_shared: containers are on this machine's own network.
    :param host: this machine, as containers call it.
    """

    is_shared: bool
    host: str


def find_network(client: Any) -> Network:
    """The network between this machine and an engine: an engine that runs right here can share it, one in a machine of
    its own (Docker Desktop) publishes ports and has a name for this one.

    Source: Docker documentation, "Host network driver", "Explore networking features on Docker Desktop".

    :raises EngineError: the engine is on another machine.
    """
    if not client.base_url.startswith(_LOCAL_SOCKETS):
        raise EngineError(f"The Docker engine at {client.base_url} is on another machine.")
    information = client.info()
    is_here = information.get("Name") == socket.gethostname() and "Desktop" not in information.get(
        "OperatingSystem", ""
    )
    return Network(True, "127.0.0.1") if is_here else Network(False, "host.docker.internal")


class Container:
    """A container for the time of a test.

    :param client: of the engine.
    :param identifier: its ID.
    """

    def __init__(self, client: Any, identifier: str) -> None:
        self._client = client
        self._id = identifier

    def port(self, inner: int) -> int:
        """The port of this machine's loopback that leads to a published one."""
        found = self._client.port(self._id, inner)
        return int(found[0]["HostPort"])

    def ended(self) -> int | None:
        """Its exit code; None while it runs. One that somebody has removed was killed."""
        from docker.errors import NotFound

        try:
            state = self._client.inspect_container(self._id)["State"]
        except NotFound:
            return _KILLED
        return None if state["Running"] else int(state["ExitCode"])

    def log(self, lines: int) -> str:
        """The last lines that it has written."""
        from docker.errors import APIError

        try:
            return str(self._client.logs(self._id, tail=lines).decode(errors="replace"))
        except APIError:  # it is gone
            return ""

    def remove(self) -> None:
        """End it and take it away."""
        from docker.errors import NotFound

        with contextlib.suppress(NotFound):
            self._client.remove_container(self._id, force=True, v=True)


def run(
    client: Any,
    image: str,
    network: Network,
    environment: Mapping[str, str],
    ports: Sequence[int],
    files: Mapping[str, bytes],
    command: list[str] | None = None,
) -> Container:
    """Start a container.

    :param ports: those that it listens on; where the network is not shared they are published to this machine's
        loopback.
    :param files: more files in it, by path; others than its user read them, too.
    :param command: instead of the image's own.
    :raises EngineError: it cannot be started.
    """
    from docker.errors import APIError

    if network.is_shared:
        host_config = client.create_host_config(network_mode="host")
    else:
        host_config = client.create_host_config(
            port_bindings=dict.fromkeys(ports, ("127.0.0.1", None)), extra_hosts={network.host: "host-gateway"}
        )
    try:
        made = client.create_container(
            image,
            command,
            environment=dict(environment),
            host_config=host_config,
            ports=None if network.is_shared else list(ports),
            labels={_OWNER: f"{socket.gethostname()}:{os.getpid()}"},
        )
        container = Container(client, made["Id"])
        try:
            if files:
                client.put_archive(made["Id"], "/", _archive(files))
            client.start(made["Id"])
        except BaseException:
            container.remove()
            raise
    except APIError as problem:
        raise EngineError(f"The Docker engine could not run {image}: {problem.explanation or problem}") from problem
    return container


def remove_image(client: Any, image: str) -> None:
    """Take an image away; what it was made of stays in the engine's cache."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        client.remove_image(image, noprune=True)


def remove_leftovers(client: Any) -> None:
    """Take away the containers of tests that were killed."""
    for each in client.containers(all=True, filters={"label": _OWNER}):
        host, _, process = str(each["Labels"][_OWNER]).rpartition(":")
        if host == socket.gethostname() and not _is_alive(int(process)):
            Container(client, each["Id"]).remove()


def _is_alive(process: int) -> bool:
    import psutil  # type: ignore[import-untyped, unused-ignore]

    return bool(psutil.pid_exists(process))


def _archive(files: Mapping[str, bytes]) -> bytes:
    """Files as a tar file, each with its folders."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for folder in dict.fromkeys(parent for path in files for parent in _parents(path)):
            header = tarfile.TarInfo(folder)
            header.type, header.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(header)
        for path, data in files.items():
            header = tarfile.TarInfo(path.lstrip("/"))
            header.size, header.mode = len(data), 0o644
            tar.addfile(header, io.BytesIO(data))
    return memory.getvalue()


def _parents(path: str) -> Iterable[str]:
    parts = path.strip("/").split("/")[:-1]
    return ("/".join(parts[: depth + 1]) for depth in range(len(parts)))
