"""Principals, their tokens, and what role assignments allow them."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from local_azure.arm.store import Resource, Store

CALLER = "00000000-0000-0000-0000-00000000ca11"
"""Object ID of whoever signs in with ``az login --identity``: owner of the subscription."""
ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "AcrDelete": "c2f4ef07-c644-48eb-af81-4b1b4947fb11",
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Account Contributor": "17d1049b-9a84-46fb-8f53-869881c3d3ab",
    "Azure Service Bus Data Receiver": "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0",
    "Azure Service Bus Data Sender": "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39",
}
"""Built-in roles by name. Source: Azure docs, "Azure built-in roles"."""
_ALLOW: dict[str, frozenset[str]] = {
    "pull": frozenset({"AcrPull", "AcrPush", "Owner", "Contributor", "Reader"}),
    "push": frozenset({"AcrPush", "Owner", "Contributor"}),
    "delete": frozenset({"AcrDelete", "Owner", "Contributor"}),
    "catalog": frozenset({"Owner", "Contributor"}),
}
_LIFE = 24 * 3600  # seconds

REGISTRY = "Microsoft.ContainerRegistry/registries"
USER_ASSIGNED = "Microsoft.ManagedIdentity/userAssignedIdentities"
ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"


@dataclass(frozen=True)
class Principal:
    """A service principal: a managed identity, or who has signed in.

    Attributes:
        id: its object ID.
        application: its application (client) ID.
        name: that of the resource whose identity it is.
    """

    id: str
    application: str
    name: str


class Directory:
    """Who is who.

    Args:
        store: has the identities, the role assignments and the registries.
        tenant: GUID of the tenant.
        secret: signs the tokens.
        delay: seconds for which a new identity is not known.
    """

    def __init__(self, store: Store, tenant: str, secret: bytes, delay: float = 0.0) -> None:
        self._store = store
        self._tenant = tenant
        self._secret = secret
        self._delay = delay

    def principals(self) -> list[Principal]:
        """All that are known by now."""
        found, seen_before = [Principal(CALLER, CALLER, "local-azure")], time.time() - self._delay
        for each in self._store:
            if each.hidden.get("identity_made", 0) > seen_before:
                continue
            if each.type == USER_ASSIGNED:
                found.append(Principal(each.properties["principalId"], each.properties["clientId"], each.name))
            elif principal := (each.document.get("identity") or {}).get("principalId"):
                application = str(uuid.uuid5(uuid.NAMESPACE_OID, principal))  # which ARM does not show
                found.append(Principal(principal, application, each.name))
        return found

    def token(self, audience: str, principal: str = CALLER) -> dict[str, Any]:
        """A token for an audience, as a managed identity's endpoint answers it."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self._tenant}/",
            "iat": now,
            "nbf": now,
            "exp": now + _LIFE,
            "tid": self._tenant,
            "oid": principal,
            "sub": principal,
            "appid": principal,
        }
        return {
            "access_token": jwt.encode(claims, self._secret, "HS256"),
            "expires_on": str(claims["exp"]),
            "resource": audience,
            "token_type": "Bearer",
            "client_id": principal,
        }

    def principal(self, aad_token: str) -> str | None:
        """Whose token it is; None: it is not one of this directory, or over."""
        try:
            claims = jwt.decode(aad_token, self._secret, ["HS256"], options={"verify_aud": False})
        except jwt.InvalidTokenError:
            return None
        principal: str = claims["oid"]
        return principal

    # -- registries: see container_registry.Directory

    def admin(self, registry: str) -> tuple[str, tuple[str, ...]] | None:
        """User name and passwords of a registry's admin user; None: it is disabled."""
        found = self.registry(registry)
        if found is None or not found.properties.get("adminUserEnabled"):
            return None
        return found.hidden["username"], tuple(found.hidden["passwords"])

    def anonymous_pull(self, registry: str) -> bool:
        found = self.registry(registry)
        return bool(found and found.properties.get("anonymousPullEnabled"))

    def may(self, registry: str, principal: str, action: Literal["pull", "push", "delete", "catalog"]) -> bool:
        """Whether a principal has a role for this at the registry, or above it."""
        found = self.registry(registry)
        if found is None:
            return False
        if principal == CALLER:
            return True
        wanted = {ROLES[role] for role in _ALLOW[action]}
        scope = f"{found.id.lower()}/"
        now = time.time()
        return any(
            each.properties["principalId"] == principal
            and scope.startswith(f"{each.properties['scope'].lower().rstrip('/')}/")
            and each.properties["roleDefinitionId"].rsplit("/", 1)[-1] in wanted
            and each.hidden.get("effective", 0) <= now
            for each in self._store.select(ROLE_ASSIGNMENT)
        )

    def registry(self, name: str) -> Resource | None:
        """The registry of this name, whatever its case."""
        registries = self._store.select(REGISTRY)
        return next((each for each in registries if each.name.lower() == name.lower()), None)
