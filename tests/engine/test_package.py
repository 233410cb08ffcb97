"""`az ml-func package` with a real engine and a real registry: built, pushed, run, and scored with."""

from __future__ import annotations

import base64
import contextlib
import json
import re
from pathlib import Path

import pytest
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from docker.errors import ImageNotFound
from helpers import DIABETES, ROOT, az

from azext_mlfunc.emulators.service_bus import ServiceBus
from azext_mlfunc.manifest import LABEL
from local_azure.azurite import Azurite
from local_azure.waiting import wait_for

from .conftest import BUILD_DOCKER, MODEL, Packager, Registry, RunContainer

pytestmark = pytest.mark.usefixtures("base_image")


@pytest.fixture(params=["docker", "direct"])
def either(request: pytest.FixtureRequest) -> Packager:
    """Packages in one way and the other."""
    way: Packager = request.getfixturevalue({"docker": "package", "direct": "direct"}[request.param])
    return way


def forget(engine, tag: str) -> None:
    """Remove an image that may have been built here, so that it has to be pulled."""
    with contextlib.suppress(ImageNotFound):
        engine.images.remove(tag, force=True)


def pull(engine, registry: Registry, location: str):
    """Pull by digest what the registry has, having forgotten what was built here."""
    return engine.images.pull(location, auth_config=registry.credentials)


def test_the_pushed_image_scores_over_http_and_carries_the_manifest(
    engine, registry, either, predictions, run_container: RunContainer
):
    result = either("--image-name", "team/http", "--auth-level", "anonymous").result
    assert result["location"] == f"{registry.host}/team/http@{result['digest']}"
    assert re.fullmatch(rf"{registry.host}/team/http:\d{{14}}", result["tag"])
    forget(engine, result["tag"])
    image = pull(engine, registry, result["location"])
    assert image.attrs["Architecture"] == "amd64" and image.attrs["Os"] == "linux"
    manifest = json.loads(image.labels[LABEL])
    assert manifest["trigger"] == {"type": "http", "authLevel": "anonymous"}
    assert image.labels["azure.mlfunc.trigger"] == "http"

    app = run_container(result["location"])
    app.wait_until_answering()
    answer = requests.post(f"{app.url}/score", data=(DIABETES / "sample.json").read_bytes(), timeout=60)
    assert (answer.status_code, answer.json()) == (200, pytest.approx(predictions, rel=1e-12)), app.logs()
    assert requests.get(app.url, timeout=30).text == "Healthy"
    _, files = app.container.exec_run("cat /home/site/wwwroot/mlfunc.json")
    assert json.loads(files) == manifest


def test_the_pushed_image_scores_blobs_and_moves_what_fails_to_the_poison_queue(
    engine, registry, either, predictions, run_container: RunContainer, tmp_path: Path
):
    result = either("--trigger", "blob", "--output-path", "output/{blobname}_out.json").result
    pull(engine, registry, result["location"])
    with Azurite(ROOT / ".venv" / "azurite", tmp_path / "azurite") as azurite:
        connection = azurite.connection_string()
        with BlobServiceClient.from_connection_string(connection) as blobs:
            blobs.create_container("input")
            outputs = blobs.create_container("output")
            settings = {"AzureWebJobsStorage": connection, "TriggerConnectionString": connection}
            app = run_container(result["location"], settings)
            blobs.get_blob_client("input", "one.json").upload_blob((DIABETES / "sample.json").read_bytes())
            blobs.get_blob_client("input", "two.json").upload_blob(b"no JSON")
            wait_for(lambda: list(outputs.list_blob_names()), 60, "an output")
            output = outputs.download_blob("one_out.json").readall()
            assert json.loads(output) == pytest.approx(predictions, rel=1e-12)
            with QueueClient.from_connection_string(connection, "webjobs-blobtrigger-poison") as poison:
                message = wait_for(lambda: received(poison), 60, "a message in the poison queue")
            assert json.loads(base64.b64decode(message))["BlobName"] == "two.json", app.logs()
            assert list(outputs.list_blob_names()) == ["one_out.json"]


def received(queue: QueueClient) -> str | None:
    """The text of a queue's next message, or None."""
    try:
        message = queue.receive_message()
    except ResourceNotFoundError:
        return None
    return message.content if message else None


def test_the_pushed_image_scores_messages_and_dead_letters_what_fails(
    engine, registry, either, predictions, run_container: RunContainer
):
    result = either("--trigger", "service-bus-queue").result
    pull(engine, registry, result["location"])
    with ServiceBus() as service_bus:
        service_bus.add_queue("inqueue", max_delivery=3)
        service_bus.add_queue("outqueue")
        app = run_container(result["location"], {"TriggerConnectionString": service_bus.connection_string})
        with ServiceBusClient.from_connection_string(service_bus.connection_string) as client:
            with client.get_queue_sender("inqueue") as sender:
                sender.send_messages(
                    [ServiceBusMessage("no JSON"), ServiceBusMessage((DIABETES / "sample.json").read_bytes())]
                )
            with client.get_queue_receiver("outqueue", max_wait_time=60) as receiver:
                output = b"".join(next(receiver).body)
            assert json.loads(output) == pytest.approx(predictions, rel=1e-12)
            with client.get_queue_receiver("inqueue", sub_queue="deadletter", max_wait_time=60) as receiver:
                dead = next(receiver)
            assert str(dead) == "no JSON" and dead.dead_letter_reason == "MaxDeliveryCountExceeded", app.logs()


def test_a_changed_line_builds_and_pushes_its_layer_alone(project, package):
    first = package("--image-name", "layers", "--image-tag", "a").result
    with (project / "score.py").open("a") as script:
        script.write("# changed\n")
    answer = package("--image-name", "layers", "--image-tag", "b")
    before, after = package.layers(first["location"]), package.layers(answer.result["location"])
    assert before[:-1] == after[:-1] and before[-1] != after[-1]
    assert after[-1]["size"] < 100_000
    assert answer.stderr.count("Pushed layer") == 1
    assert len([line for line in answer.stderr.splitlines() if "Step" in line]) == 6


def test_the_same_project_again_pushes_nothing(package):
    first = package("--image-name", "again", "--image-tag", "a").result
    answer = package("--image-name", "again", "--image-tag", "b")
    assert answer.result["digest"] == first["digest"]
    assert "Pushed layer" not in answer.stderr


def test_without_a_login_the_error_names_the_way_in(package, tmp_path, registry):
    package.docker_config = tmp_path / "empty"
    package.docker_config.mkdir()
    answer = package("--image-name", "refused")
    assert answer.code == 1 and answer.stdout == ""
    assert "was built, but not pushed" in answer.stderr
    assert f"docker login {registry.host}" in answer.stderr


def test_a_failing_build_shows_what_pip_said_and_pushes_nothing(project, package, registry):
    (project / "environment.yml").write_text(
        "dependencies: [python=3.13, {pip: [numpy==2.3.4, no-such-package-anywhere==1.0]}]\n"
    )
    answer = package("--image-name", "broken")
    assert answer.code == 1 and answer.stdout == ""
    assert "The image was not built" in answer.stderr and "no-such-package-anywhere" in answer.stderr
    tags = requests.get(
        f"http://{registry.host}/v2/broken/tags/list", auth=(registry.user, registry.password), timeout=30
    )
    assert tags.status_code == 404


def test_only_show_errors_is_silent_and_without_a_registry_the_image_stays_here(engine, project, package):
    answer = az(
        *("ml-func", "package", "--model", MODEL, "--entry-script", "score.py", "--conda-file", "environment.yml"),
        *(*BUILD_DOCKER, "--image-name", "local", "--image-tag", "v1", "--only-show-errors"),
        cwd=project,
    )
    assert answer.stderr == ""
    assert (answer.result["location"], answer.result["digest"]) == ("local:v1", None)
    assert engine.images.get("local:v1").attrs["Size"] == answer.result["size"]


def test_a_missing_base_image_is_named(package):
    answer = package("--base-image", "localhost:1/none:1", "--image-name", "nobase")
    assert answer.code == 1
    assert "localhost:1" in answer.stderr and "not built" in answer.stderr
