"""A model of MLflow's as an app: packaged by what its folder says, and served by Microsoft's worker."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest
from mlflow_models.cases import CASES
from runtime.worker_app import InvocationFailed, Request, WorkerApp

from azext_mlfunc.packaging import mlflow, package
from azext_mlfunc.packaging.models import LocalModel
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.triggers import make_trigger
from fakes import RecordingProgress

PYTHON = ".".join(platform.python_version_tuple()[:2])


def request(model: Path, trigger: str = "http") -> PackageRequest:
    found = mlflow.read(model)
    assert found.findings == ()
    return PackageRequest(
        (LocalModel(model),),
        found.entry_script,
        found.source_directory,
        make_trigger(trigger, {}),
        "package",
        "v1",
        found.conda_file,
        found.requirements,
        python_version=found.python_version,
    )


@pytest.mark.parametrize("name", ["table", "array", "kinds", "lengths"])
def test_the_environment_that_mlflow_wrote_is_installed_by_pip(models: Path, name: str) -> None:
    image = package.plan(request(models / name))
    written = (models / name / "requirements.txt").read_text().split()
    assert image.environment.kind == "pip"
    assert image.environment.content.split() == written
    assert any(line.startswith("mlflow") for line in written)
    assert image.environment.python_version == PYTHON


@pytest.mark.parametrize("kept", ["python_env.yaml", "requirements.txt"])
def test_so_it_is_from_the_other_files_alone(models: Path, tmp_path: Path, kept: str) -> None:
    """Of two files that say the same, the one that is there is enough."""
    model = tmp_path / "model"
    model.mkdir()
    for name in ("MLmodel", "requirements.txt", kept):
        (model / name).write_bytes((models / "table" / name).read_bytes())
    if kept == "requirements.txt":
        text = (model / "MLmodel").read_text()
        start, end = text.index("    env:"), text.index("    loader_module:")
        (model / "MLmodel").write_text(text[:start] + text[end:])
    found = mlflow.read(model)
    assert [finding.severity for finding in found.findings] == (["warning"] if kept == "python_env.yaml" else [])
    assert (found.requirements, found.python_version) == (model / "requirements.txt", PYTHON)


@pytest.fixture
def serve(models: Path, tmp_path: Path, ml_packages: str) -> Any:
    """Starts the app of a model that is packaged for a trigger, as the image starts it."""

    def start(name: str, trigger: str) -> WorkerApp:
        context = tmp_path / "context"
        package.write_context(package.plan(request(models / name, trigger)), context, RecordingProgress())
        return WorkerApp(context, PYTHONPATH=ml_packages)

    return start


def test_an_app_answers_over_http(serve: Any, models: Path) -> None:
    with serve("table", "http") as app:
        assert app.load_errors == {}
        headers = (("Content-Type", "application/json"),)
        answers = {}
        for name in ("Azure ML's table", "dataframe_split"):
            text = CASES[f"table: {name}"].text.encode()
            answers[name] = json.loads(app.send(Request(headers=headers, body=text)).body)
        assert answers["dataframe_split"] == {"predictions": answers["Azure ML's table"]}
        csv = Request(headers=(("Content-Type", "text/csv"),), body=CASES["table: CSV"].text.encode())
        assert json.loads(app.send(csv).body) == answers["dataframe_split"]
        refused = app.send(Request(headers=headers, body=b"{}"))
        assert refused.status == 400 and "dataframe_split" in json.loads(refused.body)["message"]


def test_an_app_answers_blobs_and_fails_for_those_that_are_wrong(serve: Any) -> None:
    with serve("table", "blob") as app:
        case = CASES["table: instances"]
        [first, second] = json.loads(app.score_blob(case.text.encode()))["predictions"]
        assert json.loads(app.score_blob(CASES["table: CSV"].text.encode(), "text/csv"))["predictions"] == [
            first,
            second,
        ]
        with pytest.raises(InvocationFailed, match="status 400"):
            app.score_blob(b'{"inputs": {"a": [1.0]}}')
        app.wait_for_log("Model is missing inputs ['b'].")


def test_an_image_with_two_models_says_so_when_it_loads(models: Path, tmp_path: Path, ml_packages: str) -> None:
    both = tmp_path / "both"
    for name in ("one", "two"):
        (both / name).mkdir(parents=True)
        (both / name / "MLmodel").write_bytes((models / "table" / "MLmodel").read_bytes())
    package.write_context(package.plan(request(models / "table")), tmp_path / "context", RecordingProgress())
    with WorkerApp(tmp_path / "context", PYTHONPATH=ml_packages, AZUREML_MODEL_DIR=str(both)) as app:
        assert "holds 2 MLflow models" in app.load_errors["score"]
