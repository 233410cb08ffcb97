"""The function app: written once, with its image and all its settings.

Source: azure-cli's recorded traffic, test_acr_create_function_app and test_acr_msi_integration: a PUT keeps what it
leaves out of the configuration, but replaces app settings as a whole; REST API docs, Web Apps.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Home, Known, Resource, State, differences, group_of, name_of
from azext_mlfunc.deploying.resources.app_commands import AppCommands
from azext_mlfunc.deploying.resources.plan import Plan, is_dedicated
from azext_mlfunc.deploying.resources.storage_account import StorageAccount
from azext_mlfunc.deploying.settings import Setting, Settings, check_services, settings_changes, unmet
from azext_mlfunc.findings import Finding

_API = "2024-04-01"
_DOCKER = "DOCKER|"
_START_LIMIT = 1800
"""Seconds that App Service waits for the container: its most. The default, 230, is too short for a large model."""
_MACHINE_KEY = "MACHINEKEY_DecryptionKey"
"""With it the host checks who asks through ARM, and az makes one, too: azure-functions-host, issue 3518."""
_STORAGE = "AzureWebJobsStorage"
_SHARE, _SHARE_CONNECTION = "WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING"
"""Elastic Premium's, as az sets them. Source: Azure Functions docs, app settings reference."""
# what a GET of a site has that is not for a PUT: read-only, or another resource's
_READ_ONLY = (
    "state", "hostNames", "enabledHostNames", "usageState", "availabilityState", "lastModifiedTimeUtc",
    "trafficManagerHostNames", "targetSwapSlot", "outboundIpAddresses", "possibleOutboundIpAddresses",
    "suspendedTill", "maxNumberOfWorkers", "resourceGroup", "isDefaultContainer", "defaultHostName",
    "slotSwapStatus", "inProgressOperationId", "inboundIpAddress", "siteProperties", "siteConfig", "kind", "tags",
    "hostNameSslStates", "privateEndpointConnections", "repositorySiteName", "sku", "webSpace", "selfLink", "owner",
    "adminEnabled", "storageRecoveryDefaultState", "contentAvailabilityState", "runtimeAvailabilityState",
    "sslCertificates", "csrs", "deploymentId", "homeStamp", "name", "customDomainVerificationId",
    "siteScopedCertificatesEnabled",
)  # fmt: skip


class FunctionApp(Resource):
    """The app.

    :param app_id: its ID.
    :param plan: what it runs on.
    :param sku: what the plan is to become, if the user said so.
    :param storage: the app's own.
    :param image: with its digest.
    :param settings: app settings that come from other resources and from the user; they win over our own.
    :param needs: the keys of those resources, and of all else that has to be there before the app starts.
    :param home: of a new app.
    """

    key = "app"

    def __init__(
        self,
        app_id: str,
        plan: Plan,
        sku: str | None,
        storage: StorageAccount,
        image: str,
        settings: Settings,
        needs: tuple[str, ...],
        home: Home,
    ) -> None:
        self.id = app_id
        self.name = name_of(app_id)
        self.title = f"function app '{self.name}'"
        self.needs = needs
        self.image = image
        self._plan = plan
        self._sku = sku
        self._storage = storage
        self._settings = settings
        self._home = home

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        if document is None:
            return None
        config = arm.get(f"{self.id}/config/web", _API) or {}
        return State(document | {"config": config.get("properties") or {}}, self._read_settings(arm))

    def _read_settings(self, arm: Arm) -> dict[str, str]:
        settings: dict[str, str] = arm.post(f"{self.id}/config/appsettings/list", _API)["properties"]
        return settings

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if state is None:
            yield from self._check_name(arm)
            return
        kind = str(state.document.get("kind", ""))
        is_ours = "functionapp" in kind and "container" in kind and "linux" in kind and "azurecontainerapps" not in kind
        if not is_ours:
            yield Finding(
                self.title,
                f"there is an app of this name, of the kind {kind or 'unknown'}",
                "a function app on Linux that runs a container (functionapp,linux,container)",
                "choose another name with --name, or delete that app first: az functionapp delete --name "
                f"{self.name} --resource-group {group_of(self.id)}",
            )
            return
        now = str(state.properties.get("serverFarmId", ""))
        if now.lower() != self._plan.id.lower():
            yield Finding(
                self.title,
                f"it runs on the plan '{name_of(now)}'",
                f"the {self._plan.title}",
                f"name the plan that it runs on: --plan {now}; or move the app first: az functionapp update --name "
                f"{self.name} --resource-group {group_of(self.id)} --plan NAME",
            )
        yield from check_services(self.title, state.secrets, self._settings(known))

    def _check_name(self, arm: Arm) -> Iterator[Finding]:
        path = f"/subscriptions/{arm.subscription}/providers/Microsoft.Web/checknameavailability"
        answer = arm.post(path, _API, {"name": self.name, "type": "Microsoft.Web/sites"})
        if not answer["nameAvailable"]:
            yield Finding(
                f"--name {self.name}",
                answer.get("message") or "the name cannot be had",
                "a name that no app in Azure has, or an app in the resource group that --resource-group names",
                "choose another name, or name the group of your app",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        settings = settings_changes(state.secrets if state else {}, self._wanted_settings(state, known))
        config = self._wanted_config(known)
        if state is None:
            del config["linuxFxVersion"]  # it is the image
            plain = {"plan": self._plan.title, "image": self.image, "httpsOnly": True, **config}
            return differences({}, plain) + settings
        https = differences({"httpsOnly": state.properties.get("httpsOnly")}, {"httpsOnly": True})
        return https + differences(state.document["config"], config) + settings

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        if state is not None:  # what others have set since the plan was made is not lost
            state = State(state.document, self._read_settings(arm))
        there = dict(state.secrets) if state else {}
        wanted = unmet(there, self._wanted_settings(state, known))
        settings = there | {name: str(setting.value) for name, setting in wanted.items()}
        config = {**self._wanted_config(known), "appSettings": [{"name": n, "value": v} for n, v in settings.items()]}
        properties: dict[str, Any] = {"serverFarmId": self._plan.id, "reserved": True, "clientAffinityEnabled": False}
        body: dict[str, Any] = {"kind": "functionapp,linux,container", "tags": self._home.tags}
        if state is None:
            plan = known[self._plan.key]
            assert plan is not None
            body["location"] = plan.document["location"]
        else:
            properties = {name: value for name, value in state.properties.items() if name not in _READ_ONLY}
            body |= {"location": state.document["location"], "tags": state.document.get("tags") or {}}
            if state.document.get("identity"):
                body["identity"] = _writable_identity(state.document["identity"])
        arm.put(self.id, _API, {**body, "properties": {**properties, "httpsOnly": True, "siteConfig": config}})

    def _wanted_config(self, known: Known) -> dict[str, Any]:
        return {
            "linuxFxVersion": f"{_DOCKER}{self.image}",
            "alwaysOn": self._is_dedicated(known),  # else triggers but HTTP sleep; there is none elsewhere
            "http20Enabled": True,
            "minTlsVersion": "1.2",
            "ftpsState": "Disabled",
            "httpLoggingEnabled": True,  # the container's log can be read
            "acrUseManagedIdentityCreds": False,
        }

    def _wanted_settings(self, state: State | None, known: Known) -> dict[str, Setting]:
        """What the settings should be; those that are made once stay as they are, and are not named then."""
        given = self._settings(known)
        own = {
            "FUNCTIONS_EXTENSION_VERSION": Setting("~4"),
            "FUNCTIONS_WORKER_RUNTIME": Setting("python"),
            "FUNCTION_APP_EDIT_MODE": Setting("readOnly"),
            "WEBSITES_ENABLE_APP_SERVICE_STORAGE": Setting("false"),
            "WEBSITES_CONTAINER_START_TIME_LIMIT": Setting(str(_START_LIMIT)),
            "DOCKER_CUSTOM_IMAGE_NAME": Setting(self.image),
        }
        once = {_MACHINE_KEY: Setting(secrets.token_hex(32).upper(), "$(openssl rand -hex 32)")}
        if not self._is_dedicated(known):
            own[_SHARE_CONNECTION] = given[_STORAGE]
            once[_SHARE] = Setting(self.name.lower())
        there = state.secrets if state else {}
        return {**own, **{name: setting for name, setting in once.items() if not there.get(name)}, **given}

    def _is_dedicated(self, known: Known) -> bool:
        return is_dedicated(known[self._plan.key], self._sku)

    def commands(self, state: State | None, known: Known) -> list[str]:
        commands = AppCommands(self.id)
        settings = self._wanted_settings(state, known)
        if state is None:
            create = commands.create(self._plan.id, self._storage.id, self.image, settings, self._home.tags)
            return [create, commands.configure(self._wanted_config(known)), commands.set_after_create(settings)]
        differing = {change.property: change.after for change in self.changes(state, known)}
        return commands.update(differing, settings)


def _writable_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity as a PUT takes it: its IDs are the service's."""
    written: dict[str, Any] = {"type": identity["type"]}
    if identity.get("userAssignedIdentities"):
        written["userAssignedIdentities"] = {each: {} for each in identity["userAssignedIdentities"]}
    return written
