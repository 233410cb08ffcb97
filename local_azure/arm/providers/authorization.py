"""Microsoft.Authorization: role definitions and assignments."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any

from local_azure.arm.errors import ArmError
from local_azure.arm.operation import Answer, Call, Operation, Provider, listing
from local_azure.arm.store import Resource
from local_azure.directory import CALLER, ROLE_ASSIGNMENT, ROLES

_ACTIONS = {
    "AcrPull": ["Microsoft.ContainerRegistry/registries/pull/read"],
    "AcrPush": [
        "Microsoft.ContainerRegistry/registries/pull/read",
        "Microsoft.ContainerRegistry/registries/push/write",
    ],
    "Reader": ["*/read"],
}
_DEFINITIONS = "{scope:path}/providers/Microsoft.Authorization/roleDefinitions"
_ASSIGNMENTS = "{scope:path}/providers/Microsoft.Authorization/roleAssignments"


def _definition(call: Call, name: str) -> dict[str, Any]:
    return {
        "properties": {
            "roleName": name,
            "type": "BuiltInRole",
            "description": "acr pull" if name == "AcrPull" else name,
            "assignableScopes": ["/"],
            "permissions": [
                {"actions": _ACTIONS.get(name, ["*"]), "notActions": [], "dataActions": [], "notDataActions": []}
            ],
        },
        "id": f"/subscriptions/{call.subscription}/providers/Microsoft.Authorization/roleDefinitions/{ROLES[name]}",
        "type": "Microsoft.Authorization/roleDefinitions",
        "name": ROLES[name],
    }


async def list_definitions(call: Call) -> Answer:
    """Find role definitions, all or by name (authorization-role-definitions-list.json)."""
    wanted = re.search(r"roleName eq '([^']*)'", call.query.get("$filter", ""), re.IGNORECASE)
    found = [name for name in ROLES if wanted is None or wanted[1].lower() == name.lower()]
    return listing([_definition(call, name) for name in found])


async def get_definition(call: Call) -> Answer:
    """General knowledge: REST API docs, Role Definitions - Get."""
    wanted = call.parameters["role"].lower()
    found = next((name for name, guid in ROLES.items() if guid == wanted), None)
    if found is None:
        text = f"The specified role definition with ID '{wanted.replace('-', '')}' does not exist."
        raise ArmError(404, "RoleDefinitionDoesNotExist", text)
    return Answer(body=_definition(call, found))


async def put_assignment(call: Call) -> Answer:
    """Assign a role (authorization-role-assignment-put.json)."""
    scope = _scope(call)
    principal, role = call.properties.get("principalId") or "", call.properties.get("roleDefinitionId") or ""
    if role.rsplit("/", 1)[-1].lower() not in ROLES.values():
        text = f"The specified role definition with ID '{role.rsplit('/', 1)[-1].replace('-', '')}' does not exist."
        raise ArmError(404, "RoleDefinitionDoesNotExist", text)
    if "principalType" not in call.properties:
        _check_principal(call, principal)
    identifier = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{call.parameters['assignment']}"
    same = [
        each
        for each in call.azure.store.select(ROLE_ASSIGNMENT)
        if each.properties["principalId"] == principal
        and each.properties["scope"].lower() == scope.lower()
        and each.properties["roleDefinitionId"].rsplit("/", 1)[-1] == role.rsplit("/", 1)[-1].lower()
    ]
    if same and same[0].id.lower() == identifier.lower():
        return Answer(200, same[0].document)
    if same:
        guid = same[0].name.replace("-", "")
        text = f"The role assignment already exists. The ID of the existing role assignment is {guid}."
        raise ArmError(409, "RoleAssignmentExists", text)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "0Z")
    document = {
        "properties": {
            "roleDefinitionId": f"/subscriptions/{call.subscription}/providers/Microsoft.Authorization/roleDefinitions/"
            + role.rsplit("/", 1)[-1].lower(),
            "principalId": principal,
            "principalType": call.properties.get("principalType", "ServicePrincipal"),
            "scope": scope,
            "condition": None,
            "conditionVersion": None,
            "createdOn": now,
            "updatedOn": now,
            "createdBy": None,
            "updatedBy": CALLER,
            "delegatedManagedIdentityResourceId": None,
            "description": call.properties.get("description"),
        },
        "id": identifier,
        "type": ROLE_ASSIGNMENT,
        "name": call.parameters["assignment"],
    }
    effective = time.time() + call.azure.latency.finish(call.operation)
    call.azure.store.put(Resource(ROLE_ASSIGNMENT, document, {"effective": effective}))
    return Answer(201, document)


def _check_principal(call: Call, principal: str) -> None:
    """Refuse an identity that the directory does not know yet: only when principalType is not sent."""
    if any(each.id == principal for each in call.azure.directory.principals()):
        return
    raise ArmError(
        400,
        "PrincipalNotFound",
        f"Principal {principal.replace('-', '')} does not exist in the directory {call.azure.subscription.tenant}. "
        "Check that you have the correct principal ID. If you are creating this principal and then immediately "
        "assigning a role, this error might be related to a replication delay. In this case, set the role assignment "
        "principalType property to a value, such as ServicePrincipal, User, or Group.  See "
        "https://aka.ms/docs-principaltype",
    )


def _scope(call: Call) -> str:
    return "/" + call.parameters["scope"].strip("/")


def _assignment(call: Call) -> Resource | None:
    return call.azure.store.get(
        f"{_scope(call)}/providers/Microsoft.Authorization/roleAssignments/{call.parameters['assignment']}"
    )


async def get_assignment(call: Call) -> Answer:
    """General knowledge: REST API docs, Role Assignments - Get."""
    found = _assignment(call)
    if found is None:
        text = f"The role assignment '{call.parameters['assignment']}' is not found."
        raise ArmError(404, "RoleAssignmentNotFound", text)
    return Answer(body=found.document)


async def delete_assignment(call: Call) -> Answer:
    """General knowledge: REST API docs, Role Assignments - Delete."""
    found = _assignment(call)
    if found is None:
        return Answer(204)
    call.azure.store.delete(found.id)
    return Answer(200, found.document)


async def list_assignments(call: Call) -> Answer:
    """General knowledge: REST API docs, Role Assignments - List For Scope; at the scope, above and below it."""
    scope = _scope(call).lower()
    condition = call.query.get("$filter", "")
    principal = re.search(r"(?:principalId eq|assignedTo\()\s*'([^']*)'", condition, re.IGNORECASE)
    exact = "atscope()" in condition.lower()
    found = []
    for each in call.azure.store.select(ROLE_ASSIGNMENT):
        at = each.properties["scope"].lower()
        above, below = f"{scope}/".startswith(f"{at}/"), f"{at}/".startswith(f"{scope}/")
        if not (above or (below and not exact)):
            continue
        if principal and each.properties["principalId"] != principal[1]:
            continue
        found.append(each.document)
    return listing(found)


_WIRE = "authorization-role-assignment-put.json"
_FIELDS = {
    "properties.principalId": str,
    "properties.roleDefinitionId": str,
    "properties.principalType": str,
    "properties.description": str,
}
PROVIDER = Provider(
    "Microsoft.Authorization",
    (
        Operation("GET", _DEFINITIONS, list_definitions, "authorization-role-definitions-list.json"),
        Operation("GET", _DEFINITIONS + "/{role}", get_definition),
        Operation("GET", _ASSIGNMENTS, list_assignments),
        Operation("PUT", _ASSIGNMENTS + "/{assignment}", put_assignment, _WIRE, _FIELDS),
        Operation("GET", _ASSIGNMENTS + "/{assignment}", get_assignment),
        Operation("DELETE", _ASSIGNMENTS + "/{assignment}", delete_assignment),
    ),
)
