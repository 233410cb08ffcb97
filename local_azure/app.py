"""Running on this machine what ``az ml-func package --context-only`` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local_azure.app_environment import app_environment
from local_azure.functions_host import FunctionsHost

# Where the image has what the context has; the longest first, for they are nested.
_IN_IMAGE = {
    "/var/azureml-app/azureml-models": "models",
    "/home/site/wwwroot": "wwwroot",
    "/var/azureml-app": "app",
}
_NOT_HERE = ("PYTHONPATH",)  # of the image; here the environment has the packages
_CONNECTIONS = {"blob": "storage", "service-bus-queue": "service_bus"}  # what a trigger's connection leads to


def read_manifest(context: Path) -> dict[str, Any]:
    """The manifest of a context.

    Raises:
        FileNotFoundError: it is not a context.
    """
    manifest: dict[str, Any] = json.loads((Path(context) / "wwwroot" / "mlfunc.json").read_text("utf-8"))
    return manifest


def local_settings(context: Path, storage: str | None = None, service_bus: str | None = None) -> dict[str, str]:
    """The app settings of a context on this machine.

    Args:
        context: the folder of the context.
        storage: connection string for AzureWebJobsStorage, and for the trigger when it is a blob trigger.
        service_bus: connection string for the trigger when it is a queue trigger.

    Raises:
        ValueError: the trigger needs a connection that is not given.
    """
    context = Path(context).resolve()
    manifest = read_manifest(context)
    settings = {
        name: _local_path(str(value), context)
        for name, value in manifest.get("settings", {}).items()
        if name not in _NOT_HERE
    }
    settings["FUNCTIONS_WORKER_RUNTIME"] = "python"
    settings["AML_APP_ROOT"] = str(context / "app")
    settings.setdefault("AZUREML_MODEL_DIR", str(context / "models"))
    if storage is not None:
        settings["AzureWebJobsStorage"] = storage
    trigger = manifest["trigger"]
    if "connection" in trigger:
        kind = _CONNECTIONS[trigger["type"]]
        connection = {"storage": storage, "service_bus": service_bus}[kind]
        if connection is None:
            raise ValueError(f"The app has a {trigger['type']} trigger: give the connection string for {kind}.")
        settings[trigger["connection"]] = connection
    return settings


def run_context(
    context: Path,
    python: str | Path,
    state_dir: Path,
    environments: Path,
    storage: str | None = None,
    service_bus: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> FunctionsHost:
    """A Functions host for a context, in an environment made from its requirements; not started yet.

    Args:
        context: the folder that ``az ml-func package --context-only`` wrote.
        python: a Python of 3.13 or newer to base the environment on.
        state_dir: for the host's keys, settings and log.
        environments: where environments are kept.
        storage: a storage connection string, see ``local_settings``.
        service_bus: a Service Bus connection string.
        settings: more app settings; they win.

    Raises:
        EnvironmentFailed: the environment could not be made.
        ValueError: the trigger needs a connection that is not given.
    """
    context = Path(context).resolve()
    merged = {**local_settings(context, storage, service_bus), **(settings or {})}
    interpreter = app_environment(context, python, environments)
    return FunctionsHost(context / "wwwroot", interpreter, merged, state_dir)


def _local_path(value: str, context: Path) -> str:
    """A setting's value with a path of the image turned into that of the context."""
    for there, here in _IN_IMAGE.items():
        if value == there or value.startswith(f"{there}/"):
            return str(context / here) + value[len(there) :]
    return value
