"""From a workspace to a prediction: what azure-ai-ml registered is packaged by name, deployed and tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import az

from .cloud import Cloud, unique
from .parts import Group
from .workspaces import Workspace

TWO = """
import glob
import json
import os

import joblib


def init():
    global models
    root = os.environ["AZUREML_MODEL_DIR"]
    models = [joblib.load(file) for file in sorted(glob.glob(os.path.join(root, "*", "*", "diabetes.pkl")))]


def run(data):
    rows = json.loads(data)["data"]
    return [model.predict(rows).tolist() for model in models]
"""
CONDA = "name: model\ndependencies:\n  - python=3.13\n  - pip:\n      - scikit-learn==1.7.2\n      - joblib\n"


@pytest.fixture(scope="module")
def workspace(shared_group: Group, registry: str, cloud: Cloud, trained_example: Path) -> Workspace:
    """A workspace with the diabetes model in two versions, and a container registry of its own."""
    identity = cloud.run(f"acr show --name {registry}")["id"]
    made = Workspace(shared_group, containerRegistry=identity)
    for version in ("1", "2"):
        made.register("diabetes", version, trained_example / "model" / "diabetes.pkl")
    return made


class Project:
    """A folder with scripts, from which models of a workspace are packaged."""

    def __init__(self, cloud: Cloud, workspace: Workspace, folder: Path) -> None:
        self.cloud, self.workspace, self.folder = cloud, workspace, folder

    def package(self, options: str) -> Any:
        _, group, name = self.workspace.of
        return self.cloud.run(f"ml-func package -g {group} -w {name} --build direct {options}", cwd=self.folder)

    def refused(self, options: str, where: str = "") -> str:
        """What is said where nothing is built."""
        _, group, name = self.workspace.of
        where = where or f"-g {group} -w {name}"
        answer = self.cloud.az(f"ml-func package {where} --context-only nothing {options}", self.folder)
        assert answer.code != 0
        assert not (self.folder / "nothing").exists()
        return answer.stderr

    def predicted(self, image: str, sample: Path) -> Any:
        """What an app of an image says of a sample."""
        app = unique("ws-")
        group = self.workspace.group.name
        self.cloud.run(f"ml-func deploy -g {group} -n {app} --image {image} --disable-app-insights --only-show-errors")
        return self.cloud.run(f"ml-func test -g {group} -n {app} --data @{sample} --only-show-errors")["output"]


@pytest.fixture
def project(cloud: Cloud, workspace: Workspace, trained_example: Path, tmp_path: Path) -> Project:
    shutil.copy(trained_example / "score.py", tmp_path)
    shutil.copy(trained_example / "environment.yml", tmp_path)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "score.py").write_text(TWO)
    return Project(cloud, workspace, tmp_path)


def test_one_model(project: Project, trained_example: Path, predictions: list[float]) -> None:
    """Its image ends in the workspace's own registry, its lineage in the manifest."""
    result = project.package("--model azureml:diabetes@latest --entry-script score.py --conda-file environment.yml")
    (model,) = result["models"]
    assert model["source"]["workspace"] == project.workspace.path
    assert (model["name"], model["source"]["version"]) == ("diabetes/2", "2")
    assert project.predicted(result["tag"], trained_example / "sample.json") == pytest.approx(predictions)


def test_two_models(project: Project, trained_example: Path, predictions: list[float]) -> None:
    """AZUREML_MODEL_DIR holds the folders of all."""
    result = project.package(
        "--model diabetes:1 diabetes:2 --entry-script two/score.py --conda-file environment.yml --image-tag two"
    )
    assert [each["name"] for each in result["models"]] == ["diabetes/1", "diabetes/2"]
    found = project.predicted(result["tag"], trained_example / "sample.json")
    assert found == [pytest.approx(predictions)] * 2


def test_an_environment_and_a_deployment_file(project: Project, cloud: Cloud, workspace: Workspace) -> None:
    body = {"properties": {"condaFile": CONDA, "image": "mcr.microsoft.com/azureml/minimal:1"}}
    assert cloud.arm("PUT", f"{workspace.path}/environments/sk/versions/3", body).ok
    (project.folder / "deployment.yml").write_text(
        "name: blue\nendpoint_name: e\nmodel: azureml:diabetes:1\ncode_configuration:\n  code: .\n"
        "  scoring_script: score.py\nenvironment: azureml:sk@latest\ninstance_type: Standard_DS3_v2\n"
        "environment_variables:\n  MODE: quick\n  API_KEY: abc\n"
    )
    _, group, name = workspace.of
    answer = cloud.az(f"ml-func package -g {group} -w {name} -f deployment.yml --context-only context", project.folder)
    assert answer.code == 0, answer.stderr
    result = json.loads(answer.stdout)
    assert result["environment"]["name"] == "sk"
    assert result["environment"]["version"] == "3"
    for told in ("instance_type", "Environment sk:3", "Model diabetes:1", "API_KEY", "mcr.microsoft.com/azureml/"):
        assert told in answer.stderr, told
    assert "abc" not in answer.stderr + answer.stdout
    dockerfile = (project.folder / "context" / "Dockerfile").read_text()
    assert "MODE" in dockerfile
    assert "abc" not in dockerfile
    assert not (project.folder / "context" / "app" / "deployment.yml").exists(), "the value stands in it"
    manifest = json.loads((project.folder / "context" / "wwwroot" / "mlfunc.json").read_text())
    assert manifest["models"][0]["source"]["version"] == "1"
    assert manifest["environment"]["source"]["name"] == "sk"
    assert "scikit-learn==1.7.2" in (project.folder / "context" / "requirements.txt").read_text()
    again = cloud.az(f"ml-func package -g {group} -w {name} -f deployment.yml --context-only context", project.folder)
    assert "in the cache" in again.stderr


def test_a_registered_mlflow_model(project: Project, workspace: Workspace, tmp_path: Path) -> None:
    from .test_workspace_registration import _LOG_A_MODEL
    from .workspaces import run_client

    run_client(project.cloud, "-c", _LOG_A_MODEL, str(tmp_path / "logged"))
    workspace.register("flow", "1", tmp_path / "logged", "mlflow_model")
    result = project.package("--model flow:1 --image-tag flow")
    (tmp_path / "data.json").write_text(json.dumps({"input_data": [[1, 0, 0], [0, 1, 0]]}))
    found = project.predicted(result["tag"], tmp_path / "data.json")
    assert found == pytest.approx([1, 2])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--model diabetes:9 --entry-script score.py", "There is no version 9 of the model 'diabetes'"),
        ("--model absent:1 --entry-script score.py", "There is no model 'absent'"),
        ("--model diabetes:1 --entry-script score.py -e none:1", "There is no environment 'none'"),
        ("--model azureml:diabetes --entry-script score.py", "expected a path, NAME:VERSION"),
        ("--model diabetes:1", "--entry-script: none is given"),
    ],
)
def test_what_is_not_there(options: str, told: str, project: Project) -> None:
    assert told in project.refused(options)


def test_no_workspace_and_no_right(project: Project, cloud: Cloud, workspace: Workspace) -> None:
    _, group, _ = workspace.of
    model = "--model diabetes:1 --entry-script score.py"
    assert "There is no workspace 'nowhere'" in project.refused(model, f"-g {group} -w nowhere")
    assert "no workspace that it is in" in project.refused(model, "--python-version 3.13")
    answer = cloud.az(f"ml-func package -g {group} -w nowhere {model}", project.folder)
    assert "There is no workspace 'nowhere'" in answer.stderr


def test_configured_defaults_and_a_refusal(project: Project, cloud: Cloud, workspace: Workspace) -> None:
    """What Resource Manager says is shown, and no more."""
    _, group, name = workspace.of
    refusal = {"error": {"code": "AuthorizationFailed", "message": "You may not read models."}}
    cloud.control("faults", "POST", {"path": "/models/diabetes/versions/1$", "status": 403, "body": refusal})
    try:
        answer = az(
            *"ml-func package --model diabetes:1 --entry-script score.py --context-only nothing".split(),
            "--only-show-errors",
            cwd=project.folder,
            env={**cloud.environment, "AZURE_DEFAULTS_GROUP": group, "AZURE_DEFAULTS_WORKSPACE": name},
        )
    finally:
        cloud.control("faults", "DELETE")
    assert answer.code != 0
    assert "You may not read models." in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (project.folder / "nothing").exists()
