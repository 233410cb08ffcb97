"""Build with a Docker engine, and push with the credentials of its own configuration.

Source: Docker Engine API 1.41, "Build an image" and "Push an image", through the `docker` SDK.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

from azext_mlfunc.packaging.builders.base import Built
from azext_mlfunc.packaging.context import tar_stream
from azext_mlfunc.packaging.image import Image, Tally
from azext_mlfunc.packaging.layout import PLATFORM
from azext_mlfunc.progress import Progress

# A step of the build says nothing for as long as it works; a big wheel takes minutes to download.
_SILENCE = 3600
_LAST_LINES = 25
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class DockerBuilder:
    """The Docker engine that DOCKER_HOST or the current Docker context names.

    :param network: the network of the build's RUN steps, as `docker build --network` takes it.
    """

    name: ClassVar[str] = "docker"

    def __init__(self, network: str | None = None) -> None:
        self._network = network

    def check(self, image: Image, progress: Progress) -> None:
        _connect().close()

    def build(self, image: Image, tally: Tally, progress: Progress) -> Built:
        client = _connect()
        try:
            reference = image.request.reference
            progress.step(f"Building {reference} for {PLATFORM} on {image.base}")
            self._build(client, image, tally, progress)
            details = client.inspect_image(reference)
            if not image.request.registry:
                return Built(reference, reference, None, details["Size"])
            progress.step(f"Pushing {reference}")
            digest = _push(client, image, progress)
            return Built(f"{image.request.repository}@{digest}", reference, digest, details["Size"])
        finally:
            client.close()

    def _build(self, client: Any, image: Image, tally: Tally, progress: Progress) -> None:
        from azure.cli.core.azclierror import DeploymentError
        from docker.errors import APIError
        from requests import RequestException

        try:
            answer = client.build(
                fileobj=_Stream(tar_stream(image.entries(tally))),
                custom_context=True,
                tag=image.request.reference,
                platform=PLATFORM,
                network_mode=self._network,
                rm=True,
                forcerm=True,
                decode=True,
            )
            said: deque[str] = deque(maxlen=_LAST_LINES)
            for message in answer:
                if "error" in message:
                    raise DeploymentError(
                        f"The image was not built: {_COLOURS.sub('', message['error']).strip()}\n" + "\n".join(said),
                        recommendation="Mend what the last lines say. --context-only DIR writes the build context, "
                        "so that you can look at it and build it by hand.",
                    )
                for line in message.get("stream", "").splitlines():
                    _tell(line, said, progress)
                if "progressDetail" in message:
                    progress.live(f"{message.get('status', '')} {message.get('id', '')}", _fraction(message))
        except APIError as problem:
            raise DeploymentError(
                f"The Docker engine refused to build: {problem.explanation or problem}",
                recommendation=f"Check that it builds for {PLATFORM}, or write the context with --context-only DIR.",
            ) from problem
        except RequestException as problem:
            raise DeploymentError(
                f"The connection to the Docker engine broke, or a file could not be read: {problem}",
                recommendation="Check the engine and the files, and run the same command again.",
            ) from problem


class _Stream:
    """An iterator that the SDK sends as it comes: it must be iterable, and must not look like a file of known size."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


def _connect() -> Any:
    """A client of the engine that answers.

    :raises azure.cli.core.azclierror.ResourceNotFoundError: none answers.
    """
    import docker
    from azure.cli.core.azclierror import ResourceNotFoundError
    from docker.errors import DockerException

    try:
        client = docker.APIClient(timeout=_SILENCE, version="auto", **_endpoint())
    except DockerException as problem:
        where = os.environ.get("DOCKER_HOST") or "its usual place"
        raise ResourceNotFoundError(
            f"No Docker engine answers at {where}.",
            recommendation=[
                "Start Docker, or name an engine in DOCKER_HOST.",
                "Without an engine here, write the build context with --context-only DIR and build it elsewhere.",
            ],
        ) from problem
    return client


def _endpoint() -> dict[str, Any]:
    """Where the engine is: DOCKER_HOST and its companions, else the current context, as the docker command has it."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    if os.environ.get("DOCKER_HOST"):
        return dict(kwargs_from_env())
    context = ContextAPI.get_current_context()
    return {"base_url": context.Host, "tls": context.TLSConfig} if context and context.Host else {}


def _push(client: Any, image: Image, progress: Progress) -> str:
    """Push the image and return its digest."""
    from azure.cli.core.azclierror import DeploymentError
    from docker.errors import APIError

    digest = ""
    try:
        for message in client.push(image.request.repository, tag=image.request.image_tag, stream=True, decode=True):
            if "error" in message:
                raise _push_error(image, message["error"])
            digest = message.get("aux", {}).get("Digest", digest)
            status = message.get("status", "")
            if message.get("progressDetail"):
                progress.live(f"{status} {message.get('id', '')}", _fraction(message))
            elif status == "Pushed":
                progress.step(f"Pushed layer {message.get('id', '')}")
    except APIError as problem:
        raise _push_error(image, str(problem.explanation or problem)) from problem
    if not digest:
        raise DeploymentError(f"{image.request.reference} was pushed, but the engine did not say under which digest.")
    return digest


def _push_error(image: Image, said: str) -> Any:
    from azure.cli.core.azclierror import DeploymentError

    registry = image.request.registry or ""
    name, _, rest = registry.partition(".")
    login = f"az acr login --name {name}" if rest.startswith("azurecr.") else f"docker login {registry}"
    return DeploymentError(
        f"{image.request.reference} was built, but not pushed: {said.strip()}",
        recommendation=[
            f"If you are not logged in: {login}",
            "Then run the same command again: what was built is not built again.",
        ],
    )


def _tell(line: str, said: deque[str], progress: Progress) -> None:
    line = _COLOURS.sub("", line).rstrip()
    if line:
        said.append(line)
        if re.match(r"Step \S+ : (FROM|COPY|RUN) ", line):
            progress.step(line)
        else:
            progress.live(line[:70])


def _fraction(message: dict[str, Any]) -> float | None:
    detail = message.get("progressDetail") or {}
    total = detail.get("total")
    return min(detail.get("current", 0) / total, 1.0) if total else None
