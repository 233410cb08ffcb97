"""Microsoft.Storage: accounts, their keys, and blob containers as ARM makes them."""

from __future__ import annotations

import datetime
from typing import Any

from local_azure.arm import names
from local_azure.arm.azure import Azure
from local_azure.arm.body import like
from local_azure.arm.errors import ArmError, invalid_body
from local_azure.arm.long_running import location_of_resource
from local_azure.arm.operation import GROUP, Answer, Call, Operation, Provider, listing
from local_azure.arm.store import Resource

TYPE = "Microsoft.Storage/storageAccounts"
_ACCOUNTS = GROUP + "/providers/Microsoft.Storage/storageAccounts"
_ACCOUNT = _ACCOUNTS + "/{account}"
_CONTAINERS = _ACCOUNT + "/blobServices/default/containers"
_SKUS = ("Standard_LRS", "Standard_GRS", "Standard_RAGRS", "Standard_ZRS", "Premium_LRS", "Premium_ZRS",
         "Standard_GZRS", "Standard_RAGZRS")  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "allowBlobPublicAccess": False,
    "allowCrossTenantReplication": False,
    "minimumTlsVersion": "TLS1_2",
    "supportsHttpsTrafficOnly": True,
    "accessTier": "Hot",
}
"""What an account has that the request does not name; by 2025 (storage-account-put.json, notes)."""
_TAKEN_OVER = (*_DEFAULTS, "allowSharedKeyAccess", "publicNetworkAccess", "isHnsEnabled",
               "defaultToOAuthAuthentication", "networkAcls")  # fmt: skip


def _now() -> str:
    """A time as Storage writes it: seven digits and a Z."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def _bad_name(account: str) -> ArmError:
    text = (
        f"{account} is not a valid storage account name. Storage account name must be between 3 and 24 characters in "
        "length and use numbers and lower-case letters only."
    )
    return ArmError(400, "AccountNameInvalid", text)


def _already_taken(account: str) -> ArmError:
    return ArmError(409, "StorageAccountAlreadyTaken", f"The storage account named {account} is already taken.")


def _taken(call: Call, account: str) -> Resource | None:
    """The account of this name, wherever it is: names are global."""
    return next((each for each in call.azure.store.select(TYPE) if each.name == account), None)


async def put_account(call: Call) -> Answer:
    """Create or update an account (storage-account-put.json)."""
    account = call.parameters["account"]
    found = call.find(TYPE, "account")
    if names.ACCOUNT_NAME.fullmatch(account) is None:
        raise _bad_name(account)
    if found is None and _taken(call, account):
        raise _already_taken(account)
    sku = (call.document.get("sku") or {}).get("name")
    if sku not in _SKUS:
        raise ArmError(400, "InvalidValuesForRequestParameters", "Values for request parameters are invalid: sku.")
    location = call.location(TYPE)
    if found is not None:
        _update(found, call)
        call.azure.store.changed()
        return Answer(200, found.document)
    document = _describe(call.id_of(TYPE, "account"), account, location, call.document)
    resource = Resource(TYPE, document)

    async def finish() -> Any:
        async with call.azure.writing(resource.id):
            call.azure.check_group(resource.group, writes=True)
            first = _taken(call, account)  # another request for the same name may have been faster
            if first is None:
                resource.hidden["keys"] = call.azure.storage.add(account)
                first = call.azure.store.put(resource)
            elif first.id.lower() != resource.id.lower():
                raise _already_taken(account)
            return first.document

    poll = f"/subscriptions/{call.subscription}/providers/Microsoft.Storage/locations/{location}/asyncoperations"
    return location_of_resource(call, poll, finish)


def _describe(identifier: str, account: str, location: str, body: dict[str, Any]) -> dict[str, Any]:
    """The account that a request asks for."""
    now, asked = _now(), body.get("properties") or {}
    endpoints = {service: f"https://{account}.{service}.core.windows.net/" for service in ("dfs", "blob", "queue")}
    endpoints |= {service: f"https://{account}.{service}.core.windows.net/" for service in ("table", "file")}
    endpoints["web"] = f"https://{account}.z22.web.core.windows.net/"
    if body.get("kind") in ("BlobStorage", "BlockBlobStorage"):
        endpoints = {service: url for service, url in endpoints.items() if service in ("blob", "dfs", "web")}
    elif body.get("kind") == "FileStorage":
        endpoints = {"file": endpoints["file"]}
    return {
        "sku": {"name": body["sku"]["name"], "tier": body["sku"]["name"].split("_")[0]},
        "kind": body.get("kind", "StorageV2"),
        "id": identifier,
        "name": account,
        "type": TYPE,
        "location": location,
        "tags": body.get("tags") or {},
        "properties": {
            **_DEFAULTS,
            "keyCreationTime": {"key1": now, "key2": now},
            "privateEndpointConnections": [],
            "networkAcls": {
                "bypass": "AzureServices",
                "virtualNetworkRules": [],
                "ipRules": [],
                "defaultAction": "Allow",
            },
            **{name: asked[name] for name in _TAKEN_OVER if asked.get(name) is not None},
            "encryption": {
                "services": {
                    service: {"keyType": "Account", "enabled": True, "lastEnabledTime": now}
                    for service in ("file", "blob")
                },
                "keySource": "Microsoft.Storage",
            },
            "provisioningState": "Succeeded",
            "creationTime": now,
            "primaryEndpoints": endpoints,
            "primaryLocation": location,
            "statusOfPrimary": "available",
        },
    }


def _update(resource: Resource, call: Call) -> None:
    resource.properties.update({name: call.properties[name] for name in _TAKEN_OVER if name in call.properties})
    if "tags" in call.document:
        resource.document["tags"] = call.document["tags"] or {}
    sku = (call.document.get("sku") or {}).get("name")
    if sku:
        resource.document["sku"] = {"name": sku, "tier": sku.split("_")[0]}


async def patch_account(call: Call) -> Answer:
    """General knowledge: REST API docs, Storage Accounts - Update."""
    resource = call.get(TYPE, "account")
    _update(resource, call)
    call.azure.store.changed()
    return Answer(body=resource.document)


async def get_account(call: Call) -> Answer:
    """Get an account (storage-account-get.json)."""
    return Answer(body=call.get(TYPE, "account").document)


async def list_accounts(call: Call) -> Answer:
    """General knowledge: REST API docs, Storage Accounts - List and List By Resource Group."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([each.document for each in call.azure.store.select(TYPE, below)])


async def delete_account(call: Call) -> Answer:
    """General knowledge: REST API docs, Storage Accounts - Delete: 200, or 204 when there is none."""
    found = call.find(TYPE, "account")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


def _keys(resource: Resource) -> Answer:
    made = resource.properties["keyCreationTime"]
    keys = [
        {"creationTime": made[name], "keyName": name, "value": value, "permissions": "FULL"}
        for name, value in zip(("key1", "key2"), resource.hidden["keys"], strict=True)
    ]
    return Answer(body={"keys": keys})


async def list_keys(call: Call) -> Answer:
    """List the keys (storage-account-list-keys.json)."""
    return _keys(call.get(TYPE, "account"))


async def regenerate_key(call: Call) -> Answer:
    """General knowledge: REST API docs, Storage Accounts - Regenerate Key."""
    resource = call.get(TYPE, "account")
    name = call.document.get("keyName")
    if name not in ("key1", "key2"):
        raise invalid_body("keyName has to be key1 or key2")
    resource.hidden["keys"] = call.azure.storage.renew_key(resource.name, int(name[-1]) - 1)
    resource.properties["keyCreationTime"][name] = _now()
    call.azure.store.changed()
    return _keys(resource)


async def check_name(call: Call) -> Answer:
    """Whether an account's name can be had (storage-check-name-availability.json)."""
    account = str(call.document.get("name", ""))
    if names.ACCOUNT_NAME.fullmatch(account) is None:
        bad = _bad_name(account).body["error"]
        return Answer(body={"nameAvailable": False, "reason": bad["code"], "message": bad["message"]})
    if _taken(call, account):
        text = f"The storage account named {account} is already taken."
        return Answer(body={"nameAvailable": False, "reason": "AlreadyExists", "message": text})
    return Answer(body={"nameAvailable": True})


# -- blob containers: general knowledge, REST API docs, Blob Containers


def _container(resource: Resource, name: str, listed: dict[str, Any] | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "deleted": False,
        "remainingRetentionDays": 0,
        "defaultEncryptionScope": "$account-encryption-key",
        "denyEncryptionScopeOverride": False,
        "publicAccess": "None",
        "hasImmutabilityPolicy": False,
        "hasLegalHold": False,
    }
    if listed:
        modified = listed["last_modified"].strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
        properties |= {"lastModifiedTime": modified, "leaseStatus": "Unlocked", "leaseState": "Available"}
    return {
        "id": f"{resource.id}/blobServices/default/containers/{name}",
        "name": name,
        "type": f"{TYPE}/blobServices/containers",
        **({"etag": listed["etag"]} if listed else {}),
        "properties": properties,
    }


async def put_container(call: Call) -> Answer:
    """Create a blob container: 201, or 200 when it is there."""
    resource, name = call.get(TYPE, "account"), call.parameters["container"]
    made = await call.azure.storage.create_container(resource.name, name)
    return Answer(201 if made else 200, _container(resource, name))


async def get_container(call: Call) -> Answer:
    """Get a blob container."""
    resource, name = call.get(TYPE, "account"), call.parameters["container"]
    found = next((each for each in await call.azure.storage.containers(resource.name) if each["name"] == name), None)
    if found is None:
        raise ArmError(404, "ContainerNotFound", "The specified container does not exist.")
    return Answer(body=_container(resource, name, found))


async def list_containers(call: Call) -> Answer:
    """List the blob containers."""
    resource = call.get(TYPE, "account")
    found = await call.azure.storage.containers(resource.name)
    return listing([_container(resource, each["name"], each) for each in found])


async def delete_container(call: Call) -> Answer:
    """Delete a blob container: 200, or 204 when there is none."""
    resource = call.get(TYPE, "account")
    gone = await call.azure.storage.delete_container(resource.name, call.parameters["container"])
    return Answer(200 if gone else 204, "")


async def _removed(azure: Azure, resource: Resource) -> None:
    await azure.storage.remove(resource.name)


async def _resume(azure: Azure) -> None:
    for resource in azure.store.select(TYPE):
        resource.hidden["keys"] = azure.storage.add(resource.name)


_FIELDS = {
    **like(_DEFAULTS),
    "properties.allowSharedKeyAccess": bool,
    "properties.publicNetworkAccess": str,
    "properties.isHnsEnabled": bool,
    "properties.defaultToOAuthAuthentication": bool,
    "properties.networkAcls": dict,
}
PROVIDER = Provider(
    "Microsoft.Storage",
    (
        Operation("PUT", _ACCOUNT, put_account, "storage-account-put.json", _FIELDS),
        Operation("PATCH", _ACCOUNT, patch_account, fields=_FIELDS),
        Operation("GET", _ACCOUNT, get_account, "storage-account-get.json"),
        Operation("DELETE", _ACCOUNT, delete_account),
        Operation("GET", _ACCOUNTS, list_accounts),
        Operation("GET", "/subscriptions/{subscription}/providers/Microsoft.Storage/storageAccounts", list_accounts),
        Operation("POST", _ACCOUNT + "/listKeys", list_keys, "storage-account-list-keys.json"),
        Operation("POST", _ACCOUNT + "/regenerateKey", regenerate_key, fields={"keyName": str}),
        Operation(
            "POST",
            "/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability",
            check_name,
            "storage-check-name-availability.json",
        ),
        Operation("PUT", _CONTAINERS + "/{container}", put_container),
        Operation("GET", _CONTAINERS + "/{container}", get_container),
        Operation("DELETE", _CONTAINERS + "/{container}", delete_container),
        Operation("GET", _CONTAINERS, list_containers),
    ),
    removed={TYPE: _removed},
    resume=_resume,
)
