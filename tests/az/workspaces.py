"""Workspaces and registries of Azure Machine Learning, and what azure-ai-ml is asked about them.

That runs in an environment of its own (``make .venv/done/ml``), one process a request.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from azure.storage.blob import ContainerClient
from helpers import ROOT

from .cloud import LOCATION, Cloud, unique
from .parts import Group

PYTHON = os.environ.get("MLFUNC_ML_PYTHON", str(ROOT / ".venv" / "ml" / "bin" / "python"))


def run_client(cloud: Cloud, *command: str) -> str:
    """Run a program in the environment of azure-ai-ml, in a shell that sees a cloud; what it printed."""
    done = subprocess.run([PYTHON, *command], env={**os.environ, **cloud.environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Client:
    """What azure-ai-ml is asked, of a workspace or a registry.

    Attributes:
        group: where it is.
        path: its resource ID.
        of: how the programs here are told which one it is.
    """

    group: Group
    path: str
    of: tuple[str, str, str]

    @property
    def cloud(self) -> Cloud:
        return self.group.cloud

    def run(self, program: str, *arguments: str | Path) -> str:
        """Run one of the programs here; what it printed."""
        path = str(Path(__file__).with_name(program))
        return run_client(self.cloud, path, *self.of, *map(str, arguments))

    def register(self, name: str, version: str, path: Path, kind: str = "custom_model") -> Any:
        """Register a model; what azure-ai-ml says of it.

        Args:
            name: the model's.
            version: ``auto`` has a workspace number it.
            path: a file or a folder.
            kind: ``custom_model`` or ``mlflow_model``.
        """
        return json.loads(self.run("register_model.py", name, version, path, kind))

    def download(self, name: str, version: str, folder: Path) -> None:
        """Download a model into ``FOLDER/NAME``."""
        self.run("download_model.py", name, version, folder)

    def document(self, below: str) -> Any:
        """What Resource Manager answers for something in it."""
        answer = self.cloud.arm("GET", f"{self.path}/{below}")
        assert answer.ok, answer.text
        return answer.json()


class Workspace(Client):
    """A workspace with a storage account of its own.

    Args:
        group: where it is made.
        properties: of the workspace, beside those that it needs.
    """

    def __init__(self, group: Group, **properties: Any) -> None:
        self.group, self.name = group, unique("workspace")
        self.path = group.path("MachineLearningServices/workspaces", self.name)
        self.of = (group.cloud.subscription.rsplit("/", 1)[-1], group.name, self.name)
        self.account = group.storage()[0]
        needed = {
            "storageAccount": group.path("Storage/storageAccounts", self.account),
            "keyVault": group.path("KeyVault/vaults", "vault"),
        }
        group.cloud.put(self.path, {"location": LOCATION, "properties": {**needed, **properties}})

    def files(self, uri: str) -> dict[str, bytes]:
        """What is at an ``azureml://`` URI, by its path there; a file by its own name."""
        datastore, path = uri.split("/datastores/")[1].split("/paths/")
        store = self.document(f"datastores/{datastore}")["properties"]
        account = self.group.path("Storage/storageAccounts", store["accountName"])
        key = self.cloud.arm("POST", f"{account}/listKeys").json()["keys"][0]["value"]
        url = f"{store['protocol']}://{store['accountName']}.blob.{store['endpoint']}"
        with ContainerClient(url, store["containerName"], key, **self.cloud.sdk) as container:
            return read(container, path)


class Registry(Client):
    """A registry of Azure Machine Learning, with storage of its own.

    Args:
        group: where it is made.
    """

    def __init__(self, group: Group) -> None:
        self.group, self.name = group, unique("shared")
        self.path = group.path("MachineLearningServices/registries", self.name)
        self.of = (group.cloud.subscription.rsplit("/", 1)[-1], group.name, f"registries/{self.name}")
        body = {"location": LOCATION, "properties": {"regionDetails": [{"location": LOCATION}]}}
        group.cloud.put(self.path, body)


def read(container: ContainerClient, path: str) -> dict[str, bytes]:
    """The blobs at a path, by their paths below it; one that is there itself by its own name."""
    found = {each.name: container.download_blob(each.name).readall() for each in container.list_blobs(path)}
    return {name[len(path) + 1 :] or name.rsplit("/", 1)[-1]: content for name, content in found.items()}
