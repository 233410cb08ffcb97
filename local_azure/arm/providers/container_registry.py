"""Microsoft.ContainerRegistry: registries, their admin user, and images that they import."""

from __future__ import annotations

import base64
import datetime
import secrets
from typing import Any

from local_azure.arm import names
from local_azure.arm.azure import Azure
from local_azure.arm.errors import ArmError, invalid_body
from local_azure.arm.long_running import async_operation, location_of_nothing
from local_azure.arm.operation import GROUP, Answer, Call, Operation, Provider, listing
from local_azure.arm.providers.managed_identity import identity
from local_azure.arm.store import Resource
from local_azure.container_registry import ImportRefused, ImportSource
from local_azure.directory import REGISTRY

_REGISTRIES = GROUP + "/providers/Microsoft.ContainerRegistry/registries"
_REGISTRY = _REGISTRIES + "/{registry}"
_SUBSCRIPTION = "/subscriptions/{subscription}/providers/Microsoft.ContainerRegistry"
_SKUS = ("Basic", "Standard", "Premium")
_SUFFIX = "azurecr.io"
_BAD_NAME = "Resource names may contain alpha numeric characters only and must be between 5 and 50 characters."
_SYNCHRONOUS_SINCE = "2026"  # from this api-version on the service answers at once (acr-registry-put.json, notes)
_CHANGEABLE = ("adminUserEnabled", "anonymousPullEnabled", "publicNetworkAccess", "dataEndpointEnabled",
               "networkRuleBypassOptions", "zoneRedundancy", "roleAssignmentMode")  # fmt: skip


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _password() -> str:
    """52 characters with ``/`` and ``+`` among them, as since 2023 (acr-list-credentials.json, notes)."""
    return base64.b64encode(secrets.token_bytes(39)).decode()


def _named(call: Call, name: str) -> Resource | None:
    """The registry of this name, wherever it is: names are global."""
    return next((each for each in call.azure.store.select(REGISTRY) if each.name.lower() == name.lower()), None)


async def put_registry(call: Call) -> Answer:
    """Create or update a registry (acr-registry-put.json)."""
    name = call.parameters["registry"]
    found = call.find(REGISTRY, "registry")
    if found is not None:
        _update(found, call)
        call.azure.store.changed()
        return Answer(200, found.document)
    if names.REGISTRY_NAME.fullmatch(name) is None:
        raise ArmError(400, "InvalidResourceName", _BAD_NAME)
    if _named(call, name):
        raise ArmError(409, "AlreadyInUse", _in_use(f"{name.lower()}.{_SUFFIX}"))
    sku = (call.document.get("sku") or {}).get("name")
    if sku not in _SKUS:
        raise invalid_body(f"sku.name has to be one of {', '.join(_SKUS)}")
    document = _describe(call, name, sku)
    hidden = {"username": name, "passwords": [_password(), _password()]}
    resource = Resource(REGISTRY, document, hidden)
    resource.document["identity"] = identity(call, resource, call.document.get("identity"))
    if resource.document["identity"] is None:
        del resource.document["identity"]
    call.azure.store.put(resource)
    await call.azure.registries.open(name.lower())
    if call.api_version >= _SYNCHRONOUS_SINCE:
        return Answer(200, document)
    resource.properties["provisioningState"] = "Creating"

    async def finish() -> None:
        resource.properties["provisioningState"] = "Succeeded"
        call.azure.store.changed()

    return async_operation(call, f"{resource.id}/operationStatuses/registries", resource.copy(), finish)


def _describe(call: Call, name: str, sku: str) -> dict[str, Any]:
    now = _now()
    asked = call.properties
    return {
        "sku": {"name": sku, "tier": sku},
        "type": REGISTRY,
        "id": call.id_of(REGISTRY, "registry"),
        "name": name,
        "location": call.location(REGISTRY),
        "tags": call.document.get("tags") or {},
        "systemData": {"createdByType": "User", "createdAt": now.isoformat()},
        "properties": {
            "loginServer": f"{name.lower()}.{_SUFFIX}",
            "creationDate": now.strftime("%Y-%m-%dT%H:%M:%S.%f0Z"),
            "provisioningState": "Succeeded",
            "adminUserEnabled": bool(asked.get("adminUserEnabled")),
            "policies": {
                "quarantinePolicy": {"status": "disabled"},
                "trustPolicy": {"type": "Notary", "status": "disabled"},
                "retentionPolicy": {"days": 7, "lastUpdatedTime": now.isoformat(), "status": "disabled"},
                "exportPolicy": {"status": "enabled"},
                "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
                "softDeletePolicy": {"retentionDays": 7, "lastUpdatedTime": now.isoformat(), "status": "disabled"},
            },
            "encryption": {"status": "disabled"},
            "dataEndpointEnabled": False,
            "dataEndpointHostNames": [],
            "privateEndpointConnections": [],
            "publicNetworkAccess": asked.get("publicNetworkAccess") or "Enabled",
            "networkRuleBypassOptions": "AzureServices",
            "zoneRedundancy": "Disabled",
            "anonymousPullEnabled": bool(asked.get("anonymousPullEnabled")),
            "metadataSearch": "Disabled",
            "roleAssignmentMode": asked.get("roleAssignmentMode") or "LegacyRegistryPermissions",
            "autoGeneratedDomainNameLabelScope": "Unsecure",
            "endpointProtocol": "IPv4",
        },
    }


def _update(resource: Resource, call: Call) -> None:
    changes = {name: call.properties[name] for name in _CHANGEABLE if call.properties.get(name) is not None}
    resource.properties.update(changes)
    sku = (call.document.get("sku") or {}).get("name")
    if sku:
        resource.document["sku"] = {"name": sku, "tier": sku}
    if "tags" in call.document:
        resource.document["tags"] = call.document["tags"] or {}
    if call.document.get("identity"):
        resource.document["identity"] = identity(call, resource, call.document["identity"])


async def patch_registry(call: Call) -> Answer:
    """General knowledge: REST API docs, Registries - Update; az acr update."""
    resource = call.get(REGISTRY, "registry")
    _update(resource, call)
    call.azure.store.changed()
    return Answer(200, resource.document)


async def get_registry(call: Call) -> Answer:
    """Get a registry (acr-registry-get.json)."""
    return Answer(body=call.get(REGISTRY, "registry").document)


async def list_registries(call: Call) -> Answer:
    """General knowledge: REST API docs, Registries - List."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([each.document for each in call.azure.store.select(REGISTRY, below)])


async def delete_registry(call: Call) -> Answer:
    """Delete a registry (acr-registry-delete.json)."""
    found = call.find(REGISTRY, "registry")
    if found is None:
        return Answer(204)

    async def finish() -> None:
        async with call.azure.writing(found.id):
            await call.azure.remove(found)

    location = found.document["location"]
    path = (
        f"/subscriptions/{call.subscription}/providers/Microsoft.ContainerRegistry/locations/{location}"
        "/operationResults/registries-"
    )
    return location_of_nothing(call, path, finish, signed=True)


def _in_use(host: str) -> str:
    return (
        f"The registry DNS name {host} is already in use. You can check if the name is already claimed using following "
        "API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
    )


async def check_name(call: Call) -> Answer:
    """Whether a registry's name can be had (acr-check-name-availability.json)."""
    name = str(call.document.get("name", ""))
    if names.REGISTRY_NAME.fullmatch(name) is None:
        return Answer(body={"nameAvailable": False, "reason": "Invalid", "message": _BAD_NAME})
    if _named(call, name):
        text = f"The registry {name} is already in use."
        return Answer(body={"nameAvailable": False, "reason": "AlreadyExists", "message": text})
    return Answer(body={"availableLoginServerName": f"{name.lower()}.{_SUFFIX}", "nameAvailable": True})


def _credentials(resource: Resource) -> Answer:
    values = zip(("password", "password2"), resource.hidden["passwords"], strict=True)
    passwords = [{"name": name, "value": value} for name, value in values]
    return Answer(body={"username": resource.hidden["username"], "passwords": passwords})


def _with_admin(call: Call) -> Resource:
    """The registry, whose admin user has to be enabled (acr-list-credentials.json)."""
    resource = call.get(REGISTRY, "registry")
    if not resource.properties["adminUserEnabled"]:
        raise ArmError(
            400,
            "UnAuthorizedForCredentialOperations",
            f"Cannot perform credential operations for {resource.id} as admin user is disabled. Kindly enable admin "
            "user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication"
            "#admin-account",
        )
    return resource


async def list_credentials(call: Call) -> Answer:
    """The admin user and its two passwords (acr-list-credentials.json)."""
    return _credentials(_with_admin(call))


async def regenerate_credential(call: Call) -> Answer:
    """General knowledge: REST API docs, Registries - Regenerate Credential."""
    resource = _with_admin(call)
    index = {"password": 0, "password2": 1}.get(call.document.get("name", ""))
    if index is None:
        raise invalid_body("name has to be password or password2")
    resource.hidden["passwords"][index] = _password()
    call.azure.store.changed()
    return _credentials(resource)


async def list_usages(call: Call) -> Answer:
    """General knowledge: REST API docs, Registries - List Usages; az acr login and show-usage read it."""
    call.get(REGISTRY, "registry")
    return listing([{"name": "Size", "limit": 10737418240, "currentValue": 0, "unit": "Bytes"}])


async def import_image(call: Call) -> Answer:
    """Import an image from another registry: general knowledge, REST API docs, Registries - Import Image.

    The documented answers are 200 and 202; what a refusal looks like is from public texts.
    """
    resource = call.get(REGISTRY, "registry")
    source = call.document.get("source") or {}
    tags = list(call.document.get("targetTags") or [])
    untagged = list(call.document.get("untaggedTargetRepositories") or [])
    if not source.get("sourceImage"):
        raise ArmError(400, "InvalidParameters", "Invalid parameters: a source image is needed.")
    credentials = source.get("credentials") or {}
    wanted = ImportSource(
        source["sourceImage"],
        source.get("registryUri"),
        source.get("resourceId"),
        credentials.get("username"),
        credentials.get("password"),
    )
    force = call.document.get("mode") == "Force"

    async def finish() -> None:
        try:
            await call.azure.registries.import_image(resource.name.lower(), wanted, tags, untagged, force)
        except ImportRefused as refused:
            raise ArmError(refused.status, refused.code, str(refused)) from refused

    path = (
        f"/subscriptions/{call.subscription}/providers/Microsoft.ContainerRegistry/locations/"
        f"{resource.document['location']}/operationResults/registries-"
    )
    return location_of_nothing(call, path, finish, signed=True)


async def _removed(azure: Azure, resource: Resource) -> None:
    await azure.registries.delete(resource.name.lower())


async def _resume(azure: Azure) -> None:
    for resource in azure.store.select(REGISTRY):
        resource.properties["provisioningState"] = "Succeeded"
        await azure.registries.open(resource.name.lower())


_FIELDS = {
    "properties.adminUserEnabled": bool,
    "properties.anonymousPullEnabled": bool,
    "properties.dataEndpointEnabled": bool,
    "properties.publicNetworkAccess": str,
    "properties.networkRuleBypassOptions": str,
    "properties.zoneRedundancy": str,
    "properties.roleAssignmentMode": str,
}
_IMPORT = {
    "source": dict,
    "source.sourceImage": str,
    "source.registryUri": str,
    "source.resourceId": str,
    "source.credentials": dict,
    "source.credentials.username": str,
    "source.credentials.password": str,
    "targetTags": list,
    "targetTags.[]": str,
    "untaggedTargetRepositories": list,
    "untaggedTargetRepositories.[]": str,
    "mode": str,
}
PROVIDER = Provider(
    "Microsoft.ContainerRegistry",
    (
        Operation("PUT", _REGISTRY, put_registry, "acr-registry-put.json", _FIELDS),
        Operation("PATCH", _REGISTRY, patch_registry, fields=_FIELDS),
        Operation("GET", _REGISTRY, get_registry, "acr-registry-get.json"),
        Operation("DELETE", _REGISTRY, delete_registry, "acr-registry-delete.json"),
        Operation("GET", _REGISTRIES, list_registries),
        Operation("GET", _SUBSCRIPTION + "/registries", list_registries),
        Operation("POST", _SUBSCRIPTION + "/checkNameAvailability", check_name, "acr-check-name-availability.json"),
        Operation("POST", _REGISTRY + "/listCredentials", list_credentials, "acr-list-credentials.json"),
        Operation("POST", _REGISTRY + "/regenerateCredential", regenerate_credential, fields={"name": str}),
        Operation("GET", _REGISTRY + "/listUsages", list_usages),
        Operation("POST", _REGISTRY + "/importImage", import_image, fields=_IMPORT),
    ),
    removed={REGISTRY: _removed},
    resume=_resume,
)
