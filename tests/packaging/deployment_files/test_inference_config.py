"""Inference configurations of az ml v1, in the forms that its documentation had over the years."""

from __future__ import annotations

import pytest
import yaml

AZURE_ML = "mcr.microsoft.com/azureml/intelmpi2018.3-ubuntu18.04"
WITH_ENVIRONMENT = """\
{
    "entryScript": "score.py",
    "sourceDirectory": "./src",
    "environment": {
        "docker": {
            "arguments": [],
            "baseDockerfile": null,
            "baseImage": "mcr.microsoft.com/azureml/intelmpi2018.3-ubuntu18.04",
            "enabled": false,
            "sharedVolumes": true,
            "shmSize": null
        },
        "environmentVariables": {
            "EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"
        },
        "name": "my-deploy-env",
        "python": {
            "baseCondaEnvironment": null,
            "condaDependencies": {
                "channels": ["conda-forge"],
                "dependencies": ["python=3.11", {"pip": ["azureml-defaults", "scikit-learn"]}],
                "name": "project_environment"
            },
            "condaDependenciesFile": null,
            "interpreterPath": "python",
            "userManagedDependencies": false
        },
        "version": "1"
    }
}
"""
OLDER = """\
{
   "entryScript": "score.py",
   "runtime": "python",
   "condaFile": "conda.yml",
   "extraDockerfileSteps": null,
   "sourceDirectory": null,
   "enableGpu": false,
   "baseImage": "mcr.microsoft.com/azureml/o16n-sample-user-base/ubuntu-miniconda",
   "baseImageRegistry": "mcr.microsoft.com",
}
"""


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(WITH_ENVIRONMENT, id="blanks"),
        pytest.param(WITH_ENVIRONMENT.replace("    ", "\t"), id="tabs"),
        pytest.param(WITH_ENVIRONMENT.replace("\n", "\r\n"), id="crlf"),
        pytest.param("\ufeff" + WITH_ENVIRONMENT, id="bom"),
    ],
)
def test_the_documented_file_with_its_environment(files, text):
    options = files.read(text, "inferenceconfig.json")
    assert options.source_directory == files.folder / "src"
    assert options.entry_script == files.folder / "src/score.py"
    assert yaml.safe_load(str(options.conda_file))["dependencies"] == [
        "python=3.11",
        {"pip": ["azureml-defaults", "scikit-learn"]},
    ]
    assert options.environment_variables == {"EXAMPLE_ENV_VAR": "EXAMPLE_VALUE"}
    assert options.base_image is None
    assert {name: place.line for name, place in options.places.items()} == {
        "source_directory": 3,
        "entry_script": 2,
        "environment_variables.EXAMPLE_ENV_VAR": 14,
        "conda_file": 19,
    }
    assert {place.key for place in options.ignored} == {
        "environment.docker.arguments",
        "environment.docker.enabled",
        "environment.docker.sharedVolumes",
        "environment.docker.baseImage",
        "environment.python.interpreterPath",
        "environment.name",
        "environment.version",
    }


def test_the_older_form_with_its_comma_too_many(files):
    options = files.read(OLDER, "inferenceconfig.json")
    assert options.entry_script == files.folder / "score.py"
    assert options.conda_file == files.folder / "conda.yml"
    assert (options.source_directory, options.base_image) == (None, None)
    assert [place.key for place in options.ignored] == ["enableGpu", "baseImage"]


def test_the_same_in_yaml(files):
    options = files.read(
        "# Inference Config\n"
        "entryScript: score.py\n"
        "runtime: python\n"
        "condaFile: conda.yml\n"
        "extraDockerfileSteps:\n"
        "sourceDirectory: ./src\n"
        "enableGpu: False\n"
        "baseImage:\n"
        "baseImageRegistry:\n"
    )
    assert options.entry_script == files.folder / "src/score.py"
    assert options.conda_file == files.folder / "conda.yml", "beside the file, as it is not in the source directory"


def test_script_and_conda_file_lie_in_the_source_directory(files):
    files.write("src/conda.yml", "dependencies: []\n")
    options = files.read("entryScript: online/score.py\nsourceDirectory: src\ncondaFile: conda.yml\n")
    assert options.entry_script == files.folder / "src/online/score.py"
    assert options.conda_file == files.folder / "src/conda.yml"


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ('{"name": "my-env", "version": "4"}', "azureml:my-env:4"),
        ('{"name": "my-env", "version": 4}', "azureml:my-env:4"),
        ('{"name": "AzureML-Minimal", "version": null}', "azureml:AzureML-Minimal@latest"),
        ('{"name": "AzureML-Minimal"}', "azureml:AzureML-Minimal@latest"),
    ],
)
def test_name_and_version_alone_are_a_registered_environment(files, environment, name):
    text = '{"entryScript": "score.py", "environment": ' + environment + "}"
    assert files.read(text, "ic.json").environment == name


def test_beside_an_environment_the_older_keys_are_ignored(files):
    options = files.read(
        "entryScript: score.py\ncondaFile: gone.yml\nruntime: spark-py\nenvironment: {name: e, version: '1'}\n"
    )
    assert options.environment == "azureml:e:1"
    assert {place.key for place in options.ignored} == {"condaFile", "runtime"}


def test_a_conda_file_that_the_environment_names(files):
    files.write("src/env/conda.yml", "dependencies: []\n")
    options = files.read(
        "entryScript: score.py\nsourceDirectory: src\n"
        "environment: {name: e, python: {condaDependenciesFile: env/conda.yml}}\n"
    )
    assert options.conda_file == files.folder / "env/conda.yml"


def test_an_image_with_the_packages_in_it(files):
    options = files.read(
        "entryScript: score.py\n"
        "environment:\n"
        "  python: {userManagedDependencies: true, condaDependencies: {dependencies: [python=3.6.2]}}\n"
        "  docker:\n"
        "    baseImage: scoring:3\n"
        "    baseImageRegistry: {address: mine.azurecr.io, username: me, password: hunter2}\n"
    )
    assert options.conda_file is None
    assert options.base_image == "mine.azurecr.io/scoring:3"
    assert "hunter2" not in repr(options)
    assert {place.key for place in options.ignored} == {
        "environment.python.condaDependencies",
        "environment.docker.baseImageRegistry.username",
        "environment.docker.baseImageRegistry.password",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{\n"entryScript": "gone.py"\n}', ["2 entryScript"]),
        ('{\n"entryScript": "score.py",\n"sourceDirectory": "C:/abc"}', ["3 sourceDirectory"]),
        ('{"entryScript": ["score.py"]}', ["1 entryScript"]),
        ('{"entryScript": "score.py",\n"runtime": "spark-py"}', ["2 runtime"]),
        ('{"entryScript": "score.py",\n"condaFile": "gone.yml"}', ["2 condaFile"]),
        ('{"entryScript": "score.py",\n"extraDockerfileSteps": "steps.txt"}', ["2 extraDockerfileSteps"]),
        ('{"entryScript": "score.py",\n"environment": "my-env"}', ["2 environment"]),
        ('{"entryScript": "score.py",\n"environment": {"name": "a b", "version": "1"}}', ["2 environment.name"]),
        (
            '{"entryScript": "score.py",\n"environment": {"docker":\n{"baseDockerfile": "FROM x"},\n"python": {}}}',
            ["3 environment.docker.baseDockerfile"],
        ),
        (
            '{"entryScript": "score.py", "environment": {"docker": {\n"baseImage": "' + AZURE_ML + '"}}}',
            ["2 environment.docker.baseImage"],
        ),
        (
            '{"entryScript": "score.py", "environment": {"python":\n{"condaDependencies": ["numpy"]}}}',
            ["2 environment.python.condaDependencies"],
        ),
        (
            '{"entryScript": "score.py", "environment": {"python":\n{"condaDependencies": {"channels": []}}}}',
            ["2 environment.python.condaDependencies"],
        ),
        (
            '{"entryScript": "score.py", "environment": {"environmentVariables":\n{"A": {}}}}',
            ["2 environment.environmentVariables.A"],
        ),
        ('{\n"entryScript": "score.py",\n"entryScript": "score.py"\n}', ["3 entryScript"]),
    ],
)
def test_what_is_wrong_is_said_with_line_and_key(files, text, expected):
    assert files.errors(text, "inferenceconfig.json") == expected


def test_keys_of_the_python_package_are_warned_of(files, warnings):
    options = files.read("entry_script: score.py\nsource_directory: src\n")
    assert warnings() == ["1 entry_script", "2 source_directory"]
    assert options.entry_script is None
