"""Microsoft.ContainerRegistry."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local_azure.waiting import wait_for

from .azure import LocalAzure, registry
from .wire import Names, Recording

Wire = Callable[[str], Recording]
_NEWEST = "2026-01-01-preview"


def test_create_a_registry_asynchronously(slow_azure: LocalAzure, slow_names: Names, wire: Wire) -> None:
    recording = wire("acr-registry-put.json")

    created = recording.answer.replay(slow_azure, slow_names)
    status = created.headers["Azure-AsyncOperation"]
    polls = [slow_azure.get(status)]
    wait_for(lambda: polls.append(slow_azure.get(status)) or polls[-1].json()["status"] == "Succeeded", 60, "the end")

    assert "Location" not in created.headers
    assert polls[0].json() == {"status": "Creating"}
    recording.then[0].hold(polls[-1], slow_names, bare=True)
    assert {poll.headers["Azure-AsyncOperation"] for poll in polls} == {status}
    recording.then[1].replay(slow_azure, slow_names)


def test_create_a_registry_synchronously(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("acr-registry-put.json")
    body = {
        "location": "brazilsouth",
        "sku": {"name": "Standard"},
        "properties": {"adminUserEnabled": False, "roleAssignmentMode": "AbacRepositoryPermissions"},
    }

    created = recording.then[2].replay(azure, names, body=body, version=_NEWEST)

    assert not {"Location", "Azure-AsyncOperation", "Retry-After", "retry-after-ms"} & set(created.headers)
    assert azure.get(registry(names)).json() == created.json()


def test_the_admin_user_is_off_unless_asked_for(azure: LocalAzure, names: Names) -> None:
    body = {"location": "brazilsouth", "sku": {"name": "Basic"}}

    assert azure.make(registry(names), body, _NEWEST)["properties"]["adminUserEnabled"] is False


@pytest.mark.parametrize("cased", [str.lower, str.upper])
def test_a_registry_name_that_is_taken(
    azure: LocalAzure, names: Names, wire: Wire, cased: Callable[[str], str]
) -> None:
    azure.make_registry(names)
    other = azure.fresh() | {"name": cased(names["name"])}

    refused = wire("acr-registry-put.json").error("name taken").send(azure, other)

    wire("acr-registry-put.json").error("name taken").hold(refused, dict(names), bare=True)
    assert azure.get(registry(other)).status_code == 404


def test_get_a_registry(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("acr-registry-get.json")
    recording.error("missing").replay(azure, names, bare=True)

    azure.make_registry(names)

    recording.answer.replay(azure, names)


def test_credentials(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("acr-list-credentials.json")
    azure.make_registry(names, admin=False)
    recording.error("admin user disabled").replay(azure, names, bare=True)

    azure.make_registry(names)
    answer = recording.answer.replay(azure, names, bare=True).json()

    first, second = (each["value"] for each in answer["passwords"])
    assert first != second
    assert len(first) == len(second) == 52
    assert recording.answer.send(azure, names).json() == answer


def test_check_a_registry_name(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("acr-check-name-availability.json")
    recording.answer.replay(azure, names, bare=True)

    azure.make_registry(names)
    taken = recording.answer.send(azure, names)

    text = f"The registry {names['name']} is already in use."
    assert taken.status_code == 200
    assert taken.json() == {"nameAvailable": False, "reason": "AlreadyExists", "message": text}


def test_delete_a_registry(slow_azure: LocalAzure, slow_names: Names, wire: Wire) -> None:
    recording = wire("acr-registry-delete.json")
    slow_azure.make(registry(slow_names), {"location": "westus", "sku": {"name": "Basic"}, "properties": {}}, _NEWEST)

    first = recording.answer.replay(slow_azure, slow_names)
    polls = slow_azure.follow(first)

    assert len(polls) > 1
    for poll in polls[:-1]:
        recording.then[0].hold(poll, slow_names)
    recording.then[1].hold(polls[-1], slow_names)
    assert "Location" not in polls[-1].headers
    assert slow_azure.get(registry(slow_names)).status_code == 404
    assert recording.answer.send(slow_azure, slow_names).status_code == 204
