"""The az commands that a write of the function app stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from azext_mlfunc.deploying.resource import az, group_of, name_of, variable
from azext_mlfunc.deploying.resources.app_insights import SETTING as INSIGHTS
from azext_mlfunc.deploying.settings import Setting

# what `az functionapp config set` has options for; the rest is its --generic-configurations
_OPTIONS = {
    "alwaysOn": "--always-on",
    "http20Enabled": "--http20-enabled",
    "minTlsVersion": "--min-tls-version",
    "ftpsState": "--ftps-state",
}
_IMAGE, _HTTPS = "linuxFxVersion", "httpsOnly"
_LOGIN = {
    "DOCKER_REGISTRY_SERVER_USERNAME": "--registry-username",
    "DOCKER_REGISTRY_SERVER_PASSWORD": "--registry-password",
}
# what `az functionapp create` sets by itself, from its other options
_OF_CREATE = ("FUNCTIONS_EXTENSION_VERSION", "FUNCTION_APP_EDIT_MODE", "WEBSITES_ENABLE_APP_SERVICE_STORAGE",
              "DOCKER_CUSTOM_IMAGE_NAME", "AzureWebJobsStorage", "MACHINEKEY_DecryptionKey", "WEBSITE_CONTENTSHARE",
              "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "DOCKER_REGISTRY_SERVER_URL", INSIGHTS, *_LOGIN)  # fmt: skip


class AppCommands:
    """Commands for one app.

    :param app_id: its ID.
    """

    def __init__(self, app_id: str) -> None:
        self._named = ("--resource-group", group_of(app_id), "--name", name_of(app_id))
        self._name = name_of(app_id)

    def create(
        self, plan_id: str, storage_id: str, image: str, settings: Mapping[str, Setting], tags: Mapping[str, str]
    ) -> str:
        """Make the app of an image, with all settings that this command knows."""
        insights = ("--app-insights", self._name) if INSIGHTS in settings else ("--disable-app-insights", "true")
        login = [word for name, option in _LOGIN.items() for word in (option, settings[name].word)]
        where = ("--plan", plan_id, "--storage-account", storage_id)
        what = ("--functions-version", "4", "--image", image, *login, "--https-only", "true", *insights)
        tagged = ("--tags", *(f"{name}={value}" for name, value in tags.items()))
        return az("functionapp", "create", *self._named, *where, *what, *tagged)

    def update(self, differing: Mapping[str, Any], settings: Mapping[str, Setting]) -> list[str]:
        """Write what differs.

        :param differing: properties of the app and of its configuration, and `settings.NAME`.
        """
        commands = []
        if _HTTPS in differing:
            commands.append(az("functionapp", "update", *self._named, "--set", "httpsOnly=true"))
        config = {name: value for name, value in differing.items() if name != _HTTPS and "." not in name}
        image = config.pop(_IMAGE, None)
        if config:
            commands.append(self.configure(config))
        changed = {name: setting for name, setting in settings.items() if f"settings.{name}" in differing}
        if changed:
            commands.append(self.set(changed))
        if image:  # last, when it has its settings
            container = ("functionapp", "config", "container", "set")
            commands.append(az(*container, *self._named, "--image", str(image).partition("|")[2]))
        return commands

    def configure(self, config: Mapping[str, Any]) -> str:
        """Write properties of the configuration."""
        words = [word for name, option in _OPTIONS.items() if name in config for word in (option, _word(config[name]))]
        others = {name: value for name, value in config.items() if name not in (*_OPTIONS, _IMAGE)}
        generic = ("--generic-configurations", json.dumps(others)) if others else ()
        return az("functionapp", "config", "set", *self._named, *words, *generic)

    def set(self, settings: Mapping[str, Setting]) -> str:
        """Write app settings."""
        words = [f"{name}={setting.word}" for name, setting in settings.items()]
        return az("functionapp", "config", "appsettings", "set", *self._named, "--settings", *words)

    def set_after_create(self, settings: Mapping[str, Setting]) -> str:
        """Write the app settings that `az functionapp create` does not."""
        missing = {n: each for n, each in settings.items() if n not in _OF_CREATE or each.shell == variable(n)}
        return self.set(missing)


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
