"""The stand-in base image runs a function app that is put where the real one expects it."""

from __future__ import annotations

import io
import json
import tarfile

import docker
import requests

from local_azure import base_image as stand_in

from .conftest import RunContainer

FUNCTION = {
    "scriptFile": "__init__.py",
    "bindings": [
        {
            "type": "httpTrigger",
            "direction": "in",
            "name": "request",
            "authLevel": "anonymous",
            "methods": ["get"],
        },
        {"type": "http", "direction": "out", "name": "$return"},
    ],
}
SCRIPT = """
import importlib.util, sys
import azure.functions as func

def main(request: func.HttpRequest) -> func.HttpResponse:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    of_the_host = [name for name in ("azure.storage", "azure.servicebus") if importlib.util.find_spec(name)]
    return func.HttpResponse(f"{request.params['name']} from {version}; packages of the host: {of_the_host}")
"""


def test_runs_a_function_app(engine: docker.DockerClient, base_image: str, run_container: RunContainer) -> None:
    image = build(
        engine,
        {
            "Dockerfile": f"FROM {base_image}\nCOPY wwwroot /home/site/wwwroot\n",
            "wwwroot/host.json": json.dumps({"version": "2.0"}),
            "wwwroot/hello/function.json": json.dumps(FUNCTION),
            "wwwroot/hello/__init__.py": SCRIPT,
        },
    )
    app = run_container(image)
    app.wait_until_answering()
    answer = requests.get(f"{app.url}/api/hello", params={"name": "greetings"}, timeout=30)
    assert (answer.status_code, answer.text) == (200, "greetings from 3.13; packages of the host: []"), app.logs()


def test_pip_in_a_build_step_reaches_the_package_index(engine: docker.DockerClient, base_image: str) -> None:
    install = "RUN pip install --target /packages iniconfig==2.0.0"
    use = "RUN PYTHONPATH=/packages python -c 'import iniconfig'"
    assert build(engine, {"Dockerfile": f"FROM {base_image}\n{install}\n{use}\n"})


def test_has_the_environment_and_the_command_of_the_real_image(engine: docker.DockerClient, base_image: str) -> None:
    config = engine.images.get(base_image).attrs["Config"]
    assert dict(setting.split("=", 1) for setting in config["Env"]) == stand_in.CONFIG.env
    assert config["Cmd"] == list(stand_in.CONFIG.cmd)


def build(engine: docker.DockerClient, files: dict[str, str]) -> str:
    """Builds an image of some text files, as the product does: a tar stream to the classic builder."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    said = list(engine.api.build(fileobj=context, custom_context=True, network_mode="host", rm=True, decode=True))
    images = [line["aux"]["ID"] for line in said if "aux" in line]
    assert images, "".join(line.get("stream", line.get("error", "")) for line in said)
    return str(images[-1])
