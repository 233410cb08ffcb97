"""From the command line, deployment files, a workspace and MLflow models to a request."""

from __future__ import annotations

import json
import logging
import os
import signal
import tempfile
from pathlib import Path

import pytest
from azure.cli.core.azclierror import (
    AzCLIError,
    InvalidArgumentValueError,
    RequiredArgumentMissingError,
    ResourceNotFoundError,
    ValidationError,
)
from helpers import read_all
from workspace.registered import WORKSPACE, MemoryArm, add_model, add_workspace

from azext_mlfunc._validators import find_script
from azext_mlfunc.packaging import mlflow, package
from azext_mlfunc.packaging.image import Tally
from azext_mlfunc.packaging.models import LocalModel, RegisteredModel
from azext_mlfunc.packaging.options import Options, Resolver, Surroundings
from azext_mlfunc.workspace.access import Identity
from azext_mlfunc.workspace.cache import ModelCache
from azext_mlfunc.workspace.client import AzureMl
from azext_mlfunc.workspace.storage import Listing, Location, RemoteFile

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
CONDA = "dependencies:\n  - python=3.12\n  - pip:\n      - {}\n"
FUNCTIONS = "mcr.microsoft.com/azure-functions/python:4-python3.12"
AZURE_ML = "mcr.microsoft.com/azureml/minimal:1"
OWN = "registry.example.com/functions:1"
OTHER = "registry.example.com/other:1"
UNREADABLE = "registry.example.com/unreadable:1"
SETTINGS = {OWN: {"AzureWebJobsScriptRoot": "/home/site/wwwroot"}, OTHER: {"PATH": "/bin"}}
MLMODEL = """\
flavors:
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.sklearn
    python_version: 3.12.3
mlflow_version: 2.9.2
"""
FLOW = {
    "MLmodel": MLMODEL,
    "conda.yaml": "dependencies:\n- python=3.12.3\n- pip:\n  - mlflow==2.9.2\n",
    "python_env.yaml": "python: 3.12.3\ndependencies:\n- -r requirements.txt\n",
    "requirements.txt": "mlflow==2.9.2\n",
    "model.pkl": "a model",
}
HASH = "--hash=sha256:" + "0" * 64


class MemoryContainer:
    """A `Container` whose blobs are in memory."""

    def __init__(self):
        self.url = "https://labstore.blob.core.windows.net/models"
        self.blobs = {}

    def files(self, path):
        if path in self.blobs:
            found = [self._file(path, path.rpartition("/")[2])]
        else:
            below = sorted(name for name in self.blobs if name.startswith(f"{path}/"))
            found = [self._file(name, name.removeprefix(f"{path}/")) for name in below]
        return Listing(Location(self.url, path), tuple(found), path in self.blobs)

    def read(self, file, start, stop):
        yield self.blobs[file.blob][start:stop]

    def _file(self, name, path):
        return RemoteFile(path, name, len(self.blobs[name]), f'"{hash(self.blobs[name])}"')


class Desk:
    """A folder in which somebody types the command, and the workspace that they have."""

    def __init__(self, folder):
        self.folder = folder
        self.arm, self.container = MemoryArm(), MemoryContainer()
        self.opened = 0
        self.notes = []
        add_workspace(self.arm)
        self.write("score.py", SCRIPT)
        self.write("model.pkl", "a model")

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    def flow(self, name="flow", **changes):
        """Write a local MLflow model; a text of None leaves a file out."""
        for file, text in (FLOW | _named(changes)).items():
            if text is not None:
                self.write(f"{name}/{file}", text)
        return name

    def register(self, name, version="1", files=None, **more):
        """Register a model with files; those of MLflow, if left out."""
        path = f"uploaded/{name}-{version}/model"
        for file, text in (FLOW | _named(more.pop("changes", {})) if files is None else files).items():
            if text is not None:
                self.container.blobs[f"{path}/{file}" if file else path] = text.encode()
        uri = f"azureml://datastores/workspaceblobstore/paths/{path}"
        add_model(self.arm, name, version, modelUri=uri, **more)

    def environment(self, name="sk", version="1", **properties):
        self.arm.add(f"{WORKSPACE}/environments/{name}/versions/{version}", properties)

    def deployment(self, name="d/deployment.yml", **content):
        """Write a deployment file; JSON is YAML."""
        return self.write(name, json.dumps({"endpoint_name": "e"} | content, indent=1))

    def resolver(self, workspace="lab", **given):
        options = dict.fromkeys(
            "entry_script source_directory conda_file requirements lock environment python_version base_image "
            "trigger".split()
        )
        options |= {"models": (), "files": (), "trigger_options": {}, "image_name": "package", "image_tag": "v1"}
        options |= given
        options["models"] = tuple(options["models"])
        options["files"] = tuple(Path(file) for file in options["files"])
        return Resolver(Options(**options), Surroundings(lambda: self._open(workspace), find_script, SETTINGS.get))

    def _open(self, workspace):
        self.opened += 1
        azure_ml = AzureMl(
            arm=self.arm,
            group="ml" if workspace else None,
            name=workspace,
            storage_suffix="core.windows.net",
            open_container=lambda url, access: self.container,
            make_sas=lambda *words, **more: "",
            identity=Identity(lambda: None),
        )
        return azure_ml, ModelCache(self.folder / "cache", 1 << 30)

    def request(self, **given):
        """The request that options come to."""
        with self.resolver(**given) as resolver:
            request = resolver.request(None)
            self.notes = resolver.notes
            return request

    def image(self, **given):
        """The checked request, as an image, with its files."""
        with self.resolver(**given) as resolver:
            image = package.plan(resolver.request(None), resolver.placed)
            self.notes = resolver.notes
            return image, read_all(image.entries(Tally()))

    def installed(self, **given):
        """What the image installs, in words."""
        image, _ = self.image(**given)
        return image.environment.text.split()

    def refused(self, kind=ValidationError, **given):
        """What is said where options are refused; nothing of it is about files that the user does not know."""
        with pytest.raises(kind) as caught:
            self.image(**given)
        said = "\n".join([str(caught.value), *caught.value.recommendations])
        assert tempfile.gettempdir() + "/ml-func" not in said
        return said


def _named(changes):
    return {name.replace("_yaml", ".yaml").replace("_txt", ".txt"): text for name, text in changes.items()}


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Scratch folders are made where the test can see them."""
    scratch, folder = tmp_path / "scratch", tmp_path / "desk"
    scratch.mkdir()
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(folder)
    handler = signal.getsignal(signal.SIGTERM)
    yield Desk(folder)
    signal.signal(signal.SIGTERM, handler)
    assert os.listdir(scratch) == [], "whatever happened, nothing of ours stays behind"


BASE = {"models": ["model.pkl"], "entry_script": "score.py"}


# -- what wins


def test_the_command_line_alone(desk):
    request = desk.request(**BASE, requirements="r.txt", lock="l.txt", python_version="3.12", base_image=OWN)
    assert request.models == (LocalModel(Path("model.pkl")),)
    assert (request.entry_script, request.source_directory) == (Path("score.py"), Path())
    assert (request.requirements, request.lock, request.conda_file) == (Path("r.txt"), Path("l.txt"), None)
    assert (request.python_version, request.base_image, request.registry) == ("3.12", OWN, None)
    assert (request.image_name, request.image_tag, request.trigger.name) == ("package", "v1", "http")
    assert desk.opened == 0, "no workspace is asked where nothing of it is named"
    with desk.resolver(**BASE) as resolver:
        assert resolver.request("host.example.com").registry == "host.example.com"


def test_a_script_below_the_source_directory(desk):
    desk.write("src/online/score.py", SCRIPT)
    for script in ("src/online/score.py", "online/score.py"):
        _, files = desk.image(models=["model.pkl"], entry_script=script, source_directory="src")
        assert [name for name in files if name.startswith("app/")] == ["app/online/score.py"]


def test_a_file_alone(desk):
    desk.write("d/conda.yml", CONDA.format("joblib"))
    desk.write("d/src/score.py", SCRIPT)
    desk.write("d/m.pkl", "m")
    file = desk.deployment(
        model={"path": "m.pkl"},
        code_configuration={"code": "src", "scoring_script": "score.py"},
        environment={"conda_file": "conda.yml"},
        environment_variables={"MODE": "quick"},
        instance_type="x",
    )
    request = desk.request(files=[file])
    assert request.models == (LocalModel(Path("d/m.pkl")),)
    assert (request.entry_script, request.source_directory) == (Path("d/src/score.py"), Path("d/src"))
    assert (request.conda_file, request.variables) == (Path("d/conda.yml"), {"MODE": "quick"})
    assert request.deployment_files == (Path(file),)
    assert len(desk.notes) == 1 and "instance_type" in desk.notes[0]


def test_the_command_line_wins_over_files(desk):
    """Even where what the file says is wrong."""
    file = desk.deployment(
        model="gone.pkl",
        code_configuration={"code": "gone", "scoring_script": "gone.py"},
        environment={"conda_file": "gone.yml", "image": AZURE_ML},
    )
    options = desk.write("d/options.json", json.dumps({"flavor": "functionsApp", "trigger": "Blob", "inPath": "?"}))
    request = desk.request(
        **BASE,
        source_directory=".",
        requirements="r.txt",
        base_image=OWN,
        trigger="service-bus-queue",
        trigger_options={"input_queue": "mine", "input_path": None},
        files=[file, options],
    )
    assert request.models == (LocalModel(Path("model.pkl")),)
    assert (request.entry_script, request.source_directory) == (Path("score.py"), Path("."))
    assert (request.requirements, request.conda_file, request.base_image) == (Path("r.txt"), None, OWN)
    assert (request.trigger.name, request.trigger.input_queue) == ("service-bus-queue", "mine")


def test_options_of_a_trigger_from_file_and_command_line_together(desk):
    options = {"flavor": "functionsApp", "trigger": "Blob", "inPath": "in1/{name}", "outPath": "out1/{name}"}
    file = desk.write("d/options.json", json.dumps(options))
    trigger = desk.request(**BASE, files=[file], trigger_options={"output_path": "other/{name}"}).trigger
    assert (trigger.name, trigger.input_path, trigger.output_path) == ("blob", "in1/{name}", "other/{name}")


def test_a_script_of_a_file_lies_in_the_folder_that_the_command_line_names(desk):
    """Not beside the user, where there is one of the same name."""
    desk.write("other/score.py", SCRIPT)
    desk.write("d/src/score.py", SCRIPT)
    file = desk.deployment(code_configuration={"code": "src", "scoring_script": "score.py"})
    request = desk.request(models=["model.pkl"], source_directory="other", files=[file])
    assert (request.entry_script, request.source_directory) == (Path("other/score.py"), Path("other"))


def test_a_script_of_the_command_line_lies_in_the_folder_of_the_file(desk):
    desk.write("d/src/other.py", SCRIPT)
    desk.write("d/src/score.py", SCRIPT)
    file = desk.deployment(code_configuration={"code": "src", "scoring_script": "score.py"})
    request = desk.request(models=["model.pkl"], entry_script="other.py", files=[file])
    assert (request.entry_script, request.source_directory) == (Path("d/src/other.py"), Path("d/src"))


def test_findings_about_what_a_file_gave_have_its_place(desk):
    options = {"flavor": "functionsApp", "trigger": "Blob", "inPath": "A/{name}"}
    file = desk.write("d/options.json", json.dumps(options, indent=1))
    assert "d/options.json:4: inPath: " in desk.refused(**BASE, files=[file])
    said = desk.refused(**BASE, files=[file], trigger_options={"input_path": "B/{name}"})
    assert "d/options.json" not in said and "--input-path: 'B'" in said


# -- the environment

WAYS = {
    "conda_file": ({"conda_file": "cli.yml"}, "of-conda-file"),
    "requirements": ({"requirements": "cli.txt"}, "of-requirements"),
    "environment": ({"environment": "sk:1"}, "of-environment"),
    "inline": ({"files": ["inline.yml"]}, "of-inline"),
    "path": ({"files": ["path.yml"]}, "of-path"),
    "named": ({"files": ["named.yml"]}, "of-named"),
    "mlflow": ({}, "mlflow==2.9.2"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("weaker", ["inline", "path", "named", "mlflow"])
def test_every_way_to_say_what_is_installed(desk, way, weaker):
    """Each wins over those after it."""
    if list(WAYS).index(weaker) < list(WAYS).index(way):
        way, weaker = weaker, way
    desk.write("cli.yml", CONDA.format("of-conda-file"))
    desk.write("cli.txt", "of-requirements\n")
    desk.write("file.yml", CONDA.format("of-path"))
    desk.environment("sk", "1", condaFile=CONDA.format("of-environment"))
    desk.environment("sk", "2", condaFile=CONDA.format("of-named"))
    inline = {"dependencies": ["python=3.12", {"pip": ["of-inline"]}]}
    desk.deployment("inline.yml", environment={"conda_file": inline})
    desk.deployment("path.yml", environment={"conda_file": "file.yml"})
    desk.deployment("named.yml", environment="azureml:sk:2")
    given, package_of_it = WAYS[way]
    given = given if "files" in given else {**WAYS[weaker][0], **given}
    assert desk.installed(models=[desk.flow()], entry_script="score.py", **given) == [package_of_it]


def test_a_lock_pins_whatever_says_what_is_installed(desk):
    """So the Python of a conda file counts, and a lock of something else is found out, wherever that file is named."""
    lock = desk.write("lock.txt", f"of-it==1.0 {HASH}\nmlflow==2.9.2 {HASH}\n")
    desk.write("conda.yml", CONDA.format("of-it"))
    desk.environment(condaFile=CONDA.format("of-it"))
    ways = (
        {"models": ["model.pkl"], "environment": "sk:1"},
        {"models": ["model.pkl"], "files": [desk.deployment("d.yml", environment={"conda_file": "conda.yml"})]},
        {"models": ["model.pkl"], "files": [desk.deployment("n.yml", environment="azureml:sk:1")]},
        {"models": [desk.flow()]},
    )
    for way in ways:
        environment = desk.image(entry_script="score.py", lock=lock, **way)[0].environment
        assert environment.python_version == "3.12"
        assert environment.lock and "of-it==1.0" in environment.lock
    empty = desk.write("empty.txt", f"nothing==1 {HASH}\n")
    for way in ways:
        assert "--lock: nothing, but the requirements ask for" in desk.refused(
            entry_script="score.py", lock=empty, **way
        )


def test_nothing_said_is_nothing_installed(desk):
    assert desk.installed(**BASE) == []


def test_a_registered_environment_and_where_it_came_from(desk):
    desk.environment("sk", "3", condaFile=CONDA.format("joblib"), image=AZURE_ML)
    image, files = desk.image(**BASE, environment="azureml:sk@latest")
    assert image.environment.python_version == "3.12"
    source = {"workspace": WORKSPACE, "name": "sk", "version": "3"}
    assert json.loads(files["wwwroot/mlfunc.json"])["environment"]["source"] == source
    assert image.request.base_image is None
    assert desk.notes[0] == "Environment sk:3 of lab"
    assert AZURE_ML in desk.notes[1] and "only the conda file is taken" in desk.notes[1]


def test_a_registered_environment_with_a_functions_image_keeps_it(desk):
    desk.environment(condaFile=CONDA.format("joblib"), image=FUNCTIONS)
    assert desk.request(**BASE, environment="sk:1").base_image == FUNCTIONS
    assert desk.request(**BASE, environment="sk:1", base_image=OWN).base_image == OWN
    assert desk.notes == ["Environment sk:1 of lab"]


def test_the_image_of_the_command_line_s_environment_wins_over_a_file_s(desk):
    desk.environment(image=FUNCTIONS)
    file = desk.deployment(environment={"image": FUNCTIONS.replace("3.12", "3.13")})
    assert desk.request(**BASE, environment="sk:1", files=[file]).base_image == FUNCTIONS
    assert desk.request(**BASE, files=[file]).base_image == FUNCTIONS.replace("3.12", "3.13")


@pytest.mark.parametrize("image", [FUNCTIONS, OWN])
@pytest.mark.parametrize("way", ["registered", "file"])
def test_an_environment_that_is_an_image_to_build_on(desk, image, way):
    """By its name, or by the variable that Functions images have."""
    desk.environment(image=image)
    given = {"registered": {"environment": "sk:1"}, "file": {"files": [desk.deployment(environment={"image": image})]}}
    request = desk.request(**BASE, **given[way])
    assert (request.base_image, request.conda_file, request.requirements) == (image, None, None)


@pytest.mark.parametrize(
    ("image", "why"),
    [(OTHER, "is no Azure Functions image"), (AZURE_ML, "cannot be read here"), (UNREADABLE, "cannot be read here")],
)
def test_an_environment_that_is_another_image(desk, image, why):
    desk.environment(image=image)
    said = desk.refused(**BASE, environment="sk:1")
    assert f"the environment sk:1: it is the image {image}, which {why}" in said
    assert "--conda-file or --requirements" in said and "--base-image" in said
    assert desk.request(**BASE, environment="sk:1", base_image=OWN).base_image == OWN, "the user's own is not asked"


def test_a_file_s_image_that_is_another(desk):
    file = desk.deployment(environment={"image": OTHER})
    said = desk.refused(**BASE, files=[file])
    assert f"d/deployment.yml:4 (environment.image): it is the image {OTHER}, which is no Azure Functions image" in said


def test_a_registered_environment_that_is_wrong(desk):
    """Its findings have its name, and the line in its conda file."""
    desk.environment(condaFile=CONDA.format("-r other.txt"))
    assert "the environment sk:1, conda file:4: '-r other.txt' is a path" in desk.refused(**BASE, environment="sk:1")
    desk.environment(condaFile="dependencies: [\ud800")
    assert "the environment sk:1, conda file: it cannot be read" in desk.refused(**BASE, environment="sk:1")


def test_an_environment_in_a_file_that_is_wrong_has_the_file_s_line(desk):
    text = "endpoint_name: e\nenvironment:\n  conda_file:\n    dependencies:\n    - python=3.12\n    - pip: [a=!b]\n"
    file = desk.write("d.yml", text)
    assert "d.yml:6: 'a=!b' is no requirement" in desk.refused(**BASE, files=[file])


def test_an_environment_that_is_not_there(desk):
    assert "There is no environment 'sk'" in desk.refused(ResourceNotFoundError, **BASE, environment="sk:1")
    said = desk.refused(InvalidArgumentValueError, **BASE, environment="sk")
    assert said.startswith("--environment sk: expected NAME:VERSION")
    file = desk.deployment(environment="azureml:sk")
    said = desk.refused(InvalidArgumentValueError, **BASE, files=[file])
    assert said.startswith("d/deployment.yml:3 (environment) azureml:sk: expected NAME:VERSION")


def test_what_is_registered_needs_a_workspace(desk):
    for given in ({**BASE, "environment": "sk:1"}, {**BASE, "models": ["iris:1"]}):
        assert "--workspace-name" in desk.refused(RequiredArgumentMissingError, workspace=None, **given)


# -- models


def test_models_of_this_machine_and_of_the_workspace_together(desk):
    desk.register("iris", files={"": "a model"})
    image, files = desk.image(models=["model.pkl", "iris:1"], entry_script="score.py")
    assert [type(model) for model in image.request.models] == [LocalModel, RegisteredModel]
    assert files["models/iris/1/model"] == files["models/model.pkl"] == b"a model"
    assert desk.opened == 1


def test_what_lies_here_wins_over_what_may_be_registered(desk):
    desk.write("iris:1", "a model")
    assert desk.request(models=["iris:1"], entry_script="score.py").models == (LocalModel(Path("iris:1")),)
    assert desk.opened == 0


def test_models_of_a_file_that_are_not_there_have_its_line(desk):
    file = desk.deployment(model="azureml:iris:1")
    said = desk.refused(entry_script="score.py", files=[file])
    assert "d/deployment.yml:3: model: There is no model 'iris'" in said
    assert "--model iris:1: There is no model 'iris'" in desk.refused(entry_script="score.py", models=["iris:1"])
    assert "d/deployment.yml:3: model: There is no model 'iris'" in desk.refused(files=[file]), "without a script, too"
    file = desk.deployment(model="azureml:iris")
    said = desk.refused(InvalidArgumentValueError, entry_script="score.py", files=[file])
    assert said.startswith("d/deployment.yml:3 (model) azureml:iris: expected")


def test_no_script_and_everything_that_is_wrong_with_the_models(desk):
    desk.register("iris", files={"": "a model"})
    said = desk.refused(models=["gone.pkl", "model.pkl", "iris:9"])
    assert "3 problems were found" in said
    assert "gone.pkl: there is no such model" in said
    assert "--model iris:9: There is no version 9 of the model 'iris'" in said
    assert "--entry-script: none is given" in said


def test_no_model_and_no_script(desk):
    options = desk.write("o.json", json.dumps({"flavor": "functionsApp", "trigger": "Http"}))
    said = desk.refused(files=[options])
    assert "--model: no model" in said and "--entry-script: none is given" in said


def test_no_script_where_the_user_is_in_the_model_s_folder(desk):
    """Nothing is said of code that is not there."""
    said = desk.refused(models=["."])
    assert "1 problem was found" in said and "--entry-script: none is given" in said


# -- MLflow


@pytest.mark.parametrize("where", ["here", "registered"])
def test_a_model_of_mlflow_needs_nothing(desk, where):
    desk.register("flow")
    model = {"here": desk.flow(), "registered": "flow:1"}[where]
    image, files = desk.image(models=[model])
    assert files["app/score.py"] == (mlflow.SCORING / "score.py").read_bytes()
    assert (image.environment.text, image.environment.python_version) == ("mlflow==2.9.2\n", "3.12")
    assert any("scored by a script that comes with this command" in note for note in desk.notes)


@pytest.mark.parametrize("where", ["here", "registered"])
def test_the_python_that_a_model_was_logged_with(desk, where):
    changes = {"conda_yaml": None, "MLmodel": MLMODEL.replace("conda: conda.yaml, ", "")}
    desk.register("flow", changes=changes)
    model = {"here": desk.flow(**changes), "registered": "flow:1"}[where]
    assert desk.image(models=[model])[0].environment.python_version == "3.12"
    assert desk.image(models=[model], python_version="3.14")[0].environment.python_version == "3.14"


def test_a_warning_about_a_model_does_not_cost_it_its_environment(desk, caplog):
    """MLmodel names two files, and one of them is missing."""
    model = desk.flow(conda_yaml=None)
    for given in ({}, {"entry_script": "score.py"}):
        caplog.clear()
        assert desk.installed(models=[model], **given) == ["mlflow==2.9.2"]
        assert "it names 'conda.yaml'" in caplog.text


def test_a_model_of_mlflow_with_a_script_of_its_own(desk):
    image, files = desk.image(models=[desk.flow()], entry_script="score.py")
    assert files["app/score.py"] == SCRIPT.encode()
    assert image.environment.text == "mlflow==2.9.2\n"
    assert desk.notes == []


def test_a_script_of_its_own_may_do_without_what_mlflow_needs(desk, caplog):
    without = {"conda_yaml": FLOW["conda.yaml"].replace("mlflow==2.9.2", "joblib")}
    assert "there is no mlflow in it" in desk.refused(models=[desk.flow("a", **without)])
    assert desk.installed(models=["a"], entry_script="score.py") == ["joblib"]
    assert "there is no mlflow in it" in caplog.text
    caplog.clear()
    model = desk.flow("b", MLmodel="flavors: {crate: {}}\n")
    assert "no flavor python_function" in desk.refused(models=[model])
    assert desk.installed(models=[model], entry_script="score.py") == []
    assert caplog.text == ""


def test_a_model_of_mlflow_with_an_environment_of_its_own(desk):
    """What the model declares is not even looked at."""
    model = desk.flow(conda_yaml="dependencies: [python=2.7]\n")
    desk.environment(condaFile=CONDA.format("joblib"))
    requirements = desk.write("r.txt", "scikit-learn\n")
    assert desk.installed(models=[model], environment="sk:1") == ["joblib"]
    assert desk.installed(models=[model], requirements=requirements) == ["scikit-learn"]


@pytest.mark.parametrize("way", ["registered", "file"])
def test_a_model_of_mlflow_in_an_image_of_the_user_s(desk, way):
    """An environment that is an image has its packages."""
    desk.environment(image=OWN)
    given = {"registered": {"environment": "sk:1"}, "file": {"files": [desk.deployment(environment={"image": OWN})]}}
    image, _ = desk.image(models=[desk.flow()], **given[way])
    assert (image.environment.text, image.request.base_image) == ("", OWN)
    assert desk.installed(models=["flow"], base_image=OWN) == ["mlflow==2.9.2"], "an image to build on is none"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MLmodel": "flavors:\n- ["}, "the model flow:1, MLmodel:2: it is not YAML"),
        ({"conda_yaml": "dependencies:\n- ["}, "the model flow:1, conda.yaml:2: it is not YAML"),
        ({"conda_yaml": "dependencies: [python=3.12]"}, "the model flow:1, conda.yaml: there is no mlflow in it"),
        ({"MLmodel": "flavors: {}"}, "the model flow:1, MLmodel: the model has no flavor"),
        (
            {"MLmodel": MLMODEL.replace("{conda: conda.yaml, virtualenv: python_env.yaml}", "null")}
            | dict.fromkeys(("conda_yaml", "python_env_yaml", "requirements_txt")),
            "the model flow:1: the model declares no environment",
        ),
    ],
)
def test_what_is_wrong_with_a_registered_model_of_mlflow(desk, changes, said):
    desk.register("flow", changes=changes)
    assert said in desk.refused(models=["flow:1"])


def test_several_models_with_one_of_mlflow_need_a_script(desk):
    desk.register("flow")
    given = {"models": ["flow:1", "model.pkl"]}
    assert "only a single MLflow model" in desk.refused(**given)
    assert desk.installed(**given, entry_script="score.py") == [], "and say what is installed"


def test_a_folder_without_its_script_is_not_packed(desk, caplog):
    _, files = desk.image(models=[desk.flow()], source_directory="elsewhere")
    assert [name for name in files if name.startswith("app/")] == ["app/score.py"]
    assert "--source-directory: it is not packed" in caplog.text


def test_a_model_that_cannot_be_packed_is_not_asked_whether_it_is_one_of_mlflow(desk):
    desk.register("flow", isArchived=True)
    assert "is archived" in desk.refused(models=["flow:1"])
    desk.register("flow", "2", changes={"id_rsa": "a key"})
    assert "flow/2/id_rsa" in desk.refused(models=["flow:2"], entry_script="score.py")


# -- what stays behind, and what is told


def test_scratch_files_are_there_for_the_command_alone(desk):
    desk.environment(condaFile=CONDA.format("joblib"))
    desk.register("flow")
    with desk.resolver(models=["flow:1"], environment="sk:1") as resolver:
        scratch = resolver.request(None).conda_file.parent
        assert (scratch / "mlflow" / "MLmodel").is_file()
        assert not (scratch / "mlflow" / "model.pkl").exists(), "only what is read"
        assert scratch.stat().st_mode & 0o077 == 0
    assert not scratch.exists()
    with pytest.raises(AzCLIError), desk.resolver(models=["flow:1"], environment="sk:1") as resolver:
        scratch = resolver.request(None).conda_file.parent
        raise AzCLIError("anything")
    assert not scratch.exists()


def test_scratch_files_go_when_the_command_is_ended(desk):
    desk.environment(condaFile=CONDA.format("joblib"))
    with pytest.raises(SystemExit), desk.resolver(**BASE, environment="sk:1") as resolver:
        scratch = resolver.request(None).conda_file.parent
        signal.raise_signal(signal.SIGTERM)
    assert not scratch.exists()


def test_secrets_of_a_file_are_told_nowhere(desk, caplog):
    secret = "hunter2hunter2"
    desk.write("d/score.py", SCRIPT)
    file = desk.deployment(
        model="azureml:iris:1",
        code_configuration={"code": ".", "scoring_script": "score.py"},
        environment_variables={"API_KEY": secret, "STORE": f"AccountKey={secret}", "MODE": "quick"},
    )
    with caplog.at_level(logging.DEBUG):
        assert secret not in desk.refused(files=[file])
        desk.register("iris", files={"": "a model"})
        image, files = desk.image(files=[file])
    assert "API_KEY" in caplog.text and "STORE" in caplog.text
    assert secret not in caplog.text + repr(image) + repr(desk.notes)
    assert not [name for name, data in files.items() if secret.encode() in data]
    assert b"quick" in files["Dockerfile"]
