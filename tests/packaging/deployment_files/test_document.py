"""Files that are broken, strange, hostile, or of another kind."""

from __future__ import annotations

import os

import pytest
from azure.cli.core.azclierror import ValidationError

from azext_mlfunc.packaging.deployment_files.document import MAX_BYTES, read_document

SOUND = "model: azureml:m:1\n"


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("", None, "it is empty"),
        ("# nothing\n---\n", None, "it is empty"),
        ("- model\n", 1, "it holds a list"),
        ("model\n", 1, "it holds a text"),
        ("[" * 3000, None, "deeper than"),
        ("a: " + "[" * 60 + "]" * 60, 1, "deeper than"),
        ("a: &a [*a]\n", 1, "deeper than"),
        ("model: x: y\n", 1, "it is neither YAML nor JSON"),
        ("model: x\n\tname: y\n", 2, "it is neither YAML nor JSON"),
        ('model: "..\\model"\n', 1, "escape"),
        ("model: *gone\n", 1, "it is neither YAML nor JSON"),
        ("model: x\nname: \x00\n", 2, "it is neither YAML nor JSON"),
        (SOUND + "---\n" + SOUND, 3, "a second document begins here, of 2"),
        (b"model: x\nname: \xff\xfe\n", 2, "its encoding is not UTF-8"),
        (SOUND.encode("utf-16"), None, "its encoding is UTF-16"),
        (b"#" * (MAX_BYTES + 1), None, "longer than 256 KiB"),
        ("? [a]\n: b\n", 1, "a key that is no text"),
        ("a: 1\n~: 2\n", 2, "a key that is no text"),
    ],
)
def test_what_is_wrong_with_a_file_is_found_with_its_line(files, content, line, found):
    path, findings = files.write("deployment.yml", content), []
    read_document(path, findings)
    assert [(finding.where, finding.line) for finding in findings] == [(path, line)]
    assert found in findings[0].found


def test_aliases_that_unfold_without_end_are_cut_off(files):
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 9))
    merges = "m0: &m0 {a: 1}\n" + "".join(
        f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}\n" for n in range(1, 9)
    )
    for text in ("l0: &l0 [x]\n" + levels, merges):
        assert [error.split(" ", 1)[1] for error in files.errors(text)] == [
            "it holds more than 20000 values, aliases unfolded"
        ]


def test_what_is_no_file_is_said(files):
    os.mkfifo(files.folder / "pipe.yml")
    for name, found in {
        "gone.yml": "there is no such file",
        "src": "it is a folder",
        "pipe.yml": "it is no file",
    }.items():
        findings = []
        assert read_document(files.folder / name, findings) is None
        assert [finding.found for finding in findings] == [found]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + SOUND,
        SOUND.replace("\n", "\r\n"),
        "---\n" + SOUND + "---\n",
        "%YAML 1.1\n---\n" + SOUND + "...\n",
        '{\n\t"model":\t"azureml:m:1"\n}\n',
        '\ufeff{\n\t"model":\t"azureml:m:1"\n}\n',
        '{"model":"azureml:m:1"}',
        '{"model": "azureml:m\\u003a1",}',
        "'model': !!str 'azureml:m:1'\n",
        "model: >-\n  azureml:m:1\n",
    ],
)
def test_all_ways_of_writing_the_same(files, text):
    options = files.read(text)
    assert options.models == ("azureml:m:1",)
    assert options.places["models"].line in (1, 2, 3)


def test_json_with_characters_beyond_16_bits(files):
    options = files.read('{"environment_variables": {"A": "\\ud83d\\ude00"}}', "d.json")
    assert options.environment_variables == {"A": "\U0001f600"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: e\nauth_mode: key\n", "it is an endpoint"),
        ("name: e\nauth_mode: key\ndeployments:\n  - name: blue\n", "it is an endpoint"),
        ("name: b\nmini_batch_size: 3\n", "it is a batch deployment"),
        ("channels: [x]\ndependencies: [numpy]\n", "it is a conda file"),
        ('{"computeType": "aks"}', "it is a deployment configuration of az ml v1, which says where to run"),
        ('{"name": "e", "python": {}, "docker": {}}', "it is an environment of azureml-core"),
        ("flavors: {}\nartifact_path: model\n", "it is an MLmodel file"),
        ("a: 1\nb: 2\n", "it is of no known kind"),
        ("{}\n", "it is of no known kind"),
    ],
)
def test_a_file_of_another_kind_is_named_for_what_it_is(files, text, found):
    assert files.errors(text) == [f"1 {found}"]


def test_an_unknown_file_lists_the_known_kinds(files):
    with pytest.raises(ValidationError) as caught:
        files.read("a: 1\n")
    for name in ("online deployment of az ml v2", "inference configuration of az ml v1", "retired preview CLI"):
        assert name in str(caught.value)
