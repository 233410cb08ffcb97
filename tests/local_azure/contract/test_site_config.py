"""The configuration of an app."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from requests import Response

from .azure import LocalAzure, site
from .wire import Names, Recording

Wire = Callable[[str], Recording]
_YEAR = {"properties.remoteDebuggingVersion": "as new as Visual Studio then was"}
_PRELOAD = {"properties.virtualApplications[].preloadEnabled": "is what alwaysOn was when"}


@pytest.fixture
def app(azure: LocalAzure, names: Names) -> Names:
    """An app without settings."""
    azure.make_plan(names)
    azure.make_site(names, alwaysOn=True, http20Enabled=True)
    return names | {"guid": "0a0b0c0d-0000-4000-8000-0123456789ab"}


def _etag(azure: LocalAzure, names: Names) -> str:
    return azure.get(site(names)).headers["etag"]


def _settings(azure: LocalAzure, names: Names) -> dict[str, str]:
    listed: Response = azure.send("POST", site(names) + "/config/appsettings/list")
    properties: dict[str, str] = listed.json()["properties"]
    return properties


def test_settings(azure: LocalAzure, app: Names, wire: Wire) -> None:
    put, listed = wire("web-sites-config-appsettings-put.json"), wire("web-sites-config-appsettings-list.json")
    sent = put.answer.sent(app)["properties"]
    assert _settings(azure, app) == {}

    answer = put.answer.replay(azure, app)
    shown = listed.answer.replay(azure, app)

    assert list(answer.json()["properties"].items()) == list(sent.items())
    assert list(shown.json()["properties"].items()) == list(sent.items())


def test_settings_of_a_missing_app(azure: LocalAzure, names: Names, wire: Wire) -> None:
    error = wire("web-sites-config-appsettings-put.json").error("site missing")

    error.replay(azure, names, bare=True, body={"properties": {}})


def test_writing_settings_replaces_them_all(azure: LocalAzure, app: Names) -> None:
    path = site(app) + "/config/appsettings"
    azure.make(path, {"properties": {"A": "1", "B": "2"}})

    azure.make(path, {"properties": {"B": "3"}})

    assert _settings(azure, app) == {"B": "3"}


def test_the_etag_of_a_write_is_that_of_before_it(azure: LocalAzure, app: Names) -> None:
    before = _etag(azure, app)

    settings = azure.send("PUT", site(app) + "/config/appsettings", {"properties": {"A": "1"}})
    between = _etag(azure, app)
    patched = azure.send("PATCH", site(app) + "/config/web", {"properties": {"alwaysOn": False}})

    assert settings.headers["etag"] == before
    assert patched.headers["etag"] == between
    assert len({before, between, _etag(azure, app)}) == 3


def test_names_of_settings_that_stay_with_a_slot(azure: LocalAzure, app: Names, wire: Wire) -> None:
    wire("web-sites-config-slotconfignames-get.json").answer.replay(azure, app, bare=True)


def test_get_the_configuration(azure: LocalAzure, app: Names, wire: Wire) -> None:
    recording = wire("web-sites-config-web-get.json")
    properties = {"linuxFxVersion": f"DOCKER|{app['registry']}.azurecr.io/image-name:latest"}
    azure.send("PATCH", site(app) + "/config/web", {"properties": properties})

    recording.answer.replay(azure, app, bare=True, varies=_YEAR)


def test_set_the_image(azure: LocalAzure, app: Names, wire: Wire) -> None:
    recording = wire("web-sites-config-web-patch.json")

    patched = recording.answer.replay(azure, app, bare=True, varies=_YEAR)
    kept = azure.get(site(app) + "/config/web").json()["properties"]
    recording.then[0].replay(azure, app)

    assert kept == patched.json()["properties"]
    for nothing in (None, ""):
        body = {"properties": {"linuxFxVersion": nothing}}
        azure.send("PATCH", site(app) + "/config/web", body)
        assert azure.get(site(app) + "/config/web").json()["properties"]["linuxFxVersion"] == " "


def test_pull_with_the_identity(azure: LocalAzure, app: Names, wire: Wire) -> None:
    recording = wire("web-sites-config-web-patch-acr-identity.json")
    azure.make(site(app), {"identity": {"type": "SystemAssigned"}, "properties": {}})

    recording.answer.replay(azure, app)
    recording.then[0].replay(azure, app)

    config = azure.get(site(app) + "/config/web").json()["properties"]
    assert (config["acrUseManagedIdentityCreds"], config["acrUserManagedIdentityID"]) == (True, "")
    shown = azure.get(site(app)).json()["properties"]["siteConfig"]
    assert (shown["acrUseManagedIdentityCreds"], shown["acrUserManagedIdentityID"]) == (True, None)
