"""Microsoft's own client, azure-ai-ml, registers models in the local Azure, and gets them back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from .cloud import Cloud
from .parts import Group
from .workspaces import Registry, Workspace, read, run_client

_LOG_A_MODEL = """
import sys, mlflow, numpy, sklearn.linear_model
model = sklearn.linear_model.LinearRegression().fit(numpy.eye(3), [1, 2, 3])
mlflow.sklearn.save_model(model, sys.argv[1])
"""


@pytest.fixture(scope="module")
def workspace(shared_group: Group) -> Workspace:
    return Workspace(shared_group)


def content(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_file_and_a_folder(workspace: Workspace, tmp_path: Path) -> None:
    """Each gets its number; what is in storage is what was registered."""
    file, folder = tmp_path / "model.pkl", tmp_path / "model"
    file.write_bytes(os.urandom(100_000))
    (folder / "parts").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(os.urandom(1000))
    (folder / "parts" / "vocabulary.txt").write_text("a b c")

    first, second = (workspace.register("mine", "auto", each) for each in (file, folder))
    conda_file = tmp_path / "environment.yml"
    conda_file.write_text("name: env\ndependencies:\n  - python=3.13\n  - pip: [numpy]\n")
    downloads = tmp_path / "downloads"
    workspace.download("mine", "1", downloads)
    seen = json.loads(workspace.run("use_workspace.py", "mine", conda_file))

    assert (first["version"], second["version"]) == ("1", "2")
    assert first["id"] == f"{workspace.path}/models/mine/versions/1"
    assert workspace.files(first["path"]) == {"model.pkl": file.read_bytes()}
    assert workspace.files(second["path"]) == content(folder)
    assert workspace.document("models/mine/versions/2")["properties"]["modelUri"] == second["path"]
    assert seen["latest"] == second
    assert seen["versions"] == seen["after restoring"] == ["2", "1"]
    assert (seen["after archiving"], seen["latest after archiving"]) == (["1"], "1")
    assert ["mine", "2"] in seen["models"]
    assert content(downloads / "mine") == {"model.pkl": file.read_bytes()}
    assert seen["environments"] == ["2", "1"]
    conda = {"name": "env", "dependencies": ["python=3.13", {"pip": ["numpy"]}]}
    assert seen["environment"] == {"version": "2", "image": "an/image:1", "conda": conda}
    assert (seen["missing"], seen["datastore"]) == ("UserError", "workspaceblobstore")


def test_a_model_that_mlflow_has_saved(cloud: Cloud, workspace: Workspace, tmp_path: Path) -> None:
    """Its flavors are told, though nobody has sent them."""
    folder = tmp_path / "logged"
    run_client(cloud, "-c", _LOG_A_MODEL, str(folder))

    model = workspace.register("logged", "5", folder, "mlflow_model")

    assert (model["version"], model["type"]) == ("5", "mlflow_model")
    assert "MLmodel" in content(folder) and workspace.files(model["path"]) == content(folder)
    assert set(model["flavors"]) == {"python_function", "sklearn"}
    assert workspace.document("models/logged")["properties"]["latestVersion"] == "5"


def test_storage_that_needs_an_identity(group: Group, tmp_path: Path) -> None:
    """There is no secret: the client comes with a token of its own."""
    by_identity = Workspace(group, systemDatastoresAuthMode="Identity")
    file = tmp_path / "model.txt"
    file.write_text("weights")

    model = by_identity.register("mine", "1", file)

    assert by_identity.files(model["path"]) == {"model.txt": b"weights"}
    refused = group.cloud.arm("POST", f"{by_identity.path}/datastores/workspaceblobstore/listSecrets")
    assert refused.status_code == 400


def test_a_registry(group: Group, tmp_path: Path) -> None:
    """What it takes, azure-ai-ml downloads again; so does who asks Resource Manager where it is."""
    registry = Registry(group)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(os.urandom(1000))

    model = registry.register("shared", "1", folder)
    registry.download("shared", "1", tmp_path / "downloads")

    assert model["id"] == f"azureml://registries/{registry.name}/models/shared/versions/1"
    assert content(tmp_path / "downloads" / "shared" / "model") == content(folder)
    asked = {"assetId": model["id"], "blobUri": registry.document("models/shared/versions/1")["properties"]["modelUri"]}
    answer = group.cloud.arm("POST", f"{registry.path}/datareferences/shared/versions/1", asked).json()
    signed = answer["blobReferenceForConsumption"]["credential"]["sasUri"]
    with ContainerClient.from_container_url(signed, **group.cloud.sdk) as container:
        assert read(container, model["path"].split("/", 4)[4]) == content(folder)
