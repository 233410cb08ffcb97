"""What is registered in a workspace, or shared through a registry, over Azure Resource Manager.

Sources: recorded: Get an Azure ML workspace, Get a registered model version, Get a datastore, List a datastore's
secret.
`@latest` is what azure-ai-ml makes of it (_utils/_asset_utils.py, _get_latest): the version that was created last.
Registries were never recorded: the operations are those of the REST specification and of azure-ai-ml.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.registry.credentials import Secret
from azext_mlfunc.workspace import errors
from azext_mlfunc.workspace.access import Access, AccountKey, Identity, Sas
from azext_mlfunc.workspace.reference import Asset, RegistryAsset, WorkspaceAsset, workspace_id
from azext_mlfunc.workspace.storage import Container, Listing
from azext_mlfunc.workspace.uri import BlobUrl, DatastorePath, parse_uri, shown

_API = "2024-04-01"
_DATA_REFERENCES_API = "2025-12-01"
_REGISTRY_API = "2023-07-01"  # of Microsoft.ContainerRegistry
_FORMS = "azureml://…/datastores/…/paths/…, azureml://jobs/…/outputs/artifacts/paths/…, https://….blob.…"
_SHOWN = 10
"""How many names an error lists at most."""
_STORES = {"azureblob": "containerName", "azuredatalakegen2": "filesystem"}
"""The datastores that have a blob endpoint, and the property that names the container."""
_DNS_ZONES = "storage.azure.net"
"""What the hosts of accounts with a DNS zone of their own end in. Source: Azure Storage docs, account overview."""


@dataclass(frozen=True)
class Workspace:
    """A workspace.

    :param id: its resource ID.
    :param storage: the resource ID of its storage account.
    :param registry: the resource ID of its container registry; None: it has none yet.
    """

    id: str
    storage: str
    registry: str | None

    @property
    def name(self) -> str:
        """Its name."""
        return self.id.rpartition("/")[2]


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model.

    :param id: its resource ID.
    :param name: the model's name.
    :param version: the version.
    :param parent: the resource ID of the workspace or registry that it is in.
    :param uri: where its files are.
    :param kind: `custom_model`, `mlflow_model` or `triton_model`.
    """

    id: str
    name: str
    version: str
    parent: str
    uri: str
    kind: str

    def describe(self) -> dict[str, str]:
        """Where it is from, as the manifest has it."""
        parent = {"registry" if "/registries/" in self.parent else "workspace": self.parent}
        return parent | {"name": self.name, "version": self.version, "uri": shown(self.uri)}


@dataclass(frozen=True)
class EnvironmentVersion:
    """A version of a registered environment.

    :param id: its resource ID.
    :param name: the environment's name.
    :param version: the version.
    :param parent: the resource ID of the workspace or registry that it is in.
    :param image: the image that it is built on, or all that it is; None: none is named.
    :param conda_file: the text of its conda file; None: it is only an image.
    """

    id: str
    name: str
    version: str
    parent: str
    image: str | None
    conda_file: str | None

    def describe(self) -> dict[str, str]:
        """Where it is from, as the manifest has it."""
        parent = {"registry" if "/registries/" in self.parent else "workspace": self.parent}
        return parent | {"name": self.name, "version": self.version}


@dataclass
class AzureMl:
    """Azure Machine Learning, as seen from one workspace. Only reads; all answers are asked for once.

    All methods raise azure.core.exceptions.HttpResponseError where Resource Manager refuses, and
    azure.cli.core.azclierror.AzureConnectionError where it does not answer.

    :param arm: Resource Manager.
    :param group: the resource group of --workspace-name; None where there is none.
    :param name: --workspace-name; None where it was not given.
    :param storage_suffix: what the hosts of the cloud's storage accounts end in: `core.windows.net`.
    :param open_container: opens a container, see `Container`: its address, what opens it.
    :param make_sas: see `AccountKey`.
    :param identity: who `az` is signed in as.
    """

    arm: Arm
    group: str | None
    name: str | None
    storage_suffix: str
    open_container: Callable[[str, Access], Container]
    make_sas: Callable[..., str]
    identity: Identity
    _workspaces: dict[str, Workspace] = field(default_factory=dict, init=False)

    def workspace(self, resource_id: str | None = None) -> Workspace:
        """A workspace by its ID; the one of --workspace-name if left out.

        :raises azure.cli.core.azclierror.ResourceNotFoundError: there is none.
        :raises azure.cli.core.azclierror.RequiredArgumentMissingError: none is named.
        """
        from azure.cli.core.azclierror import RequiredArgumentMissingError, ResourceNotFoundError

        if resource_id is None:
            if not self.name or not self.group:
                raise RequiredArgumentMissingError(
                    "A registered model or environment is named, and no workspace that it is in.",
                    "Give --workspace-name and --resource-group, or the full resource ID: /subscriptions/….",
                )
            resource_id = workspace_id(self.arm.subscription, self.group, self.name)
        key = resource_id.lower()
        if key not in self._workspaces:
            document = self.arm.get(resource_id, _API)
            if document is None:
                _, _, subscription, _, group, *_, name = resource_id.split("/")
                raise ResourceNotFoundError(
                    f"There is no workspace '{name}' in the resource group '{group}' of the subscription "
                    f"{subscription}.",
                    f"See which there are: az ml workspace list --subscription {subscription} --output table. "
                    "For another subscription, give --subscription or the full resource ID.",
                )
            properties = document.get("properties") or {}
            self._workspaces[key] = Workspace(
                document["id"], properties.get("storageAccount") or "", properties.get("containerRegistry") or None
            )
        return self._workspaces[key]

    def workspace_of(self, asset: Asset) -> Workspace | None:
        """The workspace that an asset is in; None for one of a registry. Raises as `workspace` does."""
        return self.workspace(asset.workspace) if isinstance(asset, WorkspaceAsset) else None

    def login_server(self) -> str:
        """The login server of the workspace's own container registry.

        :raises azure.cli.core.azclierror.ResourceNotFoundError: it has none.
        """
        from azure.cli.core.azclierror import ResourceNotFoundError

        workspace = self.workspace()
        if workspace.registry is None:
            raise ResourceNotFoundError(
                f"The workspace '{workspace.name}' has no container registry yet: Azure Machine Learning makes one "
                "when it first builds an image.",
                [
                    "Name a registry with --registry.",
                    f"Or give the workspace one: az ml workspace update --name {workspace.name} --resource-group "
                    f"{workspace.id.split('/')[4]} --container-registry <its ID> --update-dependent-resources.",
                ],
            )
        document = self.arm.get(workspace.registry, _REGISTRY_API)
        if document is None:
            raise ResourceNotFoundError(
                f"The container registry of the workspace '{workspace.name}' is gone: {workspace.registry}.",
                "Name a registry with --registry, or give the workspace another one: az ml workspace update "
                "--container-registry.",
            )
        server: str = document["properties"]["loginServer"]
        return server

    def model(self, asset: Asset) -> ModelVersion:
        """A model's version.

        :raises azure.cli.core.azclierror.ResourceNotFoundError: there is no such workspace, registry, model or version.
        :raises azure.cli.core.azclierror.ValidationError: the version is archived.
        """
        parent, version, document = self._version(asset)
        properties = document["properties"]
        kind = properties.get("modelType") or "custom_model"
        return ModelVersion(document["id"], asset.name, version, parent, properties.get("modelUri") or "", kind)

    def environment(self, asset: Asset) -> EnvironmentVersion:
        """An environment's version.

        :raises azure.cli.core.azclierror.ResourceNotFoundError: there is no such workspace, registry, environment or
            version.
        :raises azure.cli.core.azclierror.ValidationError: the version is archived, or is a build context.
        """
        from azure.cli.core.azclierror import ValidationError

        parent, version, document = self._version(asset)
        properties = document["properties"]
        image, conda_file = properties.get("image") or None, properties.get("condaFile") or None
        if image is None and conda_file is None:
            raise ValidationError(
                f"The environment {asset} is a Docker build context; expected one with a conda file or an image.",
                "Give the packages with --conda-file or --requirements. For what the Dockerfile does beside them, "
                "build an image of your own on an Azure Functions image, and name it with --base-image.",
            )
        return EnvironmentVersion(document["id"], asset.name, version, parent, image, conda_file)

    def files(self, model: ModelVersion) -> tuple[Container, Listing]:
        """The files of a model, and the container that they are read from.

        :raises azure.cli.core.azclierror.AzCLIError: they cannot be found or read; it says what is missing for it.
        """
        if "/registries/" in model.parent:
            return self._list([self._registry_access(model)], f"the model {model.name}:{model.version}")
        place = parse_uri(model.uri)
        if place is None:
            raise _no_place(model)
        if isinstance(place, BlobUrl):
            query = urlsplit(model.uri).query
            access: Access = Sas(Secret(query), "the signature in the model's address") if query else self.identity
            return self._list([(place.container, place.path, access)], f"the model {model.name}:{model.version}")
        return self._list(self._datastore_accesses(model, place), f"the datastore '{place.datastore}'")

    # Versions.

    def _version(self, asset: Asset) -> tuple[str, str, dict[str, Any]]:
        """The ID of what it is in, its version and its document, which is there and not archived."""
        workspace = self.workspace_of(asset)
        parent = workspace.id if workspace else self._registry(asset)
        container = f"{parent}/{asset.kind}/{asset.name}"
        if asset.version is None:
            document = self._latest(container)
        else:
            document = self.arm.get(f"{container}/versions/{asset.version}", _API)
        if document is None:
            raise self._missing(asset, parent, container)
        version: str = document["name"]
        if document["properties"].get("isArchived"):
            raise self._archived(asset, container, version)
        return parent, version, document

    def _latest(self, container: str) -> dict[str, Any] | None:
        """The version that was created last, of those that are not archived."""
        path = f"{container}/versions?$orderBy={quote('createdtime desc')}&$top=1&listViewType=ActiveOnly"
        page = self.arm.get(path, _API) or {}
        active = [each for each in page.get("value") or [] if not each["properties"].get("isArchived")]
        return max(active, key=_created, default=None)

    def _versions(self, container: str) -> list[dict[str, Any]]:
        """All versions, archived ones too, newest first; none where there is no such model."""
        from azure.core.exceptions import HttpResponseError

        try:
            found = self.arm.list(f"{container}/versions?listViewType=All", _API)
        except HttpResponseError as problem:
            if problem.status_code != 404:
                raise
            return []
        return sorted(found, key=_created, reverse=True)

    def _missing(self, asset: Asset, parent: str, container: str) -> Exception:
        from azure.cli.core.azclierror import ResourceNotFoundError

        kind, where = asset.kind.removesuffix("s"), _called(parent)
        listing = f"See which there are: az ml {kind} list {_options(parent)}"
        versions = self._versions(container)
        if not versions:
            names = [str(each["name"]) for each in self.arm.list(f"{parent}/{asset.kind}", _API)]
            there = f"; there are {_some(sorted(names))}" if names else f"; there is no {kind} at all"
            return errors.made(
                ResourceNotFoundError, f"There is no {kind} '{asset.name}' in {where}{there}.", f"{listing}."
            )
        there = _some([_shown(each) for each in versions])
        if asset.version is None:
            found = f"All versions of the {kind} '{asset.name}' in {where} are archived: {there}."
            remedy = f"Restore one: az ml {kind} restore --name {asset.name} --version … {_options(parent)}."
            return errors.made(ResourceNotFoundError, found, remedy)
        return errors.made(
            ResourceNotFoundError,
            f"There is no version {asset.version} of the {kind} '{asset.name}' in {where}; there are {there}.",
            f"Name one of them. {listing} --name {asset.name}.",
        )

    def _archived(self, asset: Asset, container: str, version: str) -> Exception:
        from azure.cli.core.azclierror import ValidationError

        kind = asset.kind.removesuffix("s")
        active = [each["name"] for each in self._versions(container) if not each["properties"].get("isArchived")]
        newest = f"the newest that is not is {active[0]}" if active else "so are all others"
        parent = container.rsplit("/", 2)[0]
        restore = f"az ml {kind} restore --name {asset.name} --version {version} {_options(parent)}"
        return errors.made(
            ValidationError,
            f"Version {version} of the {kind} '{asset.name}' in {_called(parent)} is archived; {newest}.",
            f"Name {asset.name}:{active[0]}, or restore this one: {restore}." if active else f"Restore one: {restore}.",
        )

    # Datastores.

    def _datastore_accesses(self, model: ModelVersion, place: DatastorePath) -> list[tuple[str, str, Access]]:
        """Where the files are, with each way in, the best first."""
        from azure.cli.core.azclierror import ResourceNotFoundError, ValidationError

        workspace = self.workspace(place.workspace or model.parent)
        path = f"{workspace.id}/datastores/{place.datastore}"
        document = self.arm.get(path, _API)
        if document is None:
            raise ResourceNotFoundError(
                f"The files of the model {model.name}:{model.version} are in the datastore '{place.datastore}', which "
                f"the workspace '{workspace.name}' does not have.",
                f"See which there are: az ml datastore list {_options(workspace.id)}; register the model again.",
            )
        properties = document["properties"]
        kind = str(properties.get("datastoreType"))
        if kind.lower() not in _STORES:
            raise ValidationError(
                f"The files of the model {model.name}:{model.version} are in the datastore '{place.datastore}', which "
                f"is of the type {kind}; expected AzureBlob or AzureDataLakeGen2.",
                "Download the model and name the folder: az ml model download --name "
                f"{model.name} --version {model.version} {_options(workspace.id)}.",
            )
        account, name = properties["accountName"], properties[_STORES[kind.lower()]]
        protocol, endpoint = properties.get("protocol") or "https", properties.get("endpoint") or self.storage_suffix
        container = f"{protocol}://{account}.blob.{endpoint}/{name}"
        ways: list[Access] = [self.identity]
        if (properties.get("credentials") or {}).get("credentialsType") in ("AccountKey", "Sas"):
            secret = self._secret(path, account, name)
            ways = [secret, self.identity] if secret else ways
        return [(container, place.path, access) for access in ways]

    def _secret(self, datastore: str, account: str, container: str) -> Access | None:
        """What the workspace hands out; None where we may not have it: then the caller's own identity has to do."""
        from azure.core.exceptions import HttpResponseError

        try:
            secrets = self.arm.post(f"{datastore}/listSecrets", _API) or {}
        except HttpResponseError as problem:
            if problem.status_code != 403:
                raise
            return None
        if secrets.get("secretsType") == "AccountKey":
            return AccountKey(account, container, Secret(secrets["key"]), self.make_sas)
        if secrets.get("secretsType") == "Sas":
            return Sas(Secret(secrets["sasToken"]))
        return None

    def _list(self, ways: list[tuple[str, str, Access]], where: str) -> tuple[Container, Listing]:
        """The files at a place, with the first way in that is let in."""
        refused: list[errors.Refused] = []
        for address, path, access in ways:
            self._check_host(address, where)
            container = self.open_container(address, access)
            try:
                return container, container.files(path)
            except errors.Refused as problem:
                refused.append(problem)
        raise refused[-1].error

    def _check_host(self, address: str, where: str) -> None:
        """See to it that keys and tokens go to Azure's own storage only, whoever wrote the datastore.

        :raises azure.cli.core.azclierror.ValidationError: the address is another's.
        """
        from azure.cli.core.azclierror import ValidationError

        parts = urlsplit(address)
        suffixes = "|".join(re.escape(each) for each in (self.storage_suffix, _DNS_ZONES))
        if parts.scheme != "https" or not re.fullmatch(rf"[a-z0-9-]+(\.z[0-9]+)?\.blob\.({suffixes})", parts.netloc):
            raise ValidationError(
                f"{where[0].upper()}{where[1:]} leads to {parts.scheme}://{parts.netloc}; expected "
                f"https://….blob.{self.storage_suffix}: neither a key nor your own token is sent elsewhere.",
                "Check it in the workspace; az cloud show says which cloud you are signed in to.",
            )

    # Registries.

    @cached_property
    def _registries(self) -> dict[str, str]:
        """The registries of the subscription: their IDs by name."""
        path = f"/subscriptions/{self.arm.subscription}/providers/Microsoft.MachineLearningServices/registries"
        return {str(each["name"]).lower(): str(each["id"]) for each in self.arm.list(path, _API)}

    def _registry(self, asset: Asset) -> str:
        """The resource ID of a registry.

        Source: REST specification, Registries_ListBySubscription. What belongs to another subscription, such as the
        public registry `azureml`, is found by azure-ai-ml over a service of its own, which is not called here.
        """
        from azure.cli.core.azclierror import ResourceNotFoundError

        assert isinstance(asset, RegistryAsset), "the other kind is in a workspace"
        found = self._registries.get(asset.registry.lower())
        if found is None:
            raise ResourceNotFoundError(
                f"There is no registry '{asset.registry}' in the subscription {self.arm.subscription}.",
                [
                    "If it is in another subscription, name that with --subscription.",
                    "Else download the model and name the folder: az ml model download --registry-name "
                    f"{asset.registry} --name {asset.name} --version {asset.version or '…'}.",
                ],
            )
        return found

    def _registry_access(self, model: ModelVersion) -> tuple[str, str, Access]:
        """Where the files of a registry's model are, with the signature that it hands out.

        Source: REST specification, RegistryDataReferences_GetBlobReferenceSAS; azure-ai-ml,
        _utils/_registry_utils.py (get_storage_details_for_registry_assets).
        """
        registry = model.parent.rpartition("/")[2]
        body = {
            "assetId": f"azureml://registries/{registry}/models/{model.name}/versions/{model.version}",
            "blobUri": model.uri,
        }
        path = f"{model.parent}/datareferences/{model.name}/versions/{model.version}"
        reference = (self.arm.post(path, _DATA_REFERENCES_API, body) or {}).get("blobReferenceForConsumption") or {}
        place = parse_uri(model.uri) or parse_uri(reference.get("blobUri") or "")
        if not isinstance(place, BlobUrl):
            raise _no_place(model)
        credential = reference.get("credential") or {}
        if credential.get("sasUri"):
            signature = urlsplit(credential["sasUri"]).query
            return place.container, place.path, Sas(Secret(signature), "the signature that the registry hands out")
        return place.container, place.path, self.identity


def _no_place(model: ModelVersion) -> Exception:
    from azure.cli.core.azclierror import ValidationError

    return errors.made(
        ValidationError,
        f"The files of the model {model.name}:{model.version} are at '{shown(model.uri)}'; expected {_FORMS}.",
        f"Download the model and name the folder: az ml model download --name {model.name} --version {model.version} "
        f"{_options(model.parent)}.",
    )


def _created(document: dict[str, Any]) -> str:
    """When it was registered; as text, it sorts (recorded: seven digits of a second, and UTC)."""
    return str((document.get("systemData") or {}).get("createdAt") or "")


def _shown(document: dict[str, Any]) -> str:
    archived = " (archived)" if document["properties"].get("isArchived") else ""
    return f"{document['name']}{archived}"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _called(parent: str) -> str:
    *_, kind, name = parent.split("/")
    return f"the {'registry' if kind == 'registries' else 'workspace'} '{name}'"


def _options(parent: str) -> str:
    """The options of `az ml` that name a workspace or a registry."""
    *_, kind, name = parent.split("/")
    if kind == "registries":
        return f"--registry-name {name}"
    return f"--workspace-name {name} --resource-group {parent.split('/')[4]}"
