"""What `az ml-func package` refuses of its options before it looks at anything."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from azure.cli.core.azclierror import (
    InvalidArgumentValueError,
    MutuallyExclusiveArgumentError,
    RequiredArgumentMissingError,
)

from azext_mlfunc._validators import validate_package

OPTIONS = ("model file environment conda_file requirements lock workspace_name resource_group_name context_only "
           "registry").split()  # fmt: skip


def namespace(**given):
    return SimpleNamespace(**(dict.fromkeys(OPTIONS) | given))


@pytest.mark.parametrize(
    "given",
    [
        {"model": ["m"]},
        {"file": ["f"]},
        {"model": ["m"], "workspace_name": "my_lab-1", "resource_group_name": "my.group(1)"},
        {"model": ["m"], "resource_group_name": "configured as the default"},
        {"model": ["m"], "environment": "sk:1", "lock": "l"},
        {"model": ["m"], "registry": "r"},
    ],
)
def test_what_goes_together(given):
    validate_package(namespace(**given))


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({}, RequiredArgumentMissingError, "no model"),
        ({"model": [""]}, InvalidArgumentValueError, "--model: empty"),
        ({"model": ["m"], "resource_group_name": ""}, InvalidArgumentValueError, "--resource-group: empty"),
        ({"model": ["m"], "workspace_name": ""}, InvalidArgumentValueError, "--workspace-name: empty"),
        ({"workspace_name": "w"}, RequiredArgumentMissingError, "--workspace-name needs --resource-group"),
        (
            {"workspace_name": "la/b", "resource_group_name": "g"},
            InvalidArgumentValueError,
            "--workspace-name la/b: expected letters",
        ),
        (
            {"workspace_name": "lab?x=1", "resource_group_name": "g"},
            InvalidArgumentValueError,
            r"--workspace-name lab\?x=1: expected letters",
        ),
        (
            {"workspace_name": "w", "resource_group_name": "a/b"},
            InvalidArgumentValueError,
            "--resource-group a/b: expected",
        ),
        (
            {"environment": "e", "conda_file": "c"},
            MutuallyExclusiveArgumentError,
            "--environment and --conda-file both say",
        ),
        (
            {"environment": "e", "requirements": "r"},
            MutuallyExclusiveArgumentError,
            "--environment and --requirements both say",
        ),
        ({"context_only": "c", "registry": "r"}, MutuallyExclusiveArgumentError, "--context-only builds"),
    ],
)
def test_what_does_not(given, kind, said):
    if "model" not in given and given:
        given = {"model": ["m"], **given}
    with pytest.raises(kind, match=said):
        validate_package(namespace(**given))
