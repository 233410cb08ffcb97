"""What is filled in or refused before a command's function runs."""

from __future__ import annotations

import os
import re
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azext_mlfunc.registry.credentials import Secret

_APP_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])")
_WORKSPACE_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)
_GROUP_NAME = re.compile(r"[-\w.()]{0,89}[-\w()]")


def refuse_empty(namespace: Any) -> None:
    """Refuse empty values, which a pipeline makes of an unset variable.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: an option is empty.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError

    values = {name: value for name, value in vars(namespace).items() if not name.startswith("_")}
    empty = [name for name, value in values.items() if value == "" or (isinstance(value, list) and "" in value)]
    if empty:
        flags = ", ".join("--" + name.replace("_", "-") for name in sorted(empty))
        flags = flags.replace("--resource-group-name", "--resource-group")  # the one that az names otherwise
        raise InvalidArgumentValueError(f"{flags}: empty.", "Leave the option out, or give it a value.")


def validate_package(namespace: Any) -> None:
    """Refuse empty values, names that cannot be, and options that exclude each other.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: an option is empty, or no name.
    :raises azure.cli.core.azclierror.MutuallyExclusiveArgumentError: --context-only with an option of a build; two
        options that say what to install.
    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: there is no model; a workspace without its group.
    """
    from azure.cli.core.azclierror import (
        InvalidArgumentValueError,
        MutuallyExclusiveArgumentError,
        RequiredArgumentMissingError,
    )

    refuse_empty(namespace)
    if not namespace.model and not namespace.file:
        raise RequiredArgumentMissingError("There is no model.", "Name it with --model, or in a file with --file.")
    packages = {
        "--environment": namespace.environment,
        "--conda-file": namespace.conda_file,
        "--requirements": namespace.requirements,
    }
    given = [name for name, value in packages.items() if value]
    if namespace.environment and len(given) > 1:
        raise MutuallyExclusiveArgumentError(
            f"{' and '.join(given)} both say what to install.", "Leave one of them out."
        )
    if namespace.workspace_name and not namespace.resource_group_name:
        raise RequiredArgumentMissingError("--workspace-name needs --resource-group.", "Give both.")
    if namespace.workspace_name:
        _refuse_group(namespace.resource_group_name)
        if not _WORKSPACE_NAME.fullmatch(namespace.workspace_name):
            raise InvalidArgumentValueError(
                f"--workspace-name {namespace.workspace_name}: expected letters, digits, '-' and '_'.",
                "Give the workspace's name. For one in another subscription, name that with --subscription.",
            )
    if namespace.context_only and namespace.registry:
        raise MutuallyExclusiveArgumentError(
            "--context-only builds and pushes nothing, and --registry names where to push.", "Leave out one of them."
        )


def _refuse_group(name: str) -> None:
    from azure.cli.core.azclierror import InvalidArgumentValueError

    if not _GROUP_NAME.fullmatch(name):
        raise InvalidArgumentValueError(
            f"--resource-group {name}: expected 1 to 90 letters, digits, '-', '_', '.', '(' and ')', and no '.' at the "
            "end.",
            "Choose a name like my-group.",
        )


def validate_deploy(namespace: Any) -> None:
    """Refuse empty values, and names that Azure has no room for in its addresses.

    Source: Azure naming rules, Microsoft.Web/sites and Microsoft.Resources/resourceGroups.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: a value cannot be.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError

    refuse_empty(namespace)
    if not _APP_NAME.fullmatch(namespace.name):
        raise InvalidArgumentValueError(
            f"--name {namespace.name}: it becomes a host name; expected 2 to 60 letters, digits and hyphens, with a "
            "letter or digit at both ends.",
            "Choose a name like my-model.",
        )
    _refuse_group(namespace.resource_group_name)
    if namespace.timeout < 1:
        raise InvalidArgumentValueError(
            f"--timeout {namespace.timeout}: expected seconds, 1 or more.",
            "Leave the option out for 600 seconds.",
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

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: a word is none; nothing of it is repeated, for it may
        be a part of a secret.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError

    settings: dict[str, str] = {}
    for number, pair in enumerate(pairs, 1):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            after = f", after {list(settings)[-1]}=…" if settings else ""
            raise InvalidArgumentValueError(
                f"--settings: its word {number}{after} is no NAME=VALUE.",
                "Write each setting as NAME=VALUE, with quotes where the value has blanks: 'NAME=some words'.",
            )
        settings[name.strip()] = value
    return settings


def registry_login(username: str | None, password: str | None) -> tuple[str, Secret] | None:
    """User name and password for the image's registry, the password also from the environment; None: neither is given.

    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: one without the other.
    """
    from azure.cli.core.azclierror import RequiredArgumentMissingError

    from azext_mlfunc.deploying.resources.registry import PASSWORD_VARIABLE
    from azext_mlfunc.registry.credentials import Secret

    found = password or (os.environ.get(PASSWORD_VARIABLE) if username else None)
    if username and found:
        return username, Secret(found)
    if username or password:
        missing = f"--registry-password, or the variable {PASSWORD_VARIABLE}" if username else "--registry-username"
        raise RequiredArgumentMissingError(f"A login needs both: {missing} is missing.", "Give both, or none.")
    return None


def parse_headers(lines: list[str]) -> dict[str, str]:
    """HTTP headers from `NAME=VALUE` or `NAME: VALUE`.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: a line is neither; only its name is repeated.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError

    headers = {}
    for line in lines:
        found = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=|:[ ]?)([^\r\n]*)", line)
        if found is None:
            raise InvalidArgumentValueError(
                f"--header {line.partition('=')[0].partition(':')[0]!r}…: expected NAME=VALUE.",
                "Write each header as NAME=VALUE, with quotes where the value has blanks.",
            )
        headers[found[1]] = found[2]
    return headers


def as_typed(option: str, value: str | None, words: list[str]) -> str | None:
    """An option's value as it was typed, where that is @FILE: `az` has put the file's text in its place, without the
    byte order mark and the last newlines, and in base64 where it is no text.

    Source: azure-cli-core, commands/__init__.py, _expand_file_prefixed_files.

    :param option: its flag.
    :param value: what `az` hands over.
    :param words: the command line.
    """
    for word, after in zip(words, [*words[1:], ""], strict=True):
        typed = after if word == option else word.removeprefix(f"{option}=") if word.startswith(f"{option}=") else ""
        if typed.startswith("@"):
            return typed
    return value


def validate_test(namespace: Any) -> None:
    """Refuse empty values, and options that do not go together.

    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: there is no event.
    :raises azure.cli.core.azclierror.MutuallyExclusiveArgumentError: options of one event with those of a folder.
    """
    from azure.cli.core.azclierror import MutuallyExclusiveArgumentError, RequiredArgumentMissingError

    data, namespace.data = as_typed("--data", namespace.data, sys.argv), None  # which may be empty
    refuse_empty(namespace)
    namespace.data = data
    _check_where(namespace)
    if namespace.data is None and namespace.input_directory is None:
        raise RequiredArgumentMissingError(
            "There is no event to send.", "Give --data TEXT, --data @FILE or --data -, or --input-directory FOLDER."
        )
    one = {"--data": data is not None, "--output-file": namespace.output_file, "--blob-name": namespace.blob_name}
    many = {"--output-directory": namespace.output_directory, "--report": namespace.report}
    wrong = one if namespace.input_directory else many
    given = [name for name, value in wrong.items() if value]
    if given:
        has = "--input-directory sends many events" if namespace.input_directory else "--data sends one event"
        raise MutuallyExclusiveArgumentError(
            f"{has}, and {', '.join(given)} is not for that.", "Leave one of them out."
        )
    if namespace.input_directory and not namespace.output_directory:
        raise RequiredArgumentMissingError(
            "--input-directory needs a folder for the answers.", "Name one with --output-directory."
        )


def _check_where(namespace: Any) -> None:
    """Refuse what is neither an app in Azure nor one image, or one context, on this machine; or both.

    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: neither is named.
    :raises azure.cli.core.azclierror.MutuallyExclusiveArgumentError: options of one with those of the other.
    """
    from azure.cli.core.azclierror import MutuallyExclusiveArgumentError, RequiredArgumentMissingError

    here = {
        "--image": namespace.image,
        "--context": namespace.context,
        "--build-network": namespace.build_network,
        "--settings": namespace.settings,
    }
    given = [name for name, value in here.items() if value]
    if not namespace.local:
        if given:
            raise RequiredArgumentMissingError(
                f"{', '.join(given)}: an app on this machine has it; one in Azure has its own.", "Give --local, too."
            )
        missing = {"--name": namespace.name, "--resource-group": namespace.resource_group_name}
        names = [name for name, value in missing.items() if not value]
        if names:
            raise RequiredArgumentMissingError(
                f"{' and '.join(names)}: missing.",
                "Name the app and its group, or test an image on this machine: --local --image IMAGE",
            )
        return
    if namespace.name:
        raise MutuallyExclusiveArgumentError(
            "--name is an app in Azure, and --local runs an image on this machine.", "Leave one of them out."
        )
    if bool(namespace.image) == bool(namespace.context):
        raise RequiredArgumentMissingError(
            "--local runs one image, or one context.", "Give either --image IMAGE or --context FOLDER."
        )
