"""Operations that take their time, beyond what their recordings show. Needs no recordings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from local_azure.latency import TABLE
from local_azure.waiting import wait_for

from .azure import LocalAzure, account, group, namespace, plan, registry, site
from .conftest import SLOW
from .wire import Names

_OLDER, _NEWER = "2022-02-01-preview", "2026-01-01-preview"
_OPERATION_HEADERS = {"location", "azure-asyncoperation", "retry-after", "retry-after-ms", "operation-location"}


def test_some_are_synchronous_but_slow(slow_azure: LocalAzure, slow_names: Names) -> None:
    """The answer itself takes as long as the table says, and nothing goes on after it."""
    names = slow_names
    slow_azure.make_namespace(names)
    config = f"{site(names)}/config"
    insights = f"{group(names)}/providers/Microsoft.Insights/components/{names['name']}"
    app = {"location": "brazilsouth", "kind": "functionapp", "properties": {"serverFarmId": plan(names)}}
    web = {"location": "brazilsouth", "kind": "web", "sku": {"name": "S1"}, "properties": {}}
    calls: list[tuple[str, str, str, Any]] = [
        ("arm-resource-group-put.json", "PUT", group(names), {"location": "brazilsouth"}),
        ("web-serverfarms-put.json", "PUT", plan(names), web),
        ("web-sites-put.json", "PUT", site(names), app),
        ("web-sites-config-appsettings-put.json", "PUT", f"{config}/appsettings", {"properties": {"A": "1"}}),
        ("web-sites-config-web-patch.json", "PATCH", f"{config}/web", {"properties": {"alwaysOn": True}}),
        ("insights-components-put.json", "PUT", insights, web),
        ("servicebus-queue-put.json", "PUT", f"{namespace(names)}/queues/{names['queue']}", {"properties": {}}),
        ("web-sites-delete.json", "DELETE", site(names) + "?deleteEmptyServerFarm=false", None),
        ("web-serverfarms-delete.json", "DELETE", plan(names), None),
    ]
    for wire, method, path, body in calls:
        answer = slow_azure.send(method, path, body)

        assert answer.status_code == 200, answer.text
        assert not _OPERATION_HEADERS & {name.lower() for name in answer.headers}
        wanted = {"method": method, "path": path.split("?")[0]}
        logged = [each for each in slow_azure.control("requests") if wanted.items() <= each.items()][-1]
        assert logged["seconds"] - logged["own"] == pytest.approx(TABLE[wire].answer * SLOW), wire


def test_two_shapes_of_a_registry_by_the_api_version(azure: LocalAzure, names: Names) -> None:
    body = {"location": "westus", "sku": {"name": "Basic"}, "properties": {}}

    older = azure.send("PUT", registry(names), body, _OLDER)
    newer = azure.send("PUT", registry(names | {"name": names["name"] + "newer"}), body, _NEWER)

    assert (older.status_code, older.json()["properties"]["provisioningState"]) == (201, "Creating")
    assert (newer.status_code, newer.json()["properties"]["provisioningState"]) == (200, "Succeeded")
    assert "Azure-AsyncOperation" in older.headers
    assert not _OPERATION_HEADERS & {name.lower() for name in newer.headers}


def test_a_signed_url_is_another_one_at_each_poll(slow_azure: LocalAzure, slow_names: Names) -> None:
    slow_azure.make_registry(slow_names)
    first = slow_azure.send("DELETE", registry(slow_names))

    polls = slow_azure.follow(first)

    urls = [first.headers["Location"], *(poll.headers["Location"] for poll in polls[:-1])]
    assert len(urls) > 1
    assert len(set(urls)) == len(urls)
    assert len({urlsplit(url).path for url in urls}) == 1
    assert len({tuple(parse_qs(urlsplit(url).query)[name][0] for name in "tsh") for url in urls}) == len(urls)
    for url in urls:
        assert set(parse_qs(urlsplit(url).query)) == {"api-version", "t", "c", "s", "h"}
        assert 3_300 < len(url) < 3_700
    assert slow_azure.get(urls[-1]).status_code == 200


@pytest.mark.parametrize(
    "tampered",
    [
        lambda url: url.replace("&s=", "&s=A"),
        lambda url: url[: url.index("&h=")],
        lambda url: url.split("?")[0] + "?api-version=2026-01-01-preview",
    ],
    ids=["changed", "cut", "without"],
)
def test_a_signed_url_is_taken_as_it_was_given_only(
    slow_azure: LocalAzure, slow_names: Names, tampered: Callable[[str], str]
) -> None:
    slow_azure.make_registry(slow_names)
    first = slow_azure.send("DELETE", registry(slow_names))

    refused = slow_azure.get(tampered(first.headers["Location"]))

    assert 400 <= refused.status_code < 500
    assert set(refused.json()) == {"error"}
    slow_azure.follow(first)


def test_two_who_want_the_same_account_name(slow_azure: LocalAzure, slow_names: Names) -> None:
    """Only one of them gets it, though both were told to wait."""
    other = slow_azure.fresh() | {"account": slow_names["account"]}
    body = {"location": "westus", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}

    first, second = (slow_azure.send("PUT", account(each), body) for each in (slow_names, other))
    assert (first.status_code, second.status_code) == (202, 202)
    ends = [slow_azure.follow(each)[-1] for each in (first, second)]

    assert [end.status_code for end in ends] == [200, 409]
    assert ends[1].json()["error"]["code"] == "StorageAccountAlreadyTaken"
    assert slow_azure.get(account(slow_names)).json() == ends[0].json()
    assert slow_azure.get(account(other)).status_code == 404


def test_a_group_that_goes_takes_nothing_new(slow_azure: LocalAzure, slow_names: Names) -> None:
    body = {"location": "westus", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    slow_azure.make_plan(slow_names)
    begun = slow_azure.send("PUT", account(slow_names), body)
    deleting = slow_azure.send("DELETE", group(slow_names))

    refused = slow_azure.send("PUT", account(slow_names | {"account": slow_names["account"] + "b"}), body)
    again = slow_azure.send("PUT", group(slow_names), {"location": "brazilsouth"})
    shown = slow_azure.get(group(slow_names)).json()
    ended = slow_azure.follow(begun)[-1]
    assert slow_azure.follow(deleting)[-1].status_code == 200

    assert shown["properties"]["provisioningState"] == "Deleting"
    for each in (refused, again, ended):
        assert (each.status_code, each.json()["error"]["code"]) == (409, "ResourceGroupBeingDeleted")
    below = re.compile(f"/{slow_names['group']}(/|$)")
    assert [each for each in slow_azure.control("resources") if below.search(each)] == []


def test_a_role_takes_effect_later(slow_azure: LocalAzure, slow_names: Names) -> None:
    """A registry honours a role some time after its assignment was answered."""
    slow_azure.make_registry(slow_names)
    names = slow_names | {"name": slow_names["name"] + "app"}
    slow_azure.make_plan(names)
    slow_azure.make_site(names)
    body = {"location": "westus", "identity": {"type": "SystemAssigned"}, "properties": {}}
    principal = slow_azure.make(site(names), body)["identity"]["principalId"]
    role = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
    definition = f"/subscriptions/{names['subscription']}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    properties = {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}
    path = f"{registry(slow_names)}/providers/Microsoft.Authorization/roleAssignments/{role}"
    slow_azure.make(path, {"properties": properties})
    pull = {"acrUseManagedIdentityCreds": True, "linuxFxVersion": f"DOCKER|{slow_names['name']}.azurecr.io/none:v1"}
    slow_azure.send("PATCH", f"{site(names)}/config/web", {"properties": pull | {"alwaysOn": True}})

    def reason() -> str:
        return slow_azure.control("apps")[names["name"]]["reason"] or ""

    def allowed() -> bool:
        slow_azure.send("POST", f"{site(names)}/restart")
        return "manifest unknown" in wait_for(reason, 60, "the next pull")

    assert "unauthorized" in wait_for(reason, 60, "the first pull")
    wait_for(allowed, 60, "the role", interval=0.2)
