"""Why no answer comes: each reason is provoked, and what `az ml-func test` names."""

from __future__ import annotations

from typing import Any

import pytest

from .cloud import Cloud
from .conftest import Images
from .probed import Probed, without_labels


def cause(result: Any) -> str:
    """The first cause that was found."""
    found: str = result["causes"][0]["found"]
    assert result["causes"][0]["remedy"]
    return found


def test_an_app_that_is_stopped(probed: Probed) -> None:
    app = probed("blob")
    app.cloud.run(f"functionapp stop -g {app.group.name} -n {app.name}")
    try:
        code, result, _ = app.test("--data 1 --timeout 1")
        assert (code, cause(result)) == (1, "the app is stopped")
    finally:
        app.cloud.run(f"functionapp start -g {app.group.name} -n {app.name}")


def test_a_setting_that_is_missing(probed: Probed) -> None:
    app = probed("blob")
    connection = app.settings["TriggerConnectionString"]
    app.set(TriggerConnectionString=None)
    try:
        code, _, stderr = app.test("--data 1 --timeout 1")
        assert code == 1
        assert "no setting TriggerConnectionString" in stderr
        app.set(TriggerConnectionString="nonsense")
        code, _, stderr = app.test("--data 1 --timeout 1")
        assert code == 1
        assert "is no connection string" in stderr
    finally:
        app.set(TriggerConnectionString=connection)


def test_a_key_that_is_wrong(probed: Probed) -> None:
    app = probed("blob")
    connection = app.settings["TriggerConnectionString"]
    head, _, key = connection.partition("AccountKey=")
    app.set(TriggerConnectionString=f"{head}AccountKey={key[:1].swapcase()}{key[1:]}")
    try:
        code, result, stderr = app.test("--data 1 --timeout 1")
        assert code == 1
        assert any("refuses the connection string" in each["found"] for each in result["causes"])
        assert key not in stderr
    finally:
        app.set(TriggerConnectionString=connection)


@pytest.mark.parametrize("container", ["input", "output"])
def test_a_container_that_is_not_there(container: str, probed: Probed) -> None:
    app = probed("blob")
    app.cloud.run(f"functionapp stop -g {app.group.name} -n {app.name}")  # it would make the container itself
    app.blobs().delete_container(container)
    try:
        code, result, _ = app.test("--data 1 --timeout 1")
        assert code == 1
        assert any(f"the container '{container}' is not in" in each["found"] for each in result["causes"])
    finally:
        app.blobs().create_container(container)
        app.cloud.run(f"functionapp start -g {app.group.name} -n {app.name}")


def test_a_queue_that_is_not_there(probed: Probed) -> None:
    app = probed("service-bus-queue")
    ids = [each for each in app.cloud.control("resources") if each.lower().endswith("/queues/inqueue")]
    queue = next(each for each in ids if f"/{app.group.name}/".lower() in each.lower())
    assert app.cloud.arm("DELETE", queue).ok
    try:
        code, result, _ = app.test("--data 1 --timeout 1")
        assert (code, result["problem"]) == (1, "the queue 'inqueue' is not there")
        assert any("the queue 'inqueue' is not in" in each["found"] for each in result["causes"])
    finally:
        assert app.cloud.arm("PUT", queue, {"properties": {}}).ok


def test_a_function_of_another_name(probed: Probed) -> None:
    app = probed("blob")
    assert app.test("--data 1 --timeout 120")[0] == 0  # it is up
    code, result, _ = app.test("--data 1 --timeout 0 --function other")
    assert code == 1
    assert "'other' is not loaded; the app has score" in cause(result)


def test_a_function_that_is_disabled(probed: Probed) -> None:
    app = probed("blob")
    try:
        app.set_and_await(
            lambda: any(each["isDisabled"] for each in app.functions()),
            "the function to be disabled",
            **{"AzureWebJobs.score.Disabled": "true"},
        )
        code, result, _ = app.test("--data 1 --timeout 1")
        assert (code, cause(result)) == (1, "the function 'score' is disabled")
    finally:
        app.set(**{"AzureWebJobs.score.Disabled": None})


def test_a_host_that_is_in_error(probed: Probed) -> None:
    app = probed("blob")
    try:
        app.set_and_await(
            lambda: bool((app.host("hostruntime/admin/host/status") or {}).get("errors")),
            "the host to be in error",
            FUNCTIONS_WORKER_RUNTIME="node",
        )
        code, result, _ = app.test("--data 1 --timeout 1")
        assert code == 1
        assert "the app's host is in error: " in cause(result)
        assert "node" in cause(result)
    finally:
        app.set(FUNCTIONS_WORKER_RUNTIME="python")


def test_a_function_that_could_not_be_loaded(probed: Probed) -> None:
    app = probed("blob")
    try:
        app.set_and_await(
            lambda: "Worker failed to load function" in app.cloud.arm("POST", f"{app.path}/containerlogs").text,
            "init() to fail",
            FAIL_INIT="1",
        )
        code, result, _ = app.test("--data 1 --timeout 1")
        assert code == 1
        assert "could not be loaded" in cause(result)
        assert "the model is broken" in cause(result)
    finally:
        app.set(FAIL_INIT=None)


def test_an_output_that_goes_elsewhere(cloud: Cloud, registry: str, probed: Probed, probed_images: Images) -> None:
    """An image without labels, and options that do not say what it was packaged with."""
    app = probed("blob")
    stripped = without_labels(cloud, registry, probed_images("blob").tag)
    with app.image(stripped):
        options = "--data 1 --trigger blob --output-path output/{blobname}.answer"
        code, result, _ = app.test(f"{options} --timeout 30")
        assert code == 1
        found = next(each["found"] for each in result["causes"] if "went elsewhere" in each["found"])
        assert "output/ml-func-test-" in found
        assert found.endswith("looked for at output/{blobname}.answer")
    for name in app.names("output"):
        app.blobs().get_blob_client("output", name).delete_blob()


def test_an_image_that_cannot_be_pulled(probed: Probed) -> None:
    app = probed("blob")
    password = app.settings["DOCKER_REGISTRY_SERVER_PASSWORD"]
    app.set(DOCKER_REGISTRY_SERVER_PASSWORD="wrong")
    try:
        code, result, _ = app.test("--data 1 --timeout 5")
        assert code == 1
        assert "cannot be pulled" in cause(result)
    finally:
        app.set(DOCKER_REGISTRY_SERVER_PASSWORD=password)
