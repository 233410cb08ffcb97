"""Each model of MLflow's answers each request as `mlflow.pyfunc` does when it is called directly, and as MLflow's own
server does. The scoring script runs in the image's runtime; `ask.py` asks all three."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow_models.cases import CASES, REFUSALS
from mlflow_models.conftest import HERE, run_in_ml

import azext_mlfunc
from azext_mlfunc.packaging.mlflow import SCORING

# MLflow's server fails on what JSON cannot write; ours writes the array that such a matrix stands for.
ONLY_OURS = ("kinds: sparse", "kinds: sparse, as Azure ML")


@pytest.fixture(scope="module")
def answers(models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `ask.py` was told."""
    folder = tmp_path_factory.mktemp("answers")
    runtime = Path(azext_mlfunc.__file__).parent / "runtime"
    asked = {"models": str(models), "runtime": str(runtime), "scoring": str(SCORING)}
    (folder / "asked.json").write_text(json.dumps(asked))
    run_in_ml(HERE / "ask.py", folder / "asked.json", folder / "answered.json", cwd=folder)
    found: dict[str, Any] = json.loads((folder / "answered.json").read_text())
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_answer_is_that_of_pyfunc_called_directly(answers: dict[str, Any], name: str) -> None:
    ours = answers["cases"][name]["ours"]
    assert ours["status"] == 200, ours["body"]
    assert ours["headers"]["Content-Type"] == "application/json"
    assert ours["body"] == answers["cases"][name]["direct"]


@pytest.mark.parametrize("name", [name for name in CASES if name not in ONLY_OURS])
def test_the_answer_is_that_of_mlflow_s_own_server(answers: dict[str, Any], name: str) -> None:
    """Azure ML's format is answered with the bare predictions, the others as MLflow's server does."""
    server = answers["cases"][name]["server"]
    assert server["status"] == 200, server["body"]
    body = answers["cases"][name]["ours"]["body"]
    expected = f'{{"predictions": {body}}}' if CASES[name].format == "input_data" else body
    assert server["body"] == expected


@pytest.mark.parametrize("name", ONLY_OURS)
def test_what_mlflow_s_server_cannot_write(answers: dict[str, Any], name: str) -> None:
    assert answers["cases"][name]["server"]["status"] == 500


@pytest.mark.parametrize("name", REFUSALS)
def test_mistakes_of_the_caller_are_named(answers: dict[str, Any], name: str) -> None:
    ours = answers["refusals"][name]["ours"]
    assert ours["status"] == 400
    assert ours["headers"]["x-ms-run-function-failed"] == "False"
    assert REFUSALS[name].message in json.loads(ours["body"])["message"]


@pytest.mark.parametrize("name", [name for name in REFUSALS if name != "nested without end"])
def test_what_is_refused_mlflow_s_server_refuses_too(answers: dict[str, Any], name: str) -> None:
    assert answers["refusals"][name]["server"]["status"] == 400


def test_refusals_do_not_repeat_the_data(answers: dict[str, Any]) -> None:
    """MLflow's message holds all of it; the answer would be as long as the request, and so would the log."""
    message = json.loads(answers["refusals"]["a column too few"]["ours"]["body"])["message"]
    assert message == "Model is missing inputs ['b']."


def test_what_the_model_raises_stays_in_the_log(answers: dict[str, Any]) -> None:
    failed = answers["errors"]["run"]
    assert failed["status"] == 500
    assert "a secret of the model's" not in failed["body"]


def test_the_model_is_found_in_its_folder_and_below(answers: dict[str, Any]) -> None:
    assert answers["found"] == {
        "here": ".",
        "one below": "model",
        "name, version, folder": "name/1/model",
        "one in another": "outer",
        "none": "FileNotFoundError: FOLDER holds no MLflow model: there is no file MLmodel in it, "
        "nor in the folders up to 3 below it.",
        "two": "ValueError: FOLDER holds 2 MLflow models, expected one: FOLDER/a, FOLDER/b",
    }
