"""What the user asked `az ml-func deploy` for, and the names that follow from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from azext_mlfunc.registry.credentials import Secret

TAG = "ml-func-app"
"""The tag on everything that deploy makes: the name of the app that it was made for."""


@dataclass(frozen=True)
class DeployRequest:
    """The arguments of the command.

    :param subscription: GUID of the subscription.
    :param group: the resource group.
    :param app: the function app's name.
    :param image: as the user named it.
    :param trigger: the trigger's name, if the user gave it.
    :param trigger_options: what the user gave of all triggers' options, by field name.
    :param services: what the user gave of the services that triggers use, by option.
    :param plan: name or ID; None: a derived name.
    :param sku: of the plan; None: `DEFAULT_SKU` for a new one.
    :param location: None: that of the group or the plan.
    :param storage_account: name or ID of the app's own storage; None: a derived name.
    :param registry: ID of the registry, or None to find it by the image's host.
    :param registry_login: user name and password for it, when the user gave them.
    :param settings: more app settings.
    :param app_insights: make Application Insights.
    """

    subscription: str
    group: str
    app: str
    image: str
    trigger: str | None = None
    trigger_options: Mapping[str, str | None] = field(default_factory=dict)
    services: Mapping[str, str | None] = field(default_factory=dict)
    plan: str | None = None
    sku: str | None = None
    location: str | None = None
    storage_account: str | None = None
    registry: str | None = None
    registry_login: tuple[str, Secret] | None = None
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    app_insights: bool = True

    @property
    def tags(self) -> dict[str, str]:
        """What everything that is made for this app is tagged with."""
        return {TAG: self.app}

    def account_name(self, purpose: str) -> str:
        """A storage account's name for a purpose: the same for the same subscription, group and app.

        Names of accounts are global: 3 to 24 lower-case letters and digits.
        """
        letters = re.sub(r"[^a-z0-9]", "", self.app.lower())
        return f"{letters[: 24 - 8 - len(purpose)]}{purpose}{self._hash(purpose, 8)}"

    def namespace_name(self) -> str:
        """A Service Bus namespace's name; they are global: 6 to 50 letters, digits and hyphens, a letter first."""
        letters = re.sub(r"^[^a-z]+", "", self.app.lower()) or "app"
        return f"{letters[:38].rstrip('-')}-{self._hash('service-bus', 8)}"

    def plan_name(self) -> str:
        """The plan's name, within the group: at most 40 letters, digits and hyphens."""
        return f"{self.app[:35].rstrip('-')}-plan"

    def workspace_name(self) -> str:
        """The Log Analytics workspace's name, within the group: 4 to 63 letters, digits and hyphens."""
        return f"{self.app[:58].rstrip('-')}-logs"

    def _hash(self, purpose: str, length: int) -> str:
        text = f"{self.subscription}/{self.group}/{self.app}/{purpose}".lower()
        return hashlib.sha256(text.encode()).hexdigest()[:length]
