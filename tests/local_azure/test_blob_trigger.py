"""Blob functions under the real worker, with Azurite and the Azure SDK."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient, ContentSettings
from azure.storage.queue import QueueClient
from function_apps import FunctionApp, StartHost, blob_trigger, call, http_trigger

from local_azure.waiting import wait_for

UPPER = """
    def main(input: func.InputStream, output: func.Out[bytes]) -> None:
        print("called for", input.name)
        output.set(input.read().upper())
"""
FAILS = """
    def main(input: func.InputStream, output: func.Out[bytes]) -> None:
        print("called for", input.name)
        raise ValueError("cannot be scored")
"""


@pytest.fixture
def blobs(storage: str) -> BlobServiceClient:
    """The test's own account, with the container `input`."""
    service = BlobServiceClient.from_connection_string(storage)
    service.create_container("input")
    return service


@pytest.fixture
def settings(storage: str) -> dict[str, str]:
    return {"AzureWebJobsStorage": storage, "Trigger": storage}


def put(blobs: BlobServiceClient, name: str, content: bytes, **options: Any) -> str:
    """Upload to `input`; returns the ETag."""
    uploaded = blobs.get_blob_client("input", name).upload_blob(content, overwrite=True, **options)
    return str(uploaded["etag"]).strip('"')


def output(blobs: BlobServiceClient, name: str, container: str = "output") -> bytes:
    """A blob that the function writes, once it is there."""
    client = blobs.get_blob_client(container, name)
    wait_for(client.exists, 30, f"the blob {container}/{name}")
    return bytes(client.download_blob().readall())


def poison(storage: str) -> list[dict[str, str]]:
    """What is on the poison queue."""
    client = QueueClient.from_connection_string(storage, "webjobs-blobtrigger-poison")
    try:
        return [json.loads(base64.b64decode(message.content)) for message in client.peek_messages(max_messages=32)]
    except Exception:
        return []  # nobody has made it yet


def test_a_blob_goes_in_and_a_blob_comes_out(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    start_host(app.add("score", blob_trigger(), UPPER), settings)
    put(blobs, "a.b.json", b"hello")
    assert output(blobs, "a.b.out") == b"HELLO"  # the first parameter takes as much as it can


def test_bytes_pass_unchanged(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    code = "def main(input: func.InputStream, output: func.Out[bytes]) -> None: output.set(input.read())"
    start_host(app.add("copy", blob_trigger(), code), settings)
    content = bytes(range(256)) * 5000
    put(blobs, "raw.bin", content)
    assert output(blobs, "raw.out") == content


def test_the_functions_metadata(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    code = """
        import json

        def main(input: func.InputStream, output: func.Out[bytes]) -> None:
            output.set(json.dumps([input.name, input.uri, input.length, input.blob_properties, input.metadata]))
    """
    start_host(app.add("score", blob_trigger(), code), settings)
    kind = ContentSettings(content_type="application/json")
    etag = put(blobs, "deep/er/x.json", b"12345", metadata={"owner": "ann"}, content_settings=kind)
    name, uri, length, properties, metadata = json.loads(output(blobs, "deep/er/x.out"))
    assert name == "input/deep/er/x.json"
    assert uri == blobs.get_blob_client("input", "deep/er/x.json").url
    assert length == 5
    assert properties["ContentType"] == "application/json"
    assert properties["ETag"].strip('"') == etag
    assert metadata == {"owner": "ann"}


def test_only_matching_blobs_fire_and_only_once(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    host = start_host(app.add("score", blob_trigger("input/{name}.json", "output/{name}.out"), UPPER), settings)
    put(blobs, "other.csv", b"no")
    put(blobs, "one.json", b"a")
    output(blobs, "one.out")
    put(blobs, "two.json", b"b")
    output(blobs, "two.out")
    assert "other.csv" not in host.logs()
    assert host.logs().count("called for input/one.json") == 1


def test_an_overwritten_blob_fires_again(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    start_host(app.add("score", blob_trigger(), UPPER), settings)
    put(blobs, "x.json", b"first")
    assert output(blobs, "x.out") == b"FIRST"
    put(blobs, "x.json", b"second")
    wait_for(lambda: output(blobs, "x.out") == b"SECOND", 30, "the second version")


def test_a_restarted_host_does_not_score_again(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    app.add("score", blob_trigger(), UPPER)
    host = start_host(app, settings)
    etag = put(blobs, "x.json", b"old")
    output(blobs, "x.out")
    host.stop()
    again = start_host(app, settings)
    put(blobs, "y.json", b"new")
    output(blobs, "y.out")
    assert again.logs().count("called for input/x.json") == 1
    receipts = [blob.name for blob in blobs.get_container_client("azure-webjobs-hosts").list_blobs()]
    assert f'blobreceipts/local/Host.Functions.score/"{etag}"/input/x.json' in receipts


def test_a_deleted_receipt_fires_again(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    app.add("score", blob_trigger(), UPPER)
    host = start_host(app, settings)
    put(blobs, "x.json", b"once more")
    output(blobs, "x.out")
    host.stop()
    blobs.delete_container("azure-webjobs-hosts")
    again = start_host(app, settings)
    wait_for(lambda: again.logs().count("called for input/x.json") == 2, 30, "the blob to be taken again")


def test_five_tries_and_then_the_poison_queue(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str], storage: str
) -> None:
    host = start_host(app.add("score", blob_trigger(), FAILS), settings)
    etag = put(blobs, "bad.json", b"?")
    messages = wait_for(lambda: poison(storage), 30, "a message on the poison queue")
    assert messages == [
        {
            "Type": "BlobTrigger",
            "FunctionId": "Host.Functions.score",
            "BlobType": "BlockBlob",
            "ContainerName": "input",
            "BlobName": "bad.json",
            "ETag": f'"{etag}"',
        }
    ]
    assert host.logs().count("called for input/bad.json") == 5
    assert "Message has reached MaxDequeueCount of 5." in host.logs()
    assert not blobs.get_blob_client("output", "bad.out").exists()


def test_the_number_of_tries_is_host_jsons(
    tmp_path: Path, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str], storage: str
) -> None:
    app = FunctionApp(tmp_path / "twice", {"extensions": {"blobs": {"poisonBlobThreshold": 2}}})
    host = start_host(app.add("score", blob_trigger(), FAILS), settings)
    put(blobs, "bad.json", b"?")
    wait_for(lambda: poison(storage), 30, "a message on the poison queue")
    assert host.logs().count("called for input/bad.json") == 2


def test_a_failure_that_passes_is_retried(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str], storage: str
) -> None:
    code = """
        calls = 0

        def main(input: func.InputStream, output: func.Out[bytes]) -> None:
            global calls
            calls += 1
            if calls < 3:
                raise ConnectionError("not yet")
            output.set(str(calls))
    """
    start_host(app.add("score", blob_trigger(), code), settings)
    put(blobs, "x.json", b"")
    assert output(blobs, "x.out") == b"3"
    assert poison(storage) == []


def test_a_worker_that_dies_on_a_blob_is_a_try(
    tmp_path: Path, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str], storage: str
) -> None:
    app = FunctionApp(tmp_path / "dies", {"extensions": {"blobs": {"poisonBlobThreshold": 2}}})
    code = "import os\ndef main(input, output): os._exit(1)"
    host = start_host(app.add("score", blob_trigger(), code), settings)
    put(blobs, "x.json", b"")
    wait_for(lambda: poison(storage), 30, "a message on the poison queue")
    assert host.status()["state"] == "Running"


def test_a_host_that_gives_up_leaves_the_blob_for_the_next(
    app: FunctionApp,
    start_host: StartHost,
    blobs: BlobServiceClient,
    settings: dict[str, str],
    storage: str,
    tmp_path: Path,
) -> None:
    sick, gate = tmp_path / "sick", tmp_path / "gate"
    load = f"""
        import os, pathlib, time
        if pathlib.Path({str(sick)!r}).exists():
            while not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.02)
            os._exit(1)
    """
    app.add("score", blob_trigger(), dedent(load) + dedent(UPPER))
    app.add("dies", http_trigger(), "import os\ndef main(request): os._exit(1)")
    host = start_host(app, settings)
    sick.touch()
    call(host, "/dies")
    put(blobs, "x.json", b"kept")
    wait_for(lambda: "Executing 'Functions.score'" in host.logs(), 30, "the blob to be taken, and to wait for a worker")
    gate.touch()
    wait_for(lambda: host.status()["state"] == "Error", 30, "the host to give up")
    host.stop()
    sick.unlink()
    start_host(app, settings)
    assert output(blobs, "x.out") == b"KEPT"
    assert poison(storage) == []


def test_a_missing_container_is_waited_for(
    app: FunctionApp, start_host: StartHost, storage: str, settings: dict[str, str]
) -> None:
    host = start_host(app.add("score", blob_trigger(), UPPER), settings)
    wait_for(lambda: "The container 'input' does not exist" in host.logs(), 30, "the error line")
    service = BlobServiceClient.from_connection_string(storage)
    service.create_container("input")
    put(service, "late.json", b"late")
    assert output(service, "late.out") == b"LATE"
    assert host.logs().count("does not exist") == 1


def test_literal_braces_and_outputs_of_other_names(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    bindings = blob_trigger("input/{{x}}-{name}.{extension}", "results/{{{Extension}}}/{name}_out.json")
    start_host(app.add("score", bindings, UPPER), settings)
    put(blobs, "{x}-one.csv", b"braces")
    assert output(blobs, "{csv}/one_out.json", container="results") == b"BRACES"


def test_an_output_path_without_a_value_is_an_error(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    app.add("score", blob_trigger(output="output/{nobody}.out"), UPPER)
    host = start_host(app, settings, running=False)
    wait_for(lambda: host.status()["state"] == "Running", 60, "the host")
    assert "Unable to resolve binding parameter 'nobody'" in host.status()["functionErrors"][0]


def test_two_functions_see_every_blob(
    app: FunctionApp, start_host: StartHost, blobs: BlobServiceClient, settings: dict[str, str]
) -> None:
    app.add("upper", blob_trigger(output="upper/{name}"), UPPER)
    app.add("other_one", blob_trigger(output="other/{name}"), UPPER)
    start_host(app, settings)
    put(blobs, "x.json", b"both")
    assert output(blobs, "x", "upper") == output(blobs, "x", "other") == b"BOTH"
