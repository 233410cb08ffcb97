"""Registered models in a package: where they lie, what the manifest says of them, and what is found wrong."""

from __future__ import annotations

import hashlib
import json

import pytest
from azure.cli.core.azclierror import ResourceNotFoundError
from helpers import read_all

from azext_mlfunc.packaging import models, package
from azext_mlfunc.packaging.image import Tally
from azext_mlfunc.packaging.models import LocalModel, RegisteredModel
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.triggers import HttpTrigger
from azext_mlfunc.workspace.access import Identity
from azext_mlfunc.workspace.cache import PIECE, ModelCache
from azext_mlfunc.workspace.client import AzureMl
from azext_mlfunc.workspace.reference import parse_model

from .blobs import content
from .registered import WORKSPACE, MemoryArm, add_model, add_workspace

MODEL_DIR = "/var/azureml-app/azureml-models"


class Lab:
    """A workspace, whose storage is Azurite, and a project that packages what is registered in it."""

    def __init__(self, blobs, folder):
        self.blobs, self.folder = blobs, folder
        self.arm = MemoryArm()
        self.cache = ModelCache(folder / "cache", 1 << 30)
        add_workspace(self.arm)
        (folder / "src").mkdir()
        (folder / "src" / "score.py").write_text("def init():\n    pass\n\n\ndef run(data):\n    return data\n")
        (folder / "requirements.txt").write_text("numpy==2.3.4\n")

    def register(self, name, version, path, **files):
        """Register what lies at a path of the datastore; put these files there."""
        for file, data in files.items():
            self.blobs.put(f"{path}/{file}" if file != "itself" else path, data)
        add_model(self.arm, name, version, modelUri=f"azureml://datastores/workspaceblobstore/paths/{path}")

    def model(self, text):
        azure_ml = AzureMl(
            arm=self.arm,
            group="ml",
            name="lab",
            storage_suffix="core.windows.net",
            open_container=lambda url, access: self.blobs.container,  # Azurite, in the place of the account
            make_sas=lambda *words, **more: "",
            identity=Identity(lambda: None),
        )
        return RegisteredModel(parse_model(text), azure_ml, self.cache)

    def request(self, *sources):
        return PackageRequest(
            models=sources,
            entry_script=self.folder / "src" / "score.py",
            source_directory=self.folder / "src",
            trigger=HttpTrigger(),
            image_name="package",
            image_tag="v1",
            requirements=self.folder / "requirements.txt",
        )

    def context(self, *sources):
        """The files of the context, and the manifest."""
        files = read_all(package.plan(self.request(*sources)).entries(Tally()))
        return files, json.loads(files["wwwroot/mlfunc.json"])

    def findings(self, *sources):
        return [str(finding) for finding in models.check(self.request(*sources))]


@pytest.fixture
def lab(blobs, tmp_path):
    return Lab(blobs, tmp_path)


def test_one_model_has_azureml_model_dir_for_itself(lab):
    lab.register("iris", "3", "LocalUpload/1/trained", MLmodel=b"flavors", weights=content(PIECE + 1))
    files, manifest = lab.context(lab.model("azureml:iris:3"))
    assert files["models/iris/3/trained/MLmodel"] == b"flavors"
    assert files["models/iris/3/trained/weights"] == content(PIECE + 1)
    assert manifest["settings"]["AZUREML_MODEL_DIR"] == f"{MODEL_DIR}/iris/3"
    [model] = manifest["models"]
    assert model["name"] == "iris/3" and model["files"] == 2 and model["bytes"] == 7 + PIECE + 1
    assert model["source"] == {
        "workspace": WORKSPACE,
        "name": "iris",
        "version": "3",
        "uri": "azureml://datastores/workspaceblobstore/paths/LocalUpload/1/trained",
    }


def test_a_model_that_is_one_file(lab):
    lab.register("iris", "3", "LocalUpload/1/iris.pkl", itself=b"a model")
    files, manifest = lab.context(lab.model("iris:3"))
    assert files["models/iris/3/iris.pkl"] == b"a model"
    assert manifest["models"][0]["sha256"] == hashlib.sha256(b"a model").hexdigest()


def test_several_models_lie_side_by_side_with_those_of_this_machine(lab):
    lab.register("iris", "3", "a/iris.pkl", itself=b"iris")
    lab.register("rose", "1", "b/rose.pkl", itself=b"rose")
    (lab.folder / "local.pkl").write_bytes(b"local")
    sources = lab.model("iris:3"), lab.model("rose@latest"), LocalModel(lab.folder / "local.pkl")
    files, manifest = lab.context(*sources)
    assert {name: data for name, data in files.items() if name.startswith("models/")} == {
        "models/iris/3/iris.pkl": b"iris",
        "models/rose/1/rose.pkl": b"rose",
        "models/local.pkl": b"local",
    }
    assert manifest["settings"]["AZUREML_MODEL_DIR"] == MODEL_DIR
    assert "source" not in manifest["models"][2]


def test_a_model_has_the_checksum_of_the_same_folder_on_this_machine(lab):
    lab.register("iris", "3", "x/trained", a=b"1", b=b"2")
    for name, data in {"a": b"1", "b": b"2"}.items():
        (lab.folder / "trained").mkdir(exist_ok=True)
        (lab.folder / "trained" / name).write_bytes(data)
    packed = []
    read_all(models.entries((lab.model("iris:3"), LocalModel(lab.folder / "trained")), packed))
    assert packed[0].sha256 == packed[1].sha256


def test_the_root_of_a_datastore(lab):
    lab.blobs.put("weights", b"w")
    add_model(lab.arm, "all", "1", modelUri="azureml://datastores/workspaceblobstore/paths/")
    assert set(lab.context(lab.model("all:1"))[0]) >= {"models/all/1/weights"}


def test_a_second_package_downloads_nothing(lab):
    lab.register("iris", "3", "m/iris", weights=content(2 * PIECE))
    first = lab.model("iris:3")
    assert not first.is_cached and first.size == 2 * PIECE
    files, _ = lab.context(first)
    del first
    second = lab.model("iris:3")
    assert second.is_cached
    received = lab.blobs.line.received
    assert lab.context(second)[0] == files
    assert lab.blobs.line.received - received < 1 << 16, "the listing, and no more"


def test_what_is_read_twice_in_one_build_comes_once(lab):
    lab.register("iris", "3", "m/iris", weights=content(2 * PIECE))
    model = lab.model("iris:3")
    once = read_all(models.entries((model,), []))
    received = lab.blobs.line.received
    assert read_all(models.entries((model,))) == once
    assert lab.blobs.line.received == received


def test_small_files_can_be_read_before(lab):
    lab.register("iris", "3", "m/iris", MLmodel=b"flavors", weights=content(2 * PIECE))
    model = lab.model("iris:3")
    received = lab.blobs.line.received
    assert model.read_bytes("MLmodel") == b"flavors"
    assert model.read_bytes("gone") is None
    assert lab.blobs.line.received - received < 1 << 16
    assert lab.context(model)[0]["models/iris/3/iris/MLmodel"] == b"flavors"


def test_a_reader_that_goes_away_ends_the_download(lab):
    lab.register("iris", "3", "m/iris", weights=content(6 * PIECE))
    model = lab.model("iris:3")
    lab.blobs.line.hold_after(PIECE)
    entries = models.entries((model,), [])
    chunks = next(entries).chunks()
    entries.close()
    lab.blobs.line.go_on.set()
    with pytest.raises(RuntimeError, match="closed before"):
        list(chunks)


def test_everything_that_is_wrong_is_found_at_once(lab):
    lab.register("iris", "1", "m/iris", weights=b"w")
    add_model(lab.arm, "old", "1", isArchived=True)
    add_model(lab.arm, "hollow", "1")
    lab.register("zeros", "1", "m/zeros", weights=b"")
    lab.register("leak", "1", "m/leak", weights=b"w", id_rsa=b"key")
    texts = ("iris:9", "old:1", "hollow:1", "zeros:1", "leak:1", "rose:1")
    found = lab.findings(*(lab.model(text) for text in texts), LocalModel(lab.folder / "gone.pkl"))
    assert [finding.split(":")[0] for finding in found[:2]] == ["--model iris", "--model old"]
    expected = (
        "there are 1.",
        "archived",
        "there is no file at",
        "all files at",
        "looks like a secret",
        "There is no model 'rose'",
        "there is no such model",
    )
    assert len(found) == len(expected)
    for text, finding in zip(expected, found, strict=True):
        assert text in finding


def test_a_missing_workspace_is_an_error_of_its_own(lab):
    model = lab.model("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/"
                      "models/iris/versions/1")  # fmt: skip
    with pytest.raises(ResourceNotFoundError, match="no workspace 'w'"):
        lab.findings(model)


def test_the_same_model_twice_is_found(lab):
    lab.register("iris", "1", "m/iris", weights=b"w")
    assert "2 models are called 'iris/1'" in lab.findings(lab.model("iris:1"), lab.model("iris@latest"))[0]


def test_a_context_of_a_registered_model_can_be_written_anywhere(lab, tmp_path):
    from fakes import RecordingProgress

    lab.register("iris", "1", "m/iris", weights=b"w")
    image = package.plan(lab.request(lab.model("iris:1")))
    package.write_context(image, tmp_path / "context", RecordingProgress())
    assert (tmp_path / "context" / "models" / "iris" / "1" / "iris" / "weights").read_bytes() == b"w"
