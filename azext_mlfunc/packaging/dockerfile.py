"""The Dockerfile, as pure text: the dependencies, then the layers of `layout.py`.

Environment and labels come last, because they weigh nothing and a change of theirs must not build anything again.
Source of "languageWorkers:python:defaultExecutablePath": azure-functions-host, RpcWorkerConfigFactory.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from azext_mlfunc._version import VERSION
from azext_mlfunc.packaging.environment import Environment
from azext_mlfunc.packaging.layout import APP_ROOT, LAYERS, MODEL_DIR, PLATFORM, SITE_PACKAGES

_CONDA = "/opt/mlfunc/conda"
_MICROMAMBA = "mambaorg/micromamba:2.3.0"


def base_image(python_version: str) -> str:
    """The official Functions image for a Python version (`3.X`)."""
    return f"mcr.microsoft.com/azure-functions/python:4-python{python_version}"


def settings(environment: Environment, entry_script: str, model_dir: str = MODEL_DIR) -> dict[str, str]:
    """The environment variables of the image.

    :param environment: what is installed in it.
    :param entry_script: its path within the app's code.
    :param model_dir: the folder of the models, see `models.model_dir`.
    """
    common = {
        "AML_APP_ROOT": APP_ROOT,
        "AZUREML_ENTRY_SCRIPT": entry_script,
        "AZUREML_MODEL_DIR": model_dir,
        # `/` is Azure ML's health probe, not the Functions welcome page.
        "AzureWebJobsDisableHomepage": "true",
        # Else the app gets the worker's own packages in a plain container and its own ones in Azure.
        "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "1",
    }
    if environment.kind == "conda":
        return common | {"languageWorkers__python__defaultExecutablePath": f"{_CONDA}/bin/python"}
    return common | {"PYTHONPATH": SITE_PACKAGES}


def dockerfile(base: str, environment: Environment, env: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The Dockerfile's text.

    :param base: the image to build on.
    :param environment: what to install.
    :param env: environment variables of the image.
    :param labels: labels of the image.
    """
    steps = [
        f"# Written by az ml-func {VERSION}.",
        f"FROM --platform={PLATFORM} {base}",
        *_install(environment),
        *(f"COPY {folder}/ {destination}/" for folder, destination in LAYERS),
        _assignments("ENV", env),
        _assignments("LABEL", labels),
    ]
    return "\n".join(steps) + "\n"


def _install(environment: Environment) -> list[str]:
    if not environment.text:
        return []
    file = f"/opt/mlfunc/{environment.file_name}"
    copy = f"COPY {environment.file_name} {file}"
    if environment.kind == "pip":
        locked = "--no-deps --require-hashes " if environment.lock is not None else ""
        return [copy, f"RUN python -m pip install --no-cache-dir {locked}--target={SITE_PACKAGES} -r {file}"]
    return [
        f"COPY --from={_MICROMAMBA} /bin/micromamba /usr/local/bin/micromamba",
        copy,
        f"RUN micromamba create --yes --root-prefix /opt/mlfunc/mamba --prefix {_CONDA} --file {file}"
        " && micromamba clean --all --yes --root-prefix /opt/mlfunc/mamba",
    ]


def _assignments(instruction: str, values: Mapping[str, str]) -> str:
    """One `ENV name="value" …`; a JSON string is quoted as a Dockerfile wants it, but for the dollar sign."""
    quoted = (
        f"{name}={json.dumps(value, ensure_ascii=False).replace('$', chr(92) + '$')}" for name, value in values.items()
    )
    return f"{instruction} " + " \\\n    ".join(quoted)
