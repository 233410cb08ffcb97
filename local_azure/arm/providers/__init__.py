"""The resource providers; a new one is a file here and a line in the tuple."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from local_azure.arm.azure import Azure
from local_azure.arm.operation import Provider
from local_azure.arm.providers import (
    authorization,
    container_registry,
    insights,
    machine_learning,
    managed_identity,
    operational_insights,
    resources,
    service_bus,
    storage,
    web,
)
from local_azure.arm.store import Resource

PROVIDERS: tuple[Provider, ...] = (
    resources.PROVIDER,
    container_registry.PROVIDER,
    storage.PROVIDER,
    web.PROVIDER,
    service_bus.PROVIDER,
    insights.PROVIDER,
    operational_insights.PROVIDER,
    authorization.PROVIDER,
    managed_identity.PROVIDER,
    machine_learning.PROVIDER,
)


def removed() -> dict[str, Callable[[Azure, Resource], Awaitable[None]]]:
    """By type, in lower case, what else has to go when a resource goes."""
    return {kind.lower(): hook for provider in PROVIDERS for kind, hook in provider.removed.items()}


async def resume(azure: Azure) -> None:
    """Bring back what runs behind the resources that an earlier run has left."""
    for provider in PROVIDERS:
        if provider.resume is not None:
            await provider.resume(azure)
