"""Running a context: its environment, its settings, its function."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from function_apps import FunctionApp, call, http_trigger

from local_azure.app import local_settings, run_context
from local_azure.app_environment import EnvironmentFailed, app_environment

CODE = """
    import json, os
    import mlfunc_test_package

    def main(request: func.HttpRequest) -> func.HttpResponse:
        names = "AML_APP_ROOT AZUREML_MODEL_DIR AZUREML_ENTRY_SCRIPT PYTHONPATH MORE".split()
        found = {name: os.environ.get(name) for name in names}
        return func.HttpResponse(json.dumps(found | {"package": mlfunc_test_package.__file__}))
"""
PYPROJECT = (
    '[project]\nname = "mlfunc-test-package"\nversion = "1"\n[tool.setuptools]\npy-modules = ["mlfunc_test_package"]'
)


def write_context(folder: Path, trigger: dict[str, str]) -> Path:
    """A context with one HTTP function and a requirement of its own."""
    package = folder / "package"
    package.mkdir(parents=True)
    (package / "mlfunc_test_package.py").write_text("")
    (package / "pyproject.toml").write_text(PYPROJECT)
    (folder / "requirements.txt").write_text("./package\n-r more.txt\n")
    (folder / "more.txt").write_text("")
    FunctionApp(folder / "wwwroot").add("score", http_trigger("score"), CODE)
    settings = {
        "AML_APP_ROOT": "/var/azureml-app",
        "AZUREML_MODEL_DIR": "/var/azureml-app/azureml-models/m/1",
        "AZUREML_ENTRY_SCRIPT": "score.py",
        "PYTHONPATH": "/home/site/wwwroot/.python_packages/lib/site-packages",
    }
    manifest = {"schemaVersion": 1, "function": "score", "trigger": trigger, "settings": settings}
    (folder / "wwwroot" / "mlfunc.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return write_context(tmp_path / "context", {"type": "http", "authLevel": "anonymous"})


def test_a_context_runs_in_an_environment_of_its_own(context: Path, tmp_path: Path, worker_python: str) -> None:
    environments = tmp_path / "environments"
    host = run_context(context, worker_python, tmp_path / "state", environments, settings={"MORE": "yes"})
    with host:
        found = call(host.wait_until_running(60), "/score").json()
    assert found["AML_APP_ROOT"] == str(context / "app")
    assert found["AZUREML_MODEL_DIR"] == str(context / "models" / "m" / "1")
    assert found["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert found["PYTHONPATH"] is None
    assert found["MORE"] == "yes"
    assert Path(found["package"]).is_relative_to(environments)


def test_an_environment_is_made_once_for_the_same_requirements(
    context: Path, tmp_path: Path, worker_python: str
) -> None:
    environments = tmp_path / "environments"
    first = app_environment(context, worker_python, environments)
    mark = first.parent / "mark"
    mark.touch()
    assert app_environment(context, worker_python, environments) == first
    assert mark.exists()
    (first.parents[1] / "complete").unlink()  # as after an interruption
    assert app_environment(context, worker_python, environments) == first
    assert not mark.exists()
    (context / "more.txt").write_text("# a change in a file that the requirements name\n")
    second = app_environment(context, worker_python, environments)
    (context / "requirements.txt").write_text("# others\n")
    assert app_environment(context, worker_python, environments) not in (first, second)
    assert first != second


def test_what_cannot_be_made_is_said(context: Path, tmp_path: Path) -> None:
    (context / "requirements.txt").write_text("./not-there\n")
    with pytest.raises(EnvironmentFailed, match="not-there"):
        app_environment(context, sys.executable, tmp_path)
    (context / "environment.yml").touch()
    with pytest.raises(EnvironmentFailed, match="conda"):
        app_environment(context, sys.executable, tmp_path)


def test_an_old_python_is_refused(context: Path, tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\necho 3.12.1\n")
    old.chmod(0o755)
    with pytest.raises(EnvironmentFailed, match=r"needs 3\.13"):
        app_environment(context, old, tmp_path)


def test_the_connection_that_a_trigger_names(tmp_path: Path) -> None:
    blob = write_context(tmp_path / "blob", {"type": "blob", "connection": "TriggerConnectionString"})
    settings = local_settings(blob, storage="the storage")
    assert settings["TriggerConnectionString"] == settings["AzureWebJobsStorage"] == "the storage"
    queue = write_context(tmp_path / "queue", {"type": "service-bus-queue", "connection": "TriggerConnectionString"})
    settings = local_settings(queue, service_bus="the bus")
    assert settings["TriggerConnectionString"] == "the bus"
    assert "AzureWebJobsStorage" not in settings
    with pytest.raises(ValueError, match="service_bus"):
        local_settings(queue, storage="the storage")
