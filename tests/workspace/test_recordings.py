"""The client and its fake Resource Manager, held against recorded answers of the real one, where these are there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from azext_mlfunc.workspace.reference import parse_model
from azext_mlfunc.workspace.uri import DatastorePath, parse_uri

from .registered import WORKSPACE, MemoryArm, add_datastore, add_model, add_workspace

CHECKOUT = Path(__file__).parents[2]
FOLDER = (CHECKOUT / os.environ.get("MLFUNC_AZURE_WIRE", "../shared/azure-wire")).resolve()
needs_recordings = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs recorded answers of Azure's REST APIs: MLFUNC_AZURE_WIRE names their folder"
)
NAMES = {"subscription": "s", "group": "g", "workspace": "lab", "model": "iris", "account": "labstore"}


def recorded(operation):
    """The path and the answer of a recording, with names for what it leaves open."""
    text = (FOLDER / f"{operation}.json").read_text("utf-8")
    for name, value in NAMES.items():
        text = text.replace(f"{{{name}}}", value)
    document = json.loads(text)
    return document["request"]["path"], document["response"]["body"]


class RecordedArm:
    """A Resource Manager that answers what was recorded."""

    subscription = "s"

    def __init__(self):
        self._answers = {}
        for operation in ("ml-workspace-get", "ml-model-version-get", "ml-datastore-get", "ml-datastore-listsecrets"):
            path, body = recorded(operation)
            path = path.replace("{datastore}", "workspaceblobstore").replace("{version}", "3")
            self._answers[path.lower()] = body

    def get(self, path, api_version):
        return self._answers.get(path.lower())

    def post(self, path, api_version, body=None):
        return self._answers[path.lower()]


@needs_recordings
def test_the_recorded_answers_lead_to_the_files():
    from azext_mlfunc.workspace.access import AccountKey, Identity
    from azext_mlfunc.workspace.client import AzureMl
    from azext_mlfunc.workspace.storage import Listing, Location

    class Opened:
        def __init__(self, url, access):
            self.url, self.access = url, access

        def files(self, path):
            return Listing(Location(self.url, path), (), False)

    azure_ml = AzureMl(
        RecordedArm(), "g", "lab", "core.windows.net", Opened, lambda *words, **more: "", Identity(lambda: None)
    )
    model = azure_ml.model(parse_model("azureml:iris:3"))
    assert (model.version, model.kind) == ("3", "mlflow_model")
    container, listing = azure_ml.files(model)
    assert container.url.startswith("https://labstore.blob.core.windows.net/azureml-blobstore-")
    assert listing.location.path.endswith("/lightgbm_mlflow_model") and isinstance(container.access, AccountKey)
    assert azure_ml.workspace().registry.endswith("/registries/{registry}")
    assert azure_ml.workspace().storage.endswith("/storageAccounts/labstore")


@needs_recordings
def test_the_fake_answers_in_the_recorded_form():
    arm = MemoryArm()
    add_workspace(arm)
    add_datastore(arm, "workspaceblobstore")
    add_model(arm, "iris", "3")
    for operation, path in (
        ("ml-workspace-get", WORKSPACE),
        ("ml-model-version-get", f"{WORKSPACE}/models/iris/versions/3"),
        ("ml-datastore-get", f"{WORKSPACE}/datastores/workspaceblobstore"),
    ):
        real, fake = recorded(operation)[1], arm.get(path, "")
        assert fake["properties"].keys() <= real["properties"].keys()
        assert fake["type"] == real["type"]
        assert {"id", "name"} <= real.keys()
        if "createdAt" in real.get("systemData", {}):
            assert len(fake["systemData"]["createdAt"]) == len(real["systemData"]["createdAt"])
    secrets = arm.post(f"{WORKSPACE}/datastores/workspaceblobstore/listSecrets", "")
    assert secrets.keys() == recorded("ml-datastore-listsecrets")[1].keys()
    fake_uri = arm.get(f"{WORKSPACE}/models/iris/versions/3", "")["properties"]["modelUri"]
    assert isinstance(parse_uri(fake_uri), DatastorePath)
