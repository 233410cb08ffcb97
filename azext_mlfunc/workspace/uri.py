"""Where the files of a model are, as its `modelUri` says it.

Source of the forms: recorded: Get a registered model version, and azure-ai-ml, constants/_common.py
(LONG_URI_REGEX_FORMAT, SHORT_URI_REGEX_FORMAT, JOB_URI_REGEX_FORMAT, OUTPUT_URI_REGEX_FORMAT). That the artifacts of a
job lie in `workspaceartifactstore` below `ExperimentRun/dcid.JOB` is what azure-ai-ml falls back to
(operations/_job_operations.py); outputs with other names may lie anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from azext_mlfunc.workspace.reference import workspace_id

_WORKSPACE = (
    r"subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"(?:/providers/Microsoft\.MachineLearningServices)?/workspaces/(?P<workspace>[^/]+)/"
)
_DATASTORE = re.compile(
    rf"azureml://(?:{_WORKSPACE})?datastores/(?P<datastore>[^/]+)/(?:paths/(?P<path>.*)|(?P<run>ExperimentRun/.+))",
    re.IGNORECASE,
)
_JOB = re.compile(
    rf"azureml://(?:{_WORKSPACE})?jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/(?P<path>.*))?", re.IGNORECASE
)
_ARTIFACTS = ("artifacts", "default")
_ARTIFACT_STORE = "workspaceartifactstore"


@dataclass(frozen=True)
class DatastorePath:
    """A file or folder in a datastore.

    :param datastore: its name.
    :param path: without slashes at its ends; "" for all of the datastore.
    :param workspace: the resource ID of the datastore's workspace; None for the model's own.
    """

    datastore: str
    path: str
    workspace: str | None = None


@dataclass(frozen=True)
class BlobUrl:
    """A file or folder in a storage account.

    :param container: `https://account.blob.core.windows.net/container`.
    :param path: as in `DatastorePath`.
    """

    container: str
    path: str


def parse_uri(uri: str) -> DatastorePath | BlobUrl | None:
    """What a `modelUri` names; None where its form is not one that files can be found by."""
    if found := _DATASTORE.fullmatch(uri):
        return DatastorePath(found["datastore"], (found["path"] or found["run"] or "").strip("/"), _workspace(found))
    if found := _JOB.fullmatch(uri):
        if found["output"].lower() not in _ARTIFACTS:
            return None
        path = f"ExperimentRun/dcid.{found['job']}/{(found['path'] or '').strip('/')}".rstrip("/")
        return DatastorePath(_ARTIFACT_STORE, path, _workspace(found))
    parts = urlsplit(uri)
    container, _, path = unquote(parts.path).strip("/").partition("/")
    if parts.scheme == "https" and ".blob." in parts.netloc and container:
        return BlobUrl(f"https://{parts.netloc}/{container}", path.strip("/"))
    return None


def shown(uri: str) -> str:
    """The address without what may be a secret: the signature of an https address."""
    return uri.partition("?")[0]


def _workspace(found: re.Match[str]) -> str | None:
    if not found["workspace"]:
        return None
    return workspace_id(found["subscription"], found["group"], found["workspace"])
