"""Function apps: the resource itself, and what App Service does when it is written."""

from __future__ import annotations

import datetime
import itertools
import uuid
from typing import Any

from local_azure.arm import names
from local_azure.arm.azure import Azure
from local_azure.arm.body import like
from local_azure.arm.errors import WebError, invalid_body, resource_not_found
from local_azure.arm.operation import GROUP, Answer, Call, Operation
from local_azure.arm.providers.managed_identity import identity
from local_azure.arm.providers.web import plans
from local_azure.arm.store import Resource
from local_azure.function_apps import AppSpec

TYPE = plans.SITE_TYPE
SITES = GROUP + "/providers/Microsoft.Web/sites"
SITE = SITES + "/{site}"
SUFFIX = "azurewebsites.net"
_ETAGS = itertools.count(0x1DBC12575363880)

# what a GET of the site shows of its configuration; the rest is in config/web
_THIN = ("numberOfWorkers", "linuxFxVersion", "acrUseManagedIdentityCreds", "acrUserManagedIdentityID", "alwaysOn",
         "http20Enabled", "functionAppScaleLimit", "minimumElasticInstanceCount")  # fmt: skip
CONFIG_DEFAULTS: dict[str, Any] = {
    "numberOfWorkers": 1,
    "defaultDocuments": ["Default.htm", "Default.html", "Default.asp", "index.htm", "index.html", "iisstart.htm",
                         "default.aspx", "index.php"],
    "netFrameworkVersion": "v4.0",
    "phpVersion": "",
    "pythonVersion": "",
    "nodeVersion": "",
    "powerShellVersion": "",
    "linuxFxVersion": "",
    "windowsFxVersion": None,
    "requestTracingEnabled": False,
    "remoteDebuggingEnabled": False,
    "remoteDebuggingVersion": "VS2022",
    "httpLoggingEnabled": False,
    "acrUseManagedIdentityCreds": False,
    "acrUserManagedIdentityID": None,
    "logsDirectorySizeLimit": 35,
    "detailedErrorLoggingEnabled": False,
    "publishingPassword": None,
    "appSettings": None,
    "connectionStrings": None,
    "scmType": "None",
    "use32BitWorkerProcess": False,
    "webSocketsEnabled": False,
    "alwaysOn": False,
    "appCommandLine": "",
    "managedPipelineMode": "Integrated",
    "virtualApplications": [
        {"virtualPath": "/", "physicalPath": "site\\wwwroot", "preloadEnabled": False, "virtualDirectories": None}
    ],
    "loadBalancing": "LeastRequests",
    "experiments": {"rampUpRules": []},
    "autoHealEnabled": False,
    "vnetName": "",
    "vnetRouteAllEnabled": False,
    "localMySqlEnabled": False,
    "managedServiceIdentityId": None,
    "ipSecurityRestrictions": [
        {
            "ipAddress": "Any",
            "action": "Allow",
            "priority": 2147483647,
            "name": "Allow all",
            "description": "Allow all access",
        }
    ],
    "http20Enabled": False,
    "minTlsVersion": "1.2",
    "scmMinTlsVersion": "1.2",
    "ftpsState": "FtpsOnly",
    "preWarmedInstanceCount": 0,
    "functionAppScaleLimit": 0,
    "healthCheckPath": None,
    "functionsRuntimeScaleMonitoringEnabled": False,
    "minimumElasticInstanceCount": 0,
    "azureStorageAccounts": {},
    "storageType": "StorageVolume",
}  # fmt: skip
"""config/web of a new site (web-sites-config-web-get.json)."""
_NEVER_TAKEN = ("appSettings", "connectionStrings", "publishingPassword", "publishingUsername", "storageType",
                "managedServiceIdentityId")  # fmt: skip
_PROPERTIES = ("httpsOnly", "clientAffinityEnabled", "clientCertEnabled", "clientCertMode", "publicNetworkAccess",
               "storageAccountRequired", "virtualNetworkSubnetId", "keyVaultReferenceIdentity", "redundancyMode",
               "vnetRouteAllEnabled", "vnetImagePullEnabled", "hostNamesDisabled", "containerSize")  # fmt: skip


def config_fields(prefix: str) -> dict[str, type]:
    """The fields of config/web in a request; see ``body``."""
    entry = f"{prefix}appSettings.[]"
    others = {"windowsFxVersion": str, "acrUserManagedIdentityID": str, "healthCheckPath": str, "appSettings": list}
    settings = {entry: dict, f"{entry}.name": str, f"{entry}.value": str, f"{prefix}virtualApplications.[]": dict}
    return {**like(CONFIG_DEFAULTS, prefix), **{f"{prefix}{name}": kind for name, kind in others.items()}, **settings}


def named(azure: Azure, name: str) -> Resource | None:
    """The app of this name, wherever it is: names are global."""
    return next((each for each in azure.store.select(TYPE) if each.name.lower() == name.lower()), None)


def site_of(call: Call) -> Resource:
    """The app of the path.

    Raises:
        ArmError: 404.
    """
    return call.get(TYPE, "site")


async def put_site(call: Call) -> Answer:
    """Create or update an app (web-sites-put.json, web-sites-put-identity.json)."""
    name, found = call.parameters["site"], call.find(TYPE, "site")
    if found is None:
        if names.SITE_NAME.fullmatch(name) is None:
            raise WebError(400, "BadRequest", "The parameter {0} has an invalid value.", ["name"], "01002")
        if named(call.azure, name):
            raise WebError(409, "Conflict", "Website with given name {0} already exists.", [name], "54001")
        call.location(TYPE)
    plan = _plan(call, found)
    resource = found or _new(call, plan)
    before = resource.hidden["etag"]
    write(call, resource)
    resource.properties["serverFarmId"] = plan.id
    call.azure.store.put(resource)
    touched(call, resource)
    answer = shown(call, resource)
    if found is None:  # the answer is staler than the next GET: siteConfig is a default one, though it was taken
        answer["properties"]["siteConfig"] |= {name: CONFIG_DEFAULTS[name] for name in _THIN}
        answer["properties"]["privateEndpointConnections"] = None
    return Answer(200, answer, {"etag": f'"{before}"'})


def _plan(call: Call, found: Resource | None) -> Resource:
    """The plan that a request names: an ID, or a bare name in the app's group.

    Raises:
        ArmError: there is none.
    """
    wanted = str(call.properties.get("serverFarmId") or (found.properties["serverFarmId"] if found else ""))
    identifier = wanted
    if not wanted.startswith("/"):
        identifier = names.resource_id(call.subscription, call.group, "Microsoft.Web/serverfarms", wanted)
    plan = call.azure.store.get(identifier)
    if plan is None:
        raise resource_not_found(plans.TYPE, names.last_name(wanted), call.group)
    return plan


def _new(call: Call, plan: Resource) -> Resource:
    """An app that is not in the store yet."""
    name = call.parameters["site"]
    identifier = call.id_of(TYPE, "site")
    host = f"{name.lower()}.{SUFFIX}"
    management = f"{name.lower()}.scm.{SUFFIX}"
    properties = {
        "name": name,
        "state": "Running",
        "hostNames": [host],
        "webSpace": plan.properties["webSpace"],
        "selfLink": f"https://waws-prod-local-001.api.{SUFFIX}/subscriptions/{call.subscription}/sites/{name}",
        "repositorySiteName": name,
        "owner": None,
        "usageState": "Normal",
        "enabled": True,
        "adminEnabled": True,
        "siteScopedCertificatesEnabled": False,
        "enabledHostNames": [host, management],
        "availabilityState": "Normal",
        "sslCertificates": None,
        "csrs": [],
        "hostNameSslStates": [
            {"name": host, "sslState": "Disabled", "hostType": "Standard"},
            {"name": management, "sslState": "Disabled", "hostType": "Repository"},
        ],
        "serverFarmId": plan.id,
        "reserved": plan.properties["reserved"],
        "isXenon": False,
        "hyperV": False,
        "storageRecoveryDefaultState": "Running",
        "contentAvailabilityState": "Normal",
        "runtimeAvailabilityState": "Normal",
        "functionAppConfig": None,
        "daprConfig": None,
        "deploymentId": name,
        "sku": plan.document["sku"]["tier"],
        "clientAffinityEnabled": False,
        "clientCertEnabled": False,
        "clientCertMode": "Required",
        "customDomainVerificationId": uuid.uuid4().hex.upper() * 2,
        "managedEnvironmentId": None,
        "workloadProfileName": None,
        "resourceConfig": None,
        "inboundIpAddress": "127.0.0.1",
        "outboundIpAddresses": "127.0.0.1",
        "possibleOutboundIpAddresses": "127.0.0.1",
        "containerSize": 0,
        "homeStamp": "waws-prod-local-001",
        "resourceGroup": call.group,
        "defaultHostName": host,
        "httpsOnly": False,
        "redundancyMode": "None",
        "privateEndpointConnections": [],
        "publicNetworkAccess": None,
        "storageAccountRequired": False,
        "virtualNetworkSubnetId": None,
        "keyVaultReferenceIdentity": "SystemAssigned",
    }
    document = {"id": identifier, "name": name, "type": TYPE, "location": plan.document["location"]}
    document |= {"tags": None, "properties": properties}
    hidden = {
        "asked_kind": str(call.document.get("kind", "app")),
        "settings": {},
        "config": {**CONFIG_DEFAULTS, "publishingUsername": f"${name}"},
        "slot_names": {},
        "connection_strings": {},
        "logs": {},
        "etag": f"{next(_ETAGS):X}",
    }
    return Resource(TYPE, document, hidden)


def write(call: Call, resource: Resource) -> None:
    """Take over what a PUT or PATCH of a site says; what it leaves out stays."""
    asked = call.properties
    written = identity(call, resource, call.document.get("identity"))
    take_config(resource, asked.get("siteConfig") or {})
    resource.properties.update({name: asked[name] for name in _PROPERTIES if asked.get(name) is not None})
    if "tags" in call.document:
        resource.document["tags"] = call.document["tags"]
    if written is not None:
        resource.document["identity"] = written
        if resource.hidden["config"]["managedServiceIdentityId"] is None and written["type"] != "None":
            resource.hidden["config"]["managedServiceIdentityId"] = 335
    if asked.get("enabled") is not None:
        resource.properties["state"] = "Running" if asked["enabled"] else "Stopped"
        resource.properties["enabled"] = bool(asked["enabled"])


def take_config(resource: Resource, config: dict[str, Any]) -> None:
    """Take over what a request says of config/web: null and an empty image are no change, one blank clears the image.

    An app that is always on is loaded at once, too (web-sites-config-web-get.json).

    Raises:
        ArmError: an app setting has no name.
    """
    changes = {name: value for name, value in config.items() if value is not None and name not in _NEVER_TAKEN}
    if not changes.get("linuxFxVersion"):
        changes.pop("linuxFxVersion", None)
    if config.get("appSettings") is not None:
        settings = [(each.get("name"), each.get("value") or "") for each in config["appSettings"]]
        if not all(name for name, _ in settings):
            raise invalid_body("an app setting has no name")
        resource.hidden["settings"] = dict(settings)
    kept = resource.hidden["config"]
    kept.update(changes)
    preload = {"preloadEnabled": kept["alwaysOn"]}
    kept["virtualApplications"] = [application | preload for application in kept["virtualApplications"]]


def touched(call: Call, resource: Resource) -> None:
    """A write is over: the etag and the time are new, and the app starts anew with what it now is."""
    resource.hidden["etag"] = f"{next(_ETAGS):X}"
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0")
    resource.properties["lastModifiedTimeUtc"] = now
    call.azure.store.changed()
    call.azure.apps.apply(spec(call.azure, resource))


def image_of(resource: Resource) -> str | None:
    """The image that linuxFxVersion names."""
    kind, _, image = str(resource.hidden["config"]["linuxFxVersion"]).partition("|")
    return image if kind.upper() == "DOCKER" and image else None


def _kind(resource: Resource, suffix: str) -> str:
    """The kind, which the server derives: what the client sends is not kept."""
    kind = "functionapp" if "functionapp" in resource.hidden["asked_kind"].lower() else "app"
    return kind + (",linux" if resource.properties["reserved"] else "") + suffix


def shown(call: Call, resource: Resource) -> dict[str, Any]:
    """An app as a GET answers it (web-sites-get.json)."""
    document = resource.copy()
    config = resource.hidden["config"]
    kind = _kind(resource, ",container" if image_of(resource) else "")
    document["kind"] = kind
    fx = [{"name": "LinuxFxVersion", "value": config["linuxFxVersion"]}, {"name": "WindowsFxVersion", "value": None}]
    document["properties"] |= {
        "kind": kind,
        "tags": document["tags"],
        "siteProperties": {"metadata": None, "properties": fx, "appSettings": None},
        "siteConfig": {
            **dict.fromkeys(CONFIG_DEFAULTS),
            **{name: config[name] for name in _THIN},
            "acrUserManagedIdentityID": config["acrUserManagedIdentityID"] or None,
        },
    }
    return document


async def get_site(call: Call) -> Answer:
    """Get an app (web-sites-get.json)."""
    resource = site_of(call)
    return Answer(200, shown(call, resource), {"etag": f'"{resource.hidden["etag"]}"'})


async def list_sites(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - List and List By Resource Group."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    sites = [shown(call, each) for each in call.azure.store.select(TYPE, below)]
    return Answer(body={"value": sites, "nextLink": None, "id": None})


async def patch_site(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Update."""
    resource = site_of(call)
    write(call, resource)
    touched(call, resource)
    return Answer(200, shown(call, resource))


async def delete_site(call: Call) -> Answer:
    """Delete an app, and its plan when it was the last one on it (web-sites-delete.json)."""
    resource = site_of(call)
    await call.azure.remove(resource)
    plan = call.azure.store.get(resource.properties["serverFarmId"])
    keep = call.query.get("deleteEmptyServerFarm", "true").lower() == "false"
    if plan is not None and not keep and not plans.sites_of(call, plan):
        await call.azure.remove(plan)
    return Answer(200, "", {"etag": f'"{resource.hidden["etag"]}"'})


def _turn(state: str) -> Any:
    async def turn(call: Call) -> Answer:
        """General knowledge: REST API docs, Web Apps - Start and Stop: 200 without a body."""
        resource = site_of(call)
        resource.properties["state"] = state
        touched(call, resource)
        return Answer(200, "")

    return turn


async def restart(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Restart: 200 without a body."""
    resource = site_of(call)
    call.azure.apps.apply(spec(call.azure, resource))  # a role may have come into effect since the last write
    await call.azure.apps.restart(resource.name)
    return Answer(200, "")


def spec(azure: Azure, resource: Resource) -> AppSpec:
    """What App Service runs for an app."""
    plan = azure.store.get(resource.properties["serverFarmId"])
    tier = plan.document["sku"]["tier"] if plan else ""
    return AppSpec(
        name=resource.name,
        host_name=resource.properties["defaultHostName"],
        image=image_of(resource),
        settings=dict(resource.hidden["settings"]),
        enabled=resource.properties["state"] == "Running",
        always_on=bool(resource.hidden["config"]["alwaysOn"]),
        dedicated=tier not in plans.NOT_DEDICATED,
        identity_may_pull=_identity_may_pull(azure, resource),
    )


def _identity_may_pull(azure: Azure, resource: Resource) -> bool:
    """Whether an identity with a role for it pulls the image (web-sites-config-web-patch-acr-identity.json)."""
    config, owned = resource.hidden["config"], resource.document.get("identity") or {}
    image = image_of(resource) or ""
    if not config["acrUseManagedIdentityCreds"]:
        return False
    client = config["acrUserManagedIdentityID"]
    principal = owned.get("principalId")
    if client:
        assigned = (owned.get("userAssignedIdentities") or {}).values()
        principal = next((each["principalId"] for each in assigned if each["clientId"] == client), None)
    return principal is not None and azure.directory.may(image.split(".")[0], principal, "pull")


async def removed(azure: Azure, resource: Resource) -> None:
    """The app goes."""
    await azure.apps.delete(resource.name)


async def resume(azure: Azure) -> None:
    """Start the apps that an earlier run has left."""
    for resource in azure.store.select(TYPE):
        azure.apps.apply(spec(azure, resource))


_FIELDS = {
    "properties.serverFarmId": str,
    "properties.enabled": bool,
    "properties.siteConfig": dict,
    **config_fields("properties.siteConfig."),
}
OPERATIONS = (
    Operation("PUT", SITE, put_site, "web-sites-put.json", _FIELDS),
    Operation("GET", SITE, get_site, "web-sites-get.json"),
    Operation("PATCH", SITE, patch_site, fields=_FIELDS),
    Operation("DELETE", SITE, delete_site, "web-sites-delete.json"),
    Operation("GET", SITES, list_sites),
    Operation("GET", "/subscriptions/{subscription}/providers/Microsoft.Web/sites", list_sites),
    Operation("POST", SITE + "/start", _turn("Running")),
    Operation("POST", SITE + "/stop", _turn("Stopped")),
    Operation("POST", SITE + "/restart", restart),
)
