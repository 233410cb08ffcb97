"""What no single answer shows: casing, staleness, kinds, envelopes, and what is refused. Needs no recordings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from requests import Response

from local_azure.arm.operation import Operation
from local_azure.arm.providers import PROVIDERS

from .azure import LocalAzure, account, group, namespace, plan, registry, site
from .wire import Names


def _error(response: Response) -> tuple[int, str]:
    """Status and code of an error in ARM's envelope."""
    return response.status_code, response.json()["error"]["code"]


# -- names and locations


def test_paths_are_taken_in_any_case(azure: LocalAzure, names: Names) -> None:
    azure.make_plan(names)
    azure.make_site(names)
    azure.make_registry(names)
    azure.make_account(names)
    azure.make_namespace(names)

    for path in (group(names), plan(names), site(names), registry(names), account(names), namespace(names)):
        shown = azure.get(path)
        assert shown.status_code == 200
        for other in (path.lower(), path.upper()):
            assert azure.get(other).json() == shown.json()
            assert azure.send("HEAD", other).status_code == 204 if path == group(names) else True


def test_a_name_keeps_the_case_in_which_it_was_made(azure: LocalAzure, names: Names) -> None:
    names["name"] = names["name"].capitalize()
    azure.make_registry(names)

    again = azure.make_registry(names | {"name": names["name"].upper()})

    assert (again["name"], again["properties"]["loginServer"]) == (names["name"], f"{names['name'].lower()}.azurecr.io")
    assert len(azure.get(f"{group(names)}/resources").json()["value"]) == 1


@pytest.mark.parametrize("written", ["Brazil South", "brazilsouth", "BrazilSouth"])
def test_each_provider_writes_locations_in_its_own_way(azure: LocalAzure, names: Names, written: str) -> None:
    body = {"location": written, "kind": "StorageV2", "properties": {"reserved": True}}
    sku = {"sku": {"name": "Basic", "tier": "Basic"}}

    answered = azure.make(plan(names), body | {"sku": {"name": "B1"}})
    azure.make_site(names)
    azure.make(registry(names), body | sku, "2026-01-01-preview")
    azure.make(account(names), body | {"sku": {"name": "Standard_LRS"}})
    azure.make(namespace(names), body | sku)

    assert answered["location"] == written
    for path in (plan(names), site(names), namespace(names)):
        assert azure.get(path).json()["location"] == "Brazil South"
    for path in (group(names), registry(names), account(names)):
        assert azure.get(path).json()["location"] == "brazilsouth"


def test_two_kinds_of_identity_have_a_blank_between_them(azure: LocalAzure, names: Names) -> None:
    one = f"{group(names)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
    made = azure.make(one, {"location": "brazilsouth"})["properties"]
    azure.make_plan(names)
    asked = {"type": "SystemAssigned,UserAssigned", "userAssignedIdentities": {one: {}}}
    azure.make_registry(names)
    azure.make_site(names)

    for path, version in ((site(names), "2024-04-01"), (registry(names), "2026-01-01-preview")):
        body = {"location": "brazilsouth", "sku": {"name": "Basic"}, "identity": asked, "properties": {}}
        written = azure.make(path, body, version)["identity"]
        assert written["type"] == "SystemAssigned, UserAssigned"
        assert written["userAssignedIdentities"] == {one: {name: made[name] for name in ("principalId", "clientId")}}
        assert azure.get(path).json()["identity"] == written


# -- what the server derives


@pytest.mark.parametrize(
    ("sku", "linux", "kind"),
    [("S1", True, "linux"), ("S1", False, "app"), ("EP1", True, "elastic"), ("EP1", False, "elastic")],
)
def test_the_kind_of_a_plan_is_derived(azure: LocalAzure, names: Names, sku: str, linux: bool, kind: str) -> None:
    body = {"location": "westus", "kind": "whatever", "sku": {"name": sku}, "properties": {"reserved": linux}}

    made = azure.make(plan(names), body)
    shown = azure.get(plan(names)).json()

    for document in (made, shown):
        assert (document["kind"], document["properties"]["kind"]) == (kind, kind)
        assert document["properties"]["reserved"] is linux
        assert document["sku"]["name"] == sku


@pytest.mark.parametrize(
    ("sent", "linux_fx_version", "kind"),
    [
        ("functionapp,linux,container", "Python|3.13", "functionapp,linux"),
        ("functionapp,linux", "DOCKER|nowhere.azurecr.io/image:v1", "functionapp,linux,container"),
        ("functionapp", " ", "functionapp,linux"),
        ("app,linux", "Python|3.13", "app,linux"),
    ],
)
def test_the_kind_of_an_app_is_derived(
    azure: LocalAzure, names: Names, sent: str, linux_fx_version: str, kind: str
) -> None:
    azure.make_plan(names)
    properties = {"serverFarmId": plan(names), "siteConfig": {"linuxFxVersion": linux_fx_version}}

    azure.make(site(names), {"kind": sent, "location": "Brazil South", "properties": properties})

    shown = azure.get(site(names)).json()
    assert (shown["kind"], shown["properties"]["kind"]) == (kind, kind)


# -- staleness


def test_the_answer_to_a_new_app_is_stale_and_the_next_read_is_not(azure: LocalAzure, names: Names) -> None:
    azure.make_plan(names)
    wanted = {"linuxFxVersion": "Python|3.13", "alwaysOn": True, "http20Enabled": True}

    answered = azure.make_site(names, **wanted)["properties"]["siteConfig"]
    shown = azure.get(site(names)).json()["properties"]["siteConfig"]

    assert {name: answered[name] for name in wanted} == {
        "linuxFxVersion": "",
        "alwaysOn": False,
        "http20Enabled": False,
    }
    assert {name: shown[name] for name in wanted} == wanted
    configured = azure.get(site(names) + "/config/web").json()["properties"]
    assert {name: configured[name] for name in wanted} == wanted


def test_the_answer_to_a_plan_is_stale_and_the_next_read_is_not(azure: LocalAzure, names: Names) -> None:
    answered = azure.make_plan(names)["properties"]
    shown = azure.get(plan(names)).json()["properties"]

    assert (answered["maximumNumberOfWorkers"], shown["maximumNumberOfWorkers"]) == (0, 10)
    assert ("sku" in answered, "sku" in shown) == (True, False)


# -- deleting


def test_the_last_app_deletes_its_plan(azure: LocalAzure, names: Names) -> None:
    other = names | {"name": names["name"] + "two"}
    azure.make_plan(names)
    for each in (names, other):
        azure.make_site(each)

    azure.send("DELETE", site(names))
    assert azure.get(plan(names)).json()["properties"]["numberOfSites"] == 1
    azure.send("DELETE", site(other))
    assert _error(azure.get(plan(names))) == (404, "ResourceNotFound")


def test_a_plan_is_kept_when_it_is_asked_for(azure: LocalAzure, names: Names) -> None:
    azure.make_plan(names)
    azure.make_site(names)

    azure.send("DELETE", site(names) + "?deleteEmptyServerFarm=false")

    assert azure.get(plan(names)).json()["properties"]["numberOfSites"] == 0


def test_a_group_goes_with_all_that_is_in_it(azure: LocalAzure, names: Names) -> None:
    azure.make_plan(names)
    azure.make_site(names)
    azure.make_registry(names)
    azure.make_account(names)
    azure.make(f"{account(names)}/blobServices/default/containers/input", {"properties": {}})
    keys = azure.send("POST", f"{account(names)}/listKeys").json()

    assert [each.status_code for each in azure.follow(azure.send("DELETE", group(names)))][-1] == 200

    assert [each for each in azure.control("resources") if f"/{names['group']}/" in f"{each}/"] == []
    again = azure.fresh() | {name: names[name] for name in ("name", "account")}
    azure.make_registry(again)  # its name is free again
    azure.make_account(again)
    assert azure.get(f"{account(again)}/blobServices/default/containers").json() == {"value": []}
    assert azure.send("POST", f"{account(again)}/listKeys").json()["keys"] != keys["keys"]


# -- secrets


def test_secrets_are_told_when_they_are_asked_for_and_only_then(azure: LocalAzure, names: Names) -> None:
    azure.make_plan(names)
    azure.make_site(names, appSettings=[{"name": "A", "value": "a-secret"}])
    azure.make_registry(names)
    azure.make_account(names)
    azure.make_namespace(names)
    rule = f"{namespace(names)}/authorizationRules/RootManageSharedAccessKey"
    asked = {
        f"{site(names)}/config/appsettings/list": lambda told: list(told["properties"].values()),
        f"{registry(names)}/listCredentials": lambda told: [each["value"] for each in told["passwords"]],
        f"{account(names)}/listKeys": lambda told: [each["value"] for each in told["keys"]],
        f"{rule}/listKeys": lambda told: [told["primaryKey"], told["secondaryKey"]],
    }
    secrets = [secret for path, values in asked.items() for secret in values(azure.send("POST", path).json())]
    assert len(secrets) == 7

    config = f"{site(names)}/config"
    plain = (group(names), plan(names), site(names), registry(names), account(names), namespace(names), rule, config)
    lists = [f"{group(names)}/resources", f"{group(names)}/providers/Microsoft.Web/sites"]
    for path in (*plain, *lists, f"{config}/web"):
        shown = azure.get(path)
        assert shown.status_code == 200
        assert not [secret for secret in secrets if secret in shown.text], path


# -- errors


def test_a_missing_app_and_a_taken_name_have_different_envelopes(azure: LocalAzure, names: Names) -> None:
    azure.make_plan(names)
    missing = azure.get(site(names)).json()
    azure.make_site(names)
    other = azure.fresh() | {"name": names["name"]}
    azure.make_plan(other)
    body = {"location": "brazilsouth", "properties": {"serverFarmId": plan(other)}}
    taken = azure.send("PUT", site(other), body).json()

    assert set(missing) == {"error"}
    assert set(taken) == {"Code", "Message", "Target", "Details", "Innererror"}
    assert taken["Code"] == "Conflict"
    assert taken["Details"][2]["ErrorEntity"]["ExtendedCode"] == "54001"


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (None, "MissingApiVersionParameter"),
        ("newest", "InvalidApiVersionParameter"),
        ("2024-13-01", "InvalidApiVersionParameter"),
        ("1999-01-01", "InvalidApiVersionParameter"),
        ("2099-01-01", "InvalidApiVersionParameter"),
        ("2024-04-01-gamma", "InvalidApiVersionParameter"),
    ],
)
def test_an_api_version_that_there_is_none_of(azure: LocalAzure, names: Names, version: str | None, code: str) -> None:
    for path in (group(names), site(names), "/providers/Microsoft.Web/functionAppStacks"):
        refused = azure.get(path, version)
        assert _error(refused) == (400, code)
        assert refused.headers["x-ms-failure-cause"] == "gateway"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/providers/Microsoft.Nothing/things/one", 404, "InvalidResourceNamespace"),
        ("PUT", "/providers/Microsoft.App/containerApps/one", 404, "InvalidResourceNamespace"),
        ("GET", "/providers/Microsoft.Web/nothings/one", 404, "InvalidResourceType"),
        ("POST", "/providers/Microsoft.ContainerRegistry/registries/one/scheduleRun", 404, "InvalidResourceType"),
        ("POST", "/providers/Microsoft.Storage/storageAccounts/one/listNothing", 404, "InvalidResourceType"),
        ("DELETE", "/providers/Microsoft.Web/sites", 405, "HttpMethodNotAllowed"),
    ],
)
def test_what_it_does_not_know(azure: LocalAzure, names: Names, method: str, path: str, status: int, code: str) -> None:
    before = len(azure.log())

    refused = azure.send(method, group(names) + path)

    assert _error(refused) == (status, code)
    said = azure.log()[before:]
    assert f"no operation for {method} {group(names)}{path}" in said
    assert "Traceback" not in said


def test_another_subscription(azure: LocalAzure, names: Names) -> None:
    other = names | {"subscription": "11111111-1111-1111-1111-111111111111"}

    assert _error(azure.get(group(other))) == (404, "SubscriptionNotFound")


@pytest.mark.parametrize("authorization", ["", "Bearer not-a-token", "Basic dTpw", "Bearer"])
def test_whoever_is_not_signed_in_is_refused(azure: LocalAzure, names: Names, authorization: str) -> None:
    refused = azure.send("GET", group(names), headers={"Authorization": authorization})

    assert _error(refused) == (401, "AuthenticationFailed")
    assert "Bearer" in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize("body", [b"{", b"location: westus", b'{"location": "westus"', b"\xff\xfe"])
def test_a_body_that_is_not_json(azure: LocalAzure, names: Names, body: bytes) -> None:
    refused = azure.send("PUT", registry(names), body, headers={"Content-Type": "application/json"})

    assert _error(refused) == (400, "InvalidRequestContent")
    assert azure.get(registry(names)).status_code == 404


_ODD: tuple[Any, ...] = (
    None,
    [],
    "text",
    {"location": 1, "sku": "S1", "properties": [], "identity": [], "tags": 5, "name": {}, "source": 7},
    {"location": "westus", "sku": {"name": 1}, "properties": "text", "identity": "SystemAssigned", "kind": 3},
    {"location": "westus", "sku": [], "properties": {"siteConfig": [], "rights": 1, "tags": []}, "keyName": []},
    {
        "location": "westus",
        "sku": {"name": "S1", "capacity": "many"},
        "identity": {"type": 5, "userAssignedIdentities": ["a"]},
        "properties": {
            "serverFarmId": 1,
            "siteConfig": {"appSettings": {"a": 1}, "linuxFxVersion": 5},
            "appSettings": [{"nome": "a"}],
            "principalId": 5,
            "roleDefinitionId": [],
            "rights": {"Send": 1},
            "lockDuration": 60,
            "maxDeliveryCount": "ten",
            "value": 5,
            "tags": "a=b",
        },
        "tags": ["a"],
        "source": {"sourceImage": 5, "credentials": "none"},
        "targetTags": 7,
    },
)


def test_numbers_and_texts_are_taken_for_each_other(azure: LocalAzure, names: Names) -> None:
    """As az sends them: `functionapp plan create --max-burst` writes its number as a text."""
    properties = {"reserved": "true", "maximumElasticWorkerCount": "5"}
    body = {"location": "westus", "sku": {"name": "EP1", "capacity": "2"}, "tags": {"n": 1}, "properties": properties}

    made = azure.make(plan(names), body)
    refused = azure.send("PUT", plan(names), body | {"properties": {"maximumElasticWorkerCount": "many"}})

    assert (made["properties"]["maximumElasticWorkerCount"], made["properties"]["reserved"]) == (5, True)
    assert (made["sku"]["capacity"], made["tags"]) == (2, {"n": "1"})
    assert _error(refused) == (400, "InvalidRequestContent")
    assert "properties.maximumElasticWorkerCount" in refused.json()["error"]["message"]


@pytest.fixture(scope="module")
def something_of_each(azure: LocalAzure) -> Names:
    """A group with one of each kind in it."""
    names = azure.fresh()
    azure.make_plan(names)
    azure.make_site(names)
    azure.make_registry(names)
    azure.make_account(names)
    azure.make_namespace(names)
    azure.make(f"{namespace(names)}/queues/{names['queue']}", {"properties": {}})
    rights = {"properties": {"rights": ["Send"]}}
    azure.make(f"{namespace(names)}/authorizationRules/{names['rule']}", rights)
    azure.make(f"{namespace(names)}/queues/{names['queue']}/authorizationRules/{names['rule']}", rights)
    return names | {"site": names["name"], "registry": names["name"], "scope:path": group(names)}


def _operations() -> list[Operation]:
    return [operation for provider in PROVIDERS for operation in provider.operations]


@pytest.mark.parametrize("operation", _operations(), ids=lambda operation: f"{operation.method} {operation.path}")
def test_odd_bodies_are_no_fault_of_the_server(
    azure: LocalAzure, something_of_each: Names, operation: Operation
) -> None:
    """Whatever a client sends to whatever there is: an answer, never a failure of the server."""
    before = len(azure.log())
    for name in ("present", "missing"):
        path = operation.path
        for key, value in something_of_each.items():
            shown = value if name == "present" or key in ("subscription", "group", "scope:path") else "missing"
            path = path.replace(f"{{{key}}}", shown)
        for key in ("container", "component", "workspace", "identity", "role", "assignment", "kind", "key", "function"):
            path = path.replace(f"{{{key}}}", f"a{key}")
        path = path.replace("{policy}", "ftp").replace("{page:path}", "admin/host/status")
        path = path.replace("{namespace}", "Microsoft.Web")
        if operation.method == "DELETE" and (name == "present" or path == group(something_of_each)):
            continue
        for body in _ODD:
            answer = azure.send(operation.method, path, body)
            assert answer.status_code < 500, f"{path} {body}: {answer.text}"
    assert "Traceback" not in azure.log()[before:]


# -- headers


def test_every_answer_names_its_request(azure: LocalAzure, names: Names) -> None:
    asked = {"x-ms-client-request-id": "0a0b0c0d-0000-4000-8000-000000000001"}

    for answer in (
        azure.send("GET", group(names), headers=asked),
        azure.send("GET", site(names), headers=asked),
        azure.send("DELETE", plan(names), headers=asked),
    ):
        assert answer.headers["x-ms-client-request-id"] == asked["x-ms-client-request-id"]
        assert answer.headers["x-ms-request-id"]
        assert answer.headers["x-ms-correlation-request-id"]
        kind = {"GET": "reads", "DELETE": "deletes"}[answer.request.method or ""]
        assert int(answer.headers[f"x-ms-ratelimit-remaining-subscription-{kind}"]) > 0


def test_a_throttled_client_is_told_when_to_come_again(azure: LocalAzure, names: Names) -> None:
    body = {"error": {"code": "SubscriptionRequestsThrottled", "message": "Please try again after '10' seconds."}}
    fault = {"status": 429, "headers": {"Retry-After": "10"}, "body": body, "nth": 2, "count": 2}
    with azure.fault(method="GET", path=group(names), **fault):
        answers = [azure.get(group(names)) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == [None, "10", "10", None]
    assert answers[1].json() == json.loads(json.dumps(body))


def test_name_checks_answer_200_in_three_forms(azure: LocalAzure, names: Names) -> None:
    azure.make_plan(names)
    azure.make_site(names)
    azure.make_registry(names)
    azure.make_account(names)
    azure.make_namespace(names)
    below = f"/subscriptions/{names['subscription']}/providers"

    def check(kind: str, name: str) -> Any:
        answer = azure.send("POST", f"{below}/{kind}", {"name": name, "type": "a/type"})
        assert answer.status_code == 200
        return answer.json()

    registries, accounts = (
        "Microsoft.ContainerRegistry/checkNameAvailability",
        "Microsoft.Storage/checkNameAvailability",
    )
    sites, namespaces = "Microsoft.Web/checknameavailability", "Microsoft.ServiceBus/CheckNameAvailability"
    assert check(registries, "freename")["nameAvailable"] is True
    assert check(accounts, "freename") == {"nameAvailable": True}
    assert check(sites, "freename") == {"nameAvailable": True, "reason": "", "message": ""}
    assert check(namespaces, "freename")["nameAvailable"] is True
    taken = {registries: "name", accounts: "account", sites: "name", namespaces: "namespace"}
    for kind, name in taken.items():
        answered = check(kind, names[name])
        assert answered["nameAvailable"] is False
        assert answered["reason"] in ("AlreadyExists", "NameInUse")
        assert names[name] in answered["message"]
        assert check(kind, "-")["nameAvailable"] is False
