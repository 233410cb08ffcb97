"""The online-deployment file of `az ml` v2, for managed and Kubernetes endpoints alike.

Sources: "CLI (v2) managed online deployment YAML schema" and "… Kubernetes online deployment YAML schema"
(managedOnlineDeployment.schema.json, kubernetesOnlineDeployment.schema.json); azure-ai-ml 1.x, which `az ml` loads
these files with. Unlike there, unknown keys are ignored here, a local model may be named without a mapping, and
`file:` may stand before a path.
"""

from __future__ import annotations

from azext_mlfunc.packaging.deployment_files.base import Format, Key, ignored
from azext_mlfunc.packaging.deployment_files.document import shortened
from azext_mlfunc.packaging.deployment_files.draft import Draft

_MODEL = Key(
    "models",
    "azureml:NAME:VERSION, a path, or a mapping with a path",
    ("text", "mapping"),
    {
        "path": Key("models", "the path of a file or a folder"),
        "type": Key("models", "custom_model or mlflow_model"),
        **ignored("name version description tags properties stage flavors datastore job_name id"),
    },
)
_CODE = Key(
    "source_directory",
    "a mapping with code and scoring_script",
    ("mapping",),
    {
        "code": Key("source_directory", "the path of the folder with the code"),
        "scoring_script": Key("entry_script", "the script's path within the folder with the code"),
    },
)
_ENVIRONMENT = Key(
    "environment",
    "azureml:NAME:VERSION, or a mapping with conda_file or image",
    ("text", "mapping"),
    {
        "name": Key("environment", "the name of a registered environment"),
        "version": Key("environment", "its version", ("text", "number")),
        "image": Key("base_image", "the name of an image"),
        "conda_file": Key("conda_file", "a path, or a mapping with a list of dependencies", ("text", "mapping")),
        "build": Key("base_image", "a folder with a Dockerfile", ("text", "mapping")),
        "inference_config": Key("base_image", "the routes of the image's own server", ("mapping",)),
        **ignored("description tags properties os_type datastore id"),
    },
)
_OWN_IMAGE = (
    "name the packages with conda_file here or --conda-file, or build that image on one of Azure Functions and name it "
    "with --base-image"
)


def _take(draft: Draft) -> None:
    _take_model(draft)
    _take_code(draft)
    _take_environment(draft)
    draft.set_variables("environment_variables")
    if mount := draft.get("model_mount_path"):
        draft.wrong(
            mount,
            "model_mount_path",
            f"'{shortened(mount.text)}' is not where the model will lie",
            "a script that finds its model in the folder that AZUREML_MODEL_DIR names",
            "have the script read that variable",
            "warning",
        )
        draft.ignore("model_mount_path")


def _take_model(draft: Draft) -> None:
    model = draft.get("model")
    if model is None:
        return
    kind = draft.get("model.type")
    if kind and kind.text == "triton_model":
        draft.wrong(
            kind,
            "models",
            "a model for a Triton server, which a function app has not",
            "custom_model or mlflow_model",
            "write a score.py that loads the model with a library, and remove the type",
        )
    path = draft.get("model.path") if model.kind == "mapping" else model
    if path:
        draft.set_model(path)
    elif "path" not in model.fields:
        remedy = "add its path; for one that is registered, write model: azureml:NAME:VERSION"
        draft.wrong(model, "models", "a model without a path", "a mapping with a path", remedy)


def _take_code(draft: Draft) -> None:
    code, script = draft.get("code_configuration.code"), draft.get("code_configuration.scoring_script")
    if code and (code.text.startswith(("azureml:", "/subscriptions/")) or "://" in code.text):
        draft.wrong(
            code,
            "source_directory",
            "code that lies elsewhere",
            "a folder on this machine",
            "name the folder that it was registered from, here or with --source-directory",
        )
        return
    draft.set_code(code, script)


def _take_environment(draft: Draft) -> None:
    environment = draft.get("environment")
    if environment is None:
        return
    if environment.kind == "text":
        draft.set_environment(environment, environment.text.strip())
        return
    for key, found in (
        ("build", "an image that has yet to be built"),
        ("inference_config", "the image is a server of its own, and a function app has its own server"),
    ):
        value = draft.get(f"environment.{key}")
        if value and draft.is_overridden("environment"):
            draft.ignore(value.key)
        elif value:
            draft.wrong(value, "base_image", found, "conda_file, or an image that is there", _OWN_IMAGE)
            return
    conda, image = draft.get("environment.conda_file"), draft.get("environment.image")
    if conda and conda.kind == "mapping":
        draft.set_conda_text(conda)
    elif conda:
        draft.set_path("conda_file", conda, (draft.local(conda.text),))
    if image:
        draft.set_image(image, image.text.strip(), has_packages=conda is not None)
    name, version = draft.get("environment.name"), draft.get("environment.version")
    if conda or image:
        draft.ignore("environment.name")
        draft.ignore("environment.version")
    elif name:
        draft.set_environment(name, f"azureml:{name.text}" + (f":{version.text}" if version else "@latest"))
    elif not {"conda_file", "image", "name"} & environment.fields.keys():
        remedy = "add one of them, or name a registered one: environment: azureml:NAME:VERSION"
        draft.wrong(environment, "environment", "it names no packages and no image", "conda_file or image", remedy)


ONLINE_DEPLOYMENT = Format(
    name="an online deployment of az ml v2 (code_configuration, model, environment)",
    marks=(
        "model",
        "code_configuration",
        "environment_variables",
        "endpoint_name",
        "instance_type",
        "instance_count",
        "scale_settings",
        "request_settings",
    ),
    keys={
        "model": _MODEL,
        "code_configuration": _CODE,
        "environment": _ENVIRONMENT,
        "environment_variables": Key("environment_variables", "a mapping of names and texts", ("mapping",)),
        "model_mount_path": Key("model_mount_path", "a path"),
        **ignored(
            "$schema name endpoint_name type description tags properties id app_insights_enabled instance_type "
            "instance_count scale_settings request_settings liveness_probe readiness_probe startup_probe "
            "egress_public_network_access private_network_connection data_collector resources provisioning_state "
            "creation_context"
        ),
    },
    take=_take,
    is_null_absent=False,
)
