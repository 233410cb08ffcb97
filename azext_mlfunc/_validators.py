"""What is filled in or refused before a command's function runs."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azext_mlfunc.registry.credentials import Secret

PASSWORD_VARIABLE = "MLFUNC_REGISTRY_PASSWORD"
"""Where the password of a registry may be, so that it is in no command line and no history."""


def refuse_empty(namespace: Any) -> None:
    """Refuse empty values, which a pipeline makes of an unset variable.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: an option is empty.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError

    values = {name: value for name, value in vars(namespace).items() if not name.startswith("_")}
    empty = [name for name, value in values.items() if value == "" or (isinstance(value, list) and "" in value)]
    if empty:
        flags = ", ".join("--" + name.replace("_", "-") for name in sorted(empty))
        raise InvalidArgumentValueError(f"{flags}: empty.", "Leave the option out, or give it a value.")


def validate_package(namespace: Any) -> None:
    """Refuse empty values, and options that exclude each other.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: an option is empty.
    :raises azure.cli.core.azclierror.MutuallyExclusiveArgumentError: --context-only with an option of a build.
    """
    from azure.cli.core.azclierror import MutuallyExclusiveArgumentError

    refuse_empty(namespace)
    if namespace.context_only and namespace.registry:
        raise MutuallyExclusiveArgumentError(
            "--context-only builds and pushes nothing, and --registry names where to push.", "Leave out one of them."
        )


def default_tag() -> str:
    """The time now, as azureml-contrib-functions tagged its images: `yyyymmddhhmmss`, in UTC."""
    return datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S")


def find_script(entry_script: str, source_directory: str | None) -> Path:
    """The entry script: a path from here, or else from the source directory, as Azure ML's own files have it."""
    script = Path(entry_script)
    within = Path(source_directory or "") / script
    return within if not os.path.exists(script) and os.path.exists(within) else script


def resolve_registry(cli_ctx: Any, registry: str | None) -> str | None:
    """The login server of what the user gave as --registry, by the suffix of the cloud that `az` is set to."""
    from azext_mlfunc.packaging.names import login_server
    from azext_mlfunc.registry.acr import acr_suffix

    return None if registry is None else login_server(registry, acr_suffix(cli_ctx))


def parse_settings(pairs: list[str]) -> dict[str, str]:
    """App settings from `NAME=VALUE` words.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: a word is none; only its name is repeated.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError

    settings = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise InvalidArgumentValueError(
                f"--settings {name.split()[0] if name.split() else ''}…: expected NAME=VALUE.",
                "Write each setting as NAME=VALUE, with quotes where the value has blanks.",
            )
        settings[name.strip()] = value
    return settings


def registry_login(username: str | None, password: str | None) -> tuple[str, Secret] | None:
    """User name and password for the image's registry, the password also from the environment; None: neither is given.

    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: one without the other.
    """
    from azure.cli.core.azclierror import RequiredArgumentMissingError

    from azext_mlfunc.registry.credentials import Secret

    found = password or (os.environ.get(PASSWORD_VARIABLE) if username else None)
    if username and found:
        return username, Secret(found)
    if username or password:
        missing = f"--registry-password, or the variable {PASSWORD_VARIABLE}" if username else "--registry-username"
        raise RequiredArgumentMissingError(f"A login needs both: {missing} is missing.", "Give both, or none.")
    return None
