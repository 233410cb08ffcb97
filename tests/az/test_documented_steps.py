"""The commands that the documentation of the old extension asked users to type, one by one, into an unmodified az.

The nine steps are those for a blob trigger (Azure Machine Learning docs, 2020, "Deploy a machine learning model to
Azure Functions"); the HTTP and the Service Bus app are made in the same way.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from helpers import DIABETES

from local_azure.waiting import wait_for

from .cloud import LOCATION, Cloud, unique
from .conftest import Images
from .parts import START, App, Group, Image

SAMPLE = DIABETES / "sample.json"


def create(cloud: Cloud, app: App, image: Image, plan: str, storage: str) -> None:
    """Type the one long command that makes an app with its image and its credentials."""
    made = cloud.run(
        f"functionapp create {app.of} --plan {plan} --storage-account {storage} --functions-version 4 "
        f"--image {image.tag} --registry-username {image.user} --registry-password {image.password}"
    )
    assert (made["state"], made["kind"]) == ("Running", "functionapp,linux")


def test_the_nine_steps_for_a_blob_trigger(cloud: Cloud, images: Images, predictions: list[float], tmp_path: Path):
    image = images("blob")
    repository, _, tag = image.tag.removeprefix(f"{image.server}/").partition(":")
    group, plan, app, storage, trigger = (unique(kind) for kind in ("group", "plan", "app", "storage", "trigger"))

    # 1. the registry's credentials
    credentials = cloud.run(f"acr credential show --name {image.registry}")
    user, password = credentials["username"], credentials["passwords"][0]["value"]

    # 2. a group and a plan
    assert cloud.run(f"group create --name {group} --location {LOCATION}")["name"] == group
    made = cloud.run(f"appservice plan create --name {plan} --resource-group {group} --sku B1 --is-linux")
    assert (made["name"], made["sku"]["name"], made["kind"]) == (plan, "B1", "linux")

    # 3. the app's own storage
    made = cloud.run(f"storage account create --name {storage} --resource-group {group} --sku Standard_LRS")
    assert made["provisioningState"] == "Succeeded"
    connection = cloud.run(f"storage account show-connection-string --name {storage}")["connectionString"]
    assert f"AccountName={storage};" in connection

    # 4. the app
    made = cloud.run(
        f"functionapp create --name {app} --resource-group {group} --plan {plan} --storage-account {storage} "
        f"--functions-version 4 --deployment-container-image-name {image.tag}"
    )
    assert made["defaultHostName"] == f"{app}.azurewebsites.net"

    # 5. the storage of the trigger
    made = cloud.run(f"storage account create --name {trigger} --resource-group {group} --sku Standard_LRS")
    assert made["provisioningState"] == "Succeeded"
    connection = cloud.run(f"storage account show-connection-string --name {trigger}")["connectionString"]

    # 6. its containers
    for container in ("input", "output"):
        made = cloud.run(f"storage container create --name {container} --connection-string {connection}")
        assert made == {"created": True}

    # 7. the app is told of it
    settings = cloud.run(
        f"functionapp config appsettings set --name {app} --resource-group {group} "
        f"--settings TriggerConnectionString={connection}"
    )
    assert "TriggerConnectionString" in [each["name"] for each in settings]

    # 8. which tags there are
    assert tag in cloud.run(f"acr repository show-tags --name {image.registry} --repository {repository}")

    # 9. the image, and with what to pull it
    made = cloud.run(
        f"functionapp config container set --name {app} --resource-group {group} "
        f"--docker-custom-image-name {image.tag} --docker-registry-server-url https://{image.server} "
        f"--docker-registry-server-user {user} --docker-registry-server-password {password}"
    )
    assert f"DOCKER|{image.tag}" in [each["value"] for each in made]

    # and a model that scores
    there = f"--connection-string {connection}"
    cloud.run(f"storage blob upload --container-name input --name one.json --file {SAMPLE} {there}")
    wait_for(
        lambda: cloud.run(f"storage blob list --container-name output {there} --query [].name") == ["one.out"],
        START,
        "a blob in output",
    )
    prediction = tmp_path / "prediction.json"
    cloud.run(f"storage blob download --container-name output --name one.out --file {prediction} {there}")
    assert json.loads(prediction.read_text()) == pytest.approx(predictions)

    # and away with all of it
    cloud.run(f"group delete --name {group} --yes")
    assert cloud.run(f"group exists --name {group}") is False
    assert app not in cloud.control("apps")


def test_an_app_behind_a_key(cloud: Cloud, images: Images, predictions: list[float], group: Group):
    app = App(group, unique("app"))
    create(cloud, app, images("http"), group.plan(), group.storage()[0])
    keys = cloud.run(f"functionapp keys list {app.of}")
    assert set(keys) == {"masterKey", "functionKeys", "systemKeys"}
    [function] = cloud.run(f"functionapp function list {app.of}")
    assert function["name"] == f"{app.name}/score"
    assert function["invokeUrlTemplate"] == f"https://{app.host}/{{*path}}"

    sample, key = SAMPLE.read_bytes(), keys["functionKeys"]["default"]
    answer = app.call("/score", "POST", data=sample, headers={"x-functions-key": key})
    assert (answer.status_code, answer.json()) == (200, pytest.approx(predictions))
    assert app.call("/score", "POST", data=sample, params={"code": key}).json() == pytest.approx(predictions)
    assert app.call("/score", "POST", data=sample, headers={"x-functions-key": "wrong"}).status_code == 401
    assert app.call("/score", "POST", data=sample).status_code == 401


def test_an_app_between_two_queues(cloud: Cloud, images: Images, predictions: list[float], group: Group):
    app, namespace = App(group, unique("app")), unique("namespace")
    create(cloud, app, images("service-bus-queue"), group.plan(), group.storage()[0])
    made = cloud.run(f"servicebus namespace create --name {namespace} --resource-group {group.name} -l {LOCATION}")
    assert (made["status"], made["provisioningState"]) == ("Active", "Succeeded")
    there = f"--namespace-name {namespace} --resource-group {group.name}"
    for queue in ("inqueue", "outqueue"):
        assert cloud.run(f"servicebus queue create --name {queue} {there}")["messageCount"] == 0
    rule = "servicebus namespace authorization-rule"
    assert cloud.run(f"{rule} create --name app {there} --rights Listen Send")["rights"] == ["Listen", "Send"]
    connection = cloud.run(f"{rule} keys list --name app {there}")["primaryConnectionString"]
    cloud.run(f"functionapp config appsettings set {app.of} --settings TriggerConnectionString={connection}")

    with ServiceBusClient.from_connection_string(connection) as client:
        with client.get_queue_sender("inqueue") as sender:
            sender.send_messages(ServiceBusMessage(SAMPLE.read_bytes()))
        with client.get_queue_receiver("outqueue", max_wait_time=START) as receiver:
            [message] = receiver.receive_messages()
            receiver.complete_message(message)
    assert json.loads(b"".join(message.body)) == pytest.approx(predictions)
