"""The image as data: its context, its Dockerfile and its manifest."""

from __future__ import annotations

import json
import re

import pytest
from azure.cli.core.azclierror import ValidationError
from helpers import read_all

from azext_mlfunc.manifest import LABEL
from azext_mlfunc.packaging import package
from azext_mlfunc.packaging.image import Tally
from azext_mlfunc.packaging.models import LocalModel
from azext_mlfunc.triggers import NAMES, BlobTrigger, make_trigger
from fakes import MemoryBuilder, RecordingProgress


def context(project, **changes):
    request = project.request(**changes)
    tally = Tally()
    return read_all(package.plan(request).entries(tally)), tally


def instructions(files):
    """The Dockerfile's instructions, ENV and LABEL taken apart into one for each name."""
    text = files["Dockerfile"].decode()
    for word in ("ENV", "LABEL"):
        text = "".join(
            line.replace(" \\\n    ", f"\n{word} ") if line.startswith(word) else line
            for line in re.split(r"(?m)^(?=[A-Z#])", text)
        )
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_layers_go_from_what_changes_least_to_what_changes_most(project):
    words = [line.split()[0:2] for line in instructions(context(project)[0])]
    assert words[:6] == [
        ["FROM", "--platform=linux/amd64"],
        ["COPY", "requirements.txt"],
        ["RUN", "python"],
        ["COPY", "models/"],
        ["COPY", "wwwroot/"],
        ["COPY", "app/"],
    ]
    assert {word[0] for word in words[6:]} == {"ENV", "LABEL"}


def test_a_changed_script_changes_nothing_but_itself(project):
    before, _ = context(project)
    project.write("src/score.py", "def init(): pass\ndef run(data): return 1\n")
    after, _ = context(project)
    assert {name for name in after if after[name] != before.get(name)} == {"app/score.py"}


@pytest.mark.parametrize("trigger", NAMES)
def test_the_function_app_of_each_trigger(project, trigger):
    files, _ = context(project, trigger=make_trigger(trigger, {}))
    function = json.loads(files["wwwroot/score/function.json"])
    script = function["scriptFile"].removeprefix("../")
    assert f"wwwroot/{script}" in files
    assert function["entryPoint"] == "score"
    assert b"def score(" in files[f"wwwroot/{script}"]
    host = json.loads(files["wwwroot/host.json"])
    assert host["version"] == "2.0" and host["extensions"]["http"]["routePrefix"] == ""


def test_the_manifest_is_a_file_and_a_label_and_names_the_models(project):
    files, tally = context(project, trigger=BlobTrigger("input/{a$b}.json".replace("$", ""), "output/{ab}.out"))
    manifest = json.loads(files["wwwroot/mlfunc.json"])
    assert manifest["schemaVersion"] == 1
    assert manifest["trigger"]["inputPath"] == "input/{ab}.json"
    assert manifest["entryScript"] == "score.py"
    assert [(m["name"], m["bytes"]) for m in manifest["models"]] == [("model.pkl", 7)]
    [label] = [line for line in instructions(files) if line.startswith(f"LABEL {LABEL}=")]
    assert json.loads(json.loads(label.split("=", 1)[1])) == manifest
    assert manifest["settings"] == dict(tally.manifest.settings)
    env = dict(
        re.fullmatch(r'ENV (\w+)="(.*)"', line).groups() for line in instructions(files) if line.startswith("ENV")
    )
    assert env == manifest["settings"]


def test_a_dollar_sign_stays_one(project):
    script = project.write("src/$HOME.py", "def init(): pass\ndef run(data): pass\n")
    files, _ = context(project, entry_script=script)
    assert 'ENV AZUREML_ENTRY_SCRIPT="\\$HOME.py"' in instructions(files)


def test_an_own_base_image_and_no_requirements(project):
    files, _ = context(project, base_image="my.registry/base:1", requirements=None)
    lines = instructions(files)
    assert lines[0] == "FROM --platform=linux/amd64 my.registry/base:1"
    assert not any(line.startswith("RUN") for line in lines)


def test_a_conda_environment_is_made_and_named_to_the_worker(project):
    conda_file = project.write("e.yml", "dependencies: [python=3.12, libgcc]\n")
    files, _ = context(project, requirements=None, conda_file=conda_file)
    lines = instructions(files)
    assert lines[0].endswith(":4-python3.12")
    assert any("micromamba create" in line and "--prefix /opt/mlfunc/conda" in line for line in lines)
    assert 'ENV languageWorkers__python__defaultExecutablePath="/opt/mlfunc/conda/bin/python"' in lines
    assert "environment.yml" in files and "requirements.txt" not in files


def test_the_result_names_the_image_and_counts_what_was_packed(project):
    builder, progress = MemoryBuilder(), RecordingProgress()
    image = package.plan(project.request(registry="myreg.azurecr.io"))
    result = package.package(image, builder, progress)
    assert result == {
        "location": f"myreg.azurecr.io/package@{builder.digest}",
        "tag": "myreg.azurecr.io/package:v1",
        "digest": builder.digest,
        "trigger": {"type": "http", "authLevel": "function"},
        "pythonVersion": "3.13",
        "size": len(builder.context),
        "files": result["files"],
        "lock": [],
        "models": [{"name": "model.pkl", "files": 1, "bytes": 7, "sha256": result["models"][0]["sha256"]}],
        "environment": None,
    }
    assert result["files"]["models"] == {"count": 1, "bytes": 7}
    assert result["files"]["source"]["count"] == 1


def test_the_same_project_gives_the_same_context_byte_for_byte(project):
    contexts = []
    for _ in range(2):
        builder = MemoryBuilder()
        package.package(package.plan(project.request()), builder, RecordingProgress())
        contexts.append(builder.context)
    assert contexts[0] == contexts[1]


def test_what_cannot_be_read_is_a_finding(project):
    long = project.folder / ("x" * 300)
    with pytest.raises(ValidationError) as raised:
        package.plan(project.request(models=(LocalModel(long),), source_directory=long))
    assert "it cannot be read: File name too long" in raised.value.error_msg
