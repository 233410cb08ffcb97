"""Registers a model as its users do: with azure-ai-ml, in the environment that ``make .venv/done/ml`` makes.

``$MLFUNC_ML_PYTHON register_model.py SUBSCRIPTION GROUP WORKSPACE NAME VERSION PATH TYPE``, in a shell that has what
``python -m local_azure env`` exports. WORKSPACE may be ``registries/NAME``, for a registry. VERSION ``auto`` has the
workspace number it; TYPE is one of custom_model and
mlflow_model. On stdout: the model as JSON, with ``name``, ``version``, ``path``, ``type`` and ``id``.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def connect(subscription: str, group: str, workspace: str) -> Any:
    """A client of a workspace, or a registry, of the local Azure that the exports lead to."""
    os.environ["ARM_CLOUD_METADATA_URL"] = f"{os.environ['LOCAL_AZURE']}/metadata/endpoints?api-version=2022-09-01"
    # in a cloud that it does not know, azure-ai-ml makes up a name for where registries are found
    os.environ["REGISTRY_DISCOVERY_ENDPOINT_URL"] = "https://eastus.api.azureml.ms/"
    from azure.ai.ml import MLClient
    from azure.identity import ManagedIdentityCredential

    if workspace.startswith("registries/"):
        return MLClient(ManagedIdentityCredential(), registry_name=workspace.removeprefix("registries/"))
    return MLClient(ManagedIdentityCredential(), subscription, group, workspace)


def shown(model: Any) -> dict[str, Any]:
    """A model as JSON has it."""
    return {name: getattr(model, name) for name in ("id", "name", "version", "path", "type", "tags", "flavors")}


def main(subscription: str, group: str, workspace: str, name: str, version: str, path: str, kind: str) -> None:
    """Register it, and print it."""
    from azure.ai.ml.entities import Model

    client = connect(subscription, group, workspace)
    model = Model(name=name, version=None if version == "auto" else version, path=path, type=kind)
    print(json.dumps(shown(client.models.create_or_update(model))))


if __name__ == "__main__":
    main(*sys.argv[1:])
