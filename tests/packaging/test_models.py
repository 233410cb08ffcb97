"""Which models are refused, and what the manifest says of those that are packed."""

from __future__ import annotations

import hashlib
import os
import subprocess

import pytest
from helpers import read_all

from azext_mlfunc.packaging import models
from azext_mlfunc.packaging.models import LocalModel


def check(project, *paths):
    return [f.found for f in models.check(project.request(models=tuple(LocalModel(project.folder / p) for p in paths)))]


def test_missing_and_empty_models_are_all_found(project):
    project.write("empty.pkl", "")
    (project.folder / "hollow" / "deep").mkdir(parents=True)
    project.write("zeros/a", "")
    assert check(project, "none.pkl", "empty.pkl", "hollow", "zeros") == [
        "there is no such model",
        "the file is empty",
        "the folder holds no data",
        "the folder holds no data",
    ]


def test_models_of_one_name_are_refused(project):
    project.write("a/model.pkl", "x")
    assert check(project, "model.pkl", "a/model.pkl") == ["2 models are called 'model.pkl'"]


def test_what_cannot_be_packed_of_a_model_is_found(project):
    project.write("m/w", "w")
    (project.folder / "m" / "gone").symlink_to("nowhere")
    os.mkfifo(project.folder / "m" / "pipe")
    project.write("m/id_rsa", "key")
    found = check(project, "m")
    assert found[0] == "a link to something that is not there"
    assert "looks like a secret" in found[1] and found[2] == "neither a file nor a folder"


def test_a_name_that_is_not_utf8_is_found(project):
    project.write("m/w", "w")
    (project.folder / "m" / os.fsdecode(b"caf\xe9")).write_text("x")
    assert check(project, "m") == ["its name is not UTF-8"]


@pytest.mark.parametrize("path", ["src", "."])
def test_a_model_that_holds_the_code_is_refused(project, path):
    assert "holds the source directory" in check(project, path)[0]


def test_a_former_context_in_a_model_is_not_packed(project):
    project.write("m/w", "w")
    project.write("m/context/wwwroot/mlfunc.json", "{}")
    assert read_all(models.entries((LocalModel(project.folder / "m"),), [])) == {"models/m/w": b"w"}


def test_no_model_at_all(project):
    assert check(project) == ["no model"]


def test_a_file_keeps_its_name_and_its_checksum(project):
    packed = []
    entries = read_all(models.entries((LocalModel(project.folder / "model.pkl"),), packed))
    assert entries == {"models/model.pkl": b"a model"}
    [model] = packed
    assert (model.name, model.files, model.bytes) == ("model.pkl", 1, 7)
    assert model.sha256 == hashlib.sha256(b"a model").hexdigest()


def test_a_folder_keeps_its_name_and_has_the_checksum_that_sha256sum_gives(project):
    project.write("bert/weights.bin", "w")
    project.write("bert/tokenizer/vocab.txt", "v")
    packed = []
    entries = read_all(models.entries((LocalModel(project.folder / "bert"),), packed))
    assert set(entries) == {"models/bert/weights.bin", "models/bert/tokenizer/vocab.txt"}
    lines = subprocess.run(
        "sha256sum bert/weights.bin bert/tokenizer/vocab.txt",
        shell=True,
        cwd=project.folder,
        check=True,
        capture_output=True,
    ).stdout
    assert packed[0].sha256 == hashlib.sha256(lines).hexdigest()
    assert (packed[0].files, packed[0].bytes) == (2, 2)


@pytest.mark.parametrize("path", ["bert/", "bert/.", "./x/../bert"])
def test_the_name_is_that_of_the_folder_however_it_is_written(project, path):
    (project.folder / "x").mkdir()
    project.write("bert/w", "w")
    packed = []
    read_all(models.entries((LocalModel(project.folder / path),), packed))
    assert packed[0].name == "bert"


def test_links_of_a_model_cache_are_followed_and_cycles_end(project):
    blob = project.write("store/blob", "weights")
    (project.folder / "hub").mkdir()
    (project.folder / "hub" / "weights.bin").symlink_to(blob)
    (project.folder / "hub" / "again").symlink_to(project.folder / "hub")
    entries = read_all(models.entries((LocalModel(project.folder / "hub"),), []))
    assert entries == {"models/hub/weights.bin": b"weights"}
