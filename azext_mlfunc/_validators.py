"""What is filled in or refused before a command's function runs."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def validate_package(namespace: Any) -> None:
    """Refuse options of `package` that exclude each other.

    :raises azure.cli.core.azclierror.MutuallyExclusiveArgumentError: --context-only with an option of a build.
    """
    from azure.cli.core.azclierror import MutuallyExclusiveArgumentError

    if namespace.context_only and namespace.registry:
        raise MutuallyExclusiveArgumentError(
            "--context-only builds and pushes nothing, and --registry names where to push.", "Leave out one of them."
        )


def default_tag() -> str:
    """The time now, as azureml-contrib-functions tagged its images: `yyyymmddhhmmss`, in UTC."""
    return datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S")


def resolve_registry(cli_ctx: Any, registry: str | None) -> str | None:
    """The login server of what the user gave as --registry, by the suffix of the cloud that `az` is set to."""
    from azext_mlfunc.packaging.names import login_server
    from azext_mlfunc.registry.acr import acr_suffix

    return None if registry is None else login_server(registry, acr_suffix(cli_ctx))
