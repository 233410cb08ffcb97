"""`az ml-func test`: events through deployed apps of each trigger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local_azure.waiting import wait_for

from .cloud import Cloud
from .conftest import Images
from .parts import Group
from .probed import TRIGGERS, Probed, without_labels

EVENT = '{"data": [1, 2.5, "ü"]}'


@pytest.fixture
def queue_client(probed: Probed) -> Iterator[ServiceBusClient]:
    app = probed("service-bus-queue")
    with ServiceBusClient.from_connection_string(app.settings["TriggerConnectionString"]) as client:
        yield client


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_an_event_in_and_the_prediction_out(trigger: str, probed: Probed, tmp_path: Path) -> None:
    app = probed(trigger)
    (tmp_path / "event.json").write_text(EVENT)
    (tmp_path / "expected.json").write_text('{"data": [1.0, 2.5000000001, "ü"]}')
    code, result, stderr = app.test("--data @event.json --expect expected.json --output-file out.json", tmp_path)
    assert (code, stderr) == (0, "")
    assert result["passed"] is True
    assert result["trigger"] == trigger
    assert result["output"] == json.loads(EVENT)
    assert result["latency"] > 0
    assert json.loads((tmp_path / "out.json").read_bytes()) == json.loads(EVENT)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_another_answer_fails_with_a_difference_and_a_result(trigger: str, probed: Probed, tmp_path: Path) -> None:
    (tmp_path / "expected.json").write_text("[1, 3]")
    code, result, stderr = probed(trigger).test("--data '[1, 2]' --expect expected.json", tmp_path)
    assert code == 1
    assert result["passed"] is False
    assert result["output"] == [1, 2]
    assert "+  2" in stderr
    assert "-  3" in stderr


def test_nothing_of_a_blob_test_stays(probed: Probed) -> None:
    app = probed("blob")
    app.test("--data 1")
    assert app.names("input") == app.names("output") == []
    _, result, _ = app.test("--data 1 --keep")
    assert [f"input/{name}" for name in app.names("input")] == [result["inputBlob"]]
    assert [f"output/{name}" for name in app.names("output")] == [result["outputBlob"]]
    for blob in (result["inputBlob"], result["outputBlob"]):
        app.blobs().get_blob_client(*blob.split("/", 1)).delete_blob()


def test_a_blob_of_others_is_never_touched(probed: Probed) -> None:
    app = probed("blob")
    mine = app.blobs().get_blob_client("input", "mine.json")
    output = app.blobs().get_blob_client("output", "other.out")
    output.upload_blob(b"of before")
    mine.upload_blob(b'"fail"')
    try:
        code, _, stderr = app.test("--data 1 --blob-name mine.json")
        assert code == 1
        assert "not overwritten" in stderr
        assert mine.download_blob().readall() == b'"fail"'
        code, _, stderr = app.test("--data 1 --blob-name other.json")
        assert code == 1
        assert "would overwrite" in stderr
        assert output.download_blob().readall() == b"of before"
        code, _, stderr = app.test("--data 1 --blob-name no-extension")
        assert code == 1
        assert "does not fit the input path" in stderr
    finally:
        mine.delete_blob()
        output.delete_blob()


def test_a_request_of_ones_own(probed: Probed) -> None:
    app = probed("http")
    _, result, _ = app.test("--data '' --method GET --path /")
    assert (result["status"], result["output"]) == (200, "Healthy")
    code, result, stderr = app.test("--data 1 --header x-functions-key=wrong")
    assert (code, result["status"], result["passed"]) == (1, 401, False)
    assert "answered 401" in stderr
    assert "wrong" not in stderr


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_failing_run_is_told(trigger: str, probed: Probed) -> None:
    app = probed(trigger)
    code, result, stderr = app.test("""--data '"fail"' --timeout 120""")
    assert code == 1
    assert result["passed"] is False
    assert {"http": "answered 500", "blob": "gave it up", "service-bus-queue": "gave the message up"}[trigger] in stderr


def test_messages_of_others_are_left_alone(probed: Probed, queue_client: ServiceBusClient) -> None:
    app = probed("service-bus-queue")
    with queue_client.get_queue_sender("outqueue") as sender:
        sender.send_messages([ServiceBusMessage(b"of others", message_id=str(number)) for number in range(3)])
    code, result, _ = app.test("--data '[7]'")
    assert (code, result["output"]) == (0, [7])
    with queue_client.get_queue_receiver("outqueue", max_wait_time=5) as receiver:
        waiting = receiver.receive_messages(10, max_wait_time=5)
        assert [(b"".join(each.body), each.delivery_count) for each in waiting] == [(b"of others", 0)] * 3
        for message in waiting:
            receiver.complete_message(message)
    namespace = next(each for each in app.cloud.control("resources") if each.lower().endswith("/queues/inqueue"))
    queues = [each for each in app.cloud.control("resources") if each.startswith(namespace.rsplit("/", 1)[0])]
    assert not any("mlfunc-test" in each for each in queues)


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_folder_of_events(trigger: str, probed: Probed, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number in range(30):
        (tmp_path / "in" / "deep" / f"{number}.json").write_text(json.dumps({"number": number}))
    options = "--input-directory in --output-directory out --concurrency 8 --report report.html"
    code, result, stderr = probed(trigger).test(options, tmp_path)
    assert (code, stderr) == (0, "")
    assert (result["sent"], result["succeeded"], result["failed"], result["skipped"]) == (30, 30, 0, 0)
    for file in (tmp_path / "in" / "deep").iterdir():
        assert json.loads((tmp_path / "out" / "deep" / file.name).read_bytes()) == json.loads(file.read_bytes())
    assert "sha256:" in (tmp_path / "report.html").read_text("utf-8")
    code, result, _ = probed(trigger).test(options, tmp_path)
    assert (code, result["sent"], result["skipped"]) == (0, 0, 30)


def test_an_image_without_labels_takes_options(
    cloud: Cloud, registry: str, probed: Probed, probed_images: Images
) -> None:
    """The same app, its image's labels taken away."""
    app = probed("blob")
    with app.image(without_labels(cloud, registry, probed_images("blob").tag)):
        code, _, stderr = app.test("--data 1")
        assert code == 1
        assert "--trigger" in stderr
        code, result, stderr = app.test("--data 1 --trigger blob --timeout 120")
        assert (code, stderr) == (0, "")
        assert result["output"] == 1


# -- data of every kind


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_no_data_and_no_answer(trigger: str, probed: Probed) -> None:
    code, result, stderr = probed(trigger).test("--data ''")
    assert (code, stderr, result["output"]) == (0, "", {"characters": 0})
    code, result, _ = probed(trigger).test("""--data '"nothing"'""")
    assert (code, result["output"]) == (0, {})


@pytest.mark.parametrize("trigger", ["http", "blob"])
def test_100_mb(trigger: str, probed: Probed, tmp_path: Path) -> None:
    with (tmp_path / "large.txt").open("wb") as file:
        for _ in range(100):
            file.write(b"a" * 1_000_000)
    code, result, stderr = probed(trigger).test("--data @large.txt", tmp_path)
    assert (code, stderr, result["output"]) == (0, "", {"characters": 100_000_000})


def test_what_is_too_large_for_a_message(probed: Probed, tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_bytes(b"a" * 2_000_000)
    code, result, _ = probed("service-bus-queue").test("--data @large.txt", tmp_path)
    assert (code, result["passed"]) == (1, False)
    assert "refused the message of 2000000 bytes" in result["problem"]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_bytes_that_are_no_text(trigger: str, probed: Probed, tmp_path: Path) -> None:
    (tmp_path / "bad.bin").write_bytes(b"\xff\xfe\x00data")
    code, result, stderr = probed(trigger).test("--data @bad.bin", tmp_path)
    assert (code, result["passed"]) == (1, False)
    assert {"http": "answered 400", "blob": "gave it up", "service-bus-queue": "gave the message up"}[trigger] in stderr


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_run_that_takes_longer_than_the_timeout(trigger: str, probed: Probed) -> None:
    app = probed(trigger)
    code, result, stderr = app.test("""--data '{"sleep": 8}' --timeout 2 --keep""")
    assert (code, result["passed"], result["output"]) == (1, False, None)
    assert "within 2 s" in result["problem"]
    assert result["causes"][0]["remedy"]
    code, result, stderr = app.test("--data 1")  # what comes too late is nobody's answer
    assert (code, stderr, result["output"]) == (0, "", 1)
    if trigger == "blob":
        wait_for(lambda: app.names("output"), 60, "the output that comes too late")
        for container in ("input", "output"):
            for name in app.names(container):
                app.blobs().get_blob_client(container, name).delete_blob()


@pytest.mark.parametrize("trigger", ["http", "blob"])
def test_2000_events_32_at_a_time(trigger: str, probed: Probed, tmp_path: Path) -> None:
    """Each run() counts: with an event lost, or one scored twice, the numbers are no unbroken row."""
    (tmp_path / "in").mkdir()
    for number in range(2000):
        (tmp_path / "in" / f"{number}.json").write_text('"count"')
    options = "--input-directory in --output-directory out --concurrency 32 --query '[sent, succeeded, failed]'"
    code, result, stderr = probed(trigger).test(options, tmp_path)
    assert (code, stderr, result) == (0, "", [2000, 2000, 0])
    counts = sorted(json.loads(file.read_bytes()) for file in (tmp_path / "out").glob("*.json"))
    assert counts == list(range(counts[0], counts[0] + 2000))
    if trigger == "blob":
        assert probed(trigger).names("input") == probed(trigger).names("output") == []


def test_no_such_app_and_wrong_options(cloud: Cloud, shared_group: Group, tmp_path: Path) -> None:
    start = f"ml-func test -g {shared_group.name} -n nowhere"
    for options, told in (
        ("--data 1", "There is no app 'nowhere'"),
        ("", "no event to send"),
        ("--data @missing.json", "missing.json"),
        ("--input-directory in", "--output-directory"),
        ("--data 1 --report r.html", "--report is not for that"),
        ("--data 1 --header bad", "expected NAME=VALUE"),
    ):
        answer = cloud.az(f"{start} {options}", tmp_path)
        assert answer.code != 0, options
        assert told in answer.stderr, answer.stderr
