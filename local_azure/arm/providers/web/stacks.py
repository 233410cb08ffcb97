"""What Microsoft.Web answers without any resource: runtime stacks, regions, names."""

from __future__ import annotations

from typing import Any

from local_azure.arm import names
from local_azure.arm.operation import Answer, Call, Operation
from local_azure.arm.providers.web.sites import named

_PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
_SUBSCRIPTION = "/subscriptions/{subscription}/providers/Microsoft.Web"


def _minor(name: str, title: str, version: str, linux: str) -> dict[str, Any]:
    """A minor version of a stack on Linux."""
    runtime = {
        "runtimeVersion": linux,
        "remoteDebuggingSupported": False,
        "isPreview": False,
        "isDefault": True,
        "isHidden": False,
        "appInsightsSettings": {"isSupported": True},
        "gitHubActionSettings": {"isSupported": True, "supportedVersion": version},
        "appSettingsDictionary": {"FUNCTIONS_WORKER_RUNTIME": name},
        "siteConfigPropertiesDictionary": {"use32BitWorkerProcess": False, "linuxFxVersion": linux},
        "supportedFunctionsExtensionVersions": ["~4"],
        "supportedFunctionsExtensionVersionsInfo": [{"version": "~4", "isDeprecated": False, "isDefault": True}],
    }
    return {
        "displayText": f"{title} {version}",
        "value": version,
        "stackSettings": {"linuxRuntimeSettings": runtime},
    }


def _family(name: str, title: str, major: str, minors: list[dict[str, Any]]) -> dict[str, Any]:
    """A stack with its one major version."""
    versions = [{"displayText": f"{title} {major}", "value": major, "minorVersions": minors}]
    return {
        "id": None,
        "name": name,
        "type": "Microsoft.Web/functionAppStacks?stackOsType=All",
        "properties": {"displayText": title, "value": name, "preferredOs": "linux", "majorVersions": versions},
    }


async def function_app_stacks(call: Call) -> Answer:
    """The runtime stacks (web-functionappstacks-get.json): Python, and .NET, which az looks up for an image."""
    pythons = [_minor("python", "Python", version, f"Python|{version}") for version in _PYTHONS]
    dotnets = [_minor("dotnet", ".NET", "8", "DOTNET|8.0")]
    stacks = [_family("dotnet", ".NET", "8", dotnets), _family("python", "Python", "3", pythons)]
    return Answer(body={"value": stacks, "nextLink": None, "id": None})


async def check_name(call: Call) -> Answer:
    """Whether an app's name can be had (web-checknameavailability.json)."""
    name = str(call.document.get("name", ""))
    if named(call.azure, name) is None and names.SITE_NAME.fullmatch(name):
        return Answer(body={"nameAvailable": True, "reason": "", "message": ""})
    if names.SITE_NAME.fullmatch(name):
        text = f"Hostname '{name}' already exists. Please select a different name."
        return Answer(body={"nameAvailable": False, "reason": "AlreadyExists", "message": text})
    return Answer(body={"nameAvailable": False, "reason": "Invalid", "message": f"The app name '{name}' is invalid."})


async def geo_regions(call: Call) -> Answer:
    """General knowledge: REST API docs, List Geo Regions."""
    regions = [
        {
            "id": f"/subscriptions/{call.subscription}/providers/Microsoft.Web/geoRegions/{displayed}",
            "name": displayed,
            "type": "Microsoft.Web/geoRegions",
            "properties": {"name": displayed, "description": "", "displayName": displayed, "orgDomain": ""},
        }
        for displayed in names.LOCATIONS.values()
    ]
    return Answer(body={"value": regions, "nextLink": None, "id": None})


OPERATIONS = (
    Operation(
        "GET", "/providers/Microsoft.Web/functionAppStacks", function_app_stacks, "web-functionappstacks-get.json"
    ),
    Operation("POST", _SUBSCRIPTION + "/checknameavailability", check_name, "web-checknameavailability.json"),
    Operation("GET", _SUBSCRIPTION + "/geoRegions", geo_regions),
)
