"""The data plane of Azure Container Registry, and mcr.microsoft.com: registries that az, Docker and pushing tools use.

A registry is :class:`.Images`: bytes in a real registry on loopback (:mod:`.backends`), and an index of what they are.
Before it is what Azure has: tokens (:mod:`.tokens`, :mod:`.oauth`), the rights behind them (:mod:`.callers`), Docker's
API (:mod:`.docker_api`) and Azure's own (:mod:`.acr_api`).

None of this is in the recorded facts of ARM. The sources are named where they are used:

- recorded: azure-sdk-for-python, sdk/containerregistry/azure-containerregistry/tests/recordings (2021, 2022), and
  azure-cli, command_modules/acr/tests/latest/recordings (2026): requests and answers of real registries.
- documented: Azure/acr, docs/AAD-OAuth.md and docs/Token-BasicAuth.md; OCI Distribution Specification 1.1.
- "general knowledge": neither; a guess.

Known differences: a blob is answered, where Azure redirects to a storage account; nothing is throttled; locks
(PATCH on attributes), referrers, soft delete, tokens with scope maps and Helm are not there, and are refused.
"""

from local_azure.container_registry.directory import Action, Directory
from local_azure.container_registry.importing import ImportRefused, ImportSource
from local_azure.container_registry.public import PublicRegistry
from local_azure.container_registry.registries import ContainerRegistries

__all__ = ["Action", "ContainerRegistries", "Directory", "ImportRefused", "ImportSource", "PublicRegistry"]
