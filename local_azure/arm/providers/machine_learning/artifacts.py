"""What assets consist of: files in the storage that a datastore leads to."""

from __future__ import annotations

import re
import uuid
from typing import Any

import yaml

from local_azure.arm.operation import Call
from local_azure.arm.providers.machine_learning.answers import WORKSPACE

_URI = re.compile(
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)(?:/providers/[^/]+)?"
    r"/workspaces/(?P<workspace>[^/]+)/datastores/(?P<datastore>[^/]+)/paths/(?P<path>.+)",
    re.IGNORECASE,
)
"""Something in a datastore, as clients write it and as it comes back (ml-model-version-put.json)."""
_UPLOADED = "LocalUpload/"
"""Where clients put what they upload for an asset, which is then copied to a place of the service's own."""


async def settled(call: Call, uri: str) -> str:
    """Where an asset is in the end: what was uploaded for it is copied to a place of its own, and read from there.

    So recorded (ml-model-version-put.json); that the service copies nothing else is general knowledge.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        return uri
    path, place = found["path"], _place(call, uri)
    if place is not None and path.startswith(_UPLOADED):
        path = f"ServiceReplicated/{uuid.uuid4()}/{path}"
        await call.azure.storage.copy(*place, path)
    return (
        f"azureml://subscriptions/{found['subscription']}/resourceGroups/{found['group']}/workspaces/"
        f"{found['workspace']}/datastores/{found['datastore']}/paths/{path}"
    )


def _place(call: Call, uri: str) -> tuple[str, str, str] | None:
    """Account, container and path of what is in a blob datastore of the workspace; None: it is elsewhere."""
    found = _URI.fullmatch(uri)
    workspace = call.find(WORKSPACE, "workspace") if "workspace" in call.parameters else None
    if found is None or workspace is None:
        return None
    datastore = call.azure.store.get(f"{workspace.id}/datastores/{found['datastore']}")
    if datastore is None or datastore.properties["datastoreType"] != "AzureBlob":
        return None
    return datastore.properties["accountName"], datastore.properties["containerName"], found["path"]


async def flavors(call: Call, uri: str) -> dict[str, Any]:
    """The flavors that an MLflow model says it has, in its file ``MLmodel``; none, if it has none.

    Recorded: the service answers flavors that the client has not sent (ml-model-version-put.json).
    """
    place = _place(call, uri)
    content = await call.azure.storage.read(*place[:2], f"{place[2]}/MLmodel") if place else None
    try:
        described = yaml.safe_load(content or b"")
    except yaml.YAMLError:
        return {}
    found = described.get("flavors") if isinstance(described, dict) else None
    if not isinstance(found, dict):
        return {}
    return {
        name: {"data": {key: str(value) for key, value in data.items() if isinstance(value, (str, int, float))}}
        for name, data in found.items()
        if isinstance(data, dict)
    }
