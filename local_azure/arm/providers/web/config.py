"""The configuration of an app: settings, config/web, and the smaller ones beside them."""

from __future__ import annotations

import secrets
from typing import Any
from xml.etree import ElementTree

from local_azure.arm.operation import Answer, Call, Operation, listing
from local_azure.arm.providers.web.sites import SITE, TYPE, config_fields, site_of, take_config, touched
from local_azure.arm.store import Resource

_CONFIG = SITE + "/config"


def _document(resource: Resource, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """The envelope of one configuration."""
    return {
        "id": f"{resource.id}/config/{name}",
        "name": name,
        "type": f"{TYPE}/config",
        "location": resource.document["location"],
        "properties": properties,
    }


def _etag(resource: Resource) -> dict[str, str]:
    """The header of a write's answer: the etag is that of before the write."""
    return {"etag": f'"{resource.hidden["etag"]}"'}


# -- app settings


async def list_settings(call: Call) -> Answer:
    """Read the app settings (web-sites-config-appsettings-list.json)."""
    resource = site_of(call)
    return Answer(200, _document(resource, "appsettings", dict(resource.hidden["settings"])), _etag(resource))


async def put_settings(call: Call) -> Answer:
    """Replace all app settings, which restarts the app (web-sites-config-appsettings-put.json)."""
    resource = site_of(call)
    before = _etag(resource)
    resource.hidden["settings"] = {name: value or "" for name, value in call.properties.items()}
    touched(call, resource)
    return Answer(200, _document(resource, "appsettings", dict(resource.hidden["settings"])), before)


# -- config/web


async def get_web(call: Call) -> Answer:
    """Read the configuration (web-sites-config-web-get.json)."""
    resource = site_of(call)
    document = _document(resource, "web", dict(resource.hidden["config"])) | {"name": resource.name}
    return Answer(200, document, _etag(resource))


async def patch_web(call: Call) -> Answer:
    """Change the configuration (web-sites-config-web-patch.json, web-sites-config-web-patch-acr-identity.json)."""
    resource = site_of(call)
    before = _etag(resource)
    take_config(resource, call.properties)
    touched(call, resource)
    document = _document(resource, "web", dict(resource.hidden["config"]))
    # the answer has the site's ID and type, which the GET has not
    return Answer(200, document | {"id": resource.id, "name": resource.name, "type": TYPE}, before)


async def list_configs(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - List Configurations."""
    resource = site_of(call)
    return listing([_document(resource, "web", dict(resource.hidden["config"])) | {"name": resource.name}])


# -- slot names


def _slot_names(resource: Resource) -> dict[str, Any]:
    names = ("connectionStringNames", "appSettingNames", "azureStorageConfigNames")
    return {
        "id": None,
        "name": resource.name,
        "type": TYPE,
        "location": resource.document["location"],
        "properties": {name: resource.hidden["slot_names"].get(name) for name in names},
    }


async def get_slot_names(call: Call) -> Answer:
    """Read which settings stay with their slot (web-sites-config-slotconfignames-get.json)."""
    return Answer(body=_slot_names(site_of(call)))


async def put_slot_names(call: Call) -> Answer:
    """General knowledge: REST API docs, Web Apps - Update Slot Configuration Names."""
    resource = site_of(call)
    resource.hidden["slot_names"].update(call.properties)
    call.azure.store.changed()
    return Answer(200, _slot_names(resource))


# -- the smaller ones: general knowledge, REST API docs, Web Apps


async def list_connection_strings(call: Call) -> Answer:
    """List Connection Strings."""
    resource = site_of(call)
    return Answer(body=_document(resource, "connectionstrings", resource.hidden["connection_strings"]))


async def put_connection_strings(call: Call) -> Answer:
    """Update Connection Strings."""
    resource = site_of(call)
    resource.hidden["connection_strings"] = call.properties
    touched(call, resource)
    return Answer(200, _document(resource, "connectionstrings", resource.hidden["connection_strings"]))


async def list_storage_mounts(call: Call) -> Answer:
    """List Azure Storage Accounts."""
    return Answer(body=_document(site_of(call), "azurestorageaccounts", {}))


async def list_metadata(call: Call) -> Answer:
    """List Metadata."""
    return Answer(body=_document(site_of(call), "metadata", {}))


def _logs(resource: Resource) -> dict[str, Any]:
    off: dict[str, Any] = {
        "applicationLogs": {"fileSystem": {"level": "Off"}},
        "httpLogs": {"fileSystem": {"retentionInMb": 35, "retentionInDays": 0, "enabled": False}},
        "failedRequestsTracing": {"enabled": False},
        "detailedErrorMessages": {"enabled": False},
    }
    return _document(resource, "logs", off | resource.hidden["logs"])


async def get_logs(call: Call) -> Answer:
    """Get Diagnostic Logs Configuration."""
    return Answer(body=_logs(site_of(call)))


async def put_logs(call: Call) -> Answer:
    """Update Diagnostic Logs Config."""
    resource = site_of(call)
    resource.hidden["logs"].update({name: value for name, value in call.properties.items() if value is not None})
    call.azure.store.changed()
    return Answer(200, _logs(resource))


def _publisher(resource: Resource) -> tuple[str, str]:
    """User and password for the app's own management site, which is not here."""
    password: str = resource.hidden.setdefault("publishing_password", secrets.token_urlsafe(45))
    return f"${resource.name}", password


async def publishing_profile(call: Call) -> Answer:
    """List Publishing Profile Xml With Secrets; az functionapp show reads it."""
    resource = site_of(call)
    user, password = _publisher(resource)
    host, management = resource.properties["enabledHostNames"]
    urls = {
        "MSDeploy": f"{management}:443",
        "FTP": f"ftps://{resource.properties['homeStamp']}.ftp.azurewebsites.windows.net/site/wwwroot",
        "ZipDeploy": f"{management}:443",
    }
    profiles = ElementTree.Element("publishData")
    for method, url in urls.items():
        profile = {
            "profileName": f"{resource.name} - {method}",
            "publishMethod": method,
            "publishUrl": url,
            "userName": f"{resource.name}\\{user}" if method == "FTP" else user,
            "userPWD": password,
            "destinationAppUrl": f"https://{host}",
        }
        ElementTree.SubElement(profiles, "publishProfile", profile)
    return Answer(200, ElementTree.tostring(profiles, "unicode"), content_type="application/xml")


async def list_publishing_credentials(call: Call) -> Answer:
    """List Publishing Credentials: where the app's own management site would let one in."""
    resource = site_of(call)
    user, password = _publisher(resource)
    host = resource.properties["enabledHostNames"][1]
    properties = {
        "name": None,
        "publishingUserName": user,
        "publishingPassword": password,
        "scmUri": f"https://{user}:{password}@{host}",
    }
    return Answer(body=_document(resource, "publishingcredentials", properties) | {"name": resource.name})


def _policy(resource: Resource, name: str) -> dict[str, Any]:
    return {
        "id": f"{resource.id}/basicPublishingCredentialsPolicies/{name}",
        "name": name,
        "type": f"{TYPE}/basicPublishingCredentialsPolicies",
        "location": resource.document["location"],
        "properties": {"allow": resource.hidden.setdefault("policies", {}).get(name, False)},
    }


async def get_policy(call: Call) -> Answer:
    """Get Ftp Allowed, Get Scm Allowed."""
    return Answer(body=_policy(site_of(call), call.parameters["policy"].lower()))


async def put_policy(call: Call) -> Answer:
    """Update Ftp Allowed, Update Scm Allowed."""
    resource, name = site_of(call), call.parameters["policy"].lower()
    resource.hidden.setdefault("policies", {})[name] = bool(call.properties.get("allow"))
    call.azure.store.changed()
    return Answer(200, _policy(resource, name))


async def list_slots(call: Call) -> Answer:
    """List Slots: there are none."""
    site_of(call)
    return listing([])


async def list_bindings(call: Call) -> Answer:
    """List Host Name Bindings."""
    resource = site_of(call)
    host = resource.properties["defaultHostName"]
    return listing(
        [
            {
                "id": f"{resource.id}/hostNameBindings/{host}",
                "name": f"{resource.name}/{host}",
                "type": f"{TYPE}/hostNameBindings",
                "location": resource.document["location"],
                "properties": {"siteName": resource.name, "domainId": None, "hostNameType": "Verified"},
            }
        ]
    )


_STRINGS = {"properties.*": str}
_LISTS = {"properties.*": list, "properties.*.[]": str}
_OBJECTS = {"properties.*": dict}
_ALLOW = {"properties.allow": bool}
_WEB = config_fields("properties.")
OPERATIONS = (
    Operation("POST", _CONFIG + "/appsettings/list", list_settings, "web-sites-config-appsettings-list.json"),
    Operation("PUT", _CONFIG + "/appsettings", put_settings, "web-sites-config-appsettings-put.json", _STRINGS),
    Operation("GET", _CONFIG + "/web", get_web, "web-sites-config-web-get.json"),
    Operation("PATCH", _CONFIG + "/web", patch_web, "web-sites-config-web-patch.json", _WEB),
    Operation("PUT", _CONFIG + "/web", patch_web, "web-sites-config-web-patch.json", _WEB),
    Operation("GET", _CONFIG, list_configs),
    Operation("GET", _CONFIG + "/slotConfigNames", get_slot_names, "web-sites-config-slotconfignames-get.json"),
    Operation("PUT", _CONFIG + "/slotConfigNames", put_slot_names, fields=_LISTS),
    Operation("POST", _CONFIG + "/connectionstrings/list", list_connection_strings),
    Operation("PUT", _CONFIG + "/connectionstrings", put_connection_strings, fields=_OBJECTS),
    Operation("POST", _CONFIG + "/azurestorageaccounts/list", list_storage_mounts),
    Operation("POST", _CONFIG + "/metadata/list", list_metadata),
    Operation("GET", _CONFIG + "/logs", get_logs),
    Operation("PUT", _CONFIG + "/logs", put_logs, fields=_OBJECTS),
    Operation("POST", _CONFIG + "/publishingcredentials/list", list_publishing_credentials),
    Operation("POST", SITE + "/publishxml", publishing_profile),
    Operation("GET", SITE + "/basicPublishingCredentialsPolicies/{policy}", get_policy),
    Operation("PUT", SITE + "/basicPublishingCredentialsPolicies/{policy}", put_policy, fields=_ALLOW),
    Operation("GET", SITE + "/slots", list_slots),
    Operation("GET", SITE + "/hostNameBindings", list_bindings),
)
