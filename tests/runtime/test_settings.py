"""What the runtime reads from the environment and the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def read(runtime: Callable[[str], Any], tmp_path: Path) -> Callable[..., Any]:
    """Reads settings from a manifest, its text or its document or None, and from variables."""

    def read_settings(manifest: Any = None, **environ: str) -> Any:
        if manifest is not None:
            text = manifest if isinstance(manifest, str) else json.dumps(manifest)
            (tmp_path / "mlfunc.json").write_text(text, encoding="utf-8")
        return runtime("settings").read_settings(environ, tmp_path)

    return read_settings


def test_defaults_are_those_of_azure_ml(read: Callable[..., Any]) -> None:
    settings = read()
    assert settings.app_root == Path("/var/azureml-app")
    assert settings.source_directory is None
    assert settings.entry_script is None
    assert settings.auth_level == "function"
    assert settings.connection is None
    assert settings.concurrent_runs == 1
    assert (settings.service_name, settings.service_version, settings.service_path_prefix) == ("ML service", "1.0", "")
    assert settings.warnings == ()


def test_the_environment_decides(read: Callable[..., Any]) -> None:
    settings = read(
        {"schemaVersion": 1, "entryScript": "other.py"},
        AML_APP_ROOT="/app",
        AZUREML_SOURCE_DIRECTORY="src",
        AZUREML_ENTRY_SCRIPT="src/score.py",
        AZUREML_MODEL_DIR="/models",
        MLFUNC_CONCURRENT_RUNS="4",
        SERVICE_PATH_PREFIX="/api/mine/",
    )
    assert settings.app_root == Path("/app")
    assert settings.source_directory == Path("/app/src")
    assert settings.entry_script == "src/score.py"
    assert settings.model_directory == "/models"
    assert settings.concurrent_runs == 4
    assert settings.service_path_prefix == "/api/mine"


def test_the_manifest_fills_in(read: Callable[..., Any]) -> None:
    settings = read(
        {"schemaVersion": 1, "entryScript": "score.py", "trigger": {"type": "http", "authLevel": "anonymous"}}
    )
    assert settings.entry_script == "score.py"
    assert settings.auth_level == "anonymous"
    blob = {"schemaVersion": 1, "trigger": {"type": "blob", "connection": "Trigger"}}
    assert read(blob).connection == "Trigger"


@pytest.mark.parametrize(
    ("manifest", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "schemaVersion None, this runtime reads 1"),
        ({}, "schemaVersion None, this runtime reads 1"),
        ({"schemaVersion": 2}, "schemaVersion 2, this runtime reads 1"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(read: Callable[..., Any], manifest: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read(manifest)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " "])
def test_a_senseless_number_of_runs_is_refused(read: Callable[..., Any], value: str) -> None:
    with pytest.raises(ValueError, match=r"MLFUNC_CONCURRENT_RUNS is .* expected a whole number of at least 1"):
        read(MLFUNC_CONCURRENT_RUNS=value)


@pytest.mark.parametrize("name", ["SCORING_TIMEOUT_MS", "AML_CORS_ORIGINS", "AZUREML_CONFIG_FILE"])
def test_settings_without_effect_give_a_warning(read: Callable[..., Any], name: str) -> None:
    (warning,) = read(**{name: "anything"}).warnings
    assert warning.startswith(f"{name} has no effect: ")
