"""App Service plans."""

from __future__ import annotations

import itertools
from typing import Any

from local_azure.arm import names
from local_azure.arm.errors import WebError
from local_azure.arm.operation import GROUP, Answer, Call, Operation, listing
from local_azure.arm.store import Resource

TYPE = "Microsoft.Web/serverFarms"
SITE_TYPE = "Microsoft.Web/sites"
_PLANS = GROUP + "/providers/Microsoft.Web/serverfarms"
_PLAN = _PLANS + "/{plan}"
_NUMBERS = itertools.count(9022)

# SKU: tier, family, worker size, most workers. Source: Azure docs, "App Service limits"; az's own list of SKUs.
SKUS: dict[str, tuple[str, str, str, int]] = {
    "F1": ("Free", "F", "Default", 1),
    "D1": ("Shared", "D", "Default", 1),
    "B1": ("Basic", "B", "Default", 3),
    "B2": ("Basic", "B", "Medium", 3),
    "B3": ("Basic", "B", "Large", 3),
    "S1": ("Standard", "S", "Default", 10),
    "S2": ("Standard", "S", "Medium", 10),
    "S3": ("Standard", "S", "Large", 10),
    "P1V2": ("PremiumV2", "Pv2", "D1", 30),
    "P2V2": ("PremiumV2", "Pv2", "D2", 30),
    "P3V2": ("PremiumV2", "Pv2", "D3", 30),
    "P0V3": ("Premium0V3", "Pv3", "D1", 30),
    "P1V3": ("PremiumV3", "Pv3", "D1", 30),
    "P2V3": ("PremiumV3", "Pv3", "D2", 30),
    "P3V3": ("PremiumV3", "Pv3", "D3", 30),
    "P1MV3": ("PremiumMV3", "Pmv3", "D1", 30),
    "P0V4": ("Premium0V4", "Pv4", "D1", 30),
    "P1V4": ("PremiumV4", "Pv4", "D1", 30),
    "EP1": ("ElasticPremium", "EP", "D1", 0),
    "EP2": ("ElasticPremium", "EP", "D2", 0),
    "EP3": ("ElasticPremium", "EP", "D3", 0),
    "Y1": ("Dynamic", "Y", "Default", 0),
    "FC1": ("FlexConsumption", "FC", "Default", 0),
}
_DISPLAYED = {"P1V2": "P1v2", "P2V2": "P2v2", "P3V2": "P3v2", "P0V3": "P0v3", "P1V3": "P1v3", "P2V3": "P2v3",
              "P3V3": "P3v3", "P1MV3": "P1mv3", "P0V4": "P0v4", "P1V4": "P1v4"}  # fmt: skip
NOT_DEDICATED = ("ElasticPremium", "Dynamic", "FlexConsumption")
"""The tiers whose apps are not kept on a machine of their own, and have no Always On."""


def _sku(call: Call, resource: Resource | None) -> dict[str, Any]:
    """The SKU that a request asks for, as it is answered.

    Raises:
        WebError: there is no such SKU.
    """
    asked = call.document.get("sku") or {}
    name = str(asked.get("name") or (resource.document["sku"]["name"] if resource else "")).upper()
    if name not in SKUS:
        raise WebError(
            400, "BadRequest", "{0} is invalid.  {1}", ["Sku", f"Cannot find sku '{asked.get('name')}'."], "51021"
        )
    tier, family, _, _ = SKUS[name]
    shown = _DISPLAYED.get(name, name)
    return {"name": shown, "tier": tier, "size": shown, "family": family, "capacity": int(asked.get("capacity") or 1)}


async def put_plan(call: Call) -> Answer:
    """Create or update a plan (web-serverfarms-put.json, web-serverfarms-put-elastic-premium.json)."""
    name, found = call.parameters["plan"], call.find(TYPE, "plan")
    displayed = names.displayed(call.location(TYPE))
    sku = _sku(call, found)
    _, _, size, most = SKUS[sku["name"].upper()]
    elastic = sku["family"] == "EP"
    linux = bool(call.properties.get("reserved", found.properties["reserved"] if found else False))
    kind = "elastic" if elastic else "functionapp" if sku["family"] in ("Y", "FC") else "linux" if linux else "app"
    zones = 3 if call.properties.get("zoneRedundant") else 1
    number = found.properties["serverFarmId"] if found else next(_NUMBERS)
    tags = call.document.get("tags", found.document.get("tags") if found else None)
    properties = {
        "serverFarmId": number,
        "name": name,
        "workerSize": size,
        "workerSizeId": {"Default": 0, "Medium": 1, "Large": 2, "D1": 3, "D2": 4, "D3": 5}[size],
        "numberOfWorkers": sku["capacity"],
        "currentNumberOfWorkers": sku["capacity"],
        "status": "Ready",
        "webSpace": f"{call.group}-{displayed.replace(' ', '')}webspace" + ("-Linux" if linux else ""),
        "subscription": call.subscription,
        "maximumNumberOfWorkers": most,
        "planName": "VirtualDedicatedPlan",
        "computeMode": "Dynamic" if sku["family"] == "Y" else "Dedicated",
        "geoRegion": displayed,
        "perSiteScaling": bool(call.properties.get("perSiteScaling")),
        "elasticScaleEnabled": elastic,
        "maximumElasticWorkerCount": call.properties.get("maximumElasticWorkerCount") or sku["capacity"],
        "tags": tags,
        "kind": kind,
        "resourceGroup": call.group,
        "reserved": linux,
        "isXenon": False,
        "hyperV": False,
        "mdmId": f"waws-prod-local-001_{number}",
        "targetWorkerCount": 0,
        "provisioningState": "Succeeded",
        "zoneRedundant": zones > 1,
        "maximumNumberOfZones": zones,
        "currentNumberOfZonesUtilized": zones,
        "asyncScalingEnabled": False,
        "powerState": "Running",
    }
    document = {
        "id": found.id if found else call.id_of("Microsoft.Web/serverfarms", "plan"),
        "name": name,
        "type": "Microsoft.Web/serverfarms",
        "kind": kind,
        "location": displayed,
        "tags": tags,
        "properties": properties,
        "sku": sku,
    }
    resource = call.azure.store.put(Resource(TYPE, document))
    # the answer to a PUT is staler than the next GET
    answer = _shown(call, resource)
    answer["location"] = call.document["location"]
    answer["properties"] |= {"sku": sku, "maximumNumberOfWorkers": 0}
    return Answer(200, answer, {"etag": f'"{number:X}"'})


def sites_of(call: Call, plan: Resource) -> list[Resource]:
    """The apps on a plan."""
    wanted = plan.id.lower()
    return [each for each in call.azure.store.select(SITE_TYPE) if each.properties["serverFarmId"].lower() == wanted]


def _shown(call: Call, resource: Resource) -> dict[str, Any]:
    document = resource.copy()
    document["properties"]["numberOfSites"] = len(sites_of(call, resource))
    return document


async def get_plan(call: Call) -> Answer:
    """Get a plan (web-serverfarms-get.json)."""
    return Answer(body=_shown(call, call.get(TYPE, "plan")))


async def list_plans(call: Call) -> Answer:
    """List plans (web-sites-delete.json shows the empty list)."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([_shown(call, each) for each in call.azure.store.select(TYPE, below)])


async def patch_plan(call: Call) -> Answer:
    """General knowledge: REST API docs, App Service Plans - Update."""
    resource = call.get(TYPE, "plan")
    for name in ("perSiteScaling", "maximumElasticWorkerCount", "zoneRedundant"):
        if call.properties.get(name) is not None:
            resource.properties[name] = call.properties[name]
    if "tags" in call.document:
        resource.document["tags"] = resource.properties["tags"] = call.document["tags"]
    call.azure.store.changed()
    return Answer(200, _shown(call, resource))


async def delete_plan(call: Call) -> Answer:
    """Delete a plan (web-serverfarms-delete.json); one with apps is refused (general knowledge, its notes)."""
    found = call.find(TYPE, "plan")
    if found is None:
        return Answer(204)
    sites = sites_of(call, found)
    if sites:
        names_of_sites = ", ".join(site.name for site in sites)
        raise WebError(
            409,
            "Conflict",
            "Server farm '{0}' cannot be deleted because it has web app(s) {1} assigned to it.",
            [found.name, names_of_sites],
            "11014",
        )
    await call.azure.remove(found)
    return Answer(200, "")


async def plan_sites(call: Call) -> Answer:
    """General knowledge: REST API docs, App Service Plans - List Web Apps."""
    return listing([each.document for each in sites_of(call, call.get(TYPE, "plan"))])


_FIELDS = {
    "properties.reserved": bool,
    "properties.perSiteScaling": bool,
    "properties.zoneRedundant": bool,
    "properties.maximumElasticWorkerCount": int,
}
OPERATIONS = (
    Operation("PUT", _PLAN, put_plan, "web-serverfarms-put.json", _FIELDS),
    Operation("GET", _PLAN, get_plan, "web-serverfarms-get.json"),
    Operation("PATCH", _PLAN, patch_plan, fields=_FIELDS),
    Operation("DELETE", _PLAN, delete_plan, "web-serverfarms-delete.json"),
    Operation("GET", _PLAN + "/sites", plan_sites),
    Operation("GET", _PLANS, list_plans),
    Operation("GET", "/subscriptions/{subscription}/providers/Microsoft.Web/serverfarms", list_plans),
)
