"""From ``up`` to ``down``: what there is, what stays, and what is gone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.storage.blob import BlobServiceClient
from helpers import AZ, ROOT

from local_azure.app_environment import worker_only_environment
from local_azure.waiting import wait_for

from .cloud import LOCATION, Cloud, unique
from .conftest import SMALL, MakeCloud, packager
from .parts import App, Group, Image

GONE = 30.0
"""Seconds that processes may take to end."""
CALL = {"data": [1, 2, 3]}


def processes(state: Path) -> list[str]:
    """The command lines of all processes that have to do with a state folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue  # it has ended
        if str(state) in command + environment:
            found.append(command)
    return found


def kinds(state: Path) -> Counter[str]:
    """How many processes of which program."""
    names = {"serve": "local_azure serve", "host": "functions-host", "worker": "worker/start.py",
             "azurite": "azurite.js", "registry": "docker-registry serve"}  # fmt: skip
    return Counter(next((name for name, part in names.items() if part in each), each) for each in processes(state))


class Contents:
    """Something of every kind in a cloud, and whether it is all there.

    Args:
        cloud: that is up.
        project: what its app is made from.
    """

    def __init__(self, cloud: Cloud, project: Path) -> None:
        self.group = group = Group.make(cloud)
        registry = group.registry()
        self.image: Image = packager(cloud, registry, project, SMALL)("http")
        account, self.connection = group.storage()
        group.container(account, "kept")
        with BlobServiceClient.from_connection_string(self.connection, **cloud.sdk) as blobs:
            blobs.get_blob_client("kept", "blob").upload_blob(b"content")
        self.namespace = group.namespace("queue")
        self.app: App = group.app(self.image)
        self.key = self.check(cloud)

    def check(self, cloud: Cloud) -> str:
        """See that all of it is there, and works; returns the key of the app."""
        group = self.group
        listed = {each["name"]: each["type"] for each in cloud.arm("GET", f"{group.id}/resources").json()["value"]}
        assert {self.image.registry, self.namespace, self.app.name} <= set(listed)
        assert cloud.run(f"acr repository show-tags --name {self.image.registry} --repository small") == ["http"]
        with BlobServiceClient.from_connection_string(self.connection, **cloud.sdk) as blobs:
            assert blobs.get_blob_client("kept", "blob").download_blob().readall() == b"content"
        with ServiceBusClient.from_connection_string(group.service_bus_connection(self.namespace)) as client:
            with client.get_queue_sender("queue") as sender:
                sender.send_messages(ServiceBusMessage("message"))
            with client.get_queue_receiver("queue", max_wait_time=GONE) as receiver:
                [message] = receiver.receive_messages()
                receiver.complete_message(message)
        assert str(message) == "message"
        key = self.app.key
        assert self.app.call("/score", "POST", json=CALL, params={"code": key}).json() == CALL
        return key


def test_from_up_to_down_and_up_again(make_cloud: MakeCloud, small_project: Path, tmp_path: Path):
    # what the first app that runs as a process installs, for good
    worker_only_environment(os.environ.get("MLFUNC_WORKER_PYTHON", sys.executable), ROOT / ".venv" / "apps")
    cloud = make_cloud()
    state = cloud.running.state
    before = cloud.command("env")
    assert (before.returncode, before.stdout) == (1, "")
    assert "Start it: python -m local_azure up" in before.stderr
    assert not state.exists()

    outside = {name: tmp_path / name for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR")}
    for folder in outside.values():
        folder.mkdir()
    up = cloud.command("up", "--compute", "process", environment={name: str(path) for name, path in outside.items()})
    assert up.returncode == 0 and f"local_azure env --state {state}" in up.stdout, up
    contents = Contents(cloud, small_project)
    registries = 2 if shutil.which("docker-registry") else 0  # the small one is no process of its own
    assert kinds(state) == Counter(serve=1, azurite=1, registry=registries, host=1, worker=1)
    again = cloud.command("up")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, f"It runs already, in {state}.")
    assert kinds(state)["serve"] == 1

    cloud.down()
    assert processes(state) == []
    assert {name: list(folder.rglob("*")) for name, folder in outside.items()} == {name: [] for name in outside}
    assert cloud.command("env").returncode == 1
    assert cloud.command("down").stdout == f"No local Azure runs in {state}.\n"

    cloud.up()
    assert contents.check(cloud) == contents.key
    cloud.run(f"group delete --name {contents.group.name} --yes")
    wait_for(lambda: not kinds(state)["host"], GONE, "the app to end")


def test_a_shell_that_takes_the_exports(cloud: Cloud):
    command = f'eval "$({sys.executable} -m local_azure env --state {cloud.running.state})" && {AZ} account show'
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)
    assert account["environmentName"] == "LocalAzure"
    assert account["id"] == cloud.running.settled().subscription


def test_two_beside_each_other(cloud: Cloud, make_cloud: MakeCloud, group: Group):
    other = make_cloud().up()
    name = unique("group")
    assert other.run(f"group create --name {name} --location {LOCATION} --query name") == name
    assert other.run("group list --query [].name") == [name]
    assert name not in cloud.run("group list --query [].name")
    audience = "https://management.core.windows.net/"
    assert other.arm("GET", f"{other.subscription}/resourceGroups", token=cloud.token(audience)).status_code == 401
    other.down()
    assert cloud.run(f"group exists --name {group.name}") is True


def test_two_that_want_the_same_folder(make_cloud: MakeCloud):
    cloud = make_cloud()
    with ThreadPoolExecutor() as pool:
        ups = list(pool.map(lambda _: cloud.command("up"), range(2)))
    assert [up.returncode for up in ups] == [0, 0], ups
    assert sorted("It runs already" in up.stdout for up in ups) == [False, True]
    assert kinds(cloud.running.state)["serve"] == kinds(cloud.running.state)["azurite"] == 1
    served = cloud.command("serve")
    assert (served.returncode, served.stderr) == (1, f"A local Azure runs already in {cloud.running.state}.\n")
    assert cloud.run("group list") == []


@pytest.mark.parametrize("faults", ["", "{}", "[{}]", '[{"path": "("}]', '[{"nonsense": 1}]'])
def test_faults_that_make_no_sense(make_cloud: MakeCloud, tmp_path: Path, faults: str):
    file = tmp_path / "faults.json"
    file.write_text(faults)
    refused(make_cloud(), "--faults", str(file), says="fault" if faults else "faults.json")


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--latency", "fast", "'fast' is not a latency; expected none, azure or azure:SCALE (azure:0.1)."),
        ("--latency", "azure:-1", "is not a latency"),
        ("--compute", "cloud", "choose from"),
        ("--faults", "/none/faults.json", "/none/faults.json"),
        ("--azurite", "/none", "Run: python -m local_azure install-azurite /none"),
    ],
)
def test_options_that_make_no_sense(make_cloud: MakeCloud, option: str, value: str, says: str):
    refused(make_cloud(), option, value, says=says)


def test_containers_without_an_engine(make_cloud: MakeCloud):
    nowhere = {"DOCKER_HOST": "unix:///none/docker.sock"}
    refused(make_cloud(), "--compute", "docker", says="No Docker engine answers", environment=nowhere)


def test_a_folder_that_is_a_file(tmp_path: Path):
    (tmp_path / "file").write_text("")
    refused(Cloud(tmp_path / "file"), says="file")


def refused(cloud: Cloud, *options: str, says: str, environment: dict[str, str] | None = None) -> None:
    """``up`` has to say so, and to leave nothing running."""
    up = cloud.command("up", *options, environment=environment)
    assert up.returncode in (1, 2)
    assert says in up.stderr and "Traceback" not in up.stderr, up.stderr
    assert processes(cloud.running.state) == []
    assert cloud.command("env").returncode == 1


def test_after_a_server_that_was_killed(make_cloud: MakeCloud, small_project: Path):
    cloud = make_cloud().up()
    contents, state = Contents(cloud, small_project), cloud.running.state
    before = kinds(state)
    cloud.kill()
    wait_for(lambda: not processes(state), GONE, "what it has started to end, too")
    cloud.up()
    assert contents.check(cloud) == contents.key
    assert kinds(state) == before


@pytest.fixture
def logged(cloud: Cloud) -> Iterator[Any]:
    """The lines that the server has logged since the test began."""
    begin = len(cloud.log())
    yield lambda: cloud.log()[begin:].splitlines()


def test_requests_that_nothing_is_known_of(cloud: Cloud, group: Group, logged):
    mine, web = cloud.subscription, "providers/Microsoft.Web"
    unknown = {
        ("GET", f"{mine}/providers/Microsoft.Nothing/things"): (404, "InvalidResourceNamespace"),
        ("GET", f"{mine}/{web}/nothing"): (404, "InvalidResourceType"),
        ("PUT", f"{group.id}/{web}/nothing/name"): (404, "InvalidResourceType"),
        ("PATCH", mine): (405, "HttpMethodNotAllowed"),
        ("TRACE", f"{group.id}/{web}/sites"): (405, "HttpMethodNotAllowed"),
        ("GET", "/nothing"): (404, "InvalidResourceType"),
        ("GET", "/%00/%FF"): (404, "InvalidResourceType"),
        ("GET", f"{group.id}/{web}/sites/{'x' * 5000}/nothing"): (404, "InvalidResourceType"),
    }
    for (method, path), (status, code) in unknown.items():
        answer = cloud.arm(method, path, {} if method == "PUT" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), f"{method} {path}"
    lines = logged()
    assert ["WARNING" in line for line in lines] == [True] * len(unknown), "\n".join(lines)
    for (method, path), line in zip(unknown, lines, strict=True):
        assert f"no operation for {method} {path}" in line


def test_requests_that_are_wrong(cloud: Cloud, group: Group, logged):
    plan, storage = group.path("Web/serverfarms", "plan"), group.path("Storage/storageAccounts", "account")
    wrong = [
        (cloud.arm("GET", group.id, version=None), 400, "MissingApiVersionParameter"),
        (cloud.arm("GET", group.id, version="2024-02-31"), 400, "InvalidApiVersionParameter"),
        (cloud.arm("GET", group.id, version="latest"), 400, "InvalidApiVersionParameter"),
        (cloud.arm("GET", group.id, token="nonsense"), 401, "AuthenticationFailed"),
        (cloud.arm("GET", group.id, token=""), 401, "AuthenticationFailed"),
        (cloud.arm("GET", f"/subscriptions/{'0' * 8}-0000-0000-0000-{'0' * 12}"), 404, "SubscriptionNotFound"),
        (cloud.arm("GET", f"{group.id}none"), 404, "ResourceGroupNotFound"),
        (cloud.arm("GET", plan), 404, "ResourceNotFound"),
        *((cloud.arm("PUT", plan, body), 400, None) for body in (None, [], "text", 1, {"sku": []})),
        *((cloud.arm("PUT", storage, body), 400, None) for body in ([], {"sku": "Standard_LRS"}, {"properties": 1})),
    ]
    for answer, status, code in wrong:
        sent = f"{answer.request.method} {answer.request.url} {answer.request.body}"
        assert answer.status_code == status, f"{sent}: {answer.text}"
        assert code is None or answer.json()["error"]["code"] == code, sent
    assert logged() == []


def test_hosts_that_are_not_there(cloud: Cloud, registry: str, logged):
    for host in ("nonesuch.azurecr.io", "nonesuch.blob.core.windows.net", "app.scm.azurewebsites.net"):
        with pytest.raises(OSError, match="Tunnel connection failed: 502"):
            cloud.web.get(f"https://{host}/")
    assert cloud.web.get("https://nonesuch.azurewebsites.net/").status_code == 404
    assert cloud.web.get(f"https://{registry}.azurecr.io/nothing").status_code == 404
    assert cloud.web.get(f"https://{registry}.azurecr.io/v2/").status_code == 401
    assert cloud.web.get("https://graph.microsoft.com/v1.0/users").status_code == 401
    assert logged() == []


def test_eight_at_once(cloud: Cloud):
    names, account = [unique("group") for _ in range(8)], unique("account")
    made = cloud.each(*(f"group create --name {name} --location {LOCATION}" for name in names), shells=8)
    assert [each.result["name"] for each in made] == names
    # one name that all want, beside one that each has for itself
    create = f"storage account create --name {account} --resource-group"
    wanted = cloud.each(*(f"{create} {name}" for name in names), shells=8)
    won = [name for name, each in zip(names, wanted, strict=True) if each.code == 0]
    assert len(won) == 1
    assert all("is already taken" in each.stderr for each in wanted if each.code)
    mixed = cloud.each(
        *(f"group delete --name {name} --yes" for name in names[::2]),
        *(f"appservice plan create --name {name} --resource-group {name} --sku B1 --is-linux" for name in names[1::2]),
        shells=8,
    )
    assert [each.code for each in mixed] == [0] * 8, mixed
    left, plans, accounts = cloud.each(
        "group list --query [].name", "appservice plan list --query [].name", f"storage account show --name {account}"
    )
    assert set(names) & set(left.result) == set(names[1::2])
    assert set(names) & set(plans.result) == set(names[1::2])
    assert (accounts.code == 0) == (won[0] in names[1::2])
    for name in names[1::2]:
        Group(cloud, name).delete()


def test_faults_as_az_meets_them(cloud: Cloud, group: Group, make_cloud: MakeCloud):
    show = f"group show --name {group.name}"
    refusal = {"error": {"code": "AuthorizationFailed", "message": "The client may not read this."}}
    cloud.control("requests", "DELETE")
    cloud.control("faults", "POST", {"method": "GET", "path": group.name, "status": 403, "body": refusal})
    answer = cloud.az(show)
    assert (answer.code, "(AuthorizationFailed) The client may not read this." in answer.stderr) == (1, True)
    assert [each["seen"] for each in cloud.control("faults")] == [1]
    cloud.control("faults", "DELETE")
    cloud.control("faults", "POST", {"method": "GET", "path": group.name, "drop": True})
    assert cloud.run(show)["name"] == group.name  # az tries again
    assert [each["status"] for each in cloud.requests("GET", group.name)] == [403, 0, 200]
    cloud.control("faults", "DELETE")
