"""Which resources a deployment has: a pure function of the request, the image and the trigger."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azext_mlfunc.deploying.resource import Home, Known, Resource, path_of, variable
from azext_mlfunc.deploying.resources import app_insights
from azext_mlfunc.deploying.resources.app_insights import Component, Workspace
from azext_mlfunc.deploying.resources.function_app import FunctionApp
from azext_mlfunc.deploying.resources.group import ResourceGroup
from azext_mlfunc.deploying.resources.plan import Plan
from azext_mlfunc.deploying.resources.registry import Registry
from azext_mlfunc.deploying.resources.storage_account import StorageAccount
from azext_mlfunc.deploying.settings import Setting

if TYPE_CHECKING:
    from azext_mlfunc.deploying.image import DeployedImage
    from azext_mlfunc.deploying.request import DeployRequest

OWN = "fn"
"""The purpose of the app's own storage account, in its name."""


@dataclass(frozen=True)
class Surroundings:
    """Where the resources of a request go.

    :param request: what the user asked for.
    :param storage_suffix: what the cloud's storage host names end in.
    """

    request: DeployRequest
    storage_suffix: str

    @property
    def home(self) -> Home:
        """Where new resources go."""
        request = self.request
        group = f"/subscriptions/{request.subscription}/resourceGroups/{request.group}"
        return Home(group, request.location, request.tags)

    def id_of(self, resource_type: str, named: str | None, default: str, option: str = "") -> str:
        """The ID of a resource that the user named, by name or ID, or else of the one that we name.

        :param option: the one that it was named with.
        :raises azure.cli.core.azclierror.InvalidArgumentValueError: it is neither a name nor such an ID.
        """
        from azure.cli.core.azclierror import InvalidArgumentValueError

        if named is None:
            named = default
        if re.fullmatch(rf"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/{resource_type}/[^/]+", named, re.I):
            return named
        if not re.fullmatch(r"[\w.()-]+", named):
            raise InvalidArgumentValueError(
                f"{option} {named}: neither a name nor the ID of a resource of the type {resource_type}.",
                f"An ID looks like {path_of('SUBSCRIPTION', 'GROUP', resource_type, 'NAME')}.",
            )
        return path_of(self.request.subscription, self.request.group, resource_type, named)

    def storage_account(self, key: str, purpose: str, option: str, named: str | None, short: str) -> StorageAccount:
        """A storage account.

        :param key: its name in the graph.
        :param purpose: what it is for, in words.
        :param option: the option that names one.
        :param named: what the user gave for that.
        :param short: the purpose in the name that we give it.
        """
        account = self._account_id(named, short, option)
        if account.lower() == self._account_id(self.request.storage_account, OWN, "--storage-account").lower():
            key, purpose = "storage", "of the app"  # one account for both
        return StorageAccount(key, account, purpose, option, self.storage_suffix, self.home)

    def _account_id(self, named: str | None, short: str, option: str) -> str:
        return self.id_of("Microsoft.Storage/storageAccounts", named, self.request.account_name(short), option)


@dataclass(frozen=True)
class Service:
    """What a trigger's events come from and its outputs go to.

    :param resources: it consists of these.
    :param connection: the setting with its connection string.
    """

    resources: tuple[Resource, ...]
    connection: Callable[[Known], Setting]


@dataclass(frozen=True)
class Blueprint:
    """All resources of a deployment, by key."""

    resources: Mapping[str, Resource]
    app: FunctionApp

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """What each resource needs."""
        return {
            key: tuple(needed for needed in resource.needs if needed in self.resources)
            for key, resource in self.resources.items()
        }

    def needed(self, states: Known) -> Blueprint:
        """Without the resources that turn out not to be needed, now that it is known what is there."""
        resources = {key: resource for key, resource in self.resources.items() if resource.is_needed(states)}
        return Blueprint(resources, self.app)


def draw(around: Surroundings, image: DeployedImage, is_azure_registry: bool) -> Blueprint:
    """The resources for a request.

    :param is_azure_registry: whether the image is in an Azure Container Registry.
    """
    request = around.request
    plan_id = around.id_of("Microsoft.Web/serverfarms", request.plan, request.plan_name(), "--plan")
    plan = Plan(plan_id, request.sku, around.home)
    storage = around.storage_account("storage", "of the app", "--storage-account", request.storage_account, OWN)
    registry_id = request.registry and around.id_of(
        "Microsoft.ContainerRegistry/registries", request.registry, "", "--registry"
    )
    registry = Registry(image.reference.host, registry_id, request.registry_login, is_azure_registry)
    service = image.trigger.service(around)
    insights = _insights(around) if request.app_insights else None
    resources: list[Resource] = [ResourceGroup(around.home), registry, plan, storage]
    resources += [*(service.resources if service else ()), *(insights or ())]

    def settings(known: Known) -> dict[str, Setting]:
        found = {
            "AzureWebJobsStorage": storage.setting(known, request.storage_account is not None),
            **registry.settings(known),
        }
        if service is not None and image.trigger.connection:
            found[image.trigger.connection] = service.connection(known)
        if insights is not None and insights[1].is_needed(known):
            found[app_insights.SETTING] = insights[1].setting(known)
        given = {name: Setting(value, variable(name)) for name, value in request.settings.items()}
        return {**found, **given}

    app = FunctionApp(
        path_of(request.subscription, request.group, "Microsoft.Web/sites", request.app),
        plan,
        request.sku,
        storage,
        image.location,
        settings,
        tuple(dict.fromkeys(each.key for each in resources)),
        around.home,
    )
    return Blueprint({each.key: each for each in (*resources, app)}, app)


def _insights(around: Surroundings) -> tuple[Workspace, Component]:
    request = around.request
    workspace = Workspace(
        around.id_of("Microsoft.OperationalInsights/workspaces", None, request.workspace_name()), around.home
    )
    component_id = around.id_of("Microsoft.Insights/components", None, request.app)
    return workspace, Component(component_id, workspace, around.home)
