"""`az ml-func test`: events through deployed apps of each trigger, and the reason where no answer comes."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.storage.blob import BlobServiceClient

from .cloud import Cloud, unique
from .conftest import Images
from .parts import Group, Image

TRIGGERS = ("http", "blob", "service-bus-queue")
EVENT = '{"data": [1, 2.5, "ü"]}'
RUN_FAILS = """
import json


def init():
    pass


def run(data):
    value = json.loads(data)
    if value == "fail":
        raise ValueError("this input is not for me")
    return value
"""


class App:
    """An app that was deployed."""

    def __init__(self, cloud: Cloud, group: Group, name: str, trigger: str) -> None:
        self.cloud, self.group, self.name, self.trigger = cloud, group, name, trigger

    def test(self, options: str, cwd: Path | None = None) -> tuple[int, Any, str]:
        """Exit code, result and stderr of a test."""
        answer = self.cloud.az(f"ml-func test -g {self.group.name} -n {self.name} {options} --only-show-errors", cwd)
        try:
            return answer.code, json.loads(answer.stdout), answer.stderr
        except ValueError:
            return answer.code, answer.stdout, answer.stderr

    @property
    def path(self) -> str:
        return self.group.path("Web/sites", self.name)

    @property
    def settings(self) -> dict[str, str]:
        answer: dict[str, str] = self.cloud.arm("POST", f"{self.path}/config/appsettings/list").json()["properties"]
        return answer

    def set(self, **changes: str | None) -> None:
        """Change app settings; None takes one away."""
        kept = {name: value for name, value in (self.settings | changes).items() if value is not None}
        assert self.cloud.arm("PUT", f"{self.path}/config/appsettings", {"properties": kept}).ok

    def blobs(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.settings["TriggerConnectionString"], **self.cloud.sdk)

    def names(self, container: str) -> list[str]:
        return [each.name for each in self.blobs().get_container_client(container).list_blobs()]


Deploy = Callable[[str], App]


@pytest.fixture(scope="module")
def failing_images(cloud: Cloud, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Images:
    """A model that fails on one input and gives back any other."""
    project = tmp_path_factory.mktemp("failing")
    (project / "score.py").write_text(RUN_FAILS)
    (project / "model.txt").write_text("nothing\n")
    (project / "requirements.txt").write_text("")

    @functools.cache
    def package(trigger: str) -> Image:
        result = cloud.run(
            f"ml-func package --build direct --entry-script score.py --trigger {trigger} --registry {registry} "
            f"--image-tag {trigger} --image-name failing --model model.txt --requirements requirements.txt",
            cwd=project,
        )
        return Image(registry, result["tag"], result["location"], "", "")

    return package


@pytest.fixture(scope="module")
def deploy(cloud: Cloud, shared_group: Group, failing_images: Images) -> Deploy:
    """Deploys an app for a trigger, once."""

    @functools.cache
    def made(trigger: str) -> App:
        name = unique(f"probed-{trigger[:4]}-")
        plan = shared_group.path("Web/serverfarms", _plan(shared_group))
        cloud.run(
            f"ml-func deploy -g {shared_group.name} -n {name} --image {failing_images(trigger).tag} --plan {plan} "
            "--disable-app-insights --only-show-errors"
        )
        return App(cloud, shared_group, name, trigger)

    return made


@functools.cache
def _plan(group: Group) -> str:
    return group.plan()


@pytest.fixture
def queue_client(deploy: Deploy) -> Iterator[ServiceBusClient]:
    app = deploy("service-bus-queue")
    with ServiceBusClient.from_connection_string(app.settings["TriggerConnectionString"]) as client:
        yield client


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_an_event_in_and_the_prediction_out(trigger: str, deploy: Deploy, tmp_path: Path) -> None:
    app = deploy(trigger)
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
def test_another_answer_fails_with_a_difference_and_a_result(trigger: str, deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "expected.json").write_text("[1, 3]")
    code, result, stderr = deploy(trigger).test("--data '[1, 2]' --expect expected.json", tmp_path)
    assert code == 1
    assert result["passed"] is False
    assert result["output"] == [1, 2]
    assert "+  2" in stderr
    assert "-  3" in stderr


def test_nothing_of_a_blob_test_stays(deploy: Deploy) -> None:
    app = deploy("blob")
    app.test("--data 1")
    assert app.names("input") == app.names("output") == []
    _, result, _ = app.test("--data 1 --keep")
    assert [f"input/{name}" for name in app.names("input")] == [result["inputBlob"]]
    assert [f"output/{name}" for name in app.names("output")] == [result["outputBlob"]]
    for blob in (result["inputBlob"], result["outputBlob"]):
        app.blobs().get_blob_client(*blob.split("/", 1)).delete_blob()


def test_a_blob_of_others_is_never_touched(deploy: Deploy) -> None:
    app = deploy("blob")
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


def test_a_request_of_ones_own(deploy: Deploy) -> None:
    app = deploy("http")
    _, result, _ = app.test("--data '' --method GET --path /")
    assert (result["status"], result["output"]) == (200, "Healthy")
    code, result, stderr = app.test("--data 1 --header x-functions-key=wrong")
    assert (code, result["status"], result["passed"]) == (1, 401, False)
    assert "answered 401" in stderr
    assert "wrong" not in stderr


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_failing_run_is_told(trigger: str, deploy: Deploy) -> None:
    app = deploy(trigger)
    code, result, stderr = app.test("""--data '"fail"' --timeout 120""")
    assert code == 1
    assert result["passed"] is False
    assert {"http": "answered 500", "blob": "gave it up", "service-bus-queue": "gave the message up"}[trigger] in stderr


def test_messages_of_others_are_left_alone(deploy: Deploy, queue_client: ServiceBusClient) -> None:
    app = deploy("service-bus-queue")
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
def test_a_folder_of_events(trigger: str, deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for number in range(30):
        (tmp_path / "in" / "deep" / f"{number}.json").write_text(json.dumps({"number": number}))
    options = "--input-directory in --output-directory out --concurrency 8 --report report.html"
    code, result, stderr = deploy(trigger).test(options, tmp_path)
    assert (code, stderr) == (0, "")
    assert (result["sent"], result["succeeded"], result["failed"], result["skipped"]) == (30, 30, 0, 0)
    for file in (tmp_path / "in" / "deep").iterdir():
        assert json.loads((tmp_path / "out" / "deep" / file.name).read_bytes()) == json.loads(file.read_bytes())
    assert "sha256:" in (tmp_path / "report.html").read_text("utf-8")
    code, result, _ = deploy(trigger).test(options, tmp_path)
    assert (code, result["sent"], result["skipped"]) == (0, 0, 30)


def test_an_image_without_labels_takes_options(
    cloud: Cloud, registry: str, deploy: Deploy, failing_images: Images
) -> None:
    """The same app, its image's labels taken away."""
    app = deploy("blob")
    stripped = _without_labels(cloud, registry, failing_images("blob").tag)
    config = {"properties": {"linuxFxVersion": f"DOCKER|{stripped}"}}
    before = cloud.arm("GET", f"{app.path}/config/web").json()["properties"]["linuxFxVersion"]
    assert cloud.arm("PATCH", f"{app.path}/config/web", config).ok
    try:
        code, _, stderr = app.test("--data 1")
        assert code == 1
        assert "--trigger" in stderr
        code, result, stderr = app.test("--data 1 --trigger blob --timeout 120")
        assert (code, stderr) == (0, "")
        assert result["output"] == 1
    finally:
        cloud.arm("PATCH", f"{app.path}/config/web", {"properties": {"linuxFxVersion": before}})


def _without_labels(cloud: Cloud, registry: str, tag: str) -> str:
    """Push the same image without labels, with requests of one's own; its location."""
    login = cloud.run(f"acr credential show --name {registry}")
    auth = (login["username"], login["passwords"][0]["value"])
    host, _, name = tag.partition("/")
    repository, _, reference = name.partition(":")
    base = f"https://{host}/v2/{repository}"
    accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
    manifest = cloud.web.get(f"{base}/manifests/{reference}", headers=accept, auth=auth).json()
    config = cloud.web.get(f"{base}/blobs/{manifest['config']['digest']}", auth=auth).json()
    config["config"]["Labels"] = {}
    data = json.dumps(config).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    place = cloud.web.post(f"{base}/blobs/uploads/", auth=auth).headers["Location"]
    joined = "&" if "?" in place else "?"
    put = cloud.web.put(f"{place}{joined}digest={digest}", data=data, auth=auth)
    assert put.status_code == 201, put.text
    manifest["config"] |= {"digest": digest, "size": len(data)}
    body = json.dumps(manifest)
    pushed = cloud.web.put(
        f"{base}/manifests/unlabelled", data=body, auth=auth, headers={"Content-Type": manifest["mediaType"]}
    )
    assert pushed.status_code == 201, pushed.text
    return f"{host}/{repository}@{pushed.headers['Docker-Content-Digest']}"


# -- why no answer comes


def cause(result: Any) -> str:
    """The first cause that was found."""
    found: str = result["causes"][0]["found"]
    assert result["causes"][0]["remedy"]
    return found


def test_an_app_that_is_stopped(deploy: Deploy) -> None:
    app = deploy("blob")
    app.cloud.run(f"functionapp stop -g {app.group.name} -n {app.name}")
    try:
        code, result, _ = app.test("--data 1 --timeout 1")
        assert (code, cause(result)) == (1, "the app is stopped")
    finally:
        app.cloud.run(f"functionapp start -g {app.group.name} -n {app.name}")


def test_a_setting_that_is_missing(deploy: Deploy) -> None:
    app = deploy("blob")
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


def test_a_key_that_is_wrong(deploy: Deploy) -> None:
    app = deploy("blob")
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


def test_a_container_that_is_not_there(deploy: Deploy) -> None:
    app = deploy("blob")
    app.blobs().delete_container("output")
    try:
        code, result, _ = app.test("--data 1 --timeout 1")
        assert code == 1
        assert any("the container 'output' is not in" in each["found"] for each in result["causes"])
    finally:
        app.blobs().create_container("output")


def test_a_function_of_another_name(deploy: Deploy) -> None:
    app = deploy("blob")
    assert app.test("--data 1 --timeout 120")[0] == 0  # it is up
    code, result, _ = app.test("--data 1 --timeout 0 --function other")
    assert code == 1
    assert any("'other' is not loaded" in each["found"] for each in result["causes"])


def test_an_image_that_cannot_be_pulled(deploy: Deploy) -> None:
    app = deploy("blob")
    password = app.settings["DOCKER_REGISTRY_SERVER_PASSWORD"]
    app.set(DOCKER_REGISTRY_SERVER_PASSWORD="wrong")
    try:
        code, result, _ = app.test("--data 1 --timeout 5")
        assert code == 1
        assert "cannot be pulled" in cause(result)
    finally:
        app.set(DOCKER_REGISTRY_SERVER_PASSWORD=password)


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
