"""Microsoft.ServiceBus."""

from __future__ import annotations

from collections.abc import Callable

from requests import Response

from local_azure.waiting import wait_for

from .azure import LocalAzure, namespace
from .wire import Names, Recording

Wire = Callable[[str], Recording]
_EMULATOR = "names this machine, as Microsoft's own emulator: AMQP goes through no proxy"


def test_create_a_namespace(slow_azure: LocalAzure, slow_names: Names, wire: Wire) -> None:
    recording = wire("servicebus-namespace-put.json")

    created = recording.answer.replay(slow_azure, slow_names).json()
    refused = slow_azure.send("PUT", namespace(slow_names) + "/queues/early", {"properties": {}})
    polls: list[Response] = []
    wait_for(
        lambda: (
            polls.append(slow_azure.get(namespace(slow_names)))
            or polls[-1].json()["properties"]["provisioningState"] == "Succeeded"
        ),
        60,
        "the namespace",
    )

    recording.error("another operation").hold(refused, slow_names, bare=True)
    assert len(polls) > 1
    for poll in polls[:-1]:
        recording.then[0].hold(poll, slow_names)
    recording.then[1].hold(polls[-1], slow_names)
    done = recording.then[2].replay(slow_azure, slow_names).json()
    assert done["properties"]["createdAt"] == created["properties"]["createdAt"]
    assert done["properties"]["updatedAt"] > created["properties"]["updatedAt"]


def test_a_namespace_has_its_root_rule_from_the_start(azure: LocalAzure, names: Names) -> None:
    azure.make_namespace(names)

    rules = azure.get(namespace(names) + "/authorizationRules").json()["value"]

    assert [(rule["name"], sorted(rule["properties"]["rights"])) for rule in rules] == [
        ("RootManageSharedAccessKey", ["Listen", "Manage", "Send"])
    ]


def test_create_a_queue(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("servicebus-queue-put.json")
    azure.make_namespace(names)

    created = recording.answer.replay(azure, names).json()["properties"]
    updated = recording.answer.send(azure, names).json()["properties"]
    shown = azure.get(f"{namespace(names)}/queues/{names['queue']}").json()["properties"]

    assert (updated["createdAt"], updated["updatedAt"]) == ("0001-01-01T00:00:00", "0001-01-01T00:00:00")
    assert shown["createdAt"] == created["createdAt"]
    assert shown["updatedAt"] >= created["updatedAt"]


def test_what_a_queue_keeps(azure: LocalAzure, names: Names) -> None:
    azure.make_namespace(names)
    path = f"{namespace(names)}/queues/{names['queue']}"
    azure.make(path, {"properties": {"lockDuration": "PT30S"}})

    refused = azure.send("PUT", path, {"properties": {"requiresSession": True}})

    assert refused.status_code == 400
    assert azure.get(path).json()["properties"]["lockDuration"] == "PT30S"
    assert azure.get(path).json()["properties"]["requiresSession"] is False


def test_create_a_rule(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("servicebus-authorizationrule-put.json")
    azure.make_namespace(names)

    recording.answer.replay(azure, names)
    recording.then[0].replay(azure, names)

    lonely = recording.answer.send(azure, names | {"rule": "other"}, body={"properties": {"rights": ["Manage"]}})
    assert lonely.status_code == 400


def test_keys_of_a_rule(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("servicebus-authorizationrule-listkeys.json")
    azure.make_namespace(names)
    azure.make(f"{namespace(names)}/AuthorizationRules/{names['rule']}", {"properties": {"rights": ["Send"]}})
    varies = {f"{key}ConnectionString": _EMULATOR for key in ("primary", "secondary")}

    keys = recording.answer.replay(azure, names, bare=True, varies=varies).json()

    assert keys["primaryKey"] != keys["secondaryKey"]
    for kind in ("primary", "secondary"):
        parts = dict(part.split("=", 1) for part in keys[f"{kind}ConnectionString"].split(";"))
        assert parts.pop("Endpoint").startswith("sb://localhost:")
        assert parts == {
            "SharedAccessKeyName": names["rule"],
            "SharedAccessKey": keys[f"{kind}Key"],
            "UseDevelopmentEmulator": "true",
        }


def test_keys_of_a_queue_name_it(azure: LocalAzure, names: Names) -> None:
    azure.make_namespace(names)
    queue = f"{namespace(names)}/queues/{names['queue']}"
    azure.make(queue, {"properties": {}})
    azure.make(f"{queue}/authorizationRules/{names['rule']}", {"properties": {"rights": ["Listen"]}})

    keys = azure.send("POST", f"{queue}/authorizationRules/{names['rule']}/listKeys").json()

    assert keys["primaryConnectionString"].endswith(f";EntityPath={names['queue']}")
