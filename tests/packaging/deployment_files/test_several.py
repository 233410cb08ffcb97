"""Several files together: what each adds, and where they say different things."""

from __future__ import annotations

import pytest
from azure.cli.core.azclierror import ValidationError

from azext_mlfunc.packaging.deployment_files import merge, read, read_all

CODE = "entryScript: score.py\nsourceDirectory: src\ncondaFile: conda.yml\nenableGpu: true\n"
TRIGGER = "flavor: functionsApp\ntrigger: Blob\ninPath: input/{name}.json\n"


def test_script_and_trigger_come_from_two_files(files):
    code, trigger = files.write("inferenceconfig.yml", CODE), files.write("options.yml", TRIGGER)
    options = merge([read(code), read(trigger)])
    assert options == read_all([code, trigger])
    assert options.entry_script == files.folder / "src/score.py"
    assert (options.trigger, options.trigger_options) == ("blob", {"input_path": "input/{name}.json"})
    assert options.places["input_path"].file == trigger
    assert options.notes == (f"{code}: ignored, as a function app has no use for them: enableGpu",)


def test_what_two_files_say_differently_is_an_error_with_both_places(files):
    one = files.write(
        "one.yml", "model: azureml:m:1\nenvironment: azureml:e:1\nenvironment_variables: {A: '1', B: '1'}\n"
    )
    two = files.write("two.yml", "model: azureml:m:2\nenvironment_variables: {A: '1', B: '2'}\n")
    three = files.write("three.yml", "entryScript: score.py\ncondaFile: conda.yml\n")
    assert files.errors_of(one, two, three) == [
        "two.yml:1 model",
        "two.yml:2 environment_variables.B",
        "three.yml:2 condaFile",
    ]
    with pytest.raises(ValidationError, match=rf"another value than in {one}:1 \(model\)"):
        merge([read(one), read(two)])


def test_what_the_command_line_gives_is_no_conflict(files):
    one, two = files.write("one.yml", "model: azureml:m:1\n"), files.write("two.yml", "model: azureml:m:2\n")
    assert read_all([one, two], overridden=("models",)).models == ()


def test_the_same_said_twice_is_no_conflict(files):
    one, two = files.write("one.yml", "model: azureml:m:1\n"), files.write("two.yml", "model: azureml:m:1\n")
    assert read_all([one, two]).models == ("azureml:m:1",)


def test_all_files_are_read_before_anything_is_said(files):
    one, two = files.write("one.yml", "model: ./gone\n"), files.write("two.yml", "trigger: Timer\n")
    assert files.errors_of(one, files.folder / "gone.yml", two) == [
        "one.yml:1 model",
        "gone.yml:0 there is no such file",
        "two.yml:1 trigger",
    ]


def test_an_empty_mapping_is_named_also_after_other_findings(files):
    one, two = files.write("one.yml", "model: ./gone\n"), files.write("two.yml", "{}\n")
    assert files.errors_of(one, two) == ["one.yml:1 model", "two.yml:1 it is of no known kind"]
