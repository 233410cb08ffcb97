"""Managed identities: those of their own (Microsoft.ManagedIdentity), and those that a resource has."""

from __future__ import annotations

import time
import uuid
from typing import Any

from local_azure.arm import names
from local_azure.arm.errors import ArmError
from local_azure.arm.operation import GROUP, Answer, Call, Operation, Provider, listing
from local_azure.arm.store import Resource
from local_azure.directory import USER_ASSIGNED

TYPE = USER_ASSIGNED
_IDENTITIES = GROUP + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
_IDENTITY = _IDENTITIES + "/{identity}"


def identity(call: Call, resource: Resource, asked: dict[str, Any] | None) -> dict[str, Any] | None:
    """The ``identity`` of a resource after a write; ``resource.hidden`` gets the time when it was made.

    Args:
        call: the write.
        resource: what is written, with the identity that it has so far.
        asked: ``identity`` of the request; None when it has none.

    Raises:
        ArmError: a user-assigned identity that it names is not there.
    """
    now = resource.document.get("identity")
    if asked is None:
        return now
    kinds = {kind.strip().lower() for kind in str(asked.get("type", "None")).split(",")}
    result: dict[str, Any] = {}
    if "systemassigned" in kinds:
        known = now if now and now.get("principalId") else None
        result["principalId"] = known["principalId"] if known else str(uuid.uuid4())
        result["tenantId"] = call.azure.subscription.tenant
        if known is None:
            resource.hidden["identity_made"] = time.time()
    assigned = dict((now or {}).get("userAssignedIdentities") or {}) if "userassigned" in kinds else {}
    for identifier, value in (asked.get("userAssignedIdentities") or {}).items():
        assigned = {each: facts for each, facts in assigned.items() if each.lower() != identifier.lower()}
        if value is None:
            continue
        found = call.azure.store.get(identifier)
        if found is None:
            text = f"The user assigned identity '{identifier}' could not be found."
            raise ArmError(400, "FailedIdentityOperation", text)
        assigned[identifier] = {each: found.properties[each] for each in ("principalId", "clientId")}
    if assigned:
        result["userAssignedIdentities"] = assigned
    # with a blank between the two, in ACR (recorded) and Microsoft.Web
    written = [name for name in ("SystemAssigned", "UserAssigned") if name.lower() in kinds]
    result["type"] = ", ".join(written) or "None"
    return result


async def put_identity(call: Call) -> Answer:
    """General knowledge: REST API docs, User Assigned Identities - Create Or Update."""
    found = call.find(TYPE, "identity")
    if found is None:
        document = {
            "id": call.id_of(TYPE, "identity").replace("/resourceGroups/", "/resourcegroups/"),
            "name": call.parameters["identity"],
            "type": TYPE,
            "location": call.location(TYPE),
            "tags": call.document.get("tags") or {},
            "properties": {
                "tenantId": call.azure.subscription.tenant,
                "principalId": str(uuid.uuid4()),
                "clientId": str(uuid.uuid4()),
            },
        }
        made = Resource(TYPE, document, {"identity_made": time.time()})
        return Answer(201, call.azure.store.put(made).document)
    found.document["tags"] = call.document.get("tags") or {}
    call.azure.store.changed()
    return Answer(200, found.document)


async def get_identity(call: Call) -> Answer:
    """General knowledge: REST API docs, User Assigned Identities - Get."""
    return Answer(body=call.get(TYPE, "identity").document)


async def list_identities(call: Call) -> Answer:
    """General knowledge: REST API docs, User Assigned Identities - List."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([each.document for each in call.azure.store.select(TYPE, below)])


async def delete_identity(call: Call) -> Answer:
    """General knowledge: REST API docs, User Assigned Identities - Delete."""
    found = call.find(TYPE, "identity")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


PROVIDER = Provider(
    "Microsoft.ManagedIdentity",
    (
        Operation("PUT", _IDENTITY, put_identity),
        Operation("GET", _IDENTITY, get_identity),
        Operation("DELETE", _IDENTITY, delete_identity),
        Operation("GET", _IDENTITIES, list_identities),
        Operation(
            "GET",
            "/subscriptions/{subscription}/providers/Microsoft.ManagedIdentity/userAssignedIdentities",
            list_identities,
        ),
    ),
)
