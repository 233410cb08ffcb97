"""Microsoft.Authorization, and the identities that it is about."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from requests import Response

from local_azure.directory import CALLER
from local_azure.waiting import wait_for

from .azure import LocalAzure, registry, site
from .wire import Exchange, Names, Recording

Wire = Callable[[str], Recording]


def _prepared(azure: LocalAzure, names: Names) -> Names:
    """A registry, and an app that has just been given an identity."""
    azure.make_registry(names)
    azure.make_plan(names)
    azure.make_site(names)
    body = {"location": "Brazil South", "identity": {"type": "SystemAssigned"}, "properties": {}}
    principal = azure.make(site(names), body)["identity"]["principalId"]
    return names | {
        "principalId": principal,
        "principalIdWithoutDashes": principal.replace("-", ""),
        "newGuid": str(uuid.uuid4()),
        "callerObjectId": CALLER,
        "scope": registry(names),
    }


def test_a_new_identity_is_refused_until_the_directory_knows_it(
    slow_azure: LocalAzure, slow_names: Names, wire: Wire
) -> None:
    recording, names = wire("authorization-role-assignment-put.json"), _prepared(slow_azure, slow_names)
    recording.answer.replay(slow_azure, names, bare=True)
    again: list[Response] = []

    def assigned() -> bool:
        again.append(recording.then[0].send(slow_azure, names, body=recording.answer.sent(names)))
        return again[-1].status_code != 400

    wait_for(assigned, 60, "the directory")

    assert len(again) > 1
    for refused in again[:-1]:
        recording.answer.hold(refused, names, bare=True)
        recording.then[0].hold(refused, names, varies={"error.message": "only told of as 'as above'"})
    done = recording.then[1].hold(again[-1], names, bare=True)
    repeated = recording.answer.send(slow_azure, names)
    assert (repeated.status_code, repeated.json()) == (200, done.json())


def test_a_new_identity_is_taken_with_its_type(slow_azure: LocalAzure, slow_names: Names, wire: Wire) -> None:
    recording, names = wire("authorization-role-assignment-put.json"), _prepared(slow_azure, slow_names)
    body = recording.answer.sent(names)
    body["properties"]["principalType"] = "ServicePrincipal"

    recording.then[1].replay(slow_azure, names, body=body)


def test_an_assignment_that_is_there_under_another_name(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording, names = wire("authorization-role-assignment-put.json"), _prepared(azure, names)
    body = recording.answer.sent(names)
    body["properties"]["principalType"] = "ServicePrincipal"
    recording.answer.send(azure, names, body=body)
    exists: Exchange = recording.error("another guid")

    refused = exists.send(azure, names | {"newGuid": str(uuid.uuid4())}, body=body)

    existing = {"existingGuidWithoutDashes": names["newGuid"].replace("-", "")}
    exists.hold(refused, names | existing, bare=True)


def test_find_a_role_definition(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("authorization-role-definitions-list.json")
    azure.make_registry(names)

    recording.answer.replay(azure, names, bare=True)

    path = recording.answer.request["path"].replace("AcrPull", "NoSuchRole")
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    none = recording.answer.send(azure, names, path=path)
    assert (none.status_code, none.json()) == (200, {"value": []})
