"""Microsoft.MachineLearningServices: workspaces, registries and what is registered in them; one file for each kind."""

from __future__ import annotations

from local_azure.arm.operation import Provider
from local_azure.arm.providers.machine_learning import answers, assets, datastores, registries, workspaces

PROVIDER = Provider(
    answers.NAMESPACE,
    (*workspaces.OPERATIONS, *datastores.OPERATIONS, *registries.OPERATIONS, *assets.OPERATIONS),
    removed={answers.REGISTRY: registries.removed},
)
