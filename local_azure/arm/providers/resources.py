"""Microsoft.Resources: the subscription, its groups, what providers there are, and the list of all resources."""

from __future__ import annotations

import re
from typing import Any

from local_azure.arm import names
from local_azure.arm.errors import ArmError, group_not_found, invalid_body, location_required
from local_azure.arm.long_running import location_of_nothing
from local_azure.arm.operation import GROUP, Answer, Call, Operation, Provider, listing
from local_azure.arm.store import Resource

GROUP_TYPE = "Microsoft.Resources/resourceGroups"
_SUBSCRIPTION = "/subscriptions/{subscription}"

RESOURCE_TYPES: dict[str, tuple[str, ...]] = {
    "Microsoft.ContainerRegistry": ("registries",),
    "Microsoft.Storage": ("storageAccounts",),
    "Microsoft.Web": ("serverFarms", "sites"),
    "Microsoft.ServiceBus": ("namespaces", "namespaces/queues", "namespaces/authorizationRules"),
    "Microsoft.Insights": ("components",),
    "Microsoft.OperationalInsights": ("workspaces",),
    "Microsoft.ManagedIdentity": ("userAssignedIdentities",),
    "Microsoft.MachineLearningServices": (
        "workspaces",
        "workspaces/datastores",
        "workspaces/models",
        "workspaces/models/versions",
        "workspaces/environments",
        "workspaces/environments/versions",
        "registries",
    ),
    "Microsoft.Authorization": ("roleAssignments", "roleDefinitions"),
    "Microsoft.Resources": ("resourceGroups",),
}
"""The types that the subscription is registered for, as a GET of a provider lists them."""
_TYPE_VERSIONS = ["2024-11-01", "2024-04-01", "2023-01-01", "2022-09-01", "2021-04-01"]

# what a list of resources shows of each; arm-resources-list-by-type.json
_LISTED = ("location", "type", "id", "name", "sku", "kind", "tags", "identity", "managedBy", "systemData")
_FILTER = re.compile(r"(resourceType|resourceGroup|name|location|tagName|tagValue)\s+eq\s+'([^']*)'", re.IGNORECASE)


async def tenants(call: Call) -> Answer:
    """General knowledge: REST API docs, Tenants - List."""
    tenant = call.azure.subscription.tenant
    return listing(
        [{"id": f"/tenants/{tenant}", "tenantId": tenant, "tenantCategory": "Home", "displayName": "Local Azure"}]
    )


def _subscription(call: Call) -> dict[str, Any]:
    subscription = call.azure.subscription
    return {
        "id": f"/subscriptions/{subscription.id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": subscription.tenant,
        "displayName": subscription.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


async def subscriptions(call: Call) -> Answer:
    """General knowledge: REST API docs, Subscriptions - List."""
    return listing([_subscription(call)])


async def subscription(call: Call) -> Answer:
    """General knowledge: REST API docs, Subscriptions - Get."""
    return Answer(body=_subscription(call))


async def locations(call: Call) -> Answer:
    """General knowledge: REST API docs, Subscriptions - List Locations; az functionapp create asks for it."""
    prefix = f"/subscriptions/{call.subscription}/locations"
    return listing(
        [
            {
                "id": f"{prefix}/{name}",
                "name": name,
                "type": "Region",
                "displayName": displayed,
                "regionalDisplayName": displayed,
                "metadata": {"regionType": "Physical", "regionCategory": "Recommended", "geography": displayed},
            }
            for name, displayed in names.LOCATIONS.items()
        ]
    )


def _provider(call: Call, namespace: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{call.subscription}/providers/{namespace}",
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": [
            {
                "resourceType": kind,
                "locations": list(names.LOCATIONS.values()),
                "apiVersions": _TYPE_VERSIONS,
                "capabilities": "CrossResourceGroupResourceMove, SupportsTags",
            }
            for kind in RESOURCE_TYPES[namespace]
        ],
    }


async def providers(call: Call) -> Answer:
    """General knowledge: REST API docs, Providers - List."""
    return listing([_provider(call, namespace) for namespace in RESOURCE_TYPES])


async def provider(call: Call) -> Answer:
    """General knowledge: REST API docs, Providers - Get and Register; az resource show asks for the api-versions."""
    wanted = call.parameters["namespace"].lower()
    found = next((each for each in RESOURCE_TYPES if each.lower() == wanted), None)
    if found is None:
        text = f"The resource namespace '{call.parameters['namespace']}' is invalid."
        raise ArmError(404, "InvalidResourceNamespace", text, (), True)
    return Answer(body=_provider(call, found))


async def put_group(call: Call) -> Answer:
    """Create or update a resource group (arm-resource-group-put.json)."""
    name = call.parameters["group"]
    identifier = names.group_id(call.subscription, name)
    found = call.azure.store.get(identifier)
    if found is not None:
        call.azure.check_group(name, writes=True)
    if names.GROUP_NAME.fullmatch(name) is None:
        text = f"The provided resource group name '{name}' has these invalid characters or is too long."
        raise ArmError(400, "InvalidResourceGroup", text, (), True)
    location = call.document.get("location")
    if not isinstance(location, str) or not location:
        raise location_required()
    _check_location(location)
    if found is not None and found.document["location"] != names.normalised(location):
        raise ArmError(
            409,
            "InvalidResourceGroupLocation",
            f"The provided resource group location '{location}' is not the same as the existing resource group "
            f"location '{found.document['location']}'.",
            (),
            True,
        )
    document = {
        "id": found.id if found else identifier,
        "name": found.name if found else name,
        "type": GROUP_TYPE,
        "location": names.normalised(location),
        "tags": call.document.get("tags") or {},
        "properties": {"provisioningState": "Succeeded"},
    }
    resource = call.azure.store.put(Resource(GROUP_TYPE, document))
    return Answer(200 if found else 201, resource.document)


def _check_location(location: str) -> None:
    """General knowledge of ARM: an unknown location is refused so."""
    if names.normalised(location) not in names.LOCATIONS:
        text = (
            f"The provided location '{location}' is not available for resource group. List of available regions is "
            f"'{','.join(names.LOCATIONS)}'."
        )
        raise ArmError(400, "LocationNotAvailableForResourceGroup", text, (), True)


def _group(call: Call) -> Resource:
    found = call.azure.store.get(names.group_id(call.subscription, call.parameters["group"]))
    if found is None:
        raise group_not_found(call.parameters["group"])
    return found


async def get_group(call: Call) -> Answer:
    """Get a resource group (arm-resource-group-get.json)."""
    return Answer(body=_group(call).document)


async def head_group(call: Call) -> Answer:
    """Whether there is such a group: 204 or 404 (arm-resource-group-get.json)."""
    _group(call)
    return Answer(204)


async def list_groups(call: Call) -> Answer:
    """General knowledge: REST API docs, Resource Groups - List."""
    groups = call.azure.store.select(GROUP_TYPE)
    found = re.fullmatch(r"tagname eq '([^']*)'(?: and tagvalue eq '([^']*)')?", call.query.get("$filter", "").lower())
    if found:
        tags = [({k.lower(): v.lower() for k, v in (each.document["tags"] or {}).items()}, each) for each in groups]
        groups = [each for tag, each in tags if found[1] in tag and found[2] in (None, tag[found[1]])]
    return listing([each.document for each in groups])


async def patch_group(call: Call) -> Answer:
    """General knowledge: REST API docs, Resource Groups - Update."""
    group = _group(call)
    if "tags" in call.document:
        group.document["tags"] = call.document["tags"] or {}
    call.azure.store.changed()
    return Answer(body=group.document)


async def delete_group(call: Call) -> Answer:
    """Delete a resource group and all in it (arm-resource-group-delete.json)."""
    group = _group(call)
    group.properties["provisioningState"] = "Deleting"

    async def finish() -> None:
        for each in call.azure.store.select(below=group.id):
            async with call.azure.writing(each.id):  # whoever is about to write it comes first
                await call.azure.remove(each)
        await call.azure.remove(group)

    return location_of_nothing(call, f"/subscriptions/{call.subscription}/operationresults/", finish)


def listed(resource: Resource) -> dict[str, Any]:
    """A resource as lists of resources show it: without its properties, and with ARM's own form of times."""
    shown = {name: resource.document[name] for name in _LISTED if name in resource.document}
    if "systemData" in shown:
        created = shown["systemData"]["createdAt"].replace("+00:00", "Z")
        shown["systemData"] = shown["systemData"] | {"createdAt": created}
    return shown


async def list_resources(call: Call) -> Answer:
    """List resources, of one type or all (arm-resources-list-by-type.json)."""
    wanted = {name.lower(): value.lower() for name, value in _FILTER.findall(call.query.get("$filter", ""))}
    inside = call.group if "group" in call.parameters else wanted.get("resourcegroup")
    found = []
    for each in call.azure.store:
        top_level = each.id.count("/") == 8  # /subscriptions/S/resourceGroups/G/providers/N/T/name
        if not top_level or "location" not in each.document:
            continue
        tags = {name.lower(): str(value).lower() for name, value in (each.document.get("tags") or {}).items()}
        facts = {
            "resourcetype": each.type.lower(),
            "name": each.name.lower(),
            "location": names.normalised(each.document["location"]),
        }
        if inside is not None and each.group.lower() != inside.lower():
            continue
        if any(name in wanted and wanted[name] != fact for name, fact in facts.items()):
            continue
        if "tagname" in wanted and tags.get(wanted["tagname"]) != wanted.get(
            "tagvalue", tags.get(wanted["tagname"], "")
        ):
            continue
        found.append(listed(each))
    return listing(found)


async def tag_names(call: Call) -> Answer:
    """General knowledge: REST API docs, Tags - List; some az commands ask for it."""
    return listing([])


async def update_tags(call: Call) -> Answer:
    """General knowledge: REST API docs, Tags - Update At Scope (az tag update, az resource tag)."""
    scope = "/" + call.parameters["scope"].lstrip("/")
    resource = call.azure.store.get(scope)
    if resource is None:
        raise ArmError(404, "ResourceNotFound", f"The Resource '{scope}' was not found.", (), True)
    sent = (call.properties.get("tags") or {}) if call.method != "GET" else {}
    tags = dict(resource.document.get("tags") or {})
    operation = str(call.document.get("operation", "Replace")) if call.method == "PATCH" else "Replace"
    if call.method == "GET":
        pass
    elif operation == "Merge":
        tags.update(sent)
    elif operation == "Delete":
        tags = {name: value for name, value in tags.items() if name not in sent}
    elif operation == "Replace":
        tags = sent
    else:
        raise invalid_body(f"the tags operation '{operation}' is not one of Merge, Replace, Delete")
    resource.document["tags"] = tags
    call.azure.store.changed()
    identifier = f"{scope}/providers/Microsoft.Resources/tags/default"
    return Answer(
        body={
            "id": identifier,
            "name": "default",
            "type": "Microsoft.Resources/tags",
            "properties": {"tags": tags},
        }
    )


async def endpoints(call: Call) -> Answer:
    """What a cloud's endpoints and suffixes are: what `az cloud register` reads.

    Source: management.azure.com/metadata/endpoints?api-version=2022-09-01 (public); the suffixes are Azure's own, as
    this machine answers for them.
    """
    return Answer(
        body={
            "portal": "https://portal.azure.com",
            "authentication": {
                "loginEndpoint": "https://login.microsoftonline.com",
                "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "graph": "https://graph.windows.net/",
            "microsoftGraphResourceId": "https://graph.microsoft.com/",
            "appServiceResourceId": "https://appservice.azure.com",
            "name": "LocalAzure",
            "resourceManager": f"{call.base_url}/",
            "gallery": "https://gallery.azure.com/",
            "batch": "https://batch.core.windows.net/",
            "media": "https://rest.media.azure.net",
            "activeDirectoryDataLake": "https://datalake.azure.net/",
            "sqlManagement": "https://management.core.windows.net:8443/",
            "logAnalyticsResourceId": "https://api.loganalytics.io",
            "appInsightsResourceId": "https://api.applicationinsights.io",
            "suffixes": {
                "storage": "core.windows.net",
                "keyVaultDns": "vault.azure.net",
                "acrLoginServer": "azurecr.io",
                "sqlServerHostname": "database.windows.net",
                "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
                "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            },
        }
    )


_WIRE = "arm-resource-group-{}.json"
_TAGS = {"operation": str, "properties.tags": dict, "properties.tags.*": str}
PROVIDER = Provider(
    "Microsoft.Resources",
    (
        Operation("GET", "/metadata/endpoints", endpoints),
        Operation("GET", "/tenants", tenants),
        Operation("GET", "/subscriptions", subscriptions),
        Operation("GET", _SUBSCRIPTION, subscription),
        Operation("GET", _SUBSCRIPTION + "/locations", locations),
        Operation("GET", _SUBSCRIPTION + "/providers", providers),
        Operation("GET", _SUBSCRIPTION + "/providers/{namespace}", provider),
        Operation("POST", _SUBSCRIPTION + "/providers/{namespace}/register", provider),
        Operation("GET", _SUBSCRIPTION + "/tagNames", tag_names),
        Operation("GET", _SUBSCRIPTION + "/resourceGroups", list_groups),
        Operation("PUT", GROUP, put_group, _WIRE.format("put")),
        Operation("GET", GROUP, get_group, _WIRE.format("get")),
        Operation("HEAD", GROUP, head_group, _WIRE.format("get")),
        Operation("PATCH", GROUP, patch_group, _WIRE.format("put")),
        Operation("DELETE", GROUP, delete_group, _WIRE.format("delete")),
        Operation("GET", GROUP + "/resources", list_resources),
        Operation("GET", _SUBSCRIPTION + "/resources", list_resources, "arm-resources-list-by-type.json"),
        *(
            Operation(method, "{scope:path}/providers/Microsoft.Resources/tags/default", update_tags, fields=_TAGS)
            for method in ("GET", "PUT", "PATCH")
        ),
    ),
)
