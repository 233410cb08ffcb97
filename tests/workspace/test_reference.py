"""What the user may write for a model or an environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.cli.core.azclierror import InvalidArgumentValueError

from azext_mlfunc.workspace.reference import (
    RegistryAsset,
    WorkspaceAsset,
    parse_environment,
    parse_model,
)

LAB = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.mark.parametrize(
    ("text", "asset"),
    [
        ("iris:3", WorkspaceAsset("models", "iris", "3")),
        ("azureml:iris:3", WorkspaceAsset("models", "iris", "3")),
        ("azureml:iris.v2-a_b:2026-01-01", WorkspaceAsset("models", "iris.v2-a_b", "2026-01-01")),
        ("azureml:iris@latest", WorkspaceAsset("models", "iris", None)),
        ("iris@latest", WorkspaceAsset("models", "iris", None)),
        (f"{LAB}/models/iris/versions/3", WorkspaceAsset("models", "iris", "3", LAB)),
        (f"azureml:{LAB}/models/iris/versions/3", WorkspaceAsset("models", "iris", "3", LAB)),
        (f"{LAB}/models/iris/labels/latest", WorkspaceAsset("models", "iris", None, LAB)),
        (LAB.replace("resourceGroups", "resourcegroups") + "/models/iris/versions/3",
         WorkspaceAsset("models", "iris", "3", LAB)),
        ("azureml://subscriptions/s/resourcegroups/g/workspaces/w/models/iris/versions/3",
         WorkspaceAsset("models", "iris", "3", LAB)),
        ("azureml://registries/shared/models/iris/versions/3", RegistryAsset("models", "shared", "iris", "3")),
        ("azureml://registries/shared/models/iris/labels/latest", RegistryAsset("models", "shared", "iris", None)),
    ],
)  # fmt: skip
def test_each_form_of_a_model(text, asset):
    assert parse_model(text) == asset


@pytest.mark.parametrize("text", ["model.pkl", "./iris", "models/iris:3", "..:1", "../a@latest", "C:\\models\\m.pkl"])
def test_what_may_be_a_path_is_one(text):
    assert parse_model(text) == Path(text)


def test_what_lies_here_goes_before_what_may_be_registered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("iris:3").write_text("a model")
    assert parse_model("iris:3") == Path("iris:3")
    assert parse_model("iris:4") == WorkspaceAsset("models", "iris", "4")


@pytest.mark.parametrize(
    "text",
    [
        "azureml:iris",
        "azureml:iris:",
        "azureml:iris@production",
        "azureml:../iris:1",
        "azureml://datastores/workspaceblobstore/paths/iris",
        "azureml://registries/shared/environments/iris/versions/3",
        f"{LAB}/environments/iris/versions/3",
        f"{LAB}/models/iris",
        f"{LAB}/models/../versions/3",
        "runs:/1/model",
    ],
)
def test_other_forms_are_refused_with_those_that_are_known(text):
    with pytest.raises(InvalidArgumentValueError) as raised:
        parse_model(text)
    said = raised.value.error_msg
    assert text in said
    for form in ("a path", "NAME:VERSION", "azureml:NAME@latest", "/models/NAME/versions/VERSION", "azureml://reg"):
        assert form in said


def test_environments_have_the_same_forms_but_are_no_paths():
    assert parse_environment("sklearn:1") == WorkspaceAsset("environments", "sklearn", "1")
    assert parse_environment(f"azureml:{LAB}/environments/e/versions/1").workspace == LAB
    registry = parse_environment("azureml://registries/azureml/environments/sklearn-1.5/labels/latest")
    assert registry == RegistryAsset("environments", "azureml", "sklearn-1.5", None)
    for text in ("environment.yml", "iris", f"{LAB}/models/iris/versions/3"):
        with pytest.raises(InvalidArgumentValueError) as raised:
            parse_environment(text)
        assert "--environment" in raised.value.error_msg and "a path" not in raised.value.error_msg


def test_what_is_shown_can_be_written_again():
    for text in ("iris:3", "iris@latest", "azureml://registries/shared/models/iris/versions/3"):
        assert str(parse_model(text)) == text
