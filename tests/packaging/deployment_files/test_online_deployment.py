"""Online-deployment files of az ml v2, as users write them."""

from __future__ import annotations

import pytest
import yaml
from azure.cli.core.azclierror import ValidationError

from azext_mlfunc.packaging import conda
from azext_mlfunc.packaging.deployment_files import read

MANAGED = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: my-endpoint
model:
  path: ../../model-1/model/
code_configuration:
  code: ../../src/
  scoring_script: score.py
environment:
  conda_file: ../../env/conda.yml
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest
instance_type: Standard_DS3_v2
instance_count: 1
"""
ID = "/subscriptions/0/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"


def test_the_documented_file_becomes_options_with_paths_from_the_file(files):
    options = files.read(MANAGED, "endpoints/online/blue.yml")
    base = files.folder / "endpoints" / "online"
    assert options.models == (str(base / "../../model-1/model"),)
    assert options.source_directory == base / "../../src"
    assert options.entry_script == base / "../../src/score.py"
    assert options.conda_file == base / "../../env/conda.yml"
    assert options.base_image is None, "an image of Azure ML has no Functions host"
    assert options.environment is None
    assert [place.key for place in options.ignored] == [
        "name",
        "endpoint_name",
        "instance_type",
        "instance_count",
        "environment.image",
    ]
    assert options.notes == (
        f"{base / 'blue.yml'}: ignored, as a function app has no use for them: name, endpoint_name, instance_type, "
        "instance_count, environment.image",
    )


def test_every_option_knows_where_it_stood(files):
    options = files.read(MANAGED, "endpoints/online/blue.yml")
    assert {name: (place.line, place.key) for name, place in options.places.items()} == {
        "models": (5, "model.path"),
        "source_directory": (7, "code_configuration.code"),
        "entry_script": (8, "code_configuration.scoring_script"),
        "conda_file": (10, "environment.conda_file"),
    }
    assert str(options.places["models"]) == f"{files.folder / 'endpoints/online/blue.yml'}:5 (model.path)"


def test_a_kubernetes_deployment_with_all_that_is_ignored(files):
    options = files.read(
        "$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json\n"
        "name: blue\n"
        "type: kubernetes\n"
        "endpoint_name: e\n"
        "app_insights_enabled: true\n"
        "model: azureml:sklearn-model:4\n"
        "code_configuration: {code: ./src, scoring_script: online/score.py}\n"
        "environment: azureml:my-env@latest\n"
        "request_settings:\n"
        "  request_timeout_ms: 3000\n"
        "resources:\n"
        "  requests: {cpu: '0.1', memory: 0.1Gi}\n"
        "liveness_probe: &probe\n"
        "  initial_delay: 10\n"
        "readiness_probe: *probe\n"
        "tags: {team: fraud}\n"
        "instance_type: defaultinstancetype\n"
        "scale_settings: {type: default}\n"
    )
    assert options.models == ("azureml:sklearn-model:4",)
    assert options.environment == "azureml:my-env@latest"
    assert options.entry_script == files.folder / "src/online/score.py"
    assert {place.key for place in options.ignored} == set(
        "name type endpoint_name app_insights_enabled request_settings resources liveness_probe readiness_probe tags "
        "instance_type scale_settings".split()
    )


@pytest.mark.parametrize(
    "name",
    [
        "azureml:my-model:1",
        "azureml:my-model@latest",
        "azureml:my-model",
        "my-model:1",
        f"azureml:{ID}/models/m/versions/1",
        f"{ID}/models/m/versions/1",
        "azureml://registries/azureml/models/gpt2/versions/3",
        "azureml://registries/azureml/models/gpt2/labels/latest",
    ],
)
def test_a_registered_model_keeps_the_name_that_it_was_given(files, name):
    assert files.read(f"model: {name}\n").models == (name,)
    assert files.read(f"model:\n  path: {name}\n").models == (name,)


@pytest.mark.parametrize("path", ["model.pkl", "./model.pkl", "file:./model.pkl", r".\model-1\model", "model-1/model/"])
def test_a_local_model_may_be_written_as_on_either_system(files, path):
    [model] = files.read(f"model:\n  path: {path}\n").models
    assert (files.folder / model).exists()
    assert files.read(f"model: {path}\n").models == (model,)


def test_a_local_file_wins_over_a_registered_name(files):
    file = files.write("my-model:1", "a model")
    assert files.read("model: my-model:1\n").models == (str(file),)


def test_an_absolute_path_stays(files):
    file = files.write("elsewhere/m.pkl", "a model")
    assert files.read(f"model: {{path: {file}}}\n", "sub/deployment.yml").models == (str(file),)


def test_name_version_and_type_of_a_local_model_are_ignored(files):
    options = files.read("model:\n  name: m\n  version: 1\n  type: mlflow_model\n  path: ./model-1/model\n")
    assert options.models == (str(files.folder / "model-1/model"),)
    assert [place.key for place in options.ignored] == ["model.name", "model.version"]


def test_packages_that_stand_in_the_file_become_the_text_of_a_conda_file(files):
    options = files.read(
        "environment:\n"
        "  name: mine\n"
        "  image: mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest\n"
        "  conda_file:\n"
        "    channels: [conda-forge]\n"
        "    dependencies:\n"
        "      - python=3.10\n"
        "      - pip:\n"
        "          - scikit-learn==1.5.2\n"
        "model: azureml:m:1\n"
    )
    assert isinstance(options.conda_file, str)
    assert yaml.safe_load(options.conda_file) == {
        "channels": ["conda-forge"],
        "dependencies": ["python=3.10", {"pip": ["scikit-learn==1.5.2"]}],
    }
    assert options.places["conda_file"].line == 4
    assert [place.key for place in options.ignored] == ["environment.image", "environment.name"]
    assert "scikit-learn" not in repr(options), "an index with a password may stand there"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "model: azureml:m:1\nenvironment:\n  conda_file:\n    channels: []\n    dependencies:\n"
            "      - python=3.13\n\n      - numpy\nname: b\n",
            8,
        ),
        ('{"model": "azureml:m:1",\n"environment": {"conda_file":\n{"dependencies": ["python=3.13",\n"numpy"]}}}', 4),
        ("model: azureml:m:1\nenvironment: {conda_file: {dependencies: [python=3.13, numpy]}}  # all\n", 2),
    ],
)
def test_lines_of_such_packages_keep_their_numbers(files, text, line):
    read = conda.read(files.write("inline.yml", files.read(text).conda_file))
    assert isinstance(read, conda.CondaFile)
    assert [(each.text, each.number) for each in read.dependencies][-1] == ("numpy", line)


def test_such_packages_with_an_alias_are_written_anew(files):
    text = "x: &pins [numpy]\nenvironment: {conda_file: {dependencies: [python=3.13, {pip: *pins}]}}\nmodel: m:1\n"
    assert yaml.safe_load(files.read(text).conda_file) == {"dependencies": ["python=3.13", {"pip": ["numpy"]}]}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ("azureml:env:1", "azureml:env:1"),
        ("env:1", "env:1"),
        ("azureml://registries/azureml/environments/sklearn-1.5/labels/latest",) * 2,
        (f"azureml:{ID}/environments/e/versions/2",) * 2,
        ("{name: env, version: 1}", "azureml:env:1"),
        ("{name: env, version: 1.10}", "azureml:env:1.10"),
        ("{name: env}", "azureml:env@latest"),
    ],
)
def test_a_registered_environment(files, environment, name):
    assert files.read(f"model: azureml:m:1\nenvironment: {environment}\n").environment == name


def test_an_image_of_functions_is_the_one_to_build_on(files):
    own, base = "myregistry.azurecr.io/scoring:3", "mcr.microsoft.com/azure-functions/python:4-python3.12"
    assert files.read(f"model: azureml:m:1\nenvironment: {{image: {own}}}\n").base_image == own
    text = f"model: azureml:m:1\nenvironment: {{image: {base}, conda_file: conda.yml}}\n"
    assert files.read(text).base_image == base
    named = files.read(f"model: azureml:m:1\nenvironment: {{name: env, version: 1, image: {own}}}\n")
    assert (named.base_image, named.environment) == (own, None)


def test_the_schema_alone_tells_what_the_file_is(files):
    schema = "https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json"
    assert files.read(f"$schema: {schema}\nenvironment: azureml:e:1\n").environment == "azureml:e:1"


def test_variables_become_the_texts_that_the_program_gets(files, warnings):
    options = files.read(
        "environment_variables:\n"
        '  PLAIN: "1"\n'
        "  NUMBER: 1\n"
        "  SHORTER: 1.50\n"
        "  OCTAL: 010\n"
        "  TRUE_: true\n"
        "  SWITCH: on\n"
        "  DATE: 2026-11-22\n"
        '  EMPTY: ""\n'
        "  NOTHING:\n"
        "  SECRET: hunter2\n"
    )
    assert options.environment_variables == {
        "PLAIN": "1",
        "NUMBER": "1",
        "SHORTER": "1.5",
        "OCTAL": "8",
        "TRUE_": "true",
        "SWITCH": "true",
        "DATE": "2026-11-22",
        "EMPTY": "",
        "SECRET": "hunter2",
    }
    variables = "environment_variables."
    assert warnings() == [
        f"{line} {variables}{name}"
        for line, name in [(4, "SHORTER"), (5, "OCTAL"), (6, "TRUE_"), (7, "SWITCH"), (10, "NOTHING")]
    ]
    assert "hunter2" not in repr(options)
    assert options.places["environment_variables.SECRET"].line == 11


def test_variables_that_the_image_sets_itself_are_warned_of(files, warnings):
    options = files.read("environment_variables:\n  AZUREML_MODEL_DIR: /var/models\n  PYTHONPATH: /x\n  WORKERS: 4\n")
    assert warnings() == ["2 environment_variables.AZUREML_MODEL_DIR", "3 environment_variables.PYTHONPATH"]
    assert options.environment_variables == {"WORKERS": "4"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("endpoint_name: {{ENDPOINT_NAME}}\n", ["1 a key that is no text, in endpoint_name"]),
        ("endpoint_name: e\nenvironment:\n  image: {{ACR}}.azurecr.io/x:1\n", ["3 it is neither YAML nor JSON"]),
        (
            "code_configuration:\n  code: .\n  scoring_script: <SCORING_SCRIPT>\n",
            ["3 code_configuration.scoring_script"],
        ),
        ("model: {path: ./gone.pkl}\n", ["1 model.path"]),
        ("model: ./gone.pkl\n", ["1 model"]),
        ("model: C:\\models\\m.pkl\n", ["1 model"]),
        (
            "model:\ncode_configuration:\n  code: ./src\n  scoring_script:\n",
            ["1 model", "4 code_configuration.scoring_script"],
        ),
        ("model: ''\n", ["1 model"]),
        ("model: 3\n", ["1 model"]),
        ("model: [azureml:a:1, azureml:b:1]\n", ["1 model"]),
        ("model:\n  name: m\n  version: 1\n", ["1 model"]),
        ("model:\n  path: azureml://jobs/j/outputs/artifacts/paths/model\n", ["2 model.path"]),
        ("model:\n  path: runs:/123/model\n", ["2 model.path"]),
        ("model: azureml:./model.pkl\n", ["1 model"]),
        ("model:\n  path: ./model-1/model\n  type: triton_model\n", ["3 model.type"]),
        ("model: azureml:m:1\ncode_configuration: ./src\n", ["2 code_configuration"]),
        (
            "code_configuration:\n  code:\n    local_path: ./src\n  scoring_script: score.py\n",
            ["2 code_configuration.code"],
        ),
        ("code_configuration:\n  code: azureml:code:1\n  scoring_script: score.py\n", ["2 code_configuration.code"]),
        (
            "code_configuration:\n  code: https://github.com/a/b\n  scoring_script: s.py\n",
            ["2 code_configuration.code"],
        ),
        ("code_configuration:\n  code: ./sources\n  scoring_script: gone.py\n", ["2 code_configuration.code"]),
        ("code_configuration:\n  code: ./score.py\n", ["2 code_configuration.code"]),
        ("code_configuration:\n  code: ./src\n  scoring_script: gone.py\n", ["3 code_configuration.scoring_script"]),
        ("code_configuration:\n  code: ./src\n  scoring_script: online\n", ["3 code_configuration.scoring_script"]),
        ("model: azureml:m:1\nenvironment: conda.yml\n", ["2 environment"]),
        ("model: azureml:m:1\nenvironment: {}\n", ["2 environment"]),
        ("model: azureml:m:1\nenvironment:\n  conda_file: gone.yml\n", ["3 environment.conda_file"]),
        ("model: azureml:m:1\nenvironment:\n  conda_file:\n    channels: [x]\n", ["3 environment.conda_file"]),
        ("model: azureml:m:1\nenvironment:\n  conda_file: [numpy]\n", ["3 environment.conda_file"]),
        ("model: azureml:m:1\nenvironment:\n  build:\n    path: ./docker\n", ["3 environment.build"]),
        (
            "model: azureml:m:1\nenvironment:\n  image: own/server:1\n  inference_config:\n"
            "    scoring_route: {port: 80, path: /}\n",
            ["4 environment.inference_config"],
        ),
        (
            "model: azureml:m:1\nenvironment:\n  image: mcr.microsoft.com/azureml/minimal-py312-inference:latest\n",
            ["3 environment.image"],
        ),
        ("environment_variables:\n  - A=1\n", ["1 environment_variables"]),
        ("environment_variables:\n  A: [1]\n  B: {c: 1}\n", ["2 environment_variables.A", "3 environment_variables.B"]),
        ("environment_variables:\n  A B: x\n  '': y\n", ["2 environment_variables.A B", "3 environment_variables."]),
        ("model: azureml:m:1\nmodel: azureml:m:2\n", ["2 model"]),
    ],
)
def test_what_is_wrong_is_said_with_line_and_key(files, text, expected):
    assert files.errors(text) == expected


def test_secrets_of_addresses_are_not_repeated(files):
    path = files.write(
        "deployment.yml",
        "model: {path: 'https://a.blob.core.windows.net/c/m?sig=hunter2'}\n"
        "code_configuration: {code: 'https://me:hunter2@host/repo', scoring_script: score.py}\n"
        "environment_variables: {A: [hunter2]}\n",
    )
    with pytest.raises(ValidationError) as caught:
        read(path)
    assert "3 problems" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_messages_show_no_endless_texts_and_nothing_that_a_terminal_obeys(files):
    path = files.write("deployment.yml", f'model: {"m" * 5000}\nenvironment: "\\e[31m\\n"\n')
    with pytest.raises(ValidationError) as caught:
        read(path)
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)


def test_only_the_first_of_many_ignored_keys_are_named(files):
    [note] = files.read("model: azureml:m:1\n" + "".join(f"k{number}: 1\n" for number in range(100))).notes
    assert note.endswith("k38, k39 and 60 more")


def test_all_that_is_wrong_is_said_at_once_from_top_to_bottom(files):
    text = (
        "name: blue\n"
        "model: ./gone.pkl\n"
        "code_configuration:\n"
        "  code: ./src\n"
        "  scoring_script: gone.py\n"
        "environment:\n"
        "  conda_file: gone.yml\n"
        "environment_variables: A=1\n"
    )
    assert files.errors(text) == [
        "2 model",
        "5 code_configuration.scoring_script",
        "7 environment.conda_file",
        "8 environment_variables",
    ]


def test_what_the_command_line_gives_is_not_looked_at_in_the_file(files):
    text = (
        "model: ./gone.pkl\n"
        "code_configuration: {code: ./src, scoring_script: gone.py}\n"
        "environment:\n"
        "  build: {path: docker}\n"
        "environment_variables: {A: b}\n"
    )
    options = files.read(text, overridden=("models", "entry_script", "conda_file"))
    assert (options.models, options.entry_script, options.environment, options.base_image) == ((), None, None, None)
    assert options.source_directory == files.folder / "src"
    assert options.environment_variables == {"A": "b"}
    assert set(options.places) == {"source_directory", "environment_variables.A"}


def test_a_conda_file_of_the_command_line_stands_for_a_registered_environment(files):
    assert files.read("model: azureml:m:1\nenvironment: azureml:e:1\n", overridden=("conda_file",)).environment is None


def test_a_script_lies_in_the_source_directory_of_the_command_line(files):
    text = "code_configuration: {code: ./gone, scoring_script: score.py}\n"
    options = files.read(text, overridden=("source_directory",))
    assert str(options.entry_script) == "score.py"


def test_a_misspelt_key_that_matters_is_a_warning_with_the_right_one(files, warnings, caplog):
    options = files.read(
        "model: azureml:m:1\n"
        "code_configuraton:\n"
        "  code: ./src\n"
        "enviroment: azureml:e:1\n"
        "environment_variable: {A: b}\n"
        "instance_typ: x\n"
        "made_up: 1\n"
    )
    assert warnings() == ["2 code_configuraton", "4 enviroment", "5 environment_variable"]
    assert "write 'code_configuration' if that is what you mean" in caplog.text
    assert options.source_directory is None
    assert [place.key for place in options.ignored] == [
        "code_configuraton",
        "enviroment",
        "environment_variable",
        "instance_typ",
        "made_up",
    ]


def test_keys_in_camel_case_are_warned_of(files, warnings):
    files.read("model: azureml:m:1\ncodeConfiguration: {scoringScript: score.py}\n")
    files.read("code_configuration: {scoringScript: score.py}\n")
    assert warnings() == ["2 codeConfiguration", "1 code_configuration.scoringScript"]


def test_a_mount_path_is_warned_of_as_scripts_may_name_it(files, warnings):
    options = files.read("model: azureml:m:1\nmodel_mount_path: /models\n")
    assert warnings() == ["2 model_mount_path"]
    assert [place.key for place in options.ignored] == ["model_mount_path"]


def test_what_the_script_needs_may_come_from_a_merge_key(files):
    options = files.read(
        "code_configuration: &code\n"
        "  code: ./src\n"
        "  scoring_script: gone.py\n"
        "x-other:\n"
        "  <<: *code\n"
        "environment_variables:\n"
        "  <<: [{A: '1', B: '1'}, {B: '2', C: '2'}]\n"
        "  A: '0'\n",
        overridden=("entry_script",),
    )
    assert options.environment_variables == {"A": "0", "B": "1", "C": "2"}
