"""Apps that do not come up: ARM says Running, as Azure's does; its other answers tell. After the mend they are up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from local_azure.waiting import wait_for

from .cloud import Cloud
from .conftest import Images
from .parts import START, App, Group

DOWN = "Encountered an error (ServiceUnavailable) from host runtime."
NO_KEYS = "Encountered an error (InternalServerError) from host runtime."
SAMPLE = {"data": [1]}


@pytest.fixture(scope="module")
def plan(shared_group: Group) -> str:
    return shared_group.plan()


class Trigger:
    """A storage account with the two containers of a blob app.

    Args:
        group: where it is made.
    """

    def __init__(self, group: Group) -> None:
        self._cloud = group.cloud
        name, self.connection = group.storage()
        self.settings = {"TriggerConnectionString": self.connection}
        for container in ("input", "output"):
            group.container(name, container)

    def upload(self, name: str) -> None:
        """Put in a blob to be scored."""
        with BlobServiceClient.from_connection_string(self.connection, **self._cloud.sdk) as service:
            service.get_blob_client("input", f"{name}.json").upload_blob(json.dumps(SAMPLE))

    def result(self, name: str) -> Any:
        """What came out of it; None as long as nothing has."""
        with BlobServiceClient.from_connection_string(self.connection, **self._cloud.sdk) as service:
            try:
                return json.loads(service.get_blob_client("output", f"{name}.out").download_blob().readall())
            except ResourceNotFoundError:
                return None


def refusal(app: App, below: str, method: str = "GET") -> str:
    """What ARM says when it cannot pass a request on to the app's host."""
    answer = app.arm(method, below)
    assert answer.status_code == 400, answer.text
    assert answer.json()["Code"] == "BadRequest"
    return str(answer.json()["Message"])


def scores(app: App) -> bool:
    """Whether the HTTP app does what it is for."""
    return app.call("/score", "POST", json=SAMPLE, params={"code": app.key}).json() == SAMPLE


@pytest.mark.parametrize(
    ("settings", "suffix", "said"),
    [
        ({"DOCKER_REGISTRY_SERVER_PASSWORD": "wrong"}, "", "unauthorized: authentication required"),
        ({"DOCKER_REGISTRY_SERVER_USERNAME": None, "DOCKER_REGISTRY_SERVER_PASSWORD": None}, "", "unauthorized"),
        ({}, "none", "manifest unknown"),
        ({}, "@sha256:" + "0" * 64, "manifest unknown"),
    ],
    ids=["wrong password", "no login", "missing tag", "missing digest"],
)
def test_an_image_that_cannot_be_pulled(
    cloud: Cloud, shared_group: Group, plan: str, small_images: Images, settings: dict[str, str | None], suffix, said
):
    image = small_images("http")
    app = shared_group.app(image, settings, plan, image.tag + suffix)
    app.wait_for("failed")
    assert app.arm("GET").json()["properties"]["state"] == "Running"
    assert refusal(app, "/host/default/listkeys", "POST") == DOWN
    assert refusal(app, "/functions") == DOWN
    assert said in app.logs()
    page = app.call("/score")
    assert (page.status_code, "Application Error" in page.text) == (503, True)
    app.change(image.login) if settings else app.configure(linuxFxVersion=f"DOCKER|{image.location}")
    assert scores(app)


def test_what_az_shows_of_an_app_that_is_down(cloud: Cloud, shared_group: Group, plan: str, small_images: Images):
    image = small_images("http")
    app = shared_group.app(image, plan=plan, reference=f"{image.server}/none:none")
    app.wait_for("failed")
    of = f"{{subscriptionId}}/resourceGroups/{shared_group.name}/providers/Microsoft.Web/sites/{app.name}"
    version = "api-version=2024-04-01"
    keys, functions, status, logs, state = cloud.each(
        f"functionapp keys list {app.of}",
        f"functionapp function list {app.of}",
        f"rest --method get --url /subscriptions/{of}/hostruntime/admin/host/status?{version}",
        f"rest --method post --url /subscriptions/{of}/containerlogs?{version}",
        f"functionapp show {app.of} --query state",
    )
    assert (keys.code, keys.stdout) == (1, "") and "Operation returned an invalid status 'Bad Request'" in keys.stderr
    assert (functions.code, functions.stdout) == (1, "") and "Bad Request" in functions.stderr
    assert status.code == 1 and DOWN in status.stderr
    assert logs.code == 0 and f"manifest for {image.server}/none:none not found" in logs.stdout
    assert state.result == "Running"


def test_a_registry_that_is_not_there(shared_group: Group, plan: str, small_images: Images):
    image = small_images("http")
    app = shared_group.app(image, plan=plan, reference="nonesuch.azurecr.io/small:http")
    app.wait_for("failed")
    assert "lookup nonesuch.azurecr.io: no such host" in app.logs()
    app.configure(linuxFxVersion=f"DOCKER|{image.tag}")
    assert scores(app)


def test_an_http_app_without_storage_has_no_keys(shared_group: Group, plan: str, small_images: Images):
    app = shared_group.app(small_images("http"), {"AzureWebJobsStorage": None}, plan)
    app.wait_until_loaded()
    assert [each["name"] for each in app.arm("GET", "/functions").json()["value"]] == [f"{app.name}/score"]
    assert refusal(app, "/host/default/listkeys", "POST") == NO_KEYS
    app.change({"AzureWebJobsStorage": shared_group.storage()[1]})
    assert scores(app)


def test_a_blob_app_without_storage(shared_group: Group, plan: str, small_images: Images):
    trigger = Trigger(shared_group)
    app = shared_group.app(small_images("blob"), trigger.settings | {"AzureWebJobsStorage": None}, plan)
    status = wait_for(lambda: found if (found := app.status()).get("state") == "Error" else None, START, "the error")
    assert "Secret initialization from Blob storage failed" in status["errors"][0]
    trigger.upload("one")
    app.change({"AzureWebJobsStorage": shared_group.storage()[1]})
    assert wait_for(lambda: trigger.result("one"), START, "the prediction") == SAMPLE


def test_a_blob_app_that_is_not_told_where_its_blobs_are(shared_group: Group, plan: str, small_images: Images):
    trigger = Trigger(shared_group)
    app = shared_group.app(small_images("blob"), plan=plan)
    app.wait_until_loaded()
    missing = "Storage account connection string 'TriggerConnectionString' does not exist."
    assert missing in str(app.arm("GET", "/hostruntime/admin/functions/score/status").json())
    assert missing in app.logs()
    trigger.upload("one")
    app.change(trigger.settings)
    assert wait_for(lambda: trigger.result("one"), START, "the prediction") == SAMPLE
    assert app.arm("GET", "/hostruntime/admin/functions/score/status").json() == {}


def test_the_runtime_of_another_language(shared_group: Group, plan: str, small_images: Images):
    app = shared_group.app(small_images("http"), {"FUNCTIONS_WORKER_RUNTIME": "dotnet"}, plan)
    status = wait_for(lambda: found if (found := app.status()).get("state") == "Error" else None, START, "the error")
    assert status["errors"] == ["Did not find functions with language [dotnet]."]
    assert app.arm("GET", "/functions").json()["value"] == []
    assert app.call("/score").status_code == 503
    app.change({"FUNCTIONS_WORKER_RUNTIME": "python"})
    assert scores(app)


def test_a_mounted_storage_hides_the_app(shared_group: Group, plan: str, small_images: Images):
    app = shared_group.app(small_images("http"), {"WEBSITES_ENABLE_APP_SERVICE_STORAGE": "true"}, plan)
    app.wait_until_loaded()
    assert app.arm("GET", "/functions").json()["value"] == []
    assert app.call("/score").status_code == 404
    assert app.call("/").status_code == 204  # the host's own page, which the image has switched off
    app.change({"WEBSITES_ENABLE_APP_SERVICE_STORAGE": "false"})
    assert scores(app)


def test_a_blob_app_that_sleeps(shared_group: Group, plan: str, small_images: Images):
    """On a dedicated plan without Always On; Elastic Premium needs none."""
    asleep, awake = Trigger(shared_group), Trigger(shared_group)
    image = small_images("blob")
    app = shared_group.app(image, asleep.settings, plan, alwaysOn=False)
    elastic = shared_group.app(image, awake.settings, shared_group.plan("EP1"), alwaysOn=False)
    asleep.upload("one")
    awake.upload("one")
    assert wait_for(lambda: awake.result("one"), START, "the prediction on Elastic Premium") == SAMPLE
    assert (app.phase, elastic.phase) == ("asleep", "running")
    assert asleep.result("one") is None
    app.configure(alwaysOn=True)
    assert wait_for(lambda: asleep.result("one"), START, "the prediction") == SAMPLE
