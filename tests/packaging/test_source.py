"""What is packed of the source directory, and what is refused."""

from __future__ import annotations

import os

import pytest
from helpers import read_all

from azext_mlfunc.packaging import source
from azext_mlfunc.packaging.models import LocalModel


def found(project, **changes):
    return [(f.where, f.found) for f in source.check(project.request(**changes))]


def names(project, **changes):
    return [entry.path for entry in source.entries(source.files(project.request(**changes)))]


@pytest.mark.parametrize(
    "name",
    [".env", ".env.local", "prod.env", "cert.pem", "tls.key", "id_rsa", "id_ed25519", "azureauth.json", ".netrc"]
    + [
        "local.settings.json",
        "deep/er/.env",
        "x.publishsettings",
        "x.pfx",
        ".git-credentials",
        ".npmrc",
        ".aws/credentials",
        "credentials.json",
    ],
)
def test_files_that_look_like_secrets_are_refused(project, name):
    path = project.write(f"src/{name}", "secret")
    [(where, what)] = found(project)
    assert where == path and "looks like a secret" in what
    project.write("src/.amlignore", f"{name}\n")
    assert found(project) == []


@pytest.mark.parametrize("name", [".env.example", "id_rsa.pub", "keys.py", "environment.yml"])
def test_files_that_only_sound_like_secrets_are_packed(project, name):
    project.write(f"src/{name}", "x")
    assert found(project) == []
    assert f"app/{name}" in names(project)


def test_links_that_leave_the_directory_or_lead_nowhere_are_refused(project):
    project.write("outside.txt", "x")
    (project.folder / "src" / "out").symlink_to("../outside.txt")
    (project.folder / "src" / "gone").symlink_to("nothing")
    assert [what for _, what in found(project)] == [
        "a symbolic link to nothing, which is not there",
        "a symbolic link to ../outside.txt, outside the source directory",
    ]


def test_links_within_the_directory_stay_links_wherever_it_lies(project):
    data = project.write("src/data/a.txt", "x")
    (project.folder / "src" / "sub").mkdir()
    (project.folder / "src" / "sub" / "absolute").symlink_to(data)
    (project.folder / "src" / "folder").symlink_to("data")
    assert found(project) == []
    links = {e.path: e.target for e in source.entries(source.files(project.request())) if e.target}
    assert links == {"app/sub/absolute": "../data/a.txt", "app/folder": "data"}


def test_links_to_what_is_not_packed_are_refused(project):
    project.write("src/data.csv", "x")
    project.write("src/model/w", "w")
    project.write("src/.amlignore", "data.csv\n")
    (project.folder / "src" / "to-data").symlink_to("data.csv")
    (project.folder / "src" / "to-model").symlink_to("model/w")
    found_links = found(project, models=(LocalModel(project.folder / "src" / "model"),))
    assert [what for _, what in found_links] == [
        "a symbolic link to data.csv, which is not packed with the code",
        "a symbolic link to model/w, which is not packed with the code",
    ]


def test_code_that_would_lie_among_the_models_is_refused(project):
    project.write("src/azureml-models/model.pkl", "x")
    [(_, what)] = found(project)
    assert "among the models" in what


def test_a_name_that_is_not_utf8_is_found(project):
    (project.folder / "src" / os.fsdecode(b"caf\xe9")).write_text("x")
    [(_, what)] = found(project)
    assert what == "its name is not UTF-8"


def test_the_files_are_sorted_and_whole(project):
    project.write("src/b.py", "b")
    project.write("src/a/z.py", "z")
    assert names(project) == ["app/a/z.py", "app/b.py", "app/score.py"]
    assert read_all(source.entries(source.files(project.request())))["app/a/z.py"] == b"z"


def test_a_model_within_the_source_directory_is_not_packed_twice(project):
    project.write("src/model/weights.bin", "w")
    project.write("src/other.pkl", "o")
    models = tuple(LocalModel(project.folder / "src" / name) for name in ("model", "other.pkl"))
    assert names(project, models=models) == ["app/score.py"]


def test_virtual_environments_of_any_name_stay_out(project):
    project.write("src/my-env/pyvenv.cfg", "home = /usr/bin")
    project.write("src/my-env/lib/x.py", "x")
    assert names(project) == ["app/score.py"]


def test_an_ignored_entry_script_is_found(project):
    project.write("src/.amlignore", "*.py\n")
    [(_, what)] = found(project)
    assert "leave the entry script out" in what


def test_a_missing_source_directory(project):
    [(_, what)] = found(project, source_directory=project.folder / "none")
    assert what == "there is no such folder"


def test_the_entry_script_s_path_in_the_app(project):
    script = project.write("src/sub/main.py", "x")
    assert source.entry_script_path(project.request(entry_script=script)) == "sub/main.py"
