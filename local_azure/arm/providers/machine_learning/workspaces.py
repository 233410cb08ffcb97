"""Workspaces: which storage account, container registry and key vault belong together."""

from __future__ import annotations

import uuid
from typing import Any

from local_azure import directory
from local_azure.arm import names
from local_azure.arm.errors import ArmError
from local_azure.arm.long_running import location_of_resource
from local_azure.arm.operation import GROUP, Answer, Call, Operation, listing
from local_azure.arm.providers import managed_identity, storage
from local_azure.arm.providers.machine_learning import datastores
from local_azure.arm.providers.machine_learning.answers import WORKSPACE, system_data
from local_azure.arm.store import Resource

_WORKSPACES = GROUP + "/providers/Microsoft.MachineLearningServices/workspaces"
_WORKSPACE = _WORKSPACES + "/{workspace}"
_NEEDED = ("storageAccount", "keyVault")
_NAMED = {"storageAccount": storage.TYPE, "containerRegistry": directory.REGISTRY}
"""Resources that it names, and that are here; there is no Key Vault, and an Application Insights need not be."""
_FIELDS: dict[str, type] = {
    f"properties.{name}": kind
    for name, kind in {
        "friendlyName": str, "description": str, "storageAccount": str, "keyVault": str, "containerRegistry": str,
        "applicationInsights": str, "hbiWorkspace": bool, "publicNetworkAccess": str, "imageBuildCompute": str,
        "systemDatastoresAuthMode": str,
    }.items()
}  # fmt: skip
_CHANGEABLE = ("friendlyName", "description", "containerRegistry", "applicationInsights", "publicNetworkAccess",
               "imageBuildCompute")  # fmt: skip


async def put_workspace(call: Call) -> Answer:
    """Create or update a workspace, with its default datastore.

    Source: REST API docs, Workspaces - Create Or Update: 200, or 202 with a Location at which the resource is in the
    end; the resource as in ml-workspace-get.json. The texts of refusals are general knowledge.
    """
    location = call.location(WORKSPACE)
    _check(call)
    found = call.find(WORKSPACE, "workspace")
    if found is not None:
        _update(call, found)
        return Answer(200, found.document)
    missing = [name for name in _NEEDED if not call.properties.get(name)]
    if missing:
        text = f"Missing dependent resources in workspace json: {', '.join(missing)}."
        raise ArmError(400, "ValidationError", text)
    resource = Resource(WORKSPACE, _describe(call, location))
    resource.document["identity"] = _identity(call, resource)

    async def finish() -> Any:
        async with call.azure.writing(resource.id):
            call.azure.check_group(resource.group, writes=True)
            made = call.azure.store.get(resource.id)  # another request for the same name may have been faster
            if made is None:
                made = call.azure.store.put(resource)
                await datastores.make_default(call.azure, made)
            return made.document

    poll = f"/subscriptions/{call.subscription}/providers/{WORKSPACE.split('/')[0]}/locations/{location}"
    return location_of_resource(call, f"{poll}/workspaceOperationResults", finish)


def _check(call: Call) -> None:
    """Refuse a name of a resource that is not here."""
    for name, kind in _NAMED.items():
        identifier = call.properties.get(name)
        resource = call.azure.store.get(identifier) if identifier else None
        if identifier and (resource is None or resource.type.lower() != kind.lower()):
            raise ArmError(400, "ValidationError", f"{name}: there is no {kind} with the ID '{identifier}'.")


def _describe(call: Call, location: str) -> dict[str, Any]:
    identifier, unique, asked = call.id_of(WORKSPACE, "workspace"), str(uuid.uuid4()), call.properties
    name = call.parameters["workspace"]
    front = f"{location}.api.azureml.ms"
    return {
        "id": identifier,
        "name": name,
        "type": WORKSPACE,
        "location": location,
        "tags": call.document.get("tags") or {},
        "sku": {"name": "Basic", "tier": "Basic"},
        "kind": call.document.get("kind") or "Default",
        "systemData": system_data(),
        "properties": {
            "friendlyName": name,
            "description": "",
            "containerRegistry": None,
            "applicationInsights": None,
            "hbiWorkspace": False,
            "publicNetworkAccess": "Enabled",
            "imageBuildCompute": None,
            "systemDatastoresAuthMode": "AccessKey",
            **{field: asked[field] for path in _FIELDS if asked.get(field := path.removeprefix("properties."))},
            "discoveryUrl": f"https://{front}/discovery",
            "mlFlowTrackingUri": f"azureml://{front}/mlflow/v1.0{identifier}",
            "workspaceId": unique,
            "tenantId": call.azure.subscription.tenant,
            "provisioningState": "Succeeded",
            "privateEndpointConnections": [],
        },
    }


def _identity(call: Call, resource: Resource) -> dict[str, Any] | None:
    """Written without the blank between two types that others put there (ml-workspace-get.json)."""
    found = managed_identity.identity(call, resource, call.document.get("identity") or {"type": "SystemAssigned"})
    return found and {**found, "type": found["type"].replace(", ", ",")}


def _update(call: Call, resource: Resource) -> None:
    resource.properties.update({name: call.properties[name] for name in _CHANGEABLE if name in call.properties})
    if "tags" in call.document:
        resource.document["tags"] = call.document["tags"] or {}
    if call.document.get("identity"):
        resource.document["identity"] = _identity(call, resource)
    call.azure.store.changed()


async def patch_workspace(call: Call) -> Answer:
    """REST API docs, Workspaces - Update."""
    resource = call.get(WORKSPACE, "workspace")
    _check(call)
    _update(call, resource)
    return Answer(body=resource.document)


async def get_workspace(call: Call) -> Answer:
    """Get a workspace (ml-workspace-get.json)."""
    return Answer(body=call.get(WORKSPACE, "workspace").document)


async def list_workspaces(call: Call) -> Answer:
    """REST API docs, Workspaces - List By Resource Group and List By Subscription."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([each.document for each in call.azure.store.select(WORKSPACE, below)])


async def delete_workspace(call: Call) -> Answer:
    """REST API docs, Workspaces - Delete: 200, or 204 when there is none; what is in its storage stays."""
    found = call.find(WORKSPACE, "workspace")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


async def list_keys(call: Call) -> Answer:
    """REST API docs, Workspaces - List Keys."""
    resource = call.get(WORKSPACE, "workspace")
    account = call.azure.store.get(resource.properties["storageAccount"])
    registry = call.azure.store.get(resource.properties["containerRegistry"] or "")
    credentials = None
    if registry is not None and registry.properties.get("adminUserEnabled"):
        passwords = zip(("password", "password2"), registry.hidden["passwords"], strict=True)
        credentials = {
            "location": registry.document["location"],
            "username": registry.hidden["username"],
            "passwords": [{"name": name, "value": value} for name, value in passwords],
        }
    return Answer(
        body={
            "userStorageKey": account.hidden["keys"][0] if account else None,
            "userStorageResourceId": resource.properties["storageAccount"],
            "appInsightsInstrumentationKey": None,
            "containerRegistryCredentials": credentials,
            "notebookAccessKeys": None,
        }
    )


OPERATIONS = (
    Operation("PUT", _WORKSPACE, put_workspace, "ml-workspace-get.json", _FIELDS),
    Operation("PATCH", _WORKSPACE, patch_workspace, fields=_FIELDS),
    Operation("GET", _WORKSPACE, get_workspace, "ml-workspace-get.json"),
    Operation("DELETE", _WORKSPACE, delete_workspace),
    Operation("GET", _WORKSPACES, list_workspaces),
    Operation("GET", f"/subscriptions/{{subscription}}/providers/{WORKSPACE}", list_workspaces),
    Operation("POST", _WORKSPACE + "/listKeys", list_keys),
)
