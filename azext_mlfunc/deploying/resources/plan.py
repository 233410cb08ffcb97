"""App Service plans.

Source: which plans run containers: Azure Functions docs, "functions-scale", hosting plans comparison; the SKUs and
tiers: `az functionapp plan create -h`. That Linux is told by `properties.reserved`: azure-cli's recorded traffic,
test_acr_create_function_app.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Known, Resource, State, location_of_group, same_location
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
SKUS = tuple(_TIERS)
"""The SKUs of plans that run containers."""


class Plan(Resource):
    """What the app runs on.

    :param plan_id: its ID.
    :param sku: of a new plan, or the one to change to; None: `DEFAULT_SKU` for a new one.
    :param location: of a new plan; None: that of the group.
    :param tags: of a new plan.
    """

    key = "plan"
    needs = ("group",)

    def __init__(self, plan_id: str, sku: str | None, location: str | None, tags: dict[str, str]) -> None:
        self.id = plan_id
        self._name = plan_id.rsplit("/", 1)[-1]
        self.title = f"plan '{self._name}'"
        self._sku = sku.upper() if sku else None
        self._location = location
        self._tags = tags

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        return None if document is None else State(document)

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if self._sku in NO_CONTAINERS:
            yield _no_containers(f"--sku {self._sku}", NO_CONTAINERS[self._sku])
        elif self._sku is not None and self._sku not in _TIERS:
            yield Finding(
                f"--sku {self._sku}", "there is no such SKU", f"one of {', '.join(SKUS)}", "choose one of them"
            )
        if state is None:
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
        if self._location and not same_location(self._location, state.document["location"]):
            yield Finding(
                self.title,
                f"it is in {state.document['location']}",
                f"--location {self._location}",
                "leave --location out, or name a plan of that region: an app is in the region of its plan",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        if state is None:
            wanted = {
                "sku": self._sku or DEFAULT_SKU,
                "location": self._location or location_of_group(known),
                "linux": True,
            }
            return [Change(name, None, value) for name, value in wanted.items()]
        now = state.document["sku"]["name"]
        return [Change("sku", now, self._sku)] if self._sku and now.upper() != self._sku else []

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        sku = self._sku or DEFAULT_SKU
        body: dict[str, Any] = {
            "location": state.document["location"] if state else self._location or location_of_group(known),
            "tags": (state.document.get("tags") if state else None) or self._tags,
            "sku": {"name": sku, "tier": _TIERS[sku]},
            "properties": {"reserved": True},
        }
        arm.put(self.id, _API, body)

    def command(self) -> str:
        group = self.id.split("/")[4]
        sku = self._sku or DEFAULT_SKU
        return f"az appservice plan create --resource-group {group} --name {self._name} --is-linux --sku {sku}"


def is_dedicated(state: State | None, sku: str | None) -> bool:
    """Whether apps on the plan have a machine of their own, and Always On with it: not on Elastic Premium.

    :param state: the plan as it is.
    :param sku: what it is to become.
    """
    name = (sku or (state.document["sku"]["name"] if state else DEFAULT_SKU)).upper()
    return not name.startswith("EP")


def _no_containers(where: str, kind: str) -> Finding:
    return Finding(
        where,
        f"{kind} plans run no containers",
        f"one of {', '.join(SKUS[:4])} … EP1, EP2, EP3",
        f"choose --sku {DEFAULT_SKU} (Basic), or EP1 (Elastic Premium), which scales by itself",
    )
