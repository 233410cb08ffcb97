"""Microsoft.OperationalInsights: Log Analytics workspaces, as far as az functionapp create makes a default one.

Everything here is general knowledge, from the REST API docs of Workspaces; insights-components-put.json only names the
calls.
"""

from __future__ import annotations

import datetime
import uuid

from local_azure.arm import names
from local_azure.arm.operation import GROUP, Answer, Call, Operation, Provider, listing
from local_azure.arm.store import Resource

TYPE = "Microsoft.OperationalInsights/workspaces"
_WORKSPACES = GROUP + "/providers/Microsoft.OperationalInsights/workspaces"
_WORKSPACE = _WORKSPACES + "/{workspace}"


async def put_workspace(call: Call) -> Answer:
    """Create or update a workspace: 201 or 200."""
    found = call.find(TYPE, "workspace")
    if found is not None:
        return Answer(200, found.document)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    document = {
        "id": call.id_of(TYPE, "workspace"),
        "name": call.parameters["workspace"],
        "type": TYPE,
        "location": call.location(TYPE),
        "tags": call.document.get("tags") or {},
        "properties": {
            "customerId": str(uuid.uuid4()),
            "provisioningState": "Succeeded",
            "sku": {"name": "PerGB2018", "lastSkuUpdate": now},
            "retentionInDays": 30,
            "publicNetworkAccessForIngestion": "Enabled",
            "publicNetworkAccessForQuery": "Enabled",
            "createdDate": now,
            "modifiedDate": now,
        },
    }
    return Answer(201, call.azure.store.put(Resource(TYPE, document)).document)


async def get_workspace(call: Call) -> Answer:
    """Get a workspace."""
    return Answer(body=call.get(TYPE, "workspace").document)


async def list_workspaces(call: Call) -> Answer:
    """List workspaces."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([each.document for each in call.azure.store.select(TYPE, below)])


async def delete_workspace(call: Call) -> Answer:
    """Delete a workspace."""
    found = call.find(TYPE, "workspace")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


PROVIDER = Provider(
    "Microsoft.OperationalInsights",
    (
        Operation("PUT", _WORKSPACE, put_workspace),
        Operation("GET", _WORKSPACE, get_workspace),
        Operation("DELETE", _WORKSPACE, delete_workspace),
        Operation("GET", _WORKSPACES, list_workspaces),
        Operation(
            "GET", "/subscriptions/{subscription}/providers/Microsoft.OperationalInsights/workspaces", list_workspaces
        ),
    ),
)
