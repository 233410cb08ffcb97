"""Which builder is taken, and why."""

from __future__ import annotations

import pytest
from azure.cli.core.azclierror import ResourceNotFoundError, ValidationError

from azext_mlfunc.packaging import package
from azext_mlfunc.packaging.builders import NAMES, choose_builder
from azext_mlfunc.packaging.builders.base import CannotBeBuilt
from fakes import RecordingProgress


class Stub:
    """A builder that can build, or says why not."""

    def __init__(self, name: str, problem: Exception | None = None) -> None:
        self.name, self.problem = name, problem

    def check(self, image, progress) -> None:
        if self.problem:
            raise self.problem

    def build(self, image, tally, progress):
        raise AssertionError("choosing builds nothing")


@pytest.fixture
def image(project):
    return package.plan(project.request())


NO_WHEELS = ValidationError("docopt has no wheel", "build with an engine")
NO_ENGINE = ResourceNotFoundError("No Docker engine answers", "start Docker")


def test_the_names_list_auto_first():
    assert NAMES == ("auto", "direct", "docker")


def test_auto_takes_the_first_that_can_and_says_so(image):
    progress = RecordingProgress()
    assert choose_builder("auto", image, [Stub("direct"), Stub("docker")], progress).name == "direct"
    assert progress.steps == ["Building with --build direct"]


def test_auto_takes_an_engine_where_wheels_are_missing_and_says_why(image):
    progress = RecordingProgress()
    assert choose_builder("auto", image, [Stub("direct", NO_WHEELS), Stub("docker")], progress).name == "docker"
    assert progress.steps == ["Building with --build docker, because direct: docopt has no wheel"]


def test_where_neither_can_both_reasons_and_ways_out_are_named(image):
    with pytest.raises(ValidationError) as raised:
        choose_builder("auto", image, [Stub("direct", NO_WHEELS), Stub("docker", NO_ENGINE)], RecordingProgress())
    assert "docopt has no wheel" in raised.value.error_msg and "No Docker engine" in raised.value.error_msg
    assert raised.value.recommendations == ["build with an engine", "start Docker"]


def test_what_no_builder_can_build_ends_the_search(image):
    never = CannotBeBuilt("another file than the one that was locked", "find out why")
    with pytest.raises(CannotBeBuilt, match="another file"):
        choose_builder("auto", image, [Stub("direct", never), Stub("docker")], RecordingProgress())


@pytest.mark.parametrize(("name", "problem"), [("direct", NO_WHEELS), ("docker", NO_ENGINE)])
def test_a_builder_that_was_asked_for_is_taken_or_its_own_error_raised(image, name, problem):
    other = {"direct": "docker", "docker": "direct"}[name]
    builders = [Stub(name, problem), Stub(other)]
    with pytest.raises(type(problem), match=str(problem)):
        choose_builder(name, image, builders, RecordingProgress())
    assert choose_builder(other, image, builders, RecordingProgress()).name == other
