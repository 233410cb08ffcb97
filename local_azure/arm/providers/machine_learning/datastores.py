"""Datastores: where in storage a workspace keeps things, and the secrets with which one gets there."""

from __future__ import annotations

from local_azure.arm.azure import Azure
from local_azure.arm.errors import invalid_body
from local_azure.arm.operation import GROUP, Answer, Call, Operation
from local_azure.arm.providers.machine_learning.answers import WORKSPACE, UserError, answered, page, put, system_data
from local_azure.arm.store import Resource
from local_azure.storage import SUFFIX

TYPE = f"{WORKSPACE}/datastores"
DEFAULT = "workspaceblobstore"
_DATASTORES = GROUP + "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}/datastores"
_DATASTORE = _DATASTORES + "/{datastore}"
_HOLDERS = {"AzureBlob": "containerName", "AzureDataLakeGen2": "filesystem", "AzureFile": "fileShareName"}
"""The types of datastores, and what each calls the thing in the account that it is."""
_SECRETS = {"AccountKey": ("key",), "Sas": ("sasToken",), "ServicePrincipal": ("clientSecret",), "None": ()}
"""The types of credentials, and what is secret in them."""
_HOURS = 1
"""How long a signature is good for that was made instead of an account's key."""


async def make_default(azure: Azure, workspace: Resource) -> None:
    """Give a new workspace its default datastore, a container of its own in its account (ml-datastore-get.json)."""
    account = _account(workspace)
    container = f"azureml-blobstore-{workspace.properties['workspaceId']}"
    by_identity = workspace.properties["systemDatastoresAuthMode"].lower() == "identity"
    await azure.storage.create_container(account, container)
    properties = {
        "description": None,
        "tags": None,
        "properties": None,
        "isDefault": True,
        "credentials": {"credentialsType": "None" if by_identity else "AccountKey"},
        "datastoreType": "AzureBlob",
        "accountName": account,
        "containerName": container,
        "endpoint": SUFFIX,
        "protocol": "https",
        "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity",
    }
    document = {
        "id": f"{workspace.id}/datastores/{DEFAULT}",
        "name": DEFAULT,
        "type": TYPE,
        "properties": properties,
        "systemData": system_data(by_user=False),
    }
    azure.store.put(Resource(TYPE, document))


def _account(workspace: Resource) -> str:
    return str(workspace.properties["storageAccount"].rsplit("/", 1)[-1])


def find(call: Call) -> Resource:
    """The datastore that the path names.

    Raises:
        ApiError: 404.
    """
    call.get(WORKSPACE, "workspace")
    found = call.find(TYPE, "workspace", "datastore")
    if found is None:
        raise UserError(404, "NotFound", f"Could not find datastore: {call.parameters['datastore']}.")
    return found


async def get_datastore(call: Call) -> Answer:
    """Get a datastore (ml-datastore-get.json)."""
    return answered(find(call).document)


async def list_datastores(call: Call) -> Answer:
    """REST API docs, Datastores - List; of its filters those by ``isDefault`` and ``names``."""
    workspace = call.get(WORKSPACE, "workspace")
    found = call.azure.store.select(TYPE, workspace.id)
    if call.query.get("isDefault", "").lower() == "true":
        found = [each for each in found if each.properties["isDefault"]]
    if call.query.get("names"):
        wanted = call.query["names"].lower().split(",")
        found = [each for each in found if each.name.lower() in wanted]
    return page(call, [each.document for each in found])


async def put_datastore(call: Call) -> Answer:
    """REST API docs, Datastores - Create Or Update; what is answered has the form of ml-datastore-get.json."""
    workspace = call.get(WORKSPACE, "workspace")
    asked, found = call.properties, call.find(TYPE, "workspace", "datastore")
    kind, credentials = asked.get("datastoreType"), asked.get("credentials") or {}
    if kind not in _HOLDERS:
        raise invalid_body(f"datastoreType has to be one of {', '.join(_HOLDERS)}")
    if credentials.get("credentialsType") not in _SECRETS:
        raise invalid_body(f"credentialsType has to be one of {', '.join(_SECRETS)}")
    secrets = credentials.get("secrets") or {}
    for needed, values in (("accountName", asked), (_HOLDERS[kind], asked),
                           *((name, secrets) for name in _SECRETS[credentials["credentialsType"]])):  # fmt: skip
        if not values.get(needed):
            raise UserError(400, "BadArgument", f"{needed} is required for a datastore of this kind.")
    properties = {
        "description": asked.get("description"),
        "tags": asked.get("tags"),
        "properties": asked.get("properties"),
        "isDefault": bool(found and found.properties["isDefault"]),
        "credentials": {name: value for name, value in credentials.items() if name != "secrets"},
        "datastoreType": kind,
        "accountName": asked["accountName"],
        _HOLDERS[kind]: asked[_HOLDERS[kind]],
        "endpoint": asked.get("endpoint") or SUFFIX,
        "protocol": asked.get("protocol") or "https",
        "serviceDataAccessAuthIdentity": asked.get("serviceDataAccessAuthIdentity") or "None",
    }
    document = {
        "id": f"{workspace.id}/datastores/{found.name if found else call.parameters['datastore']}",
        "name": found.name if found else call.parameters["datastore"],
        "type": TYPE,
        "properties": properties,
        "systemData": found.document["systemData"] if found else system_data(),
    }
    made = call.azure.store.put(Resource(TYPE, document, {"secrets": secrets}))
    return put(call, made.document, found is None)


async def delete_datastore(call: Call) -> Answer:
    """REST API docs, Datastores - Delete: 200, or 204 when there is none; what it held stays."""
    call.get(WORKSPACE, "workspace")
    found = call.find(TYPE, "workspace", "datastore")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


async def list_secrets(call: Call) -> Answer:
    """List a datastore's secret (ml-datastore-listsecrets.json).

    Instead of an account's key whoever asks for an ``expirableSecret`` gets a signature that ends: REST API docs,
    Datastores - List Secrets, 2024-10-01, and the azure-ai-ml that asks for it. That there is none for the credentials
    None is general knowledge.
    """
    found = find(call)
    kind = found.properties["credentials"]["credentialsType"]
    if not _SECRETS[kind]:
        raise UserError(400, "BadArgument", f"No secrets for credentials of type {kind}.")
    secrets = found.hidden.get("secrets") or {"key": _key(call)}
    asked = call.document if call.body is not None else {}
    if kind == "AccountKey" and asked.get("expirableSecret"):
        account, container = (
            found.properties["accountName"],
            found.properties[_HOLDERS[found.properties["datastoreType"]]],
        )
        hours = int(asked.get("expireAfterHours") or _HOURS)
        return answered(
            {"secretsType": "Sas", "sasToken": call.azure.storage.signature(account, secrets["key"], container, hours)}
        )
    return answered({"secretsType": kind, **{name: secrets[name] for name in _SECRETS[kind]}})


def _key(call: Call) -> str:
    """The key by which a workspace itself reaches its account: what it is now."""
    workspace = call.get(WORKSPACE, "workspace")
    account = call.azure.store.get(workspace.properties["storageAccount"])
    if account is None:
        raise UserError(400, "NotFound", f"The storage account {_account(workspace)} of the workspace is gone.")
    return str(account.hidden["keys"][0])


_FIELDS: dict[str, type] = {
    "properties.datastoreType": str,
    "properties.accountName": str,
    "properties.containerName": str,
    "properties.filesystem": str,
    "properties.endpoint": str,
    "properties.protocol": str,
    "properties.credentials": dict,
    "properties.credentials.credentialsType": str,
    "properties.credentials.secrets": dict,
    "properties.credentials.secrets.*": str,
}
OPERATIONS = (
    Operation("PUT", _DATASTORE, put_datastore, fields=_FIELDS),
    Operation("GET", _DATASTORE, get_datastore, "ml-datastore-get.json"),
    Operation("DELETE", _DATASTORE, delete_datastore),
    Operation("GET", _DATASTORES, list_datastores),
    Operation("POST", _DATASTORE + "/listSecrets", list_secrets, "ml-datastore-listsecrets.json",
              {"expirableSecret": bool, "expireAfterHours": int}),
)  # fmt: skip
