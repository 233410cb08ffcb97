"""Microsoft.Insights: Application Insights components, which take what is sent and forget it."""

from __future__ import annotations

import uuid
from typing import Any

from local_azure.arm import names
from local_azure.arm.operation import GROUP, Answer, Call, Operation, Provider, listing
from local_azure.arm.store import Resource

TYPE = "microsoft.insights/components"
_COMPONENTS = GROUP + "/providers/Microsoft.Insights/components"
_COMPONENT = _COMPONENTS + "/{component}"


async def put_component(call: Call) -> Answer:
    """Create or update a component (insights-components-put.json)."""
    name = call.parameters["component"]
    found = call.find(TYPE, "component")
    key = found.properties["InstrumentationKey"] if found else str(uuid.uuid4())
    application = found.properties["AppId"] if found else str(uuid.uuid4())
    location = call.location(TYPE)
    connection = (
        f"InstrumentationKey={key};IngestionEndpoint=https://{location}-0.in.applicationinsights.azure.com/;"
        f"LiveEndpoint=https://{location}.livediagnostics.monitor.azure.com/;ApplicationId={application}"
    )
    workspace = call.properties.get("WorkspaceResourceId")
    properties: dict[str, Any] = {
        "ApplicationId": name,
        "AppId": application,
        "Application_Type": call.properties.get("Application_Type", "web"),
        "Flow_Type": None,
        "Request_Source": None,
        "InstrumentationKey": key,
        "ConnectionString": connection,
        "Name": name,
        "TenantId": call.subscription,
        "provisioningState": "Succeeded",
        "RetentionInDays": 90,
        "IngestionMode": "LogAnalytics" if workspace else "ApplicationInsights",
        "publicNetworkAccessForIngestion": "Enabled",
        "publicNetworkAccessForQuery": "Enabled",
    }
    if workspace:
        properties["WorkspaceResourceId"] = workspace
    document = {
        "id": call.id_of(TYPE, "component"),
        "name": name,
        "type": TYPE,
        "location": location,
        "tags": call.document.get("tags") or {},
        "kind": call.document.get("kind", "web"),
        "etag": f'"{uuid.uuid4()}"',
        "properties": properties,
    }
    return Answer(200, call.azure.store.put(Resource(TYPE, document)).document)


async def get_component(call: Call) -> Answer:
    """General knowledge: REST API docs, Components - Get; the form of insights-components-put.json."""
    return Answer(body=call.get(TYPE, "component").document)


async def list_components(call: Call) -> Answer:
    """General knowledge: REST API docs, Components - List."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([each.document for each in call.azure.store.select(TYPE, below)])


async def delete_component(call: Call) -> Answer:
    """General knowledge: REST API docs, Components - Delete."""
    found = call.find(TYPE, "component")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


_FIELDS = {"properties.Application_Type": str, "properties.WorkspaceResourceId": str}
PROVIDER = Provider(
    "Microsoft.Insights",
    (
        Operation("PUT", _COMPONENT, put_component, "insights-components-put.json", _FIELDS),
        Operation("GET", _COMPONENT, get_component),
        Operation("DELETE", _COMPONENT, delete_component),
        Operation("GET", _COMPONENTS, list_components),
        Operation("GET", "/subscriptions/{subscription}/providers/Microsoft.Insights/components", list_components),
    ),
)
