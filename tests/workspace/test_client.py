"""What is registered, and how it is opened: against a Resource Manager in memory."""

from __future__ import annotations

import pytest
from azure.cli.core.azclierror import (
    ForbiddenError,
    RequiredArgumentMissingError,
    ResourceNotFoundError,
    ValidationError,
)
from azure.core.exceptions import HttpResponseError

from azext_mlfunc.workspace import errors
from azext_mlfunc.workspace.access import AccountKey, Identity, Sas
from azext_mlfunc.workspace.client import AzureMl
from azext_mlfunc.workspace.reference import parse_environment, parse_model
from azext_mlfunc.workspace.storage import Listing, Location

from .registered import (
    GROUP,
    PROVIDER,
    REGISTRY,
    SUBSCRIPTION,
    WORKSPACE,
    MemoryArm,
    add_datastore,
    add_model,
    add_workspace,
)


class Opened:
    """A container that was opened; it lets in whom it is told to."""

    def __init__(self, url, access, refuses):
        self.url, self.access, self._refuses = url, access, refuses

    def files(self, path):
        if isinstance(self.access, self._refuses):
            raise errors.Refused(ForbiddenError(f"{self.access.origin} was refused"))
        return Listing(Location(self.url, path), (), False)


class Lab:
    """A workspace `lab`, and what looks at it."""

    def __init__(self):
        self.arm = MemoryArm()
        self.refuses = ()
        add_workspace(self.arm)

    def azure_ml(self, group="ml", name="lab"):
        return AzureMl(
            arm=self.arm,
            group=group,
            name=name,
            storage_suffix="core.windows.net",
            open_container=lambda url, access: Opened(url, access, self.refuses),
            make_sas=lambda *words, **more: "sig=1",
            identity=Identity(lambda: None),
        )

    def model(self, text):
        return self.azure_ml().model(parse_model(text))

    def files(self, text):
        azure_ml = self.azure_ml()
        container, listing = azure_ml.files(azure_ml.model(parse_model(text)))
        return container.url, container.access, listing.location.path

    def opened_with(self, text):
        return type(self.files(text)[1])


@pytest.fixture
def lab():
    return Lab()


def said(kind, function, *arguments):
    with pytest.raises(kind) as raised:
        function(*arguments)
    return f"{raised.value.error_msg}\n{' '.join(raised.value.recommendations)}"


def test_a_model_by_its_version(lab):
    add_model(lab.arm, "iris", "3", modelType="mlflow_model")
    model = lab.model("azureml:iris:3")
    assert (model.name, model.version, model.kind, model.parent) == ("iris", "3", "mlflow_model", WORKSPACE)
    assert model.describe() == {"workspace": WORKSPACE, "name": "iris", "version": "3", "uri": model.uri}


def test_the_latest_is_the_one_that_was_created_last_and_is_not_archived(lab):
    add_model(lab.arm, "iris", "10", created="2026-01-01T00:00:00.0000000+00:00")
    add_model(lab.arm, "iris", "2", created="2026-03-01T00:00:00.0000000+00:00")
    add_model(lab.arm, "iris", "3", created="2026-04-01T00:00:00.0000000+00:00", isArchived=True)
    assert lab.model("azureml:iris@latest").version == "2"


def test_a_full_id_names_another_workspace(lab):
    other = f"{GROUP}/{PROVIDER}/workspaces/other"
    add_workspace(lab.arm, other)
    add_model(lab.arm, "iris", "1", parent=other)
    azure_ml = lab.azure_ml(group=None, name=None)
    assert azure_ml.model(parse_model(f"{other}/models/iris/versions/1")).parent == other


def test_no_workspace_is_named(lab):
    text = said(RequiredArgumentMissingError, lab.azure_ml(None, None).model, parse_model("iris:3"))
    assert "--workspace-name" in text


def test_a_missing_workspace(lab):
    text = said(ResourceNotFoundError, lab.azure_ml(name="gone").workspace)
    assert f"no workspace 'gone' in the resource group 'ml' of the subscription {SUBSCRIPTION}" in text
    assert "az ml workspace list" in text


def test_a_workspace_that_may_not_be_read_is_not_a_missing_one(lab):
    lab.arm.refuse(WORKSPACE)
    with pytest.raises(HttpResponseError) as raised:
        lab.azure_ml().workspace()
    assert raised.value.status_code == 403


def test_a_missing_version_lists_those_that_there_are(lab):
    add_model(lab.arm, "iris", "1", isArchived=True)
    add_model(lab.arm, "iris", "2", created="2026-02-01T00:00:00.0000000+00:00")
    text = said(ResourceNotFoundError, lab.model, "iris:7")
    assert "no version 7 of the model 'iris' in the workspace 'lab'; there are 2, 1 (archived)." in text
    assert "az ml model list --workspace-name lab --resource-group ml --name iris" in text


def test_a_missing_model_lists_those_that_there_are(lab):
    assert "there is no model at all" in said(ResourceNotFoundError, lab.model, "rose:1")
    add_model(lab.arm, "iris", "1")
    for text in ("rose:1", "rose@latest"):
        assert "There is no model 'rose' in the workspace 'lab'; there are iris." in said(
            ResourceNotFoundError, lab.model, text
        )


def test_many_names_are_cut(lab):
    for number in range(13):
        add_model(lab.arm, f"m{number:02}", "1")
    assert "m09 and 3 more." in said(ResourceNotFoundError, lab.model, "rose:1")


def test_an_archived_version_names_the_newest_that_is_not(lab):
    add_model(lab.arm, "iris", "1", isArchived=True)
    add_model(lab.arm, "iris", "2", created="2026-02-01T00:00:00.0000000+00:00")
    add_model(lab.arm, "iris", "3", created="2026-01-15T00:00:00.0000000+00:00")
    text = said(ValidationError, lab.model, "iris:1")
    assert "Version 1 of the model 'iris' in the workspace 'lab' is archived; the newest that is not is 2." in text
    assert "az ml model restore --name iris --version 1" in text


def test_all_versions_are_archived(lab):
    add_model(lab.arm, "iris", "1", isArchived=True)
    assert "so are all others" in said(ValidationError, lab.model, "iris:1")
    assert "are archived: 1 (archived)" in said(ResourceNotFoundError, lab.model, "iris@latest")


def test_the_files_are_opened_with_the_key_that_the_workspace_hands_out(lab):
    add_model(lab.arm, "iris", "1")
    url, access, path = lab.files("iris:1")
    assert (url, path) == ("https://labstore.blob.core.windows.net/models", "LocalUpload/1/iris")
    assert isinstance(access, AccountKey)
    assert access.sign(f"{url}/x") == (f"{url}/x?sig=1", {})


def test_a_datastore_with_a_signature_and_one_in_adls_gen2(lab):
    add_datastore(lab.arm, "lake", "Sas", {"secretsType": "Sas", "sasToken": "?sig=2"},
                  datastoreType="AzureDataLakeGen2", filesystem="fs", containerName=None)  # fmt: skip
    add_model(lab.arm, "iris", "1", modelUri="azureml://datastores/lake/paths/iris")
    url, access, path = lab.files("iris:1")
    assert (url, path) == ("https://labstore.blob.core.windows.net/fs", "iris")
    assert isinstance(access, Sas) and access.sign(url) == (f"{url}?sig=2", {})


def test_a_datastore_without_credentials_is_read_as_oneself(lab):
    add_datastore(lab.arm, "own", "None")
    add_model(lab.arm, "iris", "1", modelUri="azureml://datastores/own/paths/iris")
    assert lab.opened_with("iris:1") is Identity
    assert not any(path.endswith("listSecrets") for _, path in lab.arm.asked)


def test_who_may_not_list_the_keys_reads_as_oneself(lab):
    add_model(lab.arm, "iris", "1")
    lab.arm.refuse(f"{WORKSPACE}/datastores/workspaceblobstore/listSecrets")
    assert lab.opened_with("iris:1") is Identity


def test_an_account_that_takes_no_keys_is_read_as_oneself(lab):
    add_model(lab.arm, "iris", "1")
    lab.refuses = AccountKey
    assert lab.opened_with("iris:1") is Identity


def test_nobody_is_let_in(lab):
    add_model(lab.arm, "iris", "1")
    lab.refuses = (AccountKey, Identity)
    assert "your own identity was refused" in said(ForbiddenError, lab.files, "iris:1")


def test_a_missing_datastore(lab):
    add_model(lab.arm, "iris", "1", modelUri="azureml://datastores/gone/paths/iris")
    assert "the datastore 'gone', which the workspace 'lab' does not have" in said(
        ResourceNotFoundError, lab.files, "iris:1"
    )


def test_a_datastore_that_is_no_blob_storage(lab):
    add_datastore(lab.arm, "share", datastoreType="AzureFile", fileShareName="share")
    add_model(lab.arm, "iris", "1", modelUri="azureml://datastores/share/paths/iris")
    text = said(ValidationError, lab.files, "iris:1")
    assert "of the type AzureFile; expected AzureBlob or AzureDataLakeGen2" in text
    assert "az ml model download --name iris --version 1" in text


@pytest.mark.parametrize(
    "properties",
    [
        {"endpoint": "example.org"},
        {"endpoint": "core.windows.net.example.org"},
        {"endpoint": "example.org/core.windows.net"},
        {"protocol": "http"},
        {"accountName": "example.org/labstore"},
        {"accountName": "labstore@example.org"},
    ],
)
def test_keys_and_tokens_go_to_azure_storage_only(lab, properties):
    add_datastore(lab.arm, "evil", **properties)
    add_model(lab.arm, "iris", "1", modelUri="azureml://datastores/evil/paths/iris")
    lab.refuses = (AccountKey, Identity)  # who is asked at all says this
    assert "neither a key nor your own token is sent elsewhere" in said(ValidationError, lab.files, "iris:1")


def test_an_address_in_storage(lab):
    add_model(lab.arm, "iris", "1", modelUri="https://labstore.blob.core.windows.net/models/iris")
    assert lab.files("iris:1")[0] == "https://labstore.blob.core.windows.net/models"
    assert lab.opened_with("iris:1") is Identity
    add_model(lab.arm, "iris", "2", modelUri="https://labstore.blob.core.windows.net/models/iris?sig=secret")
    assert lab.opened_with("iris:2") is Sas
    assert "secret" not in str(lab.model("iris:2").describe())
    add_model(lab.arm, "iris", "3", modelUri="https://evil.blob.example.org/models/iris")
    assert "evil.blob.example.org" in said(ValidationError, lab.files, "iris:3")


def test_files_that_cannot_be_found(lab):
    add_model(lab.arm, "iris", "1", modelUri="azureml://jobs/j/outputs/trained/paths/model")
    text = said(ValidationError, lab.files, "iris:1")
    assert "'azureml://jobs/j/outputs/trained/paths/model'; expected" in text and "az ml model download" in text


def test_the_workspaces_own_registry(lab):
    registry = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/labimages"
    add_workspace(lab.arm, registry=registry)
    assert f"is gone: {registry}" in said(ResourceNotFoundError, lab.azure_ml().login_server)
    lab.arm.add(registry, {"loginServer": "labimages.azurecr.io"})
    assert lab.azure_ml().login_server() == "labimages.azurecr.io"


def test_a_workspace_without_a_registry(lab):
    text = said(ResourceNotFoundError, lab.azure_ml().login_server)
    assert "has no container registry yet" in text and "--registry" in text and "az ml workspace update" in text


def test_environments(lab):
    path = f"{WORKSPACE}/environments/sklearn/versions"
    lab.arm.add(f"{path}/1", {"condaFile": "dependencies: [python=3.13]", "image": "mcr/base", "isArchived": False})
    lab.arm.add(f"{path}/2", {"image": "mcr/only"}, "2026-02-01T00:00:00.0000000+00:00")
    lab.arm.add(f"{path}/3", {"build": {"contextUri": "https://x", "dockerfilePath": "Dockerfile"}})
    found = lab.azure_ml().environment(parse_environment("sklearn:1"))
    assert (found.conda_file, found.image) == ("dependencies: [python=3.13]", "mcr/base")
    assert found.describe() == {"workspace": WORKSPACE, "name": "sklearn", "version": "1"}
    latest = lab.azure_ml().environment(parse_environment("azureml:sklearn@latest"))
    assert (latest.version, latest.conda_file, latest.image) == ("2", None, "mcr/only")
    text = said(ValidationError, lab.azure_ml().environment, parse_environment("sklearn:3"))
    assert "Docker build context" in text and "--base-image" in text
    text = said(ResourceNotFoundError, lab.azure_ml().environment, parse_environment("sklearn:9"))
    assert "no version 9 of the environment 'sklearn'" in text and "az ml environment list" in text


def test_a_registrys_model_is_opened_with_what_the_registry_hands_out(lab):
    blob = "https://shared1.blob.core.windows.net/assets/iris"
    lab.arm.add(REGISTRY, {})
    add_model(lab.arm, "iris", "1", parent=REGISTRY, modelUri=blob)
    asked = []

    def reference(body):
        asked.append(body)
        credential = {"credentialType": "SAS", "sasUri": f"{blob}?sig=3"}
        return {"blobReferenceForConsumption": {"blobUri": blob, "credential": credential}}

    lab.arm.on(f"{REGISTRY}/datareferences/iris/versions/1", reference)
    for text in (
        "azureml://registries/shared/models/iris/versions/1",
        "azureml://registries/Shared/models/iris/labels/latest",
    ):
        url, access, path = lab.files(text)
        assert (url, path) == ("https://shared1.blob.core.windows.net/assets", "iris")
        assert access.sign(url) == (f"{url}?sig=3", {})
    assert asked[0] == {"assetId": "azureml://registries/shared/models/iris/versions/1", "blobUri": blob}
    assert lab.model(text).describe()["registry"] == REGISTRY


def test_a_registry_of_another_subscription(lab):
    text = said(ResourceNotFoundError, lab.model, "azureml://registries/azureml/models/bert/versions/1")
    assert f"no registry 'azureml' in the subscription {SUBSCRIPTION}" in text
    assert "az ml model download --registry-name azureml --name bert --version 1" in text
