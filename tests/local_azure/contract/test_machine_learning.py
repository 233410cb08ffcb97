"""Microsoft.MachineLearningServices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.storage.blob import ContainerClient

from .azure import LocalAzure, account, group, workspace
from .wire import Names, Recording

Wire = Callable[[str], Recording]
_NEWER = "2025-12-01"
"""The api-version by which azure-ai-ml asks."""
_MLMODEL = """
flavors:
  python_function:
    loader_module: office.plrmodel
    python_version: 3.8.5
    env: {conda: conda.yaml}
"""


@pytest.fixture
def ml(azure: LocalAzure, names: Names) -> Names:
    """The names of a workspace."""
    azure.make_workspace(names)
    return names


def blobs(azure: LocalAzure, names: Names, **access: Any) -> ContainerClient:
    """The container of a workspace's default datastore, reached with the secret that it hands out."""
    store = f"{workspace(names)}/datastores/workspaceblobstore"
    properties = azure.get(store).json()["properties"]
    secret = azure.send("POST", f"{store}/listSecrets", **access).json()
    return ContainerClient(
        f"https://{properties['accountName']}.blob.core.windows.net",
        properties["containerName"],
        secret.get("key") or secret["sasToken"],
        connection_verify=azure.environment["REQUESTS_CA_BUNDLE"],
        proxies={"https": azure.environment["HTTPS_PROXY"]},
    )


def register(azure: LocalAzure, names: Names, what: str, **properties: Any) -> Any:
    """Register a version, by its path below the workspace; its properties."""
    return azure.make(f"{workspace(names)}/{what}", {"properties": properties})["properties"]


def uri(names: Names, path: str) -> str:
    return (
        f"azureml://subscriptions/{names['subscription']}/resourcegroups/{names['group']}/workspaces/"
        f"{names['workspace']}/datastores/workspaceblobstore/paths/{path}"
    )


# -- as recorded


def test_get_a_workspace(azure: LocalAzure, names: Names, wire: Wire) -> None:
    """The example has its storage account in another group."""
    recording = wire("ml-workspace-get.json")
    recording.error("missing").replay(azure, names, bare=True)
    elsewhere = azure.fresh()
    names |= {"otherGroup": elsewhere["group"], "account": elsewhere["account"]}
    names |= {"vault": "vault", "insights": "insights"}
    azure.make_account(elsewhere)
    providers = f"{group(names)}/providers"
    registry = f"{providers}/Microsoft.ContainerRegistry/registries/{names['registry']}"
    azure.make(registry, {"location": "westus", "sku": {"name": "Basic"}}, "2026-01-01-preview")
    user = f"{providers}/Microsoft.ManagedIdentity/userAssignedIdentities/testuai"
    azure.make(user, {"location": "westus"})
    body = {
        "location": "eastus2",
        "identity": {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {user: {}}},
        "properties": {
            "storageAccount": account(elsewhere),
            "keyVault": f"{providers}/Microsoft.KeyVault/vaults/vault",
            "containerRegistry": registry,
            "applicationInsights": f"{providers}/microsoft.insights/components/insights",
            "friendlyName": "HelloName",
            "description": "test description",
            "publicNetworkAccess": "Disabled",
            "imageBuildCompute": "testcompute",
        },
    }
    azure.make(workspace(names), body)

    varies = {
        "location": "a region for canaries",
        "properties.discoveryUrl": "the example's is made up",
        f"identity.userAssignedIdentities.{user}.principalId": "another identity than the workspace's own",
    }
    recording.answer.replay(azure, names, varies=varies)


def test_register_a_model_version(azure: LocalAzure, ml: Names, wire: Wire) -> None:
    """What was uploaded is copied, and the flavors are those of the MLmodel, too."""
    put, get = wire("ml-model-version-put.json"), wire("ml-model-version-get.json")
    ml |= {"model": "lightgbm", "hash": "0a1b2c", "version": "3"}
    get.error("missing").replay(azure, ml)
    folder = "LocalUpload/0a1b2c/lightgbm_mlflow_model"
    with blobs(azure, ml) as container:
        container.upload_blob(f"{folder}/MLmodel", _MLMODEL)
        container.upload_blob(f"{folder}/data/model.txt", "trees")
        container.upload_blob(f"{folder}_of_another/data.txt", "not of it")

        answered = put.answer.replay(azure, ml).json()
        get.answer.replay(azure, ml)

        path = answered["properties"]["modelUri"].split("/paths/")[1]
        assert path.endswith(folder) and path != folder
        copied = {each.name: container.download_blob(each.name).readall() for each in container.list_blobs(path)}
    assert copied == {f"{path}/MLmodel": _MLMODEL.encode(), f"{path}/data/model.txt": b"trees"}
    again = put.answer.send(azure, ml)
    assert (again.status_code, again.json()["properties"]) == (200, answered["properties"])


def test_the_default_datastore(azure: LocalAzure, ml: Names, wire: Wire) -> None:
    secrets = wire("ml-datastore-listsecrets.json")
    ml["datastore"] = "workspaceblobstore"

    wire("ml-datastore-get.json").answer.replay(azure, ml, bare=True)
    answered = secrets.answer.replay(azure, ml, bare=True).json()

    keys = azure.send("POST", f"{account(ml)}/listKeys").json()["keys"]
    assert answered["key"] == keys[0]["value"]
    renewed = azure.send("POST", f"{account(ml)}/regenerateKey", {"keyName": "key1"}).json()["keys"]
    assert secrets.answer.send(azure, ml).json()["key"] == renewed[0]["value"] != answered["key"]


# -- workspaces


def test_a_workspace_comes_and_goes(slow_azure: LocalAzure, slow_names: Names) -> None:
    azure, names = slow_azure, slow_names
    azure.make_account(names)
    needed = {"storageAccount": account(names), "keyVault": "/a/vault"}
    first = azure.send("PUT", workspace(names), {"location": "westus", "properties": needed})
    under_way = azure.get(workspace(names))
    [*_, done] = azure.follow(first)

    assert (first.status_code, first.content, under_way.status_code) == (202, b"", 404)
    assert done.json() == azure.get(workspace(names)).json()
    assert done.json()["properties"]["containerRegistry"] is None
    listed = azure.get(f"{group(names)}/providers/Microsoft.MachineLearningServices/workspaces").json()["value"]
    assert listed == [done.json()]
    subscription = f"/subscriptions/{azure.subscription}/providers/Microsoft.MachineLearningServices/workspaces"
    assert done.json() in azure.get(subscription).json()["value"]
    assert azure.get(workspace(names).replace("workspaces/w", "Workspaces/W")).json() == done.json()
    assert [azure.send("DELETE", workspace(names)).status_code for _ in range(2)] == [200, 204]
    assert azure.get(f"{workspace(names)}/datastores/workspaceblobstore").status_code == 404


def test_what_a_workspace_needs(azure: LocalAzure, names: Names) -> None:
    azure.make_account(names)
    for properties in (
        {},
        {"storageAccount": account(names)},
        {"storageAccount": account(names) + "x", "keyVault": "/a/vault"},
        {"storageAccount": account(names), "keyVault": "/a/vault", "containerRegistry": account(names)},
    ):
        refused = azure.send("PUT", workspace(names), {"location": "westus", "properties": properties})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "ValidationError"), properties


def test_a_workspace_gets_a_registry_later(azure: LocalAzure, ml: Names) -> None:
    azure.make_registry(ml)
    registry = f"{group(ml)}/providers/Microsoft.ContainerRegistry/registries/{ml['name']}"

    changed = azure.send("PATCH", workspace(ml), {"properties": {"containerRegistry": registry}}).json()
    keys = azure.send("POST", f"{workspace(ml)}/listKeys").json()

    assert changed["properties"]["containerRegistry"] == registry
    assert keys["userStorageResourceId"] == account(ml)
    assert keys["containerRegistryCredentials"]["username"] == ml["name"]


# -- assets


def test_versions_in_their_order(azure: LocalAzure, ml: Names) -> None:
    """The newest first, or the oldest; in pages; without those that are archived; with the container's own numbers."""
    for version in ("1", "10", "2"):
        register(azure, ml, f"models/m/versions/{version}", modelUri="https://example.com/m")
    register(azure, ml, "models/m/versions/10", modelUri=None, isArchived=True, description="old")
    model = f"{workspace(ml)}/models/m"

    def listed(query: str = "") -> list[str]:
        return [each["name"] for each in azure.get(f"{model}/versions?{query}").json()["value"]]

    assert listed() == listed("$orderBy=createdtime desc") == ["2", "1"]
    assert listed("$orderBy=createdtime asc&listViewType=All") == ["1", "10", "2"]
    assert listed("listViewType=archivedOnly") == ["10"]
    assert listed("version=1") == ["1"]
    first = azure.get(f"{model}/versions?$top=1&$orderBy=createdtime desc").json()
    second = azure.get(first["nextLink"]).json()
    assert [each["name"] for page in (first, second) for each in page["value"]] == ["2", "1"]
    assert "nextLink" not in second
    shown = azure.get(model).json()["properties"]
    assert (shown["latestVersion"], shown["nextVersion"], shown["isArchived"]) == ("2", "11", False)
    archived = azure.get(f"{model}/versions/10").json()["properties"]
    assert (archived["isArchived"], archived["modelUri"]) == (True, "https://example.com/m")
    assert [each["name"] for each in azure.get(f"{workspace(ml)}/models").json()["value"]] == ["m"]
    azure.make(model, {"properties": {"isArchived": True}})
    assert listed() == azure.get(f"{workspace(ml)}/models").json()["value"] == []
    assert azure.get(f"{model}/versions/1").status_code == 200
    assert azure.send("GET", f"{model}/versions?listViewType=Some").status_code == 400
    assert azure.get(f"{workspace(ml)}/models/nothing/versions").json() == {"value": []}


def test_what_is_not_there(azure: LocalAzure, ml: Names) -> None:
    """Names of assets are case-sensitive; a workspace is missing in another way than what is in it."""
    register(azure, ml, "models/m/versions/1", modelUri="https://example.com/m")
    for path in ("models/m/versions/2", "models/M/versions/1", "models/n", "environments/e/versions/1", "datastores/d"):
        missing = azure.get(f"{workspace(ml)}/{path}")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "UserError"), path
    elsewhere = azure.get(f"{workspace(ml | {'workspace': 'nowhere'})}/models/m/versions/1")
    assert (elsewhere.status_code, elsewhere.json()["error"]["code"]) == (404, "ResourceNotFound")
    for path in ("models/m/versions/1", "models/m"):
        assert [azure.send("DELETE", f"{workspace(ml)}/{path}").status_code for _ in range(2)] == [200, 204]


def test_where_a_model_is_said_to_be(azure: LocalAzure, ml: Names) -> None:
    """Nothing is copied but what was uploaded, and what is there cannot be moved."""
    same = ["https://example.com/m", "azureml://datastores/other/paths/m", "runs:/1/m", "azureml://jobs/j/outputs/o"]
    for version, where in enumerate(same):
        assert register(azure, ml, f"models/m/versions/{version}", modelUri=where)["modelUri"] == where
    made = register(azure, ml, "models/m/versions/9", modelUri=uri(ml, "folder/m"))
    assert made["modelUri"] == uri(ml, "folder/m").replace("resourcegroups", "resourceGroups")
    moved = azure.send("PUT", f"{workspace(ml)}/models/m/versions/9", {"properties": {"modelUri": uri(ml, "n")}})
    assert (moved.status_code, moved.json()["error"]["message"]) == (400, "Asset paths cannot be updated.")
    for path, properties in (
        ("m/versions/1 2", {"modelUri": "x"}),
        ("$/versions/1", {"modelUri": "x"}),
        ("m/versions/8", {}),
    ):
        assert azure.send("PUT", f"{workspace(ml)}/models/{path}", {"properties": properties}).status_code == 400


def test_an_environment_is_what_it_was(azure: LocalAzure, ml: Names) -> None:
    conda = "dependencies: [python=3.13]\n"
    made = register(azure, ml, "environments/e/versions/1", image="an/image", condaFile=conda, isAnonymous=True)
    path = f"{workspace(ml)}/environments/e/versions/1"

    other = azure.send("PUT", path, {"properties": {"image": "an/image", "condaFile": "other"}})
    tagged = azure.make(path, {"properties": {"image": "an/image", "condaFile": conda, "tags": {"a": "b"}}})

    assert (made["condaFile"], made["image"], made["isAnonymous"], made["osType"]) == (conda, "an/image", True, "Linux")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "UserError")
    assert tagged["properties"] == {**made, "tags": {"a": "b"}}
    assert azure.get(f"{workspace(ml)}/environments/e").json()["properties"]["latestVersion"] == "1"


# -- datastores


def test_datastores_and_their_secrets(azure: LocalAzure, ml: Names) -> None:
    """What is secret comes by listSecrets only; where there is none, it is refused."""
    kinds: dict[str, dict[str, str]] = {
        "AccountKey": {"key": "c2VjcmV0"},
        "Sas": {"sasToken": "sig=1"},
        "ServicePrincipal": {"clientSecret": "secret"},
    }
    for kind, secrets in {**kinds, "None": {}}.items():
        credentials: dict[str, Any] = {"credentialsType": kind, "secrets": {"secretsType": kind, **secrets}}
        properties = {"datastoreType": "AzureDataLakeGen2", "accountName": "lake", "filesystem": "files"}
        path = f"{workspace(ml)}/datastores/of{kind}"
        body = {"properties": {**properties, "credentials": credentials}}
        first, second = azure.send("PUT", path, body), azure.send("PUT", path, body)
        assert (first.status_code, second.status_code) == (201, 200)
        shown = azure.get(path).json()["properties"]
        assert shown["credentials"] == {"credentialsType": kind} and properties.items() <= shown.items()
        told = azure.send("POST", f"{path}/listSecrets")
        if secrets:
            assert told.json() == {"secretsType": kind, **secrets}
        else:
            assert (told.status_code, told.json()["error"]["code"]) == (400, "UserError")
            assert "No secrets" in told.json()["error"]["message"]
    names = [each["name"] for each in azure.get(f"{workspace(ml)}/datastores").json()["value"]]
    assert names == ["workspaceblobstore", "ofAccountKey", "ofSas", "ofServicePrincipal", "ofNone"]
    default = azure.get(f"{workspace(ml)}/datastores?isDefault=true").json()["value"]
    assert [each["name"] for each in default] == names[:1]


def test_a_secret_that_expires(azure: LocalAzure, ml: Names) -> None:
    """Instead of the key there is a signature, with which one reads, writes and lists."""
    with blobs(azure, ml, body={"expirableSecret": True, "expireAfterHours": 1}, version=_NEWER) as container:
        container.upload_blob("a/b", b"content")
        assert [each.name for each in container.list_blobs("a")] == ["a/b"]
        assert container.download_blob("a/b").readall() == b"content"


def test_a_workspace_whose_storage_needs_an_identity(azure: LocalAzure, names: Names) -> None:
    azure.make_workspace(names, systemDatastoresAuthMode="Identity")
    store = f"{workspace(names)}/datastores/workspaceblobstore"

    assert azure.get(store).json()["properties"]["credentials"] == {"credentialsType": "None"}
    assert azure.send("POST", f"{store}/listSecrets").status_code == 400


# -- registries


def test_a_registry(azure: LocalAzure, names: Names) -> None:
    """Found by its name alone, at a host of its own; IDs there are not those of Resource Manager."""
    path = f"{group(names)}/providers/Microsoft.MachineLearningServices/registries/{names['name']}"
    azure.make(path, {"location": "westeurope", "properties": {"regionDetails": [{"location": "westeurope"}]}})
    upload = azure.send("POST", f"{path}/models/m/versions/1/startPendingUpload", {}).json()
    signed = upload["blobReferenceForConsumption"]
    environment = azure.environment
    sdk = {"connection_verify": environment["REQUESTS_CA_BUNDLE"], "proxies": {"https": environment["HTTPS_PROXY"]}}
    with ContainerClient.from_container_url(signed["credential"]["sasUri"], **sdk) as container:
        container.upload_blob("folder/model.txt", b"weights")
    where = f"{signed['blobUri']}/folder"
    azure.make(f"{path}/models/m/versions/1", {"properties": {"modelUri": where}})

    session = azure.client()
    session.proxies = {"https": environment["HTTPS_PROXY"]}
    found = session.get(
        f"https://eastus.api.azureml.ms/registrymanagement/v1.0/registries/{names['name'].upper()}/discovery"
    ).json()
    front = f"{found['primaryRegionResourceProviderUri']}mferp/managementfrontend"
    at_front = f"{front}{path}/models/m/versions/1?api-version=2021-10-01-dataplanepreview"
    model = session.get(at_front).json()
    own = azure.get(f"{path}/models/m/versions/1").json()

    assert (found["subscriptionId"], found["resourceGroup"]) == (azure.subscription, names["group"])
    assert model["id"] == f"azureml://registries/{names['name']}/models/m/versions/1"
    assert own["id"] == f"{path}/models/m/versions/1"
    assert own["properties"] == model["properties"] and own["properties"]["modelUri"] == where
    asked = {"assetId": model["id"], "blobUri": where}
    reading = azure.send("POST", f"{path}/datareferences/m/versions/1", asked).json()["blobReferenceForConsumption"]
    with ContainerClient.from_container_url(reading["credential"]["sasUri"], **sdk) as container:
        assert container.download_blob("folder/model.txt").readall() == b"weights"
        with pytest.raises(Exception, match="AuthorizationPermissionMismatch"):
            container.delete_blob("folder/model.txt")
    elsewhere = {**asked, "blobUri": "https://other.blob.core.windows.net/container/x"}
    assert azure.send("POST", f"{path}/datareferences/m/versions/1", elsewhere).status_code == 400
    assert (
        session.get("https://eastus.api.azureml.ms/registrymanagement/v1.0/registries/no/discovery").status_code == 404
    )
