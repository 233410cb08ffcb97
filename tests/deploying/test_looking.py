"""When a function is taken for loaded: what ARM, the host, its log and the app's own page say together."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
from azure.cli.core.azclierror import DeploymentError
from azure.core.exceptions import HttpResponseError

from azext_mlfunc.deploying.blueprint import Surroundings, draw
from azext_mlfunc.deploying.image import DeployedImage
from azext_mlfunc.deploying.looking import Awaited, Look, load_failure, look_at
from azext_mlfunc.deploying.readiness import wait_until_ready
from azext_mlfunc.deploying.request import DeployRequest
from azext_mlfunc.registry.reference import parse_reference
from azext_mlfunc.triggers.blob import BlobTrigger
from azext_mlfunc.triggers.http import HttpTrigger
from fakes import RecordingProgress

SITE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/app"
HOST = f"{SITE}/hostruntime/admin"
# as Functions' host writes to the console, behind what App Service says of the container
OF_THE_HOST = """\
2026-11-22T19:46:51.146Z INFO  - Starting container for site
fail: Host.Function.Console[0]
      Worker failed to load function: 'score' with functionId: 'an-older-one'.
2026-11-22T19:48:51.146Z INFO  - Starting container for site
fail: Microsoft.Azure.WebJobs.Script.Grpc.GrpcWorkerChannel[0]
      Worker failed to load function: 'score' with functionId: '0b1c'.
      Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException: Result: Failure
      Exception: ScriptError: init() of /var/azureml-app/score.py raised LookupError: gone
      Stack:   File "/azure-functions-host/workers/python/dispatcher.py", line 469
"""


class MemoryArm:
    """An `Arm` whose answers are in memory; where there is none it fails as a host that is not up."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            SITE: {"properties": {"defaultHostName": "app.azurewebsites.net"}},
            f"{HOST}/host/status": {"state": "Running", "processUptime": 1000, "errors": []},
            f"{SITE}/functions": [{"properties": {"name": "score", "isDisabled": False}}],
            f"{HOST}/functions/score/status": {},
            f"{SITE}/host/default/listkeys": {"masterKey": "m", "functionKeys": {"default": "f"}},
            f"{SITE}/containerlogs": "all is well",
        }

    def get(self, path: str, api_version: str) -> Any:
        if path not in self.answers:
            problem = HttpResponseError("Encountered an error (ServiceUnavailable) from host runtime.")
            problem.status_code = 400
            raise problem
        return self.answers[path]

    list = post = text = get


class Pages:
    """What apps answer, and who asked."""

    def __init__(self, *answers: int | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []

    def __call__(self, url: str, headers: Mapping[str, str]) -> int | None:
        self.asked.append((url, dict(headers)))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def awaited(trigger: Any, function: str | None = "score", written_at: float | None = None) -> Awaited:
    image = DeployedImage(parse_reference("r.azurecr.io/p@sha256:" + "0" * 64), trigger, function)
    blueprint = draw(Surroundings(DeployRequest("s", "g", "app", "r.azurecr.io/p:1"), "core.windows.net"), image, True)
    return Awaited(blueprint.app, trigger, function, written_at)


def look(arm: MemoryArm, trigger: Any = None, pages: Pages | None = None, **options: Any) -> Look:
    return look_at(awaited(trigger or BlobTrigger(), **options), arm, pages or Pages(None))  # type: ignore[arg-type]


def test_a_function_that_is_loaded():
    assert look(MemoryArm()).is_ready
    assert look(MemoryArm(), function=None).is_ready


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        (f"{HOST}/host/status", None, "its host is not up"),
        (f"{HOST}/host/status", {"state": "Initialized"}, "its host says Initialized"),
        (f"{HOST}/host/status", {"state": "Error", "errors": ["no storage"]}, "its host says Error"),
        (f"{HOST}/host/status", {"state": "Running", "errors": ["half of it"]}, "half of it"),
        (f"{SITE}/functions", [], "its host has no function 'score'"),
        (f"{SITE}/functions", [{"properties": {"name": "other"}}], "its host has no function 'score'"),
        (f"{SITE}/functions", [{"properties": {"name": "Score", "isDisabled": True}}], "'Score' is disabled"),
        (
            f"{HOST}/functions/score/status",
            {"errors": ["The listener was unable to start."]},
            "The listener was unable",
        ),
        (f"{SITE}/containerlogs", OF_THE_HOST, "Worker failed to load function: 'score'"),
    ],
)
def test_what_keeps_it_from_being_loaded(path: str, answer: Any, why: str):
    arm = MemoryArm()
    arm.answers[path] = answer
    if answer is None:
        del arm.answers[path]
    found = look(arm)
    assert not found.is_ready and why in found.why_not


def test_the_host_of_before_does_not_count():
    arm = MemoryArm()
    arm.answers[f"{HOST}/host/status"]["processUptime"] = 60_000
    assert look(arm, written_at=time.monotonic() - 30).why_not == "the host of before is still running"
    assert look(arm, written_at=time.monotonic() - 90).is_ready
    assert look(arm, written_at=None).is_ready


@pytest.mark.parametrize(
    ("auth_level", "headers"),
    [("anonymous", {}), ("function", {"x-functions-key": "f"}), ("admin", {"x-functions-key": "m"})],
)
def test_over_http_the_function_itself_is_asked(auth_level: str, headers: dict[str, str]):
    pages = Pages(200)
    assert look(MemoryArm(), HttpTrigger(auth_level), pages).is_ready
    assert pages.asked == [("https://app.azurewebsites.net/", headers)]
    assert look(MemoryArm(), HttpTrigger(), pages, function=None).is_ready and len(pages.asked) == 1


@pytest.mark.parametrize(
    ("answer", "is_doubtful"),
    [(None, True), (401, True), (403, True), (302, True), (404, False), (500, False), (503, False)],
)
def test_what_its_page_says_counts(answer: int | None, is_doubtful: bool):
    arm = MemoryArm()
    found = look(arm, HttpTrigger(), Pages(answer))
    assert (found.is_ready, found.is_doubtful) == (False, is_doubtful)
    arm.answers[f"{SITE}/containerlogs"] = OF_THE_HOST
    named = look(arm, HttpTrigger(), Pages(answer))
    assert ("LookupError: gone" in named.why_not) is not is_doubtful


def wait(pages: Pages, written_at: float | None, timeout: float = 600) -> list[str]:
    """Wait for an HTTP function, without a pause between two looks; what was said."""
    progress = RecordingProgress()
    function, arm = awaited(HttpTrigger(), written_at=written_at), MemoryArm()
    wait_until_ready(function, arm, pages, timeout, progress, lambda seconds: None)  # type: ignore[arg-type]
    return progress.steps


def test_it_is_waited_for():
    pages = Pages(404, 503, 200)
    assert wait(pages, time.monotonic() - 30) == []
    assert len(pages.asked) == 3


def test_it_is_not_waited_for_longer_than_asked():
    with pytest.raises(DeploymentError) as failed:
        wait(Pages(503), time.monotonic() - 30, timeout=0.5)
    assert str(failed.value) == (
        "The function app 'app' is written, and its function is not loaded (it was waited for 0.5 s): "
        "https://app.azurewebsites.net/ answers 503.\nThe last lines of the container's log:\n  all is well"
    )


def test_a_page_that_cannot_be_reached_is_said_and_not_waited_for_when_nothing_was_written():
    [said] = wait(Pages(None), None)
    assert said.startswith("https://app.azurewebsites.net/ cannot be reached from here; by all else")


@pytest.mark.parametrize(
    ("log", "failure"),
    [
        ("", ""),
        ("Host started", ""),
        (f"{OF_THE_HOST}2026-11-22T19:50:51.146Z INFO  - Starting container for site\nHost started\n", ""),
        (
            OF_THE_HOST,
            "Worker failed to load function: 'score' with functionId: '0b1c'. "
            "Microsoft.Azure.WebJobs.Script.Workers.Rpc.RpcException: Result: Failure "
            "Exception: ScriptError: init() of /var/azureml-app/score.py raised LookupError: gone",
        ),
        (
            "[2026] [Error] Worker: Worker failed to load function: 'score'. ScriptError: no\nTraceback\n  File\n",
            "Worker failed to load function: 'score'. ScriptError: no",
        ),
    ],
)
def test_what_the_log_says_of_a_function_that_was_not_loaded(log: str, failure: str):
    assert load_failure(log) == failure
