"""Microsoft.Web/sites: the resource itself, and what is asked before there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from .azure import LocalAzure, plan, site
from .wire import Names, Recording

Wire = Callable[[str], Recording]
_STAMP = "where in Azure it was"
_HERE = {
    "properties.inboundIpAddress": _STAMP,
    "properties.outboundIpAddresses": _STAMP,
    "properties.possibleOutboundIpAddresses": _STAMP,
    "properties.homeStamp": _STAMP,
}


@pytest.fixture
def on_plan(azure: LocalAzure, names: Names) -> Names:
    azure.make_plan(names)
    return names


def _image(azure: LocalAzure, names: Names) -> None:
    properties = {"linuxFxVersion": f"DOCKER|{names['registry']}.azurecr.io/image-name:latest"}
    assert azure.send("PATCH", site(names) + "/config/web", {"properties": properties}).ok


def test_create_an_app(azure: LocalAzure, on_plan: Names, wire: Wire) -> None:
    recording = wire("web-sites-put.json")

    created = recording.answer.replay(azure, on_plan, varies=_HERE)
    recording.then[0].replay(azure, on_plan)
    recording.then[1].replay(azure, on_plan, body=wire("web-sites-config-web-patch.json").answer.sent(on_plan))
    recording.then[2].replay(azure, on_plan)

    assert not {"Location", "Azure-AsyncOperation"} & set(created.headers)
    assert created.json()["properties"]["siteConfig"].get("appSettings") is None
    settings = azure.send("POST", site(on_plan) + "/config/appsettings/list").json()["properties"]
    sent = recording.answer.sent(on_plan)["properties"]["siteConfig"]["appSettings"]
    assert list(settings.items()) == [(each["name"], each["value"]) for each in sent]


def test_an_app_name_that_is_taken(azure: LocalAzure, on_plan: Names, wire: Wire) -> None:
    azure.make_site(on_plan)
    other = azure.fresh() | {"name": on_plan["name"]}
    azure.make_plan(other)
    error = wire("web-sites-put.json").error("name taken")

    error.replay(azure, other, bare=True)
    error.replay(azure, other | {"name": on_plan["name"].upper()}, bare=True)

    assert azure.get(site(other)).status_code == 404


def test_an_app_without_its_plan(azure: LocalAzure, names: Names, wire: Wire) -> None:
    error = wire("web-sites-put.json").error("plan missing")

    by_id = error.sent(names)
    by_id["properties"]["serverFarmId"] = plan(names)

    error.replay(azure, names, bare=True)
    error.replay(azure, names, bare=True, body=by_id)

    assert azure.get(site(names)).status_code == 404


def test_get_an_app(azure: LocalAzure, on_plan: Names, wire: Wire) -> None:
    recording = wire("web-sites-get.json")
    recording.error("missing").replay(azure, on_plan, bare=True)
    azure.make_site(on_plan, linuxFxVersion="Node|22", alwaysOn=True, http20Enabled=True)

    recording.answer.replay(azure, on_plan, varies=_HERE)
    _image(azure, on_plan)
    recording.then[0].replay(azure, on_plan)


def test_another_api_version_is_taken(azure: LocalAzure, on_plan: Names) -> None:
    azure.make_site(on_plan)

    answers = [azure.get(site(on_plan), version) for version in ("2024-04-01", "2023-12-01", "2016-08-01")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json() == answers[1].json() == answers[2].json()


def test_assign_an_identity(azure: LocalAzure, wire: Wire) -> None:
    recording, names = wire("web-sites-put-identity.json"), azure.fresh("eastus2")
    azure.make_plan(names, location="eastus2")
    body = {"kind": "app,linux", "location": "East US 2", "properties": {"serverFarmId": names["plan"]}}
    settings = [{"name": "KEPT", "value": "yes"}]
    body["properties"] |= {"siteConfig": {"linuxFxVersion": "DOTNETCORE|8.0", "appSettings": settings}}
    azure.make(site(names), body)
    before = azure.get(site(names) + "/config/web").json()["properties"]

    assigned = recording.answer.replay(azure, names).json()

    assert set(assigned["identity"]) == {"type", "tenantId", "principalId"}
    assert recording.answer.send(azure, names).json()["identity"] == assigned["identity"]
    assert azure.get(site(names)).json()["identity"] == assigned["identity"]
    kept = azure.send("POST", site(names) + "/config/appsettings/list").json()["properties"]
    after = azure.get(site(names) + "/config/web").json()["properties"]
    assert kept == {"KEPT": "yes"}
    assert before["managedServiceIdentityId"] is None
    assert isinstance(after.pop("managedServiceIdentityId"), int)
    assert after.items() <= before.items()


def test_delete_an_app(azure: LocalAzure, on_plan: Names, wire: Wire) -> None:
    recording = wire("web-sites-delete.json")
    azure.make_site(on_plan)

    recording.answer.replay(azure, on_plan)
    recording.then[0].replay(azure, on_plan, bare=True)

    assert azure.get(site(on_plan)).status_code == 404


def test_check_an_app_name(azure: LocalAzure, on_plan: Names, wire: Wire) -> None:
    recording = wire("web-checknameavailability.json")
    recording.answer.replay(azure, on_plan, bare=True)
    azure.make_site(on_plan)

    taken = recording.answer.send(azure, on_plan)

    text = f"Hostname '{on_plan['name']}' already exists. Please select a different name."
    assert taken.status_code == 200
    assert taken.json() == {"nameAvailable": False, "reason": "AlreadyExists", "message": text}


def test_runtime_stacks(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("web-functionappstacks-get.json")
    answer = recording.answer.send(azure, names)
    python = [family for family in answer.json()["value"] if family["name"] == "python"]

    newer = "other Pythons than in 2022"
    inside = "value[].properties.majorVersions[].minorVersions[]"
    runtime = f"{inside}.stackSettings.linuxRuntimeSettings"
    varies = {
        inside.removesuffix("[]"): newer,
        f"{inside}.displayText": newer,
        f"{inside}.value": newer,
        f"{runtime}.runtimeVersion": newer,
        f"{runtime}.isDefault": "one of them is",
        f"{runtime}.gitHubActionSettings.supportedVersion": newer,
        f"{runtime}.siteConfigPropertiesDictionary.linuxFxVersion": newer,
        f"{runtime}.supportedFunctionsExtensionVersions": "~3 is over",
    }
    recording.answer.hold(answer, names, body=answer.json() | {"value": python}, varies=varies)
    settings = [each["stackSettings"]["linuxRuntimeSettings"] for each in _minor_versions(python[0])]
    versions = [each["value"] for each in _minor_versions(python[0])]
    assert [each["runtimeVersion"] for each in settings] == [f"Python|{version}" for version in versions]
    assert all(each["siteConfigPropertiesDictionary"]["linuxFxVersion"] == each["runtimeVersion"] for each in settings)
    assert {"3.10", "3.11", "3.12", "3.13"} <= set(versions)


def _minor_versions(family: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for major in family["properties"]["majorVersions"]:
        yield from major["minorVersions"]
