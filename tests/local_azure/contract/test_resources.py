"""Microsoft.Resources, and what ARM itself refuses."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from .azure import LocalAzure, group, registry, site
from .wire import FOLDER, Exchange, Names, Recording, all_recordings

Wire = Callable[[str], Recording]
_SOMEWHERE_ELSE = "regions are this Azure's own"


def test_create_a_group(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("arm-resource-group-put.json")
    names["group"] += "-new"

    created = recording.answer.replay(azure, names, bare=True)
    again = recording.answer.send(azure, names)

    assert (again.status_code, again.json()) == (200, created.json())


def test_a_group_stays_where_it_is(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("arm-resource-group-put.json")
    azure.make(group(names) + "-new", {"location": "eastus"})
    names["group"] += "-new"

    recording.error("another location").replay(azure, names, bare=True)


def test_get_a_group(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("arm-resource-group-get.json")
    azure.make(group(names), {"location": "brazilsouth", "tags": {"product": "azurecli"}})

    recording.answer.replay(azure, names, bare=True)
    recording.then[0].replay(azure, names)


def test_a_group_that_is_missing(azure: LocalAzure, names: Names, wire: Wire) -> None:
    get, delete = wire("arm-resource-group-get.json"), wire("arm-resource-group-delete.json")
    names["group"] = "missing"

    get.error("group missing").replay(azure, names, bare=True)
    get.error("group missing").replay(azure, names, bare=True, path=site(names))
    get.then[1].replay(azure, names)
    delete.error("group missing").replay(azure, names, bare=True)


def test_delete_a_group(slow_azure: LocalAzure, slow_names: Names, wire: Wire) -> None:
    recording = wire("arm-resource-group-delete.json")

    first = recording.answer.replay(slow_azure, slow_names)
    polls = slow_azure.follow(first)

    assert len(polls) > 1
    for poll in polls[:-1]:
        recording.then[0].hold(poll, slow_names)
        assert poll.headers["Location"] == first.headers["Location"]
    recording.then[1].hold(polls[-1], slow_names)
    assert "Location" not in polls[-1].headers
    for answer in (first, *polls):
        assert "Azure-AsyncOperation" not in answer.headers
    assert slow_azure.get(group(slow_names)).status_code == 404


def test_list_resources_of_a_type(azure: LocalAzure, names: Names, wire: Wire) -> None:
    azure.make_plan(names)
    azure.make_registry(names, sku="Standard")

    listed = wire("arm-resources-list-by-type.json").answer.send(azure, names)
    own = {"value": [each for each in listed.json()["value"] if each["name"] == names["name"]]}

    wire("arm-resources-list-by-type.json").answer.hold(
        listed, names, body=own, bare=True, varies={"value[].location": _SOMEWHERE_ELSE}
    )
    assert {each["type"] for each in listed.json()["value"]} == {"Microsoft.ContainerRegistry/registries"}


# -- errors of any operation


def test_a_missing_resource(azure: LocalAzure, names: Names, wire: Wire) -> None:
    missing = azure.get(site(names))

    wire("arm-common-errors.json").error("resource missing").hold(missing, names, bare=True)
    assert missing.headers["x-ms-failure-cause"] == "gateway"


def test_a_missing_group_of_a_resource(azure: LocalAzure, names: Names, wire: Wire) -> None:
    names["group"] = "missing"

    missing = azure.send("PUT", registry(names), {"location": "westus", "sku": {"name": "Basic"}})

    wire("arm-common-errors.json").error("resource group missing").hold(missing, names, bare=True)


_TYPES = {
    "Microsoft.ContainerRegistry/registries": {"sku": {"name": "Basic"}},
    "Microsoft.Storage/storageAccounts": {"sku": {"name": "Standard_LRS"}, "kind": "StorageV2"},
    "Microsoft.Web/serverfarms": {"sku": {"name": "S1"}},
    "Microsoft.ServiceBus/namespaces": {"sku": {"name": "Standard"}},
    "Microsoft.ManagedIdentity/userAssignedIdentities": {},
    "Microsoft.Insights/components": {"kind": "web"},
    "Microsoft.OperationalInsights/workspaces": {},
}


@pytest.mark.parametrize("kind", _TYPES)
def test_a_region_that_is_not_offered(azure: LocalAzure, names: Names, wire: Wire, kind: str) -> None:
    path = f"{group(names)}/providers/{kind}/{names['name']}"
    recorded = wire("arm-common-errors.json").error("region not offered")
    text = recorded.expected["body"]["error"]["message"]

    refused = azure.send("PUT", path, _TYPES[kind] | {"location": "atlantis"})

    recorded.hold(refused, names, bare=True, varies={"error.message": "other names of type and regions"})
    begin, _, end = text.partition("'eastus'")
    middle = end.replace("Microsoft.Web/staticSites", kind).partition("'westus2")[0]
    assert refused.json()["error"]["message"].lower().startswith(f"{begin}'atlantis'{middle}".lower())
    assert azure.get(path).status_code == 404


# what nothing here provokes: nobody is refused anything, there is no quota, every provider is registered
_INJECTED = (
    "missing permission",
    "caller may not assign roles",
    "subscription throttled",
    "provider not registered",
    "no quota for the SKU",
    "ACR Tasks refused",
)


def _injected() -> list[Exchange]:
    found = [error for recording in all_recordings() for error in recording.errors] if FOLDER.is_dir() else []
    return [each for each in found if each.expected["when"].startswith(_INJECTED)]


@pytest.mark.parametrize("error", _injected() or [None], ids=str)
def test_what_nothing_here_provokes_can_be_injected(
    azure: LocalAzure, names: Names, wire: Wire, error: Exchange | None
) -> None:
    """The recorded error, put into an answer as a fault, arrives as it is."""
    wire("arm-common-errors.json")
    assert error is not None
    own = names | {"objectIdOrUpn": "somebody", "objectId": "an-object", "scope": "/a/scope", "newGuid": "a-guid"}
    text = json.dumps(error.expected["body"])
    for name, value in own.items():
        text = text.replace(f"{{{name}}}", value)

    headers = error.expected.get("headers") or {}
    fault = {"status": error.expected["status"], "body": json.loads(text), "headers": headers}
    with azure.fault(method="GET", path=group(names), **fault):
        refused = azure.get(group(names))

    error.hold(refused, own, bare=True)
    assert {name: refused.headers[name] for name in headers} == headers
    assert azure.get(group(names)).status_code == 200
