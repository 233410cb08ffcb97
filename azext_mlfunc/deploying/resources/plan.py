"""App Service plans.

Source: which plans run containers: Azure Functions docs, "functions-scale", hosting plans comparison; the SKUs and
tiers: `az functionapp plan create -h`. That Linux is told by `properties.reserved`: azure-cli's recorded traffic,
test_acr_create_function_app.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Home, Known, Resource, State, az, group_of, name_of, same_location
from azext_mlfunc.findings import Finding

_API = "2024-04-01"
DEFAULT_SKU = "B1"
NO_CONTAINERS = {"F1": "Free", "D1": "Shared", "Y1": "Consumption", "FC1": "Flex Consumption"}
_TIERS = {
    "B1": "Basic", "B2": "Basic", "B3": "Basic",
    "S1": "Standard", "S2": "Standard", "S3": "Standard",
    "P1V2": "PremiumV2", "P2V2": "PremiumV2", "P3V2": "PremiumV2",
    "P0V3": "Premium0V3", "P1V3": "PremiumV3", "P2V3": "PremiumV3", "P3V3": "PremiumV3",
    "P1MV3": "PremiumMV3", "P2MV3": "PremiumMV3", "P3MV3": "PremiumMV3", "P4MV3": "PremiumMV3", "P5MV3": "PremiumMV3",
    "P0V4": "Premium0V4", "P1V4": "PremiumV4", "P2V4": "PremiumV4", "P3V4": "PremiumV4",
    "EP1": "ElasticPremium", "EP2": "ElasticPremium", "EP3": "ElasticPremium",
}  # fmt: skip
_KEPT = ("reserved", "perSiteScaling", "elasticScaleEnabled", "maximumElasticWorkerCount", "zoneRedundant")
SKUS = tuple(_TIERS)
"""The SKUs of plans that run containers."""


class Plan(Resource):
    """What the app runs on.

    :param plan_id: its ID.
    :param sku: of a new plan, or the one to change to; None: `DEFAULT_SKU` for a new one.
    :param home: of a new plan.
    """

    key = "plan"
    needs = ("group",)

    def __init__(self, plan_id: str, sku: str | None, home: Home) -> None:
        self.id = plan_id
        self.name = name_of(plan_id)
        self.title = f"plan '{self.name}'"
        self._sku = sku.upper() if sku else None
        self._home = home

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        return None if document is None else State(document)

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if self._sku in NO_CONTAINERS:
            yield _no_containers(f"--sku {self._sku}", NO_CONTAINERS[self._sku])
        elif self._sku is not None and self._sku not in _TIERS:
            yield Finding(
                f"--sku {self._sku}", "no plan is made with this SKU", f"one of {', '.join(SKUS)}", "choose one of them"
            )
        if state is None:
            yield from self._home.check_absent(self.title, self.id, "--plan")
            return
        sku = state.document["sku"]["name"].upper()
        if sku in NO_CONTAINERS and self._sku is None:
            yield _no_containers(self.title, NO_CONTAINERS[sku])
        if not state.properties.get("reserved"):
            yield Finding(
                self.title,
                "it is a Windows plan",
                "a Linux plan: the image is for Linux",
                "name another plan with --plan, or one that is not there yet, and it is made",
            )
        elif self._sku in _TIERS and _is_elastic(self._sku) != _is_elastic(sku):
            yield Finding(
                f"--sku {self._sku}",
                f"the {self.title} has the SKU {sku}, and Azure changes none between Elastic Premium and others",
                "an SKU of the same kind, or a plan of its own",
                "leave --sku out, or name a plan with --plan that is not there yet, and it is made",
            )
        region = self._home.region
        if region and not same_location(region, state.document["location"]):
            yield Finding(
                self.title,
                f"it is in {state.document['location']}",
                f"--location {region}",
                "leave --location out, or name a plan of that region: an app is in the region of its plan",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        if state is None:
            wanted = {"sku": self._sku or DEFAULT_SKU, "location": self._home.location(known), "linux": True}
            return [Change(name, None, value) for name, value in wanted.items()]
        now = state.document["sku"]["name"]
        return [Change("sku", now, self._sku)] if self._sku and now.upper() != self._sku else []

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        sku: dict[str, Any] = {"name": self._sku or DEFAULT_SKU, "tier": _TIERS[self._sku or DEFAULT_SKU]}
        body: dict[str, Any] = {
            "location": self._home.location(known),
            "tags": self._home.tags,
            "properties": {"reserved": True},
        }
        if state is not None:  # a PUT takes what it leaves out for its default
            sku["capacity"] = state.document["sku"].get("capacity")
            kept = {name: state.properties[name] for name in _KEPT if state.properties.get(name) is not None}
            body = {"location": state.document["location"], "tags": state.document.get("tags"), "properties": kept}
        arm.put(self.id, _API, {**body, "sku": sku})

    def commands(self, state: State | None, known: Known) -> list[str]:
        named = ("--resource-group", group_of(self.id), "--name", self.name, "--sku", self._sku or DEFAULT_SKU)
        if state is not None:
            return [az("appservice", "plan", "update", *named)]
        if is_dedicated(None, self._sku):
            return [az("appservice", "plan", "create", *named, "--is-linux", *self._home.options(known))]
        return [az("functionapp", "plan", "create", *named, "--is-linux", "true", *self._home.options(known))]


def is_dedicated(state: State | None, sku: str | None) -> bool:
    """Whether apps on the plan have a machine of their own, and Always On with it: not on Elastic Premium.

    :param state: the plan as it is.
    :param sku: what it is to become.
    """
    name = (sku or (state.document["sku"]["name"] if state else DEFAULT_SKU)).upper()
    return not _is_elastic(name)


def _is_elastic(sku: str) -> bool:
    return sku.startswith("EP")


def _no_containers(where: str, kind: str) -> Finding:
    return Finding(
        where,
        f"{kind} plans run no containers",
        f"one of {', '.join(SKUS[:4])} … EP1, EP2, EP3",
        f"choose --sku {DEFAULT_SKU} (Basic), or EP1 (Elastic Premium), which scales by itself",
    )
