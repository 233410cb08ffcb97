"""Registries: models and environments for all workspaces, found by the registry's name alone.

Clients ask a discovery service at ``REGION.api.azureml.ms`` where a registry is, and then the front of the service at
``cert-REGION.experiments.azureml.net``, which takes the paths of Resource Manager below ``/mferp/managementfrontend``.
Resource Manager itself answers for registries, too. No recording shows any of it. It follows the REST API docs
(2024-04-01), Azure Machine Learning's docs of deployment templates (discovery), what azure-ai-ml asks and understands,
and public texts with names of real registries' containers.
"""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from local_azure.arm import names
from local_azure.arm.azure import Azure
from local_azure.arm.errors import ArmError
from local_azure.arm.operation import GROUP, Answer, Call, Operation, listing
from local_azure.arm.providers.machine_learning.answers import REGISTRY, UserError, answered, system_data
from local_azure.arm.store import Resource
from local_azure.storage import SUFFIX

_DISCOVERY, _FRONT = ".api.azureml.ms", ".experiments.azureml.net"
HOSTS = (_DISCOVERY, _FRONT)
"""How the names of the service's own hosts end."""
_REGISTRIES = GROUP + "/providers/Microsoft.MachineLearningServices/registries"
_REGISTRY = _REGISTRIES + "/{registry}"
_HOURS = 1.0  # that a signature is good for
_FIELDS: dict[str, type] = {"properties.regionDetails": list, "properties.regionDetails.[]": dict}


async def put_registry(call: Call) -> Answer:
    """Create or update a registry, with storage of its own or that of ``userCreatedStorageAccount``.

    Source: REST API docs, Registries - Create Or Update: 200 or 201.
    """
    found = call.find(REGISTRY, "registry")
    location = call.location(REGISTRY)
    if found is not None:
        found.document["tags"] = call.document.get("tags") or {}
        call.azure.store.changed()
        return Answer(200, found.document)
    name = call.parameters["registry"]
    if _by_name(call.azure, name) is not None:  # names are global
        raise ArmError(409, "Conflict", f"The registry name '{name}' is already taken.")
    account, is_own = _account(call)
    regions = [each.get("location") or location for each in call.properties.get("regionDetails") or [{}]]
    group = f"/subscriptions/{call.subscription}/resourceGroups/azureml-rg-{name}_{uuid.uuid4()}"
    document = {
        "id": call.id_of(REGISTRY, "registry"),
        "name": name,
        "type": REGISTRY,
        "location": location,
        "tags": call.document.get("tags") or {},
        "identity": {
            "type": "SystemAssigned",
            "principalId": str(uuid.uuid4()),
            "tenantId": call.azure.subscription.tenant,
        },
        "properties": {
            "regionDetails": [{"location": names.normalised(each)} for each in regions],
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"https://{location}{_DISCOVERY}/registrymanagement/v1.0/registries/{name}/discovery",
            "managedResourceGroup": {"resourceId": group},
            "mlFlowRegistryUri": f"azureml://{location}{_DISCOVERY}/mlflow/v1.0/registries/{name}",
        },
        "systemData": system_data(),
    }
    call.azure.storage.add(account)
    made = call.azure.store.put(Resource(REGISTRY, document, {"account": account, "own_account": is_own}))
    return Answer(201, made.document)


def _account(call: Call) -> tuple[str, bool]:
    """The storage account of a new registry, and whether it is the registry's own.

    Raises:
        ApiError: it names one that is not here.
    """
    for region in call.properties.get("regionDetails") or []:
        for details in region.get("storageAccountDetails") or []:
            named = (details.get("userCreatedStorageAccount") or {}).get("armResourceId") or {}
            if not named.get("resourceId"):
                continue
            found = call.azure.store.get(named["resourceId"])
            if found is None:
                text = f"There is no storage account with the ID '{named['resourceId']}'."
                raise ArmError(400, "ValidationError", text)
            return found.name, False
    return uuid.uuid4().hex[:11], True


async def get_registry(call: Call) -> Answer:
    """REST API docs, Registries - Get."""
    return Answer(body=call.get(REGISTRY, "registry").document)


async def list_registries(call: Call) -> Answer:
    """REST API docs, Registries - List and List By Subscription."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([each.document for each in call.azure.store.select(REGISTRY, below)])


async def delete_registry(call: Call) -> Answer:
    """REST API docs, Registries - Delete: 200, or 204 when there is none."""
    found = call.find(REGISTRY, "registry")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


async def discover(call: Call) -> Answer:
    """Where a registry is, by its name alone; general knowledge: RegistryDiscoveryDto of azure-ai-ml."""
    found = _by_name(call.azure, call.parameters["registry"])
    if found is None:
        raise UserError(404, "NotFound", f"Could not find the registry {call.parameters['registry']}.")
    regions = [each["location"] for each in found.properties["regionDetails"]]
    return answered(
        {
            "registryName": found.name,
            "tenantId": call.azure.subscription.tenant,
            "primaryRegion": found.document["location"],
            "regions": regions,
            "registryFqdns": {each: {"uri": f"https://{each}{_DISCOVERY}/"} for each in regions},
            "subscriptionId": call.azure.subscription.id,
            "resourceGroup": found.group,
            "workspaceName": None,
            "primaryRegionResourceProviderUri": f"https://cert-{found.document['location']}{_FRONT}/",
        }
    )


def _by_name(azure: Azure, name: str) -> Resource | None:
    return next((each for each in azure.store.select(REGISTRY) if each.name.lower() == name.lower()), None)


async def read_reference(call: Call) -> Answer:
    """A signed URL of the container in which an asset is, for reading.

    Source: REST API docs, Registry Data References - Get Blob Reference SAS. That the URL is the container's, not the
    blob's, is how its clients take it (azure-ai-ml, KAITO).
    """
    registry = call.get(REGISTRY, "registry")
    asked = urlsplit(str(call.document.get("blobUri", "")))
    container = asked.path.strip("/").split("/")[0]
    if asked.hostname != f"{registry.hidden['account']}.blob.{SUFFIX}" or not container:
        raise UserError(400, "BadArgument", f"The blobUri is not one of the registry {registry.name}.")
    return _reference(call, registry, container, writes=False)


async def begin_upload(call: Call) -> Answer:
    """A signed URL of a new container, for the files of an asset that is to be registered.

    Source: REST API docs, Registry Model Versions - Create Or Get Start Pending Upload; azure-ai-ml asks for the same
    as a temporary data reference.
    """
    registry = call.get(REGISTRY, "registry")
    beginning = re.sub(r"[^a-z0-9]+", "-", registry.name.lower())[:10].strip("-")
    container = f"{beginning}-{uuid.uuid4()}"
    await call.azure.storage.create_container(registry.hidden["account"], container)
    return _reference(call, registry, container, writes=True)


def _reference(call: Call, registry: Resource, container: str, writes: bool) -> Answer:
    account = registry.hidden["account"]
    key = call.azure.storage.add(account)[0]
    url = f"https://{account}.blob.{SUFFIX}/{container}"
    token = call.azure.storage.signature(account, key, container, _HOURS, writes)
    reference: dict[str, Any] = {
        "blobUri": url,
        "storageAccountArmId": f"{registry.properties['managedResourceGroup']['resourceId']}/providers/"
        f"Microsoft.Storage/storageAccounts/{account}",
        "credential": {"credentialType": "SAS", "sasUri": f"{url}?{token}"},
    }
    pending = {"pendingUploadId": str(uuid.uuid4()), "pendingUploadType": "TemporaryBlobReference"} if writes else {}
    return answered({"blobReferenceForConsumption": reference, **pending})


async def removed(azure: Azure, resource: Resource) -> None:
    """The storage that it has made for itself goes with it."""
    if resource.hidden["own_account"]:
        await azure.storage.remove(resource.hidden["account"])


_BLOB = {"blobUri": str, "assetId": str}
_ASSET = "/{name}/versions/{version}"
OPERATIONS = (
    Operation("PUT", _REGISTRY, put_registry, fields=_FIELDS),
    Operation("GET", _REGISTRY, get_registry),
    Operation("DELETE", _REGISTRY, delete_registry),
    Operation("GET", _REGISTRIES, list_registries),
    Operation("GET", f"/subscriptions/{{subscription}}/providers/{REGISTRY}", list_registries),
    Operation("GET", "/registrymanagement/v1.0/registries/{registry}/discovery", discover),
    Operation("POST", f"{_REGISTRY}/datareferences{_ASSET}", read_reference, fields=_BLOB),
    Operation("POST", f"{_REGISTRY}/datarefs{_ASSET}", read_reference, fields=_BLOB),
    Operation("POST", f"{_REGISTRY}/models{_ASSET}/startPendingUpload", begin_upload),
    Operation("PUT", f"{_REGISTRY}/tempdatarefs{_ASSET}", begin_upload),
)
