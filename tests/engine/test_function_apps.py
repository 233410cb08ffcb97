"""Function apps as App Service runs them, in containers of a real engine."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

sys.path.append(str(Path(__file__).parents[1] / "local_azure"))  # for the parts

from function_app_parts import HELLO, HTTP, Bench, app_files, bench, until

from local_azure.function_apps import HostUnavailable, Phase, choose_compute
from local_azure.function_apps.container import LABEL
from local_azure.processes import accepts_connections, free_port
from local_azure.waiting import wait_for

from .test_base_image import build

Scenario = Callable[[Bench], Awaitable[None]]
KEPT = {"AzureWebJobsSecretStorageType": "files"}
WORLD = """
import json, os
import azure.functions as func

def main(request: func.HttpRequest) -> func.HttpResponse:
    with open(os.environ["REQUESTS_CA_BUNDLE"]) as file:
        return func.HttpResponse(json.dumps({**os.environ, "trusted": file.read()}))
"""
REGISTRY = """
version: 0.1
log: {{accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def open_registry(registry: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry that asks for no login: what an engine pulls from once App Service has checked the app's."""
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    (folder / "registry.yml").write_text(REGISTRY.format(folder=folder, port=port))
    with (folder / "registry.log").open("w") as log:
        process = subprocess.Popen(["docker-registry", "serve", folder / "registry.yml"], stdout=log, stderr=log)
    wait_for(lambda: accepts_connections(port), 30, "the registry to listen")
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


@pytest.fixture
def run(engine: docker.DockerClient, base_image: str, open_registry: str, tmp_path: Path) -> Callable[..., None]:
    """Runs a scenario with containers; afterwards none is left."""

    def run(scenario: Scenario, **options: Any) -> None:
        async def within() -> None:
            async with bench(tmp_path, choose_compute("docker", "", tmp_path), **options) as its:
                await scenario(its)

        asyncio.run(within())
        assert containers(engine, tmp_path) == []

    return run


def containers(engine: docker.DockerClient, folder: Path) -> list[Any]:
    return list(engine.containers.list(all=True, filters={"label": f"{LABEL}={(folder / 'apps').resolve()}"}))


@pytest.fixture
def push(engine: docker.DockerClient, base_image: str, open_registry: str) -> Callable[..., str]:
    """Builds an image on the base and pushes it; returns its digest there."""

    def push(its: Bench, files: Mapping[str, str | bytes], *steps: str) -> str:
        copied = "\n".join(["FROM " + base_image, "COPY home /home", *steps])
        image = build(engine, {"Dockerfile": copied, **{name: str(text) for name, text in files.items()}})
        config = engine.images.get(image).attrs["Config"]
        engine.images.get(image).tag(f"{open_registry}/app", "v1")
        said = list(engine.images.push(f"{open_registry}/app", "v1", stream=True, decode=True))
        digest = next(line["aux"]["Digest"] for line in said if "aux" in line)
        engine.images.remove(f"{open_registry}/app:v1")
        reference = f"{open_registry}/app@{digest}"
        its.images.add(config={"architecture": "amd64", "config": config}, local_reference=reference)
        return reference

    return push


def test_an_engine_that_is_there_is_used(engine: docker.DockerClient, tmp_path: Path) -> None:
    assert choose_compute("auto", "", tmp_path).name == "docker"


def test_an_app_runs_in_a_container(run: Callable[..., None], push: Callable[..., str], tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("certificates")

    async def scenario(its: Bench) -> None:
        locked = {"bindings": [{**HTTP["bindings"][0], "authLevel": "function"}, HTTP["bindings"][1]]}
        push(its, app_files(WORLD, locked), "ENV A=image B=image")
        its.apply(settings={"B": "setting", **KEPT})
        await its.running()
        keys = await (await its.apps.host("app")).keys()
        assert (await its.call()).status == 401
        found = (await its.call(headers={"x-functions-key": keys.functions["score"]["default"]})).json()
        assert (found["A"], found["B"], found["HOME"]) == ("image", "setting", "/home")
        assert (found["WEBSITE_SITE_NAME"], found["trusted"]) == ("app", "certificates")
        assert "DOCKER_REGISTRY_SERVER_PASSWORD" not in found
        await its.apps.restart("app")
        await its.running()
        assert await (await its.apps.host("app")).keys() == keys
        assert "Host.Startup: 1 functions found" in await its.apps.container_log("app")

    run(scenario, environment={"REQUESTS_CA_BUNDLE": str(bundle)})


def test_app_service_storage_hides_the_app(run: Callable[..., None], push: Callable[..., str]) -> None:
    async def scenario(its: Bench) -> None:
        push(its, app_files())
        its.apply(settings={"WEBSITES_ENABLE_APP_SERVICE_STORAGE": "true", **KEPT})
        await its.running()
        assert (await (await its.apps.host("app")).call("GET", "/admin/functions")).document == []
        assert (await its.call("/score")).status == 404
        its.apply(settings={"WEBSITES_ENABLE_APP_SERVICE_STORAGE": "false", **KEPT})
        assert (await its.call("/score")).body == b"hello"

    run(scenario)


@pytest.mark.parametrize(
    ("steps", "settings"), [((), {"WEBSITES_PORT": "8080"}), (('CMD ["sleep", "3600"]',), {"WEBSITES_PORT": "80"})]
)
def test_a_container_that_does_not_listen(
    run: Callable[..., None], push: Callable[..., str], steps: tuple[str, ...], settings: dict[str, str]
) -> None:
    async def scenario(its: Bench) -> None:
        push(its, app_files(), *steps)
        its.apply(settings=settings)

        async def warming_up() -> bool:
            return "Initiating warmup request" in await its.apps.container_log("app")

        await until(warming_up, "its start")
        its.clock.now += 231
        await its.phase(Phase.FAILED)
        said = f"didn't respond to HTTP pings on port: {settings['WEBSITES_PORT']}, failing site start."
        assert said in await its.apps.container_log("app")

    run(scenario)


def test_the_log_of_a_container_that_died_is_there(run: Callable[..., None], push: Callable[..., str]) -> None:
    async def scenario(its: Bench) -> None:
        push(its, app_files(), 'CMD ["sh", "-c", "echo the last words; exit 3"]')
        its.apply()
        await its.phase(Phase.FAILED)
        log = await its.apps.container_log("app")
        assert "for site app has exited, failing site start" in log
        assert log.endswith("the last words\n")
        push(its, app_files(HELLO.replace("hello", "mended")))
        its.apply(settings={"A": "change"})
        assert (await its.call()).body == b"mended"

    run(scenario)


def test_an_image_that_the_engine_cannot_have_or_start(run: Callable[..., None], push: Callable[..., str]) -> None:
    async def scenario(its: Bench) -> None:
        reference = push(its, app_files(), 'CMD ["/not/there"]')
        its.apply()
        await its.phase(Phase.FAILED)
        assert "/not/there" in str(its.apps.status("app").reason)
        its.images.add(local_reference=reference[:-64] + "0" * 64)
        its.apply(settings={"A": "change"})
        await its.phase(Phase.FAILED)
        assert "not found" in str(its.apps.status("app").reason)
        with pytest.raises(HostUnavailable, match="not found"):
            await its.apps.host("app")

    run(scenario)


@pytest.mark.parametrize("wait", [0.1, 0.3, 0.5, 1.0])
def test_closing_and_newer_specs_leave_no_container(
    run: Callable[..., None], push: Callable[..., str], wait: float
) -> None:
    async def scenario(its: Bench) -> None:
        push(its, app_files())
        for number in range(2):
            its.apply(settings={"N": str(number)})
            await asyncio.sleep(wait)

    run(scenario)


def test_what_an_earlier_run_left_is_removed(
    engine: docker.DockerClient, base_image: str, run: Callable[..., None], push: Callable[..., str], tmp_path: Path
) -> None:
    labels = {LABEL: str((tmp_path / "apps").resolve())}
    left = engine.containers.run(base_image, ["sleep", "3600"], labels=labels, network_mode="host", detach=True)
    other = engine.containers.run(
        base_image, ["sleep", "3600"], labels={LABEL: "/another"}, network_mode="host", detach=True
    )

    async def scenario(its: Bench) -> None:
        push(its, app_files())
        its.apply()
        await its.running()
        assert left.id not in [each.id for each in containers(engine, tmp_path)]

    try:
        run(scenario)
        other.reload()
        assert other.status == "running"
    finally:
        other.remove(force=True)
