"""The parts that the operations of ARM stand on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from local_azure.arm.errors import group_being_deleted, group_not_found
from local_azure.arm.long_running import LongRunning
from local_azure.arm.names import group_id
from local_azure.arm.store import Resource, Store
from local_azure.container_registry import ContainerRegistries
from local_azure.directory import Directory
from local_azure.function_apps import FunctionApps
from local_azure.latency import Latency
from local_azure.messaging import ServiceBusNamespaces
from local_azure.storage import StorageAccounts


@dataclass(frozen=True)
class Subscription:
    """The one subscription that there is."""

    id: str
    tenant: str
    name: str = "Local Azure"


@dataclass(frozen=True)
class Azure:
    """Everything that an operation can reach; made in one place, ``server.py``.

    Attributes:
        subscription: the caller's.
        store: the resources.
        latency: how long Azure takes.
        directory: principals and what they may.
        storage: the accounts behind Microsoft.Storage.
        registries: the registries behind Microsoft.ContainerRegistry.
        apps: the apps behind Microsoft.Web.
        service_bus: the namespaces behind Microsoft.ServiceBus.
        removed: by type, in lower case, what else has to go when a resource goes.
        long_running: operations under way.
    """

    subscription: Subscription
    store: Store
    latency: Latency
    directory: Directory
    storage: StorageAccounts
    registries: ContainerRegistries
    apps: FunctionApps
    service_bus: ServiceBusNamespaces
    removed: Mapping[str, Callable[[Azure, Resource], Awaitable[None]]]
    long_running: LongRunning = field(default_factory=LongRunning)
    _writers: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def writing(self, path: str) -> asyncio.Lock:
        """Held while a resource is written, or one below it; by its type and name, for names are global."""
        return self._writers.setdefault("/".join(path.lower().split("/")[6:9]), asyncio.Lock())

    def check_group(self, name: str, writes: bool) -> None:
        """Refuse what is asked of a resource in a group.

        Raises:
            ArmError: there is no such group, or it is being deleted and something is to be written.
        """
        found = self.store.get(group_id(self.subscription.id, name))
        if found is None:
            raise group_not_found(name)
        if writes and found.properties["provisioningState"] == "Deleting":
            raise group_being_deleted(name)

    async def remove(self, resource: Resource) -> None:
        """Take a resource away, with all that is below it, and then what runs behind it; once, whoever asks."""
        if self.store.get(resource.id) is None:
            return
        going = [*self.store.select(below=resource.id), resource]
        self.store.delete(resource.id)
        for each in going:
            hook = self.removed.get(each.type.lower())
            if hook is not None:
                await hook(self, each)
