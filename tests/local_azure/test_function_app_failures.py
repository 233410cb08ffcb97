"""Function apps that do not come up, in the ways in which Azure's do not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from function_app_parts import HELLO, IMAGE, LOGIN, Bench, app_files, bench, tar_layer, until
from function_apps import blob_trigger, queue_trigger

from local_azure.function_apps import HostUnavailable, Limits, Phase

FILES = {"AzureWebJobsSecretStorageType": "files"}
Scenario = Callable[[Bench], Awaitable[None]]


def run(folder: Path, scenario: Scenario, **options: Any) -> None:
    async def within() -> None:
        async with bench(folder, **options) as its:
            await scenario(its)

    asyncio.run(within())


async def failed(its: Bench, reason: str) -> str:
    """Wait until the app has failed; checks that it says why and answers as Azure does. Returns the log."""
    await its.phase(Phase.FAILED)
    assert reason in str(its.apps.status("app").reason)
    answer = await its.call()
    assert answer.status == 503
    assert b":( Application Error" in answer.body
    with pytest.raises(HostUnavailable) as caught:
        await its.apps.host("app")
    assert caught.value.status == "ServiceUnavailable"
    assert reason in caught.value.reason
    log = await its.apps.container_log("app")
    assert f"ERROR - {reason}" in log or reason in log
    assert "Stopping site app because it failed during startup." in log
    return log


async def logged(its: Bench, text: str) -> bool:
    return text in await its.apps.container_log("app")


async def host_status(its: Bench) -> Mapping[str, Any]:
    """The state of the app's host, once it has one."""
    await its.running()
    host = await its.apps.host("app")

    async def settled() -> Mapping[str, Any] | None:
        document: Mapping[str, Any] = (await host.call("GET", "/admin/host/status")).document
        return document if document["state"] != "Starting" else None

    return await until(settled, "the host to start")


@pytest.mark.parametrize(
    ("settings", "image", "reason"),
    [
        ({"DOCKER_REGISTRY_SERVER_PASSWORD": "wrong"}, IMAGE, "unauthorized: authentication required"),
        ({}, "registry.azurecr.io/other:v1", "manifest for registry.azurecr.io/other:v1 not found"),
    ],
)
def test_what_cannot_be_pulled(tmp_path: Path, settings: dict[str, str], image: str, reason: str) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()))
        its.apply(settings=settings, image=image)
        log = await failed(its, reason)
        assert f"Pulling image: {image}" in log
        assert "Image pull failed: Verify docker image configuration and credentials" in log
        its.apply()
        assert (await its.call()).body == b"hello"

    run(tmp_path, scenario)


def test_an_identity_that_may_pull_needs_no_login(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()))
        without = dict.fromkeys(LOGIN, "")
        its.apply(settings=without)
        await failed(its, "unauthorized")
        its.apply(settings=without, identity_may_pull=True)
        assert (await its.call()).body == b"hello"

    run(tmp_path, scenario)


@pytest.mark.parametrize("sleeps", [False, True])
def test_what_failed_is_tried_again(tmp_path: Path, sleeps: bool) -> None:
    """As for a role assignment that takes its time, or an image that is pushed later: nothing of the app changes."""

    async def scenario(its: Bench) -> None:
        its.apply(dedicated=sleeps, always_on=False)
        if sleeps:
            assert (await its.call()).status == 503  # it is woken
        await its.phase(Phase.FAILED)
        its.images.add(tar_layer(app_files()))
        assert (await its.call()).status == 503
        assert len(its.images.pulls) == 1  # not with each request
        its.clock.now += Limits().retry_when_asked
        assert (await its.call()).body == b"hello"

    run(tmp_path, scenario)


def test_an_app_that_is_always_on_is_tried_again_without_a_request(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        its.apply()
        await its.phase(Phase.FAILED)
        its.images.add(tar_layer(app_files()))
        its.clock.now += Limits().retry
        await its.phase(Phase.RUNNING)

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ({"WEBSITES_PORT": "8080"}, 230),
        ({"WEBSITES_PORT": "8080", "WEBSITES_CONTAINER_START_TIME_LIMIT": "600"}, 600),
        ({"WEBSITES_PORT": "8080", "WEBSITES_CONTAINER_START_TIME_LIMIT": "9999"}, 1800),
        ({"ASPNETCORE_URLS": "http://+:8080"}, 230),
    ],
)
def test_a_container_that_does_not_listen_where_it_should(tmp_path: Path, settings: dict[str, str], after: int) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()))
        its.apply(settings=settings)
        await until(partial(logged, its, "Initiating warmup request"), "its start")
        its.clock.now += after
        await its.clock.was_looked_at()
        assert its.apps.status("app").phase is Phase.STARTING
        its.clock.now += 0.5
        port = settings.get("WEBSITES_PORT", "80")
        log = await failed(its, f"didn't respond to HTTP pings on port: {port}, failing site start.")
        assert f"did not start within expected time limit. Elapsed time = {after}.5" in log
        assert "Waiting for response to warmup request" in log

    run(tmp_path, scenario)


@pytest.mark.parametrize("url", ["http://+:8080", "http://*:8080;https://+:443", "http://0.0.0.0:8080"])
def test_another_port_that_both_agree_on(tmp_path: Path, url: str) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()), env={"ASPNETCORE_URLS": url})
        its.apply(settings={"WEBSITES_PORT": "8080"})
        assert (await its.call()).body == b"hello"
        assert "--expose=8080" in await its.apps.container_log("app")

    run(tmp_path, scenario)


def test_an_image_of_app_service_listens_at_any_port(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        config = {"config": {"Env": ["AzureWebJobsScriptRoot=/home/site/wwwroot"],
                             "Cmd": ["/azure-functions-host/start.sh"]}}  # fmt: skip
        its.images.add(tar_layer(app_files()), config=config)
        its.apply(settings={"WEBSITES_PORT": "8080"})
        assert (await its.call()).body == b"hello"

    run(tmp_path, scenario)


def test_another_worker_runtime_gives_a_host_without_functions(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()))
        its.apply(settings={"FUNCTIONS_WORKER_RUNTIME": "dotnet", **FILES})
        status = await host_status(its)
        assert status["state"] == "Error"
        assert status["errors"] == ["Did not find functions with language [dotnet]."]
        host = await its.apps.host("app")
        assert (await host.call("GET", "/admin/functions")).document == []
        assert "default" in (await host.keys()).host
        answer = await its.call()
        assert (answer.status, answer.body) == (503, b"Function host is not running.")

    run(tmp_path, scenario)


def test_app_service_storage_hides_the_app(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()))
        its.apply(settings={"WEBSITES_ENABLE_APP_SERVICE_STORAGE": "true", **FILES})
        assert (await host_status(its))["errors"] == []
        assert (await (await its.apps.host("app")).call("GET", "/admin/functions")).document == []
        assert (await its.call("/score")).status == 404
        assert b"up and running" in (await its.call("/")).body
        its.apply(settings={"WEBSITES_ENABLE_APP_SERVICE_STORAGE": "false", **FILES})
        assert (await its.call("/score")).body == b"hello"

    run(tmp_path, scenario)


def test_without_storage_an_http_app_runs_and_has_no_keys(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()))
        its.apply()
        assert (await its.call()).body == b"hello"
        with pytest.raises(HostUnavailable) as caught:
            await (await its.apps.host("app")).keys()
        assert caught.value.status == "InternalServerError"

    run(tmp_path, scenario)


def test_without_storage_the_host_of_a_blob_app_is_in_error(tmp_path: Path, storage: str) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files(HELLO, {"bindings": blob_trigger()})))
        its.apply(settings={"Trigger": storage})
        status = await host_status(its)
        assert status["state"] == "Error"
        assert "Secret initialization from Blob storage failed" in status["errors"][0]
        assert (await its.call()).status == 503

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (blob_trigger(), "Storage account connection string 'Trigger' does not exist."),
        (queue_trigger(), "Service Bus account connection string 'Trigger' does not exist."),
    ],
)
def test_without_its_connection_a_function_is_in_error(
    tmp_path: Path, storage: str, trigger: list[dict[str, Any]], reason: str
) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files(HELLO, {"bindings": trigger})))
        its.apply(settings={"AzureWebJobsStorage": storage})
        status = await host_status(its)
        assert (status["state"], status["errors"]) == ("Running", [])
        assert f"The 'score' function is in error: {reason}" in status["functionErrors"][0]
        host = await its.apps.host("app")
        assert reason in str((await host.call("GET", "/admin/functions/score/status")).document)

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ({"env": {"FUNCTIONS_WORKER_RUNTIME_VERSION": "3.11"}}, "The image is for Python 3.11, and apps are run with"),
        ({"config": {"architecture": "arm64"}}, "exec /start.bin: exec format error (the image is for arm64)"),
        ({"config": {"config": {}}}, "is not made from one of Azure Functions"),
        ({"env": {"languageWorkers__python__defaultExecutablePath": "/opt/bin/python"}}, "its own Python (/opt/bin/py"),
    ],
)
def test_an_image_that_cannot_be_a_process(tmp_path: Path, image: dict[str, Any], reason: str) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()), **image)
        its.apply()
        await failed(its, reason)

    run(tmp_path, scenario)


def test_a_hostile_layer_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()), tar_layer({"../../../../../../escaped": "evil"}))
        its.apply()
        await failed(its, "'../../../../../../escaped' leads out of the image")
        assert not list(tmp_path.rglob("escaped"))
        its.images.add(tar_layer(app_files()))
        its.apply(settings={"A": "change"})
        assert (await its.call()).body == b"hello"

    run(tmp_path, scenario)


def test_a_registry_that_breaks_is_a_failure_of_the_app(tmp_path: Path) -> None:
    async def scenario(its: Bench) -> None:
        its.images.add(tar_layer(app_files()))
        its.images.broken = OSError("the disk of the registry is gone")
        its.apply()
        await failed(its, "OSError: the disk of the registry is gone")

    run(tmp_path, scenario)
