"""Which resources a deployment has: a pure function of the request, the image and the trigger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azext_mlfunc.deploying.resource import Known, Resource, path_of
from azext_mlfunc.deploying.resources.app_insights import Component, Workspace
from azext_mlfunc.deploying.resources.function_app import FunctionApp
from azext_mlfunc.deploying.resources.group import ResourceGroup
from azext_mlfunc.deploying.resources.plan import Plan
from azext_mlfunc.deploying.resources.registry import Registry
from azext_mlfunc.deploying.resources.storage_account import StorageAccount

if TYPE_CHECKING:
    from azext_mlfunc.deploying.image import DeployedImage
    from azext_mlfunc.deploying.request import DeployRequest


@dataclass(frozen=True)
class Surroundings:
    """Where the resources of a request go.

    :param request: what the user asked for.
    :param storage_suffix: what the cloud's storage host names end in.
    """

    request: DeployRequest
    storage_suffix: str

    def id_of(self, resource_type: str, named: str | None, default: str) -> str:
        """The ID of a resource that the user named, by name or ID, or else of the one that we name."""
        if named and named.startswith("/"):
            return named
        request = self.request
        return path_of(request.subscription, request.group, resource_type, named or default)

    def storage_account(self, key: str, purpose: str, option: str, named: str | None, short: str) -> StorageAccount:
        """A storage account.

        :param key: its name in the graph.
        :param purpose: what it is for, in words.
        :param option: the option that names one.
        :param named: what the user gave for that.
        :param short: the purpose in the name that we give it.
        """
        request = self.request
        account = self.id_of("Microsoft.Storage/storageAccounts", named, request.account_name(short))
        return StorageAccount(key, account, purpose, option, request.location, self.storage_suffix, request.tags)


@dataclass(frozen=True)
class Service:
    """What a trigger's events come from and its outputs go to.

    :param resources: it consists of these.
    :param connection: its connection string; None while it is not there.
    """

    resources: tuple[Resource, ...]
    connection: Callable[[Known], str | None]


@dataclass(frozen=True)
class Blueprint:
    """All resources of a deployment, by key."""

    resources: Mapping[str, Resource]
    app: FunctionApp

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """What each resource needs."""
        return {key: resource.needs for key, resource in self.resources.items()}


def draw(around: Surroundings, image: DeployedImage, is_azure_registry: bool) -> Blueprint:
    """The resources for a request.

    :param is_azure_registry: whether the image is in an Azure Container Registry.
    """
    request = around.request
    group = ResourceGroup(request.subscription, request.group, request.location, request.tags)
    plan_id = around.id_of("Microsoft.Web/serverfarms", request.plan, request.plan_name())
    plan = Plan(plan_id, request.sku, request.location, request.tags)
    storage = around.storage_account("storage", "of the app", "--storage-account", request.storage_account, "fn")
    registry = Registry(image.reference.host, request.registry, request.registry_login, is_azure_registry)
    service = image.trigger.service(around)
    insights = _insights(around) if request.app_insights else ()
    resources: list[Resource] = [group, registry, plan, storage, *(service.resources if service else ()), *insights]

    def values(known: Known) -> dict[str, str | None]:
        found: dict[str, str | None] = {"AzureWebJobsStorage": storage.connection_string(known)}
        if service is not None and image.trigger.connection:
            found[image.trigger.connection] = service.connection(known)
        for component in insights[1:]:
            found["APPLICATIONINSIGHTS_CONNECTION_STRING"] = component.connection_string(known)
        return found | registry.settings(known)

    app = FunctionApp(
        path_of(request.subscription, request.group, "Microsoft.Web/sites", request.app),
        plan,
        request.sku,
        image.location,
        request.settings,
        values,
        tuple(each.key for each in resources),
        request.tags,
    )
    return Blueprint({each.key: each for each in (*resources, app)}, app)


def _insights(around: Surroundings) -> tuple[Workspace, Component]:
    request = around.request
    workspace = Workspace(
        around.id_of("Microsoft.OperationalInsights/workspaces", None, request.workspace_name()),
        request.location,
        request.tags,
    )
    component = Component(
        around.id_of("Microsoft.Insights/components", None, request.app), workspace, request.location, request.tags
    )
    return workspace, component
