"""Build with a Docker engine, and push with the credentials of its own configuration.

Source: Docker Engine API 1.41, "Build an image" and "Push an image", through the `docker` SDK.
"""

from __future__ import annotations

from typing import Any, ClassVar

from azext_mlfunc import engine
from azext_mlfunc.packaging.builders.base import Built
from azext_mlfunc.packaging.context import tar_stream
from azext_mlfunc.packaging.image import Image, Tally
from azext_mlfunc.packaging.layout import PLATFORM
from azext_mlfunc.progress import Progress

_WITHOUT = "Without an engine here, write the build context with --context-only DIR and build it elsewhere."


class DockerBuilder:
    """The Docker engine that DOCKER_HOST or the current Docker context names.

    :param network: the network of the build's RUN steps, as `docker build --network` takes it.
    """

    name: ClassVar[str] = "docker"

    def __init__(self, network: str | None = None) -> None:
        self._network = network

    def check(self, image: Image, progress: Progress) -> None:
        engine.connect(_WITHOUT).close()

    def build(self, image: Image, tally: Tally, progress: Progress) -> Built:
        client = engine.connect(_WITHOUT)
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

        try:
            context = tar_stream(image.entries(tally))
            engine.build(client, context, image.request.reference, PLATFORM, self._network, progress)
        except engine.BuildFailed as problem:
            raise DeploymentError(
                f"The image was not built: {problem}",
                recommendation="Mend what the last lines say. --context-only DIR writes the build context, so that you "
                "can look at it and build it by hand.",
            ) from problem
        except engine.EngineError as problem:
            raise DeploymentError(
                str(problem),
                recommendation=f"Check the engine, that it builds for {PLATFORM}, and the files, and run the same "
                "command again; or write the context with --context-only DIR.",
            ) from problem


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
                progress.live(f"{status} {message.get('id', '')}", engine.fraction(message))
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
