"""What the tests with a real Docker engine share: the engine, a registry, the base image, containers.

They need what ``eval "$(.ci/engine start DIR)"`` starts and exports. Where it is missing a test is
skipped and says so; with MLFUNC_REQUIRE_ENGINE=1, as in CI, it fails instead.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import docker
import pytest
import requests
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container
from helpers import Answer, az

from local_azure import base_image as stand_in

START_IT = 'as root on Debian, `eval "$(.ci/engine start DIR)"` starts what is needed'


MODEL = "model/diabetes.pkl"
BUILD_DOCKER = ("--build", "docker", "--build-network", "host")
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)


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


@pytest.fixture(scope="session")
def pushed_base(engine: docker.DockerClient, registry: Registry, base_image: str) -> str:
    """The stand-in base image as the test registry has it: what `mcr.microsoft.com` has of the real one."""
    repository = f"{registry.host}/azure-functions/python"
    tag = base_image.rpartition(":")[2]
    engine.images.get(base_image).tag(repository, tag)
    said = list(engine.images.push(repository, tag, auth_config=registry.credentials, stream=True, decode=True))
    assert not [line for line in said if "error" in line], said
    return f"{repository}:{tag}"


@pytest.fixture
def docker_config(tmp_path: Path, registry: Registry) -> Path:
    """Docker's own configuration with a login for the registry."""
    folder = tmp_path / "docker-config"
    folder.mkdir()
    login = base64.b64encode(f"{registry.user}:{registry.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": login}}}))
    return folder


@pytest.fixture
def project(tmp_path: Path, trained_example: Path) -> Path:
    return Path(shutil.copytree(trained_example, tmp_path / "diabetes"))


class Packager:
    """Calls `az ml-func package` for the example.

    :param way: the options that choose the builder and its base.
    """

    def __init__(self, project: Path, registry: Registry, docker_config: Path, way: tuple[str, ...]) -> None:
        self.project, self.registry, self.docker_config, self.way = project, registry, docker_config, way
        self.environment: dict[str, str] = {}

    def __call__(self, *options: str) -> Answer:
        return az(
            *("ml-func", "package", "--model", MODEL, "--entry-script", "score.py", "--conda-file", "environment.yml"),
            *("--registry", self.registry.host, *self.way, *options),
            cwd=self.project,
            env={"DOCKER_CONFIG": str(self.docker_config), **self.environment},
        )

    def layers(self, location: str) -> list[dict[str, object]]:
        """The layers of a pushed image, as the registry has them."""
        repository, _, digest = location.removeprefix(self.registry.host + "/").partition("@")
        manifest = requests.get(
            f"http://{self.registry.host}/v2/{repository}/manifests/{digest}",
            headers={"Accept": ", ".join(MANIFESTS)},
            auth=(self.registry.user, self.registry.password),
            timeout=30,
        )
        assert manifest.status_code == 200, manifest.text
        return list(manifest.json()["layers"])


@pytest.fixture
def package(project: Path, registry: Registry, docker_config: Path) -> Packager:
    """Packages with the Docker engine."""
    return Packager(project, registry, docker_config, BUILD_DOCKER)


@pytest.fixture
def direct(project: Path, registry: Registry, docker_config: Path, pushed_base: str) -> Packager:
    """Packages without the engine, on the stand-in base as the registry has it."""
    return Packager(project, registry, docker_config, ("--build", "direct", "--base-image", pushed_base))


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
