"""IDs, locations and name rules as Azure has them."""

from __future__ import annotations

import re

LOCATIONS = {
    "eastus": "East US",
    "eastus2": "East US 2",
    "westus": "West US",
    "westus2": "West US 2",
    "westus3": "West US 3",
    "centralus": "Central US",
    "northcentralus": "North Central US",
    "southcentralus": "South Central US",
    "brazilsouth": "Brazil South",
    "northeurope": "North Europe",
    "westeurope": "West Europe",
    "francecentral": "France Central",
    "germanywestcentral": "Germany West Central",
    "swedencentral": "Sweden Central",
    "uksouth": "UK South",
    "eastasia": "East Asia",
    "southeastasia": "Southeast Asia",
    "japaneast": "Japan East",
    "australiaeast": "Australia East",
}
"""The locations that there are: as most providers write them, and as Microsoft.Web and Service Bus do."""

REGION_CODES = {
    "eastus": "EUS", "eastus2": "EUS2", "westus": "WUS", "westus2": "WUS2", "westus3": "USW3", "centralus": "CUS",
    "northcentralus": "NCUS", "southcentralus": "SCUS", "brazilsouth": "CQ", "northeurope": "NEU", "westeurope": "WEU",
    "francecentral": "PAR", "germanywestcentral": "DEWC", "swedencentral": "SEC", "uksouth": "SUK", "eastasia": "EA",
    "southeastasia": "SEA", "japaneast": "EJP", "australiaeast": "EAU",
}  # fmt: skip
"""The short names by which az names default workspaces; general knowledge."""

ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}")
REGISTRY_NAME = re.compile(r"[A-Za-z0-9]{5,50}")
SITE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])?")
NAMESPACE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{4,48}[A-Za-z0-9]")
GROUP_NAME = re.compile(r"[-\w._()]{0,89}[-\w_()]")


def normalised(location: str) -> str:
    """``West US`` as ``westus``."""
    return location.replace(" ", "").lower()


def displayed(location: str) -> str:
    """``westus`` as ``West US``; an unknown one stays as it is."""
    return LOCATIONS.get(normalised(location), location)


def group_id(subscription: str, group: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def resource_id(subscription: str, group: str, resource_type: str, *names: str) -> str:
    """The ID of a resource.

    Args:
        subscription: its GUID.
        group: the resource group's name.
        resource_type: such as ``Microsoft.ServiceBus/namespaces/queues``.
        names: one for each segment of the type.
    """
    namespace, *segments = resource_type.split("/")
    pairs = "".join(f"/{segment}/{name}" for segment, name in zip(segments, names, strict=True))
    return f"{group_id(subscription, group)}/providers/{namespace}{pairs}"


def group_of(identifier: str) -> str:
    """The name of the resource group in a resource's ID."""
    return identifier.split("/")[4]


def last_name(identifier: str) -> str:
    return identifier.rsplit("/", 1)[-1]
