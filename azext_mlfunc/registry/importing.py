"""Having Azure Container Registry fetch a base image by itself, so that it does not pass through the user's machine.

Source: Azure REST API, Microsoft.ContainerRegistry, "Registries - Import Image"; `az acr import` does the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from azext_mlfunc.registry.acr import is_acr
from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.reference import Reference


class AcrImport:
    """Imports images into registries of Azure that the caller's subscription has.

    :param suffix: what the cloud's registries end in, for example `azurecr.io`.
    :param open_registry: opens a repository of a registry: host, name.
    :param registries: makes the ARM client's operations on registries (`RegistriesOperations`), when they are needed.
    """

    def __init__(
        self, suffix: str, open_registry: Callable[[str, str], Registry], registries: Callable[[], Any]
    ) -> None:
        self._suffix = suffix
        self._open_registry = open_registry
        self._registries = registries

    def __call__(self, host: str, base: Reference, digest: str) -> str | None:
        """See `BaseImporter`: the base's own repository name, in that registry; None where it cannot import it."""
        from azure.cli.core.azclierror import ResourceNotFoundError
        from azure.core.exceptions import AzureError
        from knack.log import get_logger
        from knack.util import CLIError

        if not is_acr(host, self._suffix):
            return None
        try:
            self._open_registry(host, base.repository).manifest(digest)
            return base.repository  # an earlier build had it imported
        except ResourceNotFoundError:
            pass
        try:
            self._import(host, base, digest)
        except (AzureError, CLIError) as problem:
            get_logger(__name__).warning(
                "%s could not import %s itself (%s): its layers are sent from here.", host, base, _reason(problem)
            )
            return None
        return base.repository

    def _import(self, host: str, base: Reference, digest: str) -> None:
        """Start the import and wait for its end.

        :raises azure.core.exceptions.AzureError: ARM refused, or the import failed.
        :raises knack.util.CLIError: there is no such registry in the subscription, or nobody is signed in.
        """
        from azure.mgmt.core.tools import parse_resource_id
        from knack.util import CLIError

        registries = self._registries()
        found = next((each for each in registries.list() if each.login_server.lower() == host.lower()), None)
        if found is None:
            raise CLIError("the subscription has no such registry")
        parameters = {
            "source": {"registryUri": base.host, "sourceImage": f"{base.repository}@{digest}"},
            "targetTags": [f"{base.repository}:{base.tag or 'base'}"],
            "mode": "Force",
        }
        group = parse_resource_id(found.id)["resource_group"]
        registries.begin_import_image(group, found.name, parameters).result()


def _reason(problem: Exception) -> str:
    return str(problem).splitlines()[0]
