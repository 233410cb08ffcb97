"""The function app: written once, with its image and all its settings.

Source: azure-cli's recorded traffic, test_acr_create_function_app and test_acr_msi_integration: a PUT keeps what it
leaves out of the configuration, but replaces app settings as a whole; REST API docs, Web Apps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import UNKNOWN, Change, Known, Resource, State, differences
from azext_mlfunc.deploying.resources.plan import Plan, is_dedicated
from azext_mlfunc.findings import Finding

_API = "2024-04-01"
_DOCKER = "DOCKER|"
_START_LIMIT = 1800
"""Seconds that App Service waits for the container: its most. The default, 230, is too short for a large model."""
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

Values = Callable[[Known], Mapping[str, "str | None"]]
"""App settings that come from other resources; None for one that is known when its resource is made."""


class FunctionApp(Resource):
    """The app.

    :param app_id: its ID.
    :param plan: what it runs on.
    :param sku: what the plan is to become, if the user said so.
    :param image: with its digest.
    :param settings: app settings that are known from the start.
    :param values: those that come from other resources.
    :param needs: the keys of those resources, and of all else that has to be there before the app starts.
    :param tags: of a new app.
    """

    key = "app"

    def __init__(
        self,
        app_id: str,
        plan: Plan,
        sku: str | None,
        image: str,
        settings: Mapping[str, str],
        values: Values,
        needs: tuple[str, ...],
        tags: dict[str, str],
    ) -> None:
        self.id = app_id
        self.name = app_id.rsplit("/", 1)[-1]
        self.title = f"function app '{self.name}'"
        self.needs = needs
        self.image = image
        self._plan = plan
        self._sku = sku
        self._settings = settings
        self._values = values
        self._tags = tags

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        if document is None:
            return None
        config = arm.get(f"{self.id}/config/web", _API) or {}
        settings = arm.post(f"{self.id}/config/appsettings/list", _API)["properties"]
        return State(document | {"config": config.get("properties") or {}}, settings)

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
                f"{self.name} --resource-group {self.id.split('/')[4]}",
            )
        now = str(state.properties.get("serverFarmId", ""))
        if now.lower() != self._plan.id.lower():
            yield Finding(
                self.title,
                f"it runs on the plan '{now.rsplit('/', 1)[-1]}'",
                f"the {self._plan.title}",
                "leave --plan out, or name that plan: an app is moved by `az functionapp update --plan`",
            )

    def _check_name(self, arm: Arm) -> Iterator[Finding]:
        path = f"/subscriptions/{arm.subscription}/providers/Microsoft.Web/checknameavailability"
        answer = arm.post(path, _API, {"name": self.name, "type": "Microsoft.Web/sites"})
        if not answer["nameAvailable"]:
            yield Finding(
                f"--name {self.name}",
                answer.get("message") or "the name cannot be had",
                "a name that no app in Azure has: 2 to 60 letters, digits and hyphens",
                "choose another name",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        settings = {f"settings.{name}": value for name, value in self._wanted_settings(known).items()}
        if state is None:
            plain = {"plan": self._plan.title, "image": self.image, "httpsOnly": True, **self._wanted_config(known)}
            del plain["linuxFxVersion"]  # it is the image
            return differences({}, plain) + differences({}, settings, secret=True)
        config = differences(state.document["config"], self._wanted_config(known))
        https = differences({"httpsOnly": state.properties.get("httpsOnly")}, {"httpsOnly": True})
        now = {f"settings.{name}": value for name, value in state.secrets.items()}
        return https + config + differences(now, settings, secret=True)

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        settings = {**(state.secrets if state else {}), **self._wanted_settings(known)}
        missing = [name for name, value in settings.items() if value is None or value == UNKNOWN]
        assert not missing, missing
        config = {**self._wanted_config(known), "appSettings": [{"name": n, "value": v} for n, v in settings.items()]}
        properties: dict[str, Any] = {
            "serverFarmId": self._plan.id,
            "reserved": True,
            "clientAffinityEnabled": False,
            "httpsOnly": True,
        }
        body: dict[str, Any] = {"kind": "functionapp,linux,container", "tags": self._tags}
        if state is None:
            plan = known[self._plan.key]
            assert plan is not None
            body["location"] = plan.document["location"]
        else:
            kept = {name: value for name, value in state.properties.items() if name not in _READ_ONLY}
            properties = {**kept, "httpsOnly": True}
            body = {**body, "location": state.document["location"], "tags": state.document.get("tags") or {}}
            if state.document.get("identity"):
                body["identity"] = _writable_identity(state.document["identity"])
        arm.put(self.id, _API, {**body, "properties": {**properties, "siteConfig": config}})

    def _wanted_config(self, known: Known) -> dict[str, Any]:
        dedicated = is_dedicated(known[self._plan.key], self._sku)
        return {
            "linuxFxVersion": f"{_DOCKER}{self.image}",
            "alwaysOn": dedicated,  # else triggers but HTTP sleep; there is none elsewhere
            "http20Enabled": True,
            "minTlsVersion": "1.2",
            "ftpsState": "Disabled",
            "httpLoggingEnabled": True,  # the container's log can be read
            "acrUseManagedIdentityCreds": False,
        }

    def _wanted_settings(self, known: Known) -> dict[str, str]:
        values = {name: UNKNOWN if value is None else value for name, value in self._values(known).items()}
        return {
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "FUNCTION_APP_EDIT_MODE": "readOnly",
            "WEBSITES_ENABLE_APP_SERVICE_STORAGE": "false",
            "WEBSITES_CONTAINER_START_TIME_LIMIT": str(_START_LIMIT),
            "DOCKER_CUSTOM_IMAGE_NAME": self.image,
            **values,
            **self._settings,
        }

    def command(self) -> str:
        group = self.id.split("/")[4]
        create = f"az functionapp create --resource-group {group} --name {self.name} --plan {self._plan.id}"
        container = f"az functionapp config container set --image {self.image}"
        return f"{create} --functions-version 4 --image {self.image} …; {container} …"


def _writable_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity as a PUT takes it: its IDs are the service's."""
    written: dict[str, Any] = {"type": identity["type"]}
    if identity.get("userAssignedIdentities"):
        written["userAssignedIdentities"] = {each: {} for each in identity["userAssignedIdentities"]}
    return written
