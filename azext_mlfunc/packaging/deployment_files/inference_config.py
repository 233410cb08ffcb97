"""`inferenceconfig.json` of the CLI v1 (`az ml model deploy --ic`), in JSON or YAML.

Sources: azure-docs, includes/machine-learning-service-inference-config.md (which key is which parameter; with
`environment`, the older keys beside it are ignored); azureml-core 1.61, Environment (its JSON: a mapping of name and
version alone refers to a registered one) and InferenceConfig (script and conda file lie in the source directory).
"""

from __future__ import annotations

from azext_mlfunc.packaging.deployment_files.base import Format, Key, ignored
from azext_mlfunc.packaging.deployment_files.document import Value, shortened
from azext_mlfunc.packaging.deployment_files.draft import Draft

_REGISTRY = Key(
    "base_image",
    "the registry's address, or a mapping with it",
    ("text", "mapping"),
    {"address": Key("base_image", "a host"), **ignored("username password")},
)
_PYTHON = {
    "condaDependencies": Key("conda_file", "a conda file as a mapping", ("mapping",)),
    "condaDependenciesFile": Key("conda_file", "the path of a conda file"),
    "userManagedDependencies": Key("conda_file", "true or false", ("boolean",)),
    **ignored("interpreterPath baseCondaEnvironment"),
}
_DOCKER = {
    "baseImage": Key("base_image", "the name of an image"),
    "baseImageRegistry": Key("base_image", "a mapping with an address", ("mapping",), _REGISTRY.keys),
    "baseDockerfile": Key("base_image", "null: a Dockerfile cannot be used"),
    "buildContext": Key("base_image", "null: a Dockerfile cannot be used", ("mapping",)),
    **ignored("enabled arguments sharedVolumes shmSize platform gpuSupport"),
}
_ENVIRONMENT = {
    "name": Key("environment", "the environment's name"),
    "version": Key("environment", "its version", ("text", "number")),
    "environmentVariables": Key("environment_variables", "a mapping of names and texts", ("mapping",)),
    "python": Key("conda_file", "a mapping with condaDependencies", ("mapping",), _PYTHON),
    "docker": Key("base_image", "a mapping with baseImage", ("mapping",), _DOCKER),
    **ignored("spark databricks r inferencingStackVersion assetId"),
}
_OLDER = "runtime condaFile extraDockerfileSteps extraDockerFileSteps baseImage baseImageRegistry".split()
_OWN_IMAGE = "make an image of your own with these steps, on one of Azure Functions, and name it with --base-image"


def _take(draft: Draft) -> None:
    draft.set_code(draft.get("sourceDirectory"), draft.get("entryScript"))
    if environment := draft.get("environment"):
        for key in _OLDER:
            draft.ignore(key)
        _take_environment(draft, environment)
    else:
        _take_older(draft)


def _take_environment(draft: Draft, environment: Value) -> None:
    draft.set_variables("environment.environmentVariables")
    name, version = draft.get("environment.name"), draft.get("environment.version")
    if environment.fields.keys() <= {"name", "version"}:
        if name:
            reference = f"azureml:{name.text}" + (f":{version.text}" if version else "@latest")
            draft.set_environment(name, reference)
        return
    draft.ignore("environment.name")
    draft.ignore("environment.version")
    for key in ("environment.docker.baseDockerfile", "environment.docker.buildContext"):
        _refuse_steps(draft, key)
    managed = draft.get("environment.python.userManagedDependencies")
    conda, file = (
        draft.get("environment.python.condaDependencies"),
        draft.get("environment.python.condaDependenciesFile"),
    )
    if managed and managed.plain():
        draft.ignore("environment.python.condaDependencies")
        draft.ignore("environment.python.condaDependenciesFile")
        conda = file = None
    elif conda:
        draft.set_conda_text(conda)
        draft.ignore("environment.python.condaDependenciesFile")
    elif file:
        draft.set_path("conda_file", file, draft.within(file, draft.get("sourceDirectory"))[::-1])
    _take_image(draft, "environment.docker.baseImage", "environment.docker.baseImageRegistry", bool(conda or file))


def _take_older(draft: Draft) -> None:
    runtime, conda = draft.get("runtime"), draft.get("condaFile")
    if runtime and runtime.text.lower() not in ("python", "python-slim"):
        remedy = "score without Spark, and write python"
        draft.wrong(
            runtime, "runtime", f"'{shortened(runtime.text)}'", "python, which is all that a function app has", remedy
        )
    if conda:
        draft.set_path("conda_file", conda, draft.within(conda, draft.get("sourceDirectory")))
    _refuse_steps(draft, "extraDockerfileSteps")
    _refuse_steps(draft, "extraDockerFileSteps")
    _take_image(draft, "baseImage", "baseImageRegistry", has_packages=conda is not None)


def _refuse_steps(draft: Draft, key: str) -> None:
    if value := draft.get(key):
        draft.wrong(value, "base_image", "steps of a Dockerfile, which are not run", "null", _OWN_IMAGE)


def _take_image(draft: Draft, key: str, registry_key: str, has_packages: bool) -> None:
    """Take an image, which may be named apart from its registry."""
    image = draft.get(key)
    if image is None:
        return
    registry = draft.get(registry_key)
    address = draft.get(f"{registry_key}.address") or registry
    host = address.text.strip().rstrip("/") if address and address.kind == "text" else ""
    name = image.text.strip()
    draft.set_image(image, name if not host or name.startswith(f"{host}/") else f"{host}/{name}", has_packages)


INFERENCE_CONFIG = Format(
    name="an inference configuration of az ml v1 (entryScript, sourceDirectory, environment)",
    marks=(
        "entryScript",
        "sourceDirectory",
        "condaFile",
        "runtime",
        "extraDockerfileSteps",
        "baseImage",
        "enableGpu",
        "cudaVersion",
    ),
    keys={
        "entryScript": Key("entry_script", "the script's path"),
        "sourceDirectory": Key("source_directory", "the path of the folder with the code"),
        "environment": Key(
            "environment", "a mapping with python and docker, or name and version", ("mapping",), _ENVIRONMENT
        ),
        "runtime": Key("runtime", "python"),
        "condaFile": Key("conda_file", "the path of a conda file"),
        "extraDockerfileSteps": Key("base_image", "null: they cannot be run"),
        "extraDockerFileSteps": Key("base_image", "null: they cannot be run"),
        "baseImage": Key("base_image", "the name of an image"),
        "baseImageRegistry": _REGISTRY,
        **ignored("enableGpu cudaVersion description schemaVersion"),
    },
    take=_take,
)
