"""Where a model's files are, from what its registration says."""

from __future__ import annotations

import pytest

from azext_mlfunc.workspace.uri import BlobUrl, DatastorePath, parse_uri, shown

LAB = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
LONG = "azureml://subscriptions/s/resourceGroups/g/workspaces/w"


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        (f"{LONG}/datastores/workspaceblobstore/paths/LocalUpload/1/iris.pkl",
         DatastorePath("workspaceblobstore", "LocalUpload/1/iris.pkl", LAB)),
        (f"{LONG.replace('resourceGroups', 'resourcegroups')}/datastores/d/paths/p/", DatastorePath("d", "p", LAB)),
        ("azureml://datastores/d/paths/a folder/b", DatastorePath("d", "a folder/b")),
        ("azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.job/model",
         DatastorePath("workspaceartifactstore", "ExperimentRun/dcid.job/model")),
        ("azureml://datastores/d/paths/", DatastorePath("d", "")),
        ("azureml://jobs/job/outputs/artifacts/paths/model/",
         DatastorePath("workspaceartifactstore", "ExperimentRun/dcid.job/model")),
        (f"{LONG}/jobs/job/outputs/default",
         DatastorePath("workspaceartifactstore", "ExperimentRun/dcid.job", LAB)),
        ("https://store.blob.core.windows.net/models/iris%20v2/weights?sig=secret",
         BlobUrl("https://store.blob.core.windows.net/models", "iris v2/weights")),
    ],
)  # fmt: skip
def test_each_form(uri, place):
    assert parse_uri(uri) == place


@pytest.mark.parametrize(
    "uri",
    [
        "azureml://jobs/job/outputs/trained/paths/model",
        "runs:/1/model",
        "wasbs://models@store.blob.core.windows.net/iris",
        "https://example.org/iris",
        "http://store.blob.core.windows.net/models/iris",
        "",
    ],
)
def test_what_files_cannot_be_found_by(uri):
    assert parse_uri(uri) is None


def test_a_signature_is_not_shown():
    assert (
        shown("https://store.blob.core.windows.net/m/iris?sig=secret") == "https://store.blob.core.windows.net/m/iris"
    )
