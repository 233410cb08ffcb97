"""How the user names a model or an environment of Azure Machine Learning.

Source of the forms: azure-ai-ml, constants/_common.py (AZUREML_REGEX_FORMAT, ASSET_ARM_ID_REGEX_FORMAT,
ASSET_ID_REGEX_FORMAT, REGISTRY_VERSION_PATTERN) and its documentation of `azureml:NAME@latest`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from azext_mlfunc.workspace import errors

Kind = Literal["models", "environments"]
"""The segment of a resource ID that says what it is."""
LATEST = "latest"
"""The one label: the version that was registered last."""

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}"  # also a folder's name in the image: no '..', no slash
_VERSION = rf"(?::(?P<version>{_NAME})|@(?P<label>{_NAME}))"
_TAIL = (
    rf"/(?P<kind>models|environments)/(?P<name>{_NAME})(?:/versions/(?P<version>{_NAME})|/labels/(?P<label>{_NAME}))"
)
_SHORT = re.compile(rf"(?:azureml:|(?!azureml:))(?P<name>{_NAME}){_VERSION}")
_RESOURCE = re.compile(
    r"(?:azureml:(?=/subscriptions)|azureml:/(?=/subscriptions))?"
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    rf"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<workspace>[^/]+){_TAIL}",
    re.IGNORECASE,
)
_REGISTRY = re.compile(rf"azureml://registries/(?P<registry>{_NAME}){_TAIL}", re.IGNORECASE)


@dataclass(frozen=True)
class WorkspaceAsset:
    """A model or environment that is registered in a workspace.

    :param kind: which of them.
    :param name: its name.
    :param version: its version; None for the latest.
    :param workspace: the resource ID of the workspace; None for the one that --workspace-name names.
    """

    kind: Kind
    name: str
    version: str | None
    workspace: str | None = None

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.version else f"{self.name}@{LATEST}"


@dataclass(frozen=True)
class RegistryAsset:
    """A model or environment that is shared through an Azure Machine Learning registry.

    :param kind: which of them.
    :param registry: the name of the registry.
    :param name: its name.
    :param version: its version; None for the latest.
    """

    kind: Kind
    registry: str
    name: str
    version: str | None

    def __str__(self) -> str:
        version = f"versions/{self.version}" if self.version else f"labels/{LATEST}"
        return f"azureml://registries/{self.registry}/{self.kind}/{self.name}/{version}"


Asset = WorkspaceAsset | RegistryAsset


def parse_model(text: str, option: str = "--model") -> Path | Asset:
    """A model as `--model` takes it: what lies on this machine goes before what may be registered under that name.

    :param option: where it was given, for the error.
    :raises azure.cli.core.azclierror.InvalidArgumentValueError: it is of Azure Machine Learning, in no known form.
    """
    if os.path.lexists(text):
        return Path(text)
    return parse_asset(text, "models", option) or Path(text)


def parse_environment(text: str, option: str = "--environment") -> Asset:
    """An environment as `--environment` takes it.

    :param option: where it was given, for the error.
    :raises azure.cli.core.azclierror.InvalidArgumentValueError: it has no known form.
    """
    asset = parse_asset(text, "environments", option)
    if asset is None:
        raise _unknown(text, "environments", option)
    return asset


def parse_asset(text: str, kind: Kind, option: str) -> Asset | None:
    """What a text names; None where it may as well be a path.

    :param kind: what it has to be.
    :param option: where it was given, for the error.
    :raises azure.cli.core.azclierror.InvalidArgumentValueError: it is of Azure Machine Learning, in no known form.
    """
    for form in (_REGISTRY, _RESOURCE, _SHORT):
        if found := form.fullmatch(text):
            break
    else:
        if text.lower().startswith(("azureml:", "/subscriptions/", "runs:/", "models:/")):
            raise _unknown(text, kind, option)
        return None
    parts = found.groupdict()
    label = parts["label"]
    if parts.get("kind", kind).lower() != kind or (label and label.lower() != LATEST):
        raise _unknown(text, kind, option)
    if parts.get("registry"):
        return RegistryAsset(kind, parts["registry"], parts["name"], parts["version"])
    workspace = None
    if parts.get("workspace"):
        workspace = workspace_id(parts["subscription"], parts["group"], parts["workspace"])
    return WorkspaceAsset(kind, parts["name"], parts["version"], workspace)


def workspace_id(subscription: str, group: str, name: str) -> str:
    """The resource ID of a workspace."""
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
    )


def _unknown(text: str, kind: Kind, option: str) -> Exception:
    from azure.cli.core.azclierror import InvalidArgumentValueError

    path = "a path, " if kind == "models" else ""
    resource = f"/subscriptions/…/resourceGroups/…/providers/Microsoft.MachineLearningServices/workspaces/…/{kind}"
    registry = f"azureml://registries/REGISTRY/{kind}/NAME"
    return errors.made(
        InvalidArgumentValueError,
        f"{option} {text}: expected {path}NAME:VERSION, azureml:NAME:VERSION, azureml:NAME@{LATEST}, "
        f"{resource}/NAME/versions/VERSION, {registry}/versions/VERSION or …/labels/{LATEST}.",
        "Names and versions have letters, digits, '_', '-' and '.'. What there is: "
        f"az ml {kind.removesuffix('s')} list.",
    )
