"""What one types around the documented steps: looking, changing, taking away, and typing something wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.storage.blob import BlobServiceClient
from helpers import DIABETES

from local_azure.waiting import wait_for

from .cloud import LOCATION, Cloud, unique
from .conftest import Images
from .parts import START, App, Group

FAILED, USAGE, NOT_FOUND = 1, 2, 3
"""Exit codes of az."""


def refused(cloud: Cloud, expected: Mapping[str, tuple[int, str]]) -> None:
    """Type what cannot be done: each line has to end with this exit code, and this text on stderr."""
    answers = cloud.each(*expected)
    for (line, (code, text)), answer in zip(expected.items(), answers, strict=True):
        assert (answer.code, answer.stdout) == (code, ""), f"{line}: {answer}"
        assert text in answer.stderr, f"{line}: {answer.stderr}"
        assert "Traceback" not in answer.stderr, f"{line}: {answer.stderr}"


def results(cloud: Cloud, *lines: str) -> list[object]:
    """Type what does not wait for one another; the results."""
    return [answer.result for answer in cloud.each(*lines)]


# -- groups and resources


def test_groups(cloud: Cloud, group: Group):
    name, other = group.name, unique("group")
    listed, shown, exists, missing = results(
        cloud,
        "group list --query [].name",
        f"group show --name {name}",
        f"group exists --name {name}",
        f"group exists --name {other}",
    )
    assert name in listed and (exists, missing) == (True, False)
    assert (shown["name"], shown["location"], shown["properties"]) == (
        name,
        LOCATION,
        {"provisioningState": "Succeeded"},
    )
    assert cloud.run(f"group create --name {other} --location eastus --tags a=b --query tags") == {"a": "b"}
    assert cloud.run("group list --tag a=b --query [].name") == [other]
    assert cloud.run(f"group delete --name {other} --yes") is None
    refused(
        cloud,
        {
            f"group show --name {other}": (
                NOT_FOUND,
                f"(ResourceGroupNotFound) Resource group '{other}' could not be found.",
            ),
            f"group delete --name {other} --yes": (NOT_FOUND, "(ResourceGroupNotFound)"),
            f"group create --name {name} --location eastus": (FAILED, "(InvalidResourceGroupLocation)"),
            f"group create --name {other} --location nowhere": (FAILED, "(LocationNotAvailableForResourceGroup)"),
            f"group create --name {other}# --location eastus": (FAILED, "(InvalidResourceGroup)"),
        },
    )


def test_resources(cloud: Cloud, group: Group):
    plan, (storage, _) = group.plan(), group.storage()
    account = f"--name {storage} --resource-type Microsoft.Storage/storageAccounts"
    farm = f"--name {plan} --resource-type Microsoft.Web/serverfarms"
    there = f"--resource-group {group.name}"
    types, only, shown, by_id = results(
        cloud,
        f"resource list {there} --query [].type",
        f"resource list {there} --resource-type Microsoft.Storage/storageAccounts --query [].name",
        f"resource show {there} {farm} --query kind",
        f"resource show --ids {group.path('Storage/storageAccounts', storage)} --query name",
    )
    assert sorted(types) == ["Microsoft.Storage/storageAccounts", "Microsoft.Web/serverfarms"]
    assert (only, shown, by_id) == ([storage], "linux", storage)
    assert results(
        cloud,
        f"resource tag {there} {farm} --tags t={plan} --query tags",
        f"resource tag {there} {account} --tags t={plan} --query tags",
    ) == [{"t": plan}, {"t": plan}]
    assert sorted(cloud.run(f"resource list --tag t={plan} --query [].name")) == sorted([plan, storage])
    refused(
        cloud,
        {
            f"resource show {there} --name none --resource-type Microsoft.Web/sites": (
                NOT_FOUND,
                f"(ResourceNotFound) The Resource 'Microsoft.Web/sites/none' under resource group '{group.name}' was",
            ),
            f"resource show {there} --name none --resource-type Microsoft.Nothing/sites": (
                NOT_FOUND,
                "(InvalidResourceNamespace) The resource namespace 'Microsoft.Nothing' is invalid.",
            ),
            f"resource show {there} --name none --resource-type Microsoft.Web/nothing": (
                FAILED,
                "Resource type nothing not found.",
            ),
        },
    )


def test_requests_of_ones_own(cloud: Cloud, group: Group):
    mine = f"/subscriptions/{{subscriptionId}}/resourceGroups/{group.name}"
    assert cloud.run(f"rest --method get --url {mine}?api-version=2021-04-01 --query name") == group.name
    refused(
        cloud,
        {
            f"rest --method get --url {mine}": (FAILED, "MissingApiVersionParameter"),
            f"rest --method get --url {mine}?api-version=2001-01-01": (FAILED, "InvalidApiVersionParameter"),
            f"rest --method get --url {mine}/providers/Microsoft.Nothing/x?api-version=2024-04-01": (
                FAILED,
                'Not Found({"error": {"code": "InvalidResourceNamespace"',
            ),
            f"rest --method get --url {mine}/providers/Microsoft.Web/x?api-version=2024-04-01": (
                FAILED,
                'Not Found({"error": {"code": "InvalidResourceType"',
            ),
        },
    )


# -- plans


def test_plans(cloud: Cloud, group: Group):
    there = f"--resource-group {group.name}"
    made = cloud.run(f"functionapp plan create --name elastic {there} --location {LOCATION} --sku EP1 --is-linux")
    assert (made["kind"], made["sku"]["tier"], made["reserved"]) == ("elastic", "ElasticPremium", True)
    cloud.run(f"appservice plan create --name small {there} --sku B1 --is-linux")
    assert cloud.run(f"appservice plan update --name small {there} --sku S1 --query sku.tier") == "Standard"
    listed, shown = results(
        cloud, f"appservice plan list {there} --query [].name", f"appservice plan show --name small {there}"
    )
    assert listed == ["elastic", "small"]
    assert (shown["sku"]["name"], shown["properties"]["status"], shown["properties"]["numberOfSites"]) == (
        "S1",
        "Ready",
        0,
    )
    assert results(
        cloud,
        f"appservice plan delete --name small {there} --yes",
        f"functionapp plan delete --name elastic {there} --yes",
    ) == [None, None]
    assert cloud.run(f"functionapp plan list {there}") == []
    refused(
        cloud,
        {
            f"appservice plan show --name small {there}": (NOT_FOUND, "The Resource 'Microsoft.Web/serverFarms/small'"),
            "appservice plan create --name small --resource-group none --sku B1 --is-linux": (
                NOT_FOUND,
                "(ResourceGroupNotFound) Resource group 'none' could not be found.",
            ),
        },
    )


# -- function apps


@pytest.fixture
def app(group: Group, small_images: Images) -> App:
    """An HTTP app that gives back what it is asked; it has a plan of its own."""
    made = group.app(small_images("http"))
    made.wait_until_loaded()
    return made


def test_a_function_app(cloud: Cloud, group: Group, app: App):
    listed, shown, config, functions = results(
        cloud,
        f"functionapp list --resource-group {group.name}",
        f"functionapp show {app.of}",
        f"functionapp config show {app.of}",
        f"functionapp function list {app.of} --query [].name",
    )
    assert [each["name"] for each in listed] == [app.name]
    assert (shown["state"], shown["kind"], shown["hostNames"]) == (
        "Running",
        "functionapp,linux,container",
        [app.host],
    )
    assert config["alwaysOn"] is True and config["linuxFxVersion"].startswith("DOCKER|")
    assert functions == [f"{app.name}/score"]
    changed, updated = results(
        cloud,
        f"functionapp config set {app.of} --always-on false --query alwaysOn",
        f"functionapp update {app.of} --set httpsOnly=true --query httpsOnly",
    )
    assert (changed, updated) == (False, True)
    assert cloud.run(f"functionapp show {app.of} --query [siteConfig.alwaysOn,httpsOnly]") == [False, True]

    cloud.run(f"functionapp stop {app.of}")
    assert cloud.run(f"functionapp show {app.of} --query state") == "Stopped"
    stopped = app.call("/score")
    assert (stopped.status_code, "Error 403 - This web app is stopped." in stopped.text) == (403, True)
    refused(cloud, {f"functionapp keys list {app.of}": (FAILED, "Operation returned an invalid status 'Bad Request'")})
    cloud.run(f"functionapp start {app.of}")
    assert app.call("/score", "POST", json=[1], params={"code": app.key}).json() == [1]
    before = app.status()["processUptime"]
    cloud.run(f"functionapp restart {app.of}")
    wait_for(lambda: app.status().get("processUptime", before) < before, START, "another host")


def test_deleting_the_last_app_of_a_plan(cloud: Cloud, group: Group, small_images: Images):
    plan, image = group.plan(), small_images("http")
    first, second = group.app(image, plan=plan), group.app(image, plan=plan)
    cloud.run(f"functionapp delete {first.of}")
    refused(
        cloud,
        {
            f"appservice plan delete --name {plan} --resource-group {group.name} --yes": (FAILED, "status 'Conflict'"),
            f"functionapp show {first.of}": (NOT_FOUND, f"The Resource 'Microsoft.Web/sites/{first.name}'"),
            f"functionapp delete {first.of}": (NOT_FOUND, "(ResourceNotFound)"),
        },
    )
    assert first.call().status_code == 404
    cloud.run(f"functionapp delete {second.of}")
    assert cloud.run(f"appservice plan list --resource-group {group.name}") == []
    kept = group.plan()
    third = group.app(image, plan=kept)
    cloud.run(f"functionapp delete {third.of} --keep-empty-plan")
    assert cloud.run(f"appservice plan list --resource-group {group.name} --query [].name") == [kept]


def test_an_app_that_cannot_be_made(cloud: Cloud, group: Group, small_images: Images):
    image, plan, (storage, _) = small_images("http"), group.plan(), group.storage()
    there = f"--resource-group {group.name} --functions-version 4 --image {image.tag}"
    elsewhere = Group.make(cloud)
    taken = elsewhere.app(image).name
    refused(
        cloud,
        {
            f"functionapp create --name {taken} {there} --plan {plan} --storage-account {storage}": (
                FAILED,
                f"Website with given name {taken} already exists.",
            ),
            f"functionapp create --name new {there} --plan none --storage-account {storage}": (
                NOT_FOUND,
                "(ResourceNotFound) The Resource 'Microsoft.Web/serverFarms/none'",
            ),
            f"functionapp create --name new {there} --plan {plan} --storage-account nonesuch": (
                NOT_FOUND,
                "(ResourceNotFound) The Resource 'Microsoft.Storage/storageAccounts/nonesuch'",
            ),
            f"functionapp create --name bad_name {there} --plan {plan} --storage-account {storage}": (
                FAILED,
                "invalid",
            ),
        },
    )
    assert cloud.run(f"functionapp list --resource-group {group.name}") == []
    elsewhere.delete()


def test_settings_of_an_app(cloud: Cloud, app: App):
    settings = f"functionapp config appsettings {{}} {app.of}"
    shown = cloud.run(settings.format("set") + " --settings A=1 B=two --slot-settings C=3")
    assert {each["name"] for each in shown} >= {"A", "B", "C", "AzureWebJobsStorage"}
    assert {each["value"] for each in shown} == {None}  # az hides them
    listed = {each["name"]: each for each in cloud.run(settings.format("list"))}
    assert (listed["A"]["value"], listed["B"]["value"], listed["A"]["slotSetting"]) == ("1", "two", False)
    assert (listed["C"]["value"], listed["C"]["slotSetting"]) == ("3", True)
    left = cloud.run(settings.format("delete") + " --setting-names A B")
    assert {"A", "B"} & {each["name"] for each in left} == set()
    app.wait_until_loaded()
    refused(
        cloud,
        {
            "functionapp config appsettings set --name none --resource-group none --settings A=1": (
                NOT_FOUND,
                "ResourceGroupNotFound",
            ),
        },
    )


def test_the_image_of_an_app(cloud: Cloud, app: App, small_images: Images):
    image, container = small_images("http"), f"functionapp config container {{}} {app.of}"
    shown = {each["name"]: each["value"] for each in cloud.run(container.format("show"))}
    assert shown == {
        "WEBSITES_ENABLE_APP_SERVICE_STORAGE": "false",
        "DOCKER_REGISTRY_SERVER_URL": f"https://{image.server}",
        "DOCKER_REGISTRY_SERVER_USERNAME": image.user,
        "DOCKER_REGISTRY_SERVER_PASSWORD": None,  # az hides it
        "DOCKER_CUSTOM_IMAGE_NAME": f"DOCKER|{image.tag}",
    }
    assert cloud.run(container.format("delete")) is None
    assert "DOCKER_CUSTOM_IMAGE_NAME" not in [each["name"] for each in cloud.run(container.format("show"))]
    assert app.phase == "no-image"
    # by its digest, with credentials that az looks up
    cloud.run(container.format("set") + f" --image {image.location} --registry-server https://{image.server}")
    app.wait_for("running")
    assert app.arm("GET", "/config/web").json()["properties"]["linuxFxVersion"] == f"DOCKER|{image.location}"


def test_keys_of_an_app(cloud: Cloud, app: App):
    keys, of_function = (
        f"functionapp keys {{}} {app.of}",
        f"functionapp function keys {{}} {app.of} --function-name score",
    )

    def opens(key: str) -> bool:
        return app.call("/score", "POST", json=1, headers={"x-functions-key": key}).status_code == 200

    cloud.run(keys.format("set") + " --key-type functionKeys --key-name mine --key-value a-key-of-my-own")
    cloud.run(keys.format("set") + " --key-type functionKeys --key-name made")
    cloud.run(of_function.format("set") + " --key-name its --key-value a-key-of-the-function")
    of_host, own, function = results(
        cloud,
        keys.format("list"),
        of_function.format("list"),
        f"functionapp function show {app.of} --function-name score",
    )
    assert of_host["functionKeys"]["mine"] == "a-key-of-my-own" and own["its"] == "a-key-of-the-function"
    assert function["name"] == f"{app.name}/score" and function["language"] == "python"
    for key in (of_host["masterKey"], *of_host["functionKeys"].values(), *own.values()):
        assert opens(key)
    cloud.run(keys.format("delete") + " --key-type functionKeys --key-name mine")
    cloud.run(of_function.format("delete") + " --key-name its")
    assert not opens("a-key-of-my-own") and not opens("a-key-of-the-function")
    refused(
        cloud,
        {
            keys.format("delete") + " --key-type functionKeys --key-name mine": (NOT_FOUND, "status 'Not Found'"),
            f"functionapp function show {app.of} --function-name none": (NOT_FOUND, "Function (none) does not exist."),
            f"functionapp function keys list {app.of} --function-name none": (NOT_FOUND, "Function (none) does not"),
            "functionapp keys list --name none --resource-group none": (NOT_FOUND, "(ResourceGroupNotFound)"),
        },
    )


def test_an_image_that_the_identity_of_an_app_pulls(cloud: Cloud, group: Group, small_images: Images, registry: str):
    image = small_images("http")
    app = group.app(image, settings=dict.fromkeys(image.login))
    assert cloud.run(f"functionapp identity assign {app.of} --query type") == "SystemAssigned"
    principal = cloud.run(f"functionapp identity show {app.of} --query principalId")
    scope = cloud.run(f"acr show --name {registry} --query id")
    made = cloud.run(f"role assignment create --assignee {principal} --role AcrPull --scope {scope}")
    assert (made["principalId"], made["principalType"]) == (principal, "ServicePrincipal")
    assert app.phase in ("failed", "pulling")
    cloud.run(f"""functionapp config set {app.of} --generic-configurations '{{"acrUseManagedIdentityCreds": true}}'""")
    app.wait_for("running")
    [listed] = cloud.run(f"role assignment list --scope {scope} --assignee {principal}")
    assert (listed["principalId"], listed["roleDefinitionName"]) == (principal, "AcrPull")
    assert listed["principalName"]  # from Microsoft Graph
    cloud.run(f"role assignment delete --assignee {principal} --role AcrPull --scope {scope}")
    assert cloud.run(f"role assignment list --scope {scope} --assignee {principal}") == []
    cloud.run(f"functionapp restart {app.of}")
    app.wait_for("failed")
    assert "unauthorized: authentication required" in app.logs()
    assert cloud.run(f"functionapp identity remove {app.of} --query type") == "None"
    refused(
        cloud,
        {
            f"role assignment create --assignee {principal} --role AcrPull --scope {scope}": (
                FAILED,
                f"Cannot find user or service principal in graph database for '{principal}'",
            ),
            f"role assignment create --assignee-object-id {principal} --assignee-principal-type ServicePrincipal "
            f"--role Nothing --scope {scope}": (FAILED, "Role 'Nothing' doesn't exist."),
        },
    )


def test_an_image_that_an_identity_of_its_own_pulls(cloud: Cloud, group: Group, small_images: Images, registry: str):
    image = small_images("http")
    app = group.app(image, settings=dict.fromkeys(image.login))
    made = cloud.run(f"identity create --name puller --resource-group {group.name}")
    scope = cloud.run(f"acr show --name {registry} --query id")
    # by its client ID, which Microsoft Graph resolves
    given = cloud.run(f"role assignment create --assignee {made['clientId']} --role AcrPull --scope {scope}")
    assert given["principalId"] == made["principalId"]
    assigned = cloud.run(f"functionapp identity assign {app.of} --identities {made['id']}")
    assert assigned["type"] == "UserAssigned"
    assert [each["clientId"] for each in assigned["userAssignedIdentities"].values()] == [made["clientId"]]
    app.configure(acrUseManagedIdentityCreds=True)
    app.wait_for("failed")  # it has no identity of the system
    app.configure(acrUserManagedIdentityID=made["clientId"])
    app.wait_for("running")


# -- registries


def test_a_registry(cloud: Cloud, group: Group):
    name, there = unique("registry"), f"--resource-group {group.name}"
    made = cloud.run(f"acr create --name {name} {there} --sku Basic")
    assert (made["loginServer"], made["provisioningState"]) == (f"{name}.azurecr.io", "Succeeded")
    refused(
        cloud,
        {
            f"acr credential show --name {name}": (FAILED, f"Run 'az acr update -n {name} --admin-enabled true'"),
            f"acr create --name {name} --resource-group none --sku Basic": (USAGE, "(ResourceGroupNotFound)"),
            f"acr create --name abc {there} --sku Basic": (FAILED, "(InvalidResourceName)"),
            "acr show --name nonesuch": (FAILED, "The resource with name 'nonesuch'"),
            "acr repository list --name nonesuch": (FAILED, "nonesuch"),
        },
    )
    assert cloud.run(f"acr update --name {name} --admin-enabled true --query adminUserEnabled") is True
    first = cloud.run(f"acr credential show --name {name}")
    second = cloud.run(f"acr credential renew --name {name} --password-name password")
    assert first["username"] == name and first["passwords"][0] != second["passwords"][0]
    assert first["passwords"][1] == second["passwords"][1]
    listed, taken, free, bad = results(
        cloud,
        f"acr list {there} --query [].name",
        f"acr check-name --name {name}",
        "acr check-name --name notyettaken",
        "acr check-name --name abc",
    )
    assert listed == [name]
    assert (taken["nameAvailable"], taken["reason"]) == (False, "AlreadyExists")
    assert (free["nameAvailable"], free["availableLoginServerName"]) == (True, "notyettaken.azurecr.io")
    assert (bad["nameAvailable"], bad["reason"]) == (False, "Invalid")
    elsewhere = Group.make(cloud)
    refused(
        cloud,
        {f"acr create --name {name} --resource-group {elsewhere.name} --sku Basic": (FAILED, "(AlreadyInUse)")},
    )
    elsewhere.delete()
    assert cloud.run(f"acr delete --name {name} --yes") is None
    assert cloud.run(f"acr list {there}") == []


def test_images_in_a_registry(cloud: Cloud, group: Group, small_images: Images):
    image, name = small_images("http"), group.registry(admin=False)
    of = f"--name {name}"
    cloud.run(f"acr import {of} --source {image.tag} --image copy:one")
    cloud.run(f"acr import {of} --source mcr.microsoft.com/azure-functions/python:4-python3.13 --image base:one")
    assert cloud.run(f"acr repository list {of}") == ["base", "copy"]
    tags, repository, tag, [manifest], token = results(
        cloud,
        f"acr repository show-tags {of} --repository copy",
        f"acr repository show {of} --repository copy",
        f"acr repository show {of} --image copy:one",
        f"acr manifest list-metadata --registry {name} --name copy",
        f"acr login {of} --expose-token",
    )
    digest = image.location.rpartition("@")[2]
    assert (tags, repository["tagCount"], repository["manifestCount"]) == (["one"], 1, 1)
    assert tag["digest"] == manifest["digest"] == digest and manifest["tags"] == ["one"]
    assert token["loginServer"] == f"{name}.azurecr.io" and token["refreshToken"] == token["accessToken"]
    cloud.run(f"acr repository delete {of} --image copy@{digest} --yes")
    assert cloud.run(f"acr repository delete {of} --repository base --yes")["tagsDeleted"] == ["one"]
    assert cloud.run(f"acr repository list {of}") == []
    refused(
        cloud,
        {
            f"acr repository show-tags {of} --repository copy": (FAILED, "repository name not known to registry"),
            f"acr repository show {of} --image copy:one": (NOT_FOUND, "repository name not known to registry"),
            f"acr import {of} --source {image.tag}none --image copy:two": (FAILED, "is not found"),
            f"acr import {of} --source mcr.microsoft.com/none:none --image copy:two": (FAILED, "not found"),
        },
    )


# -- storage


def test_storage_accounts(cloud: Cloud, group: Group):
    (name, connection), there = group.storage(), f"--resource-group {group.name}"
    listed, shown, keys, taken, free, bad = results(
        cloud,
        f"storage account list {there} --query [].name",
        f"storage account show --name {name}",
        f"storage account keys list --account-name {name}",
        f"storage account check-name --name {name}",
        "storage account check-name --name notyettaken",
        "storage account check-name --name Not-A-Name",
    )
    assert listed == [name]
    assert (shown["provisioningState"], shown["kind"]) == ("Succeeded", "StorageV2")
    assert shown["primaryEndpoints"]["blob"] == f"https://{name}.blob.core.windows.net/"
    assert [key["keyName"] for key in keys] == ["key1", "key2"] and keys[0]["value"] in connection
    assert (taken["nameAvailable"], taken["reason"]) == (False, "AlreadyExists")
    assert free["nameAvailable"] is True
    assert (bad["nameAvailable"], bad["reason"]) == (False, "AccountNameInvalid")

    with BlobServiceClient.from_connection_string(connection, **cloud.sdk) as blobs:
        blobs.create_container("before")
    renewed = cloud.run(f"storage account keys renew --account-name {name} --key key1")
    assert renewed[0] != keys[0] and renewed[1] == keys[1]
    refused(
        cloud,
        {
            f"storage container list --connection-string {connection}": (
                FAILED,
                "This may be caused by either invalid account key",
            ),
            f"storage account show --name nonesuch {there}": (
                NOT_FOUND,
                "(ResourceNotFound) The Resource 'Microsoft.Storage/storageAccounts/nonesuch'",
            ),
            f"storage account create --name Bad {there} --sku Standard_LRS": (FAILED, "(AccountNameInvalid)"),
            f"storage account create --name okname {there} --location nowhere": (
                FAILED,
                "(LocationNotAvailableForResourceType)",
            ),
        },
    )
    elsewhere = Group.make(cloud)
    refused(
        cloud,
        {f"storage account create --name {name} --resource-group {elsewhere.name}": (FAILED, "is already taken")},
    )
    elsewhere.delete()
    assert cloud.run(f"storage account delete --name {name} {there} --yes") is None
    assert cloud.run(f"storage account list {there}") == []


def test_containers_and_blobs(cloud: Cloud, group: Group, tmp_path: Path):
    name, connection = group.storage()
    sample, copy = DIABETES / "sample.json", tmp_path / "copy.json"
    there, at = f"--account-name {name} --auth-mode login", f"--connection-string {connection}"
    made = "storage container create --name input"
    assert [cloud.run(f"{made} {way}") for way in (at, there)] == [{"created": True}, {"created": False}]
    assert cloud.run(f"storage container-rm list --storage-account {name} --query [].name") == ["input"]
    upload = f"storage blob upload --container-name input --name a.json --file {sample} {there}"
    cloud.run(upload)
    blob = "--container-name input --name a.json"
    containers, blobs, shown, exists, missing, _ = results(
        cloud,
        f"storage container list {there} --query [].name",
        f"storage blob list --container-name input {at} --query [].name",
        f"storage blob show {blob} {there}",
        f"storage blob exists {blob} {at}",
        f"storage blob exists --container-name input --name none {there}",
        f"storage blob download {blob} --file {copy} {there}",
    )
    assert (containers, blobs, exists, missing) == (["input"], ["a.json"], {"exists": True}, {"exists": False})
    assert shown["properties"]["contentLength"] == sample.stat().st_size
    assert copy.read_bytes() == sample.read_bytes()
    refused(
        cloud,
        {
            upload: (FAILED, "BlobAlreadyExists"),
            f"storage blob download --container-name input --name none --file {copy} {at}": (NOT_FOUND, "BlobNotFound"),
            f"storage blob list --container-name none {there}": (NOT_FOUND, "ContainerNotFound"),
            f"storage container show --name none {at}": (NOT_FOUND, "ContainerNotFound"),
        },
    )
    cloud.run(f"storage blob delete {blob} {there}")
    assert cloud.run(f"storage container delete --name input {there}") == {"deleted": True}
    assert cloud.run(f"storage container exists --name input {at}") == {"exists": False}


# -- Service Bus


def test_service_bus(cloud: Cloud, group: Group):
    namespace = group.namespace("inqueue")
    there = f"--namespace-name {namespace} --resource-group {group.name}"
    with ServiceBusClient.from_connection_string(group.service_bus_connection(namespace)) as client:
        with client.get_queue_sender("inqueue") as sender:
            sender.send_messages([ServiceBusMessage(text) for text in ("one", "two", "three")])
        with client.get_queue_receiver("inqueue") as receiver:
            receiver.dead_letter_message(receiver.receive_messages(1)[0])
    [listed], shown, namespaces, rules = results(
        cloud,
        f"servicebus queue list {there}",
        f"servicebus queue show --name inqueue {there}",
        f"servicebus namespace list --resource-group {group.name} --query [].name",
        f"servicebus namespace authorization-rule list {there} --query [].name",
    )
    assert listed["messageCount"] == shown["messageCount"] == 3
    counts = shown["countDetails"]
    assert (counts["activeMessageCount"], counts["deadLetterMessageCount"]) == (2, 1)
    assert (namespaces, rules) == ([namespace], ["RootManageSharedAccessKey"])

    rule = f"servicebus queue authorization-rule {{}} --name app --queue-name inqueue {there}"
    cloud.run(rule.format("create") + " --rights Listen Send")
    before = cloud.run(rule.format("keys list"))
    assert before["primaryConnectionString"].endswith(";EntityPath=inqueue")
    cloud.run(rule.format("keys renew") + " --key PrimaryKey")
    after = cloud.run(rule.format("keys list"))
    assert before["primaryKey"] != after["primaryKey"] and before["secondaryKey"] == after["secondaryKey"]
    assert cloud.run(f"servicebus queue update --name inqueue {there} --max-delivery-count 3")["maxDeliveryCount"] == 3
    refused(
        cloud,
        {
            f"servicebus queue show --name none {there}": (NOT_FOUND, "(NotFound)"),
            f"servicebus queue create --name 'a b' {there}": (FAILED, "(BadRequest)"),
            f"servicebus queue list --namespace-name nonesuch --resource-group {group.name}": (
                NOT_FOUND,
                "(ResourceNotFound)",
            ),
            f"servicebus namespace authorization-rule create --name bad {there} --rights Manage": (
                FAILED,
                "(BadRequest)",
            ),
            f"servicebus namespace show --name nonesuch --resource-group {group.name}": (
                NOT_FOUND,
                "(ResourceNotFound)",
            ),
        },
    )
    cloud.run(f"servicebus queue delete --name inqueue {there}")
    assert cloud.run(f"servicebus queue list {there}") == []
    cloud.run(f"servicebus namespace delete --name {namespace} --resource-group {group.name}")
    assert cloud.run(f"servicebus namespace list --resource-group {group.name}") == []
