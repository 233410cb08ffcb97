"""What the tests with a cloud share."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from . import probed as probed_apps
from .cloud import Cloud
from .parts import Group, Image

ECHO = """
import json


def init():
    pass


def run(data):
    return json.loads(data)
"""
DIABETES = "--image-name package --model model/diabetes.pkl --conda-file environment.yml"
SMALL = "--image-name small --model model.txt --requirements requirements.txt"
MakeCloud = Callable[..., Cloud]
Images = Callable[[str], Image]


def compute() -> str:
    """What function apps run in: containers where there is an engine for them, as in CI."""
    if os.environ.get("MLFUNC_REQUIRE_ENGINE") == "1":
        return "docker"
    return "auto" if os.environ.get("DOCKER_HOST") else "process"


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The one that most tests share, each in a resource group of its own."""
    yield from _ended_afterwards(Cloud(tmp_path_factory.mktemp("cloud") / "state", "--compute", compute()).up())


@pytest.fixture
def make_cloud(tmp_path: Path) -> Iterator[MakeCloud]:
    """Makes others, with options of ``up``: they are not started yet, and apps run as processes there."""
    made: list[Cloud] = []

    def make(*options: str, name: str = "state") -> Cloud:
        made.append(Cloud(tmp_path / name, "--compute", "process", *options))
        return made[-1]

    yield make
    for cloud in made:
        list(_ended_afterwards(cloud))


def _ended_afterwards(cloud: Cloud) -> Iterator[Cloud]:
    """Its log is shown if a test fails."""
    yield cloud
    if cloud.running.log_file.exists():
        cloud.down()
        print(f"log of {cloud.running.state}:\n{cloud.log()}")


@pytest.fixture
def group(cloud: Cloud) -> Iterator[Group]:
    """A resource group of the test's own."""
    made = Group.make(cloud)
    yield made
    made.delete()


@pytest.fixture(scope="module")
def shared_group(cloud: Cloud) -> Iterator[Group]:
    """A resource group for all tests of a file."""
    made = Group.make(cloud, "shared")
    yield made
    made.delete()


@pytest.fixture(scope="session")
def registry(cloud: Cloud) -> str:
    """A registry for all tests, with its admin user enabled."""
    return Group.make(cloud, "images").registry()


@pytest.fixture(scope="session")
def images(cloud: Cloud, registry: str, trained_example: Path, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """The diabetes example by its trigger, packaged without an engine when a test first asks for it."""
    project = Path(shutil.copytree(trained_example, tmp_path_factory.mktemp("project") / "diabetes"))
    return packager(cloud, registry, project, DIABETES)


@pytest.fixture(scope="session")
def small_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without any dependencies, which gives back what it is asked: its apps are up in a second."""
    project = tmp_path_factory.mktemp("small")
    (project / "score.py").write_text(ECHO)
    (project / "model.txt").write_text("nothing\n")
    (project / "requirements.txt").write_text("")
    return project


@pytest.fixture(scope="session")
def small_images(cloud: Cloud, registry: str, small_project: Path) -> Images:
    """The small project by its trigger."""
    return packager(cloud, registry, small_project, SMALL)


@pytest.fixture(scope="session")
def probed_images(cloud: Cloud, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """The model of `probed` by its trigger."""
    project = probed_apps.write_project(tmp_path_factory.mktemp("probed"))
    return packager(cloud, registry, project, probed_apps.OPTIONS)


@pytest.fixture(scope="session")
def probed(cloud: Cloud, probed_images: Images) -> Iterator[probed_apps.Probed]:
    """Apps to test, one for each trigger, deployed when it is first asked for."""
    made = Group.make(cloud, "probed")
    yield probed_apps.deployer(cloud, made, probed_images)
    made.delete()


def packager(cloud: Cloud, registry: str, project: Path, options: str) -> Images:
    """Packages a project for a trigger, once."""

    @functools.cache
    def package(trigger: str) -> Image:
        result = cloud.run(
            f"ml-func package --build direct --entry-script score.py --trigger {trigger} --registry {registry} "
            f"--image-tag {trigger} {options}",
            cwd=project,
        )
        login = cloud.run(f"acr credential show --name {registry}")
        return Image(registry, result["tag"], result["location"], login["username"], login["passwords"][0]["value"])

    return package
