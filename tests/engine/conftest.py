"""What the tests with a real Docker engine share: the engine, a registry, the base image, containers.

They need what ``eval "$(.ci/engine start DIR)"`` starts and exports. Where it is missing a test is
skipped and says so; with MLFUNC_REQUIRE_ENGINE=1, as in CI, it fails instead.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

import docker
import pytest
import requests
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container

from local_azure import base_image as stand_in

START_IT = 'as root on Debian, `eval "$(.ci/engine start DIR)"` starts what is needed'


@dataclass(frozen=True)
class Registry:
    """A registry that takes pushes and pulls only from one user."""

    host: str
    user: str
    password: str

    @property
    def credentials(self) -> dict[str, str]:
        """As the docker SDK's ``auth_config`` wants them."""
        return {"username": self.user, "password": self.password}


@dataclass(frozen=True)
class RunningApp:
    """A container of a Functions image, and where it answers."""

    container: Container
    url: str

    def logs(self) -> str:
        """All that the container has written so far."""
        return self.container.logs().decode(errors="replace")

    def wait_until_answering(self, path: str = "/", seconds: float = 60) -> None:
        """Returns when the container answers requests at a path, whatever the answer.

        Raises:
            AssertionError: If the container ended, or did not answer in time; the message holds its log.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.container.reload()
            assert self.container.status in ("created", "running"), f"the container ended:\n{self.logs()}"
            try:
                requests.get(self.url + path, timeout=5)
                return
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.05)
        raise AssertionError(f"{self.url}{path} did not answer in {seconds} s:\n{self.logs()}")


RunContainer = Callable[..., RunningApp]


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """A client of the Docker engine that DOCKER_HOST names."""
    if not os.environ.get("DOCKER_HOST"):
        _unavailable(f"DOCKER_HOST names no Docker engine: {START_IT}")
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        _unavailable(f"no Docker engine answers at {os.environ['DOCKER_HOST']} ({error}): {START_IT}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The registry that MLFUNC_TEST_REGISTRY names, with its user."""
    names = ("MLFUNC_TEST_REGISTRY", "MLFUNC_TEST_REGISTRY_USER", "MLFUNC_TEST_REGISTRY_PASSWORD")
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        _unavailable(f"{', '.join(missing)} not set: {START_IT}")
    return Registry(*(os.environ[name] for name in names))


@pytest.fixture(scope="session")
def base_image(engine: docker.DockerClient) -> str:
    """The name of the stand-in base image, which the engine has."""
    try:
        engine.images.get(stand_in.NAME)
    except ImageNotFound:
        _unavailable(f"the engine has no image {stand_in.NAME}: {START_IT}")
    return stand_in.NAME


@pytest.fixture
def run_container(engine: docker.DockerClient) -> Iterator[RunContainer]:
    """Runs an image on a free port of this machine; its log is shown if the test fails.

    Called with the image, its app settings, and optionally a command instead of the image's own.
    """
    running: list[RunningApp] = []

    def run(image: str, settings: Mapping[str, str] | None = None, command: list[str] | None = None) -> RunningApp:
        port = _free_port()
        environment = {"ASPNETCORE_URLS": f"http://+:{port}", **(settings or {})}
        # The test engine has no bridge network: containers share this machine's, each with a port of its own.
        container = engine.containers.run(image, command, environment=environment, network_mode="host", detach=True)
        running.append(RunningApp(container, f"http://127.0.0.1:{port}"))
        return running[-1]

    yield run
    for app in running:
        print(f"log of {app.url}:\n{app.logs()}")
        app.container.remove(force=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("MLFUNC_REQUIRE_ENGINE") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
