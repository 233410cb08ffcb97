"""Microsoft.Web/serverfarms."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .azure import LocalAzure, plan, site
from .wire import Names, Recording

Wire = Callable[[str], Recording]
_ONLY_ONE = "numbers of the day: which plan and which scale unit it was"
_UNIT = {"properties.serverFarmId": _ONLY_ONE, "properties.mdmId": _ONLY_ONE}


def test_create_a_linux_plan(azure: LocalAzure, names: Names, wire: Wire) -> None:
    created = wire("web-serverfarms-put.json").answer.replay(azure, names, varies=_UNIT)

    assert not {"Location", "Azure-AsyncOperation"} & set(created.headers)


def test_get_a_plan(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("web-serverfarms-get.json")
    recording.error("missing").replay(azure, names, bare=True)
    wire("web-serverfarms-put.json").answer.send(azure, names)

    shown = recording.answer.replay(azure, names, varies=_UNIT)

    assert "sku" not in shown.json()["properties"]
    azure.make_site(names)
    assert azure.get(plan(names)).json()["properties"]["numberOfSites"] == 1


def test_create_an_elastic_premium_plan(azure: LocalAzure, names: Names, wire: Wire) -> None:
    wire("web-serverfarms-put-elastic-premium.json").answer.replay(azure, names)


@pytest.mark.parametrize("name", ["S1000", ""])
def test_a_wrong_sku(azure: LocalAzure, names: Names, wire: Wire, name: str) -> None:
    body = {"location": "brazilsouth", "sku": {"name": name}, "properties": {"reserved": True}}
    error = wire("web-serverfarms-put.json").error("bad property value")

    refused = error.replay(azure, names | {"property": "Sku"}, body=body, bare=True)

    assert f"'{name}'" in refused.json()["Message"]
    assert azure.get(plan(names)).status_code == 404


def test_delete_a_plan(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("web-serverfarms-delete.json")
    azure.make_plan(names)
    azure.make_site(names)

    refused = recording.answer.send(azure, names)

    text = f"Server farm '{names['plan']}' cannot be deleted because it has web app(s) {names['name']} assigned to it."
    assert (refused.status_code, refused.json()["Code"], refused.json()["Message"]) == (409, "Conflict", text)
    azure.send("DELETE", site(names) + "?deleteEmptyServerFarm=false")
    recording.answer.replay(azure, names)
    assert azure.get(plan(names)).status_code == 404
    assert recording.answer.send(azure, names).status_code == 204
