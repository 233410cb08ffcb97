"""Function apps as App Service runs them: what they find, when they sleep, and what ends them. As processes."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
import trustme
from azure.storage.blob import BlobServiceClient
from function_app_parts import (
    HELLO,
    IMAGE,
    LOGIN,
    PYTHON_VERSION,
    app_files,
    bench,
    processes_of,
    tar_layer,
    tunnel,
    until,
)
from function_apps import blob_trigger

from local_azure.azurite import Azurite
from local_azure.function_apps import AppSpec, ComputeUnavailable, HostUnavailable, Limits, Phase, choose_compute

KEPT = {"AzureWebJobsSecretStorageType": "files"}  # keys without storage
WORLD = """
import json, os, sys
import azure.functions as func
import mine

def main(request: func.HttpRequest) -> func.HttpResponse:
    found = {"environment": dict(os.environ), "path": sys.path, "mine": mine.WHO, "version": sys.version_info[:2]}
    return func.HttpResponse(json.dumps(found | {"storage": "azure.storage" in sys.modules}))
"""
PACKAGES = "home/site/wwwroot/.python_packages/lib/site-packages"


def test_an_app_finds_its_image_its_settings_and_what_app_service_adds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_PROCESS", "is not for apps")

    async def scenario() -> None:
        async with bench(tmp_path, environment={"REQUESTS_CA_BUNDLE": "/home/me/ca.pem", "OVER": "platform"}) as its:
            image = {"PYTHONPATH": f"/{PACKAGES}", "AML_APP_ROOT": "/var/azureml-app", "A": "image", "B": "image"}
            its.images.add(
                tar_layer(app_files(WORLD)),
                tar_layer({f"{PACKAGES}/mine.py": "WHO = 'of the image'", "etc/passwd": ""}),
                tar_layer({"var/azureml-app/score.py": ""}, compressed=False),
                env=image,
            )
            its.apply(settings={"B": "setting", "OVER": "setting", "WHERE": "/home/site/wwwroot:/elsewhere", **KEPT})
            world = (await its.call()).json()
            found = world["environment"]
            root = next((its.folder / "app" / "images").iterdir())
            assert (found["A"], found["B"], found["OVER"]) == ("image", "setting", "setting")
            assert found["AML_APP_ROOT"] == str(root / "var" / "azureml-app")
            assert (root / "var" / "azureml-app" / "score.py").exists()
            assert not (root / "etc").exists()
            assert found["WHERE"] == f"{root}/home/site/wwwroot:/elsewhere"
            assert found["PYTHONPATH"] == str(root / PACKAGES) == world["path"][0]
            assert found["HOME"] == str(root / "home")
            assert found["REQUESTS_CA_BUNDLE"] == "/home/me/ca.pem"  # of this machine
            assert (found["WEBSITE_SITE_NAME"], found["WEBSITE_HOSTNAME"]) == ("app", "app.azurewebsites.net")
            assert "WEBSITE_INSTANCE_ID" not in found  # it would have the worker rewrite its path
            assert world["mine"] == "of the image"
            assert f"{world['version'][0]}.{world['version'][1]}" == PYTHON_VERSION
            assert not [name for name in (*LOGIN, "OF_THIS_PROCESS", "PYTEST_CURRENT_TEST") if name in found]
            assert not world["storage"]

    asyncio.run(scenario())


def test_of_an_image_only_what_is_new_is_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            unknown = tar_layer({"etc/unique": str(tmp_path)})
            its.images.add(unknown, tar_layer(app_files()))
            its.apply()
            assert (await its.call()).body == b"hello"
            assert len(its.images.opened) == 2
            await its.apps.restart("app")
            assert (await its.call()).body == b"hello"
            assert len(its.images.opened) == 2
            its.images.add(unknown, tar_layer(app_files(HELLO.replace("hello", "again"))))
            await its.apps.restart("app")
            assert (await its.call()).body == b"again"
            assert len(its.images.opened) == 3

    asyncio.run(scenario())


def test_keys_survive_a_restart_and_a_new_image(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            locked = {"bindings": [{"type": "httpTrigger", "direction": "in", "name": "request", "route": "locked"},
                                   {"type": "http", "direction": "out", "name": "$return"}]}  # fmt: skip
            first = its.images.add(tar_layer(app_files(function=locked)))
            its.apply(settings=KEPT)
            await its.running()
            host = await its.apps.host("app")
            made = await host.call("PUT", "/admin/host/functionkeys/mine", {"name": "mine", "value": "m=="})
            assert (made.status, made.document["value"]) == (201, "m==")
            keys = await host.keys()
            assert keys.host["mine"] == "m=="
            assert (await its.call("/locked")).status == 401
            second = its.images.add(tar_layer(app_files(HELLO.replace("hello", "again"), locked)))
            assert its.apps.status("app").digest == first != second
            await its.apps.restart("app")
            for key in (keys.functions["score"]["default"], keys.host["default"], keys.master, "m=="):
                assert (await its.call("/locked", headers={"x-functions-key": key})).body == b"again"
            assert await (await its.apps.host("APP")).keys() == keys
            assert its.apps.status("app").digest == second
            assert not any(key in repr(host) for key in keys.all())

    asyncio.run(scenario())


def test_a_blob_function_reaches_storage_by_its_real_name(
    tmp_path: Path, azurite: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # of whoever runs the tests; the app has its own
    monkeypatch.setenv("NO_PROXY", "localhost")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("localhost", "*.blob.core.windows.net", "*.queue.core.windows.net")
    own.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate = (tmp_path / "cert.pem", tmp_path / "key.pem")
    code = "import os\ndef main(input, output): output.set(input.read().upper() + os.environ['HTTPS_PROXY'].encode())"

    async def scenario(storage: Azurite) -> None:
        connection = storage.add_account("mystorage")
        key = dict(part.split("=", 1) for part in connection.split(";"))["AccountKey"]
        real = f"DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;AccountName=mystorage;AccountKey={key}"
        proxy, url = await tunnel(storage.ports)
        environment = {"HTTPS_PROXY": url, "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")}
        blobs = BlobServiceClient.from_connection_string(connection, connection_verify=str(tmp_path / "ca.pem"))
        blobs.create_container("input").upload_blob("a.txt", b"some text")
        async with proxy, bench(tmp_path, environment=environment) as its:
            its.images.add(tar_layer(app_files(code, {"bindings": blob_trigger()})))
            its.apply(settings={"AzureWebJobsStorage": real, "Trigger": real})
            out = blobs.get_blob_client("output", "a.out")
            await until(lambda: asyncio.to_thread(out.exists), "the output")
            assert out.download_blob().readall() == b"SOME TEXT" + url.encode()
            assert "blobs_extension" in (await (await its.apps.host("app")).keys()).system
            assert key not in await its.apps.container_log("app")

    with Azurite(azurite.prefix, tmp_path / "azurite", certificate=certificate) as storage:
        asyncio.run(scenario(storage))


# -- sleeping and waking


def test_an_app_without_always_on_is_woken_by_a_request_and_unloaded_without(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files()))
            its.apply(dedicated=True, always_on=False)
            its.apply(dedicated=True, always_on=False, settings={"A": "written"})
            await its.apps.restart("app")
            assert its.apps.status("app").phase is Phase.ASLEEP
            assert its.images.pulls == []
            assert (await its.call()).body == b"hello"
            its.clock.now += 19 * 60
            assert (await its.call()).status == 200
            its.clock.now += 19 * 60
            assert its.apps.status("app").phase is Phase.RUNNING
            its.clock.now += 60
            await its.phase(Phase.ASLEEP)
            assert "because it is idle" in await its.apps.container_log("app")
            await until(lambda: not processes_of(its.folder), "the process to be gone")
            assert (await (await its.apps.host("app")).call("GET", "/admin/functions")).document[0]["name"] == "score"
            its.apply(dedicated=True, always_on=False, settings={"A": "again"})  # it is awake now
            await its.running()
            assert len(its.images.pulls) == 3

    asyncio.run(scenario())


def test_a_request_under_way_keeps_an_app_from_being_unloaded(tmp_path: Path) -> None:
    slow = HELLO.replace(
        "    return", "    while not os.path.exists(request.params['until']): time.sleep(0.05)\n    return"
    )

    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files("import os, time\n" + slow)))
            its.apply(dedicated=True, always_on=False)
            request = asyncio.create_task(its.call(f"/?until={tmp_path / 'now'}"))
            await its.running()
            its.clock.now += 3600
            await its.clock.was_looked_at()
            assert its.apps.status("app").phase is Phase.RUNNING
            (tmp_path / "now").touch()
            assert (await request).body == b"hello"

    asyncio.run(scenario())


@pytest.mark.parametrize(("always_on", "dedicated"), [(True, True), (False, False)])
def test_other_apps_are_started_at_once_and_stay(tmp_path: Path, always_on: bool, dedicated: bool) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files()))
            its.apply(always_on=always_on, dedicated=dedicated)
            await its.running()
            its.clock.now += 24 * 3600
            await its.clock.was_looked_at()
            assert its.apps.status("app").phase is Phase.RUNNING

    asyncio.run(scenario())


# -- changes and ends


def test_a_newer_spec_wins_over_a_start_under_way(tmp_path: Path) -> None:
    code = HELLO.replace('"hello"', "__import__('os').environ['N']")

    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files(code)))
            its.images.gate.clear()
            for number in range(5):
                its.apply(settings={"N": str(number)})
                await asyncio.sleep(0)
            await until(lambda: its.images.pulls, "a pull")
            its.apply(settings={"N": "last"})
            its.images.gate.set()
            assert (await its.call()).body == b"last"
            hosts: list[int] = []

            async def count() -> None:
                while True:
                    hosts.append(sum("functions-host" in line for line in processes_of(its.folder)))
                    await asyncio.sleep(0.01)

            counting = asyncio.create_task(count())
            for number in range(5):  # in whatever a start is doing
                its.apply(settings={"N": str(number)})
                await asyncio.sleep(number / 10)
            assert (await its.call()).body == b"4"
            counting.cancel()
            assert max(hosts) == 1
            unchanged = len(its.images.pulls)
            its.apply(settings={"N": "4"})
            assert (await its.call()).body == b"4"
            assert len(its.images.pulls) == unchanged

    asyncio.run(scenario())


def test_stopping_starting_and_deleting(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files()))
            its.apply()
            await its.running()
            its.apply(enabled=False)
            assert its.apps.status("app").phase is Phase.STOPPED
            with pytest.raises(HostUnavailable, match="ServiceUnavailable: The app is stopped"):
                await its.apps.host("app")
            await until(lambda: not processes_of(its.folder), "the process to be gone")
            its.apply()
            assert (await its.call()).body == b"hello"
            its.apply(image=None)
            assert its.apps.status("app").phase is Phase.NO_IMAGE
            its.apply()
            await its.running()
            await its.apps.delete("App")
            assert processes_of(its.folder) == []
            assert not (its.folder / "app").exists()
            with pytest.raises(KeyError, match="There is no app 'app'; there are none"):
                its.apps.status("app")
            await its.apps.delete("app")

    asyncio.run(scenario())


@pytest.mark.parametrize("wait", [0, 0.05, 0.2, 0.4])
def test_closing_leaves_no_process_whatever_is_under_way(tmp_path: Path, wait: float) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files()))
            for name in ("one", "two"):
                its.apply(name)
            await asyncio.sleep(wait)

    asyncio.run(scenario())  # bench looks


def test_an_app_that_ends_is_started_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files()))
            its.apply()
            await its.running()

            async def kill() -> None:
                status = await (await its.apps.host("app")).call("GET", "/admin/host/status")
                os.kill(status.document["processId"], signal.SIGKILL)

            await kill()  # as soon as it was up: it may never last
            await its.phase(Phase.FAILED)
            assert "has exited" in str(its.apps.status("app").reason)
            its.clock.now += Limits().retry
            await its.phase(Phase.RUNNING)
            its.clock.now += 60
            await kill()
            await until(lambda: len(its.images.pulls) == 3, "another start")
            assert (await its.call()).body == b"hello"

    asyncio.run(scenario())


def test_a_spec_does_not_show_its_settings() -> None:
    spec = AppSpec("app", "app.azurewebsites.net", IMAGE, {"SECRET": "not-to-be-seen"})
    assert "not-to-be-seen" not in repr(spec)


def test_what_is_no_name_of_a_site(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            for name in ("../up", "", "a/b", "-a", "a" * 61):
                with pytest.raises(ValueError, match="is not the name of a site"):
                    its.apply(name)

    asyncio.run(scenario())


def test_choosing_where_apps_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="There is no compute 'podman'; there are auto, docker, process"):
        choose_compute("podman", "python", tmp_path)
    assert choose_compute("process", "python", tmp_path).name == "process"
    for nowhere in (f"unix://{tmp_path}/docker.sock", "tcp://127.0.0.1:9"):
        monkeypatch.setenv("DOCKER_HOST", nowhere)
        with pytest.raises(ComputeUnavailable, match="choose the compute 'process'"):
            choose_compute("docker", "python", tmp_path)
        assert choose_compute("auto", "python", tmp_path).name == "process"
