"""Who asks, and what they may do."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from local_azure.container_registry.access import (
    ALL,
    CATALOG,
    DELETE,
    METADATA_READ,
    METADATA_WRITE,
    PULL,
    PUSH,
    Access,
    covers,
    repository,
)
from local_azure.container_registry.directory import Action, Directory
from local_azure.container_registry.tokens import ACCESS_LIFE, ANONYMOUS_LIFE, TokenRefused, Tokens

TOKEN_USER = "00000000-0000-0000-0000-000000000000"
"""The user name whose password is a token. Documented: AAD-OAuth.md."""

# Which role's right an action needs. Documented in part: Azure Container Registry, "Roles and permissions"; that who
# may push may change attributes is general knowledge.
_RIGHTS: Mapping[str, Action] = {
    PULL: "pull",
    METADATA_READ: "pull",
    PUSH: "push",
    METADATA_WRITE: "push",
    DELETE: "delete",
}


class Caller(Protocol):
    """Somebody whose credentials were good."""

    @property
    def name(self) -> str:
        """Whom a token is given to."""

    @property
    def lifetime(self) -> int:
        """How long an access token of theirs is good, in seconds."""

    def granted(self, wanted: Access) -> Access:
        """What they may do of `wanted`."""


@dataclass(frozen=True)
class Holder:
    """Whoever has an access token; also the admin user, who may do all, and everybody where anybody may pull."""

    name: str
    access: tuple[Access, ...]
    lifetime: int = ACCESS_LIFE

    def granted(self, wanted: Access) -> Access:
        return covers(self.access, wanted)


@dataclass(frozen=True)
class Principal:
    """A user or an identity of Microsoft Entra ID, with its roles at the registry as they now are."""

    name: str
    registry: str
    directory: Directory
    lifetime: int = ACCESS_LIFE

    def granted(self, wanted: Access) -> Access:
        if wanted.type == CATALOG.type:
            allowed = wanted == CATALOG and self._may("catalog")
            return wanted if allowed else Access(wanted.type, wanted.name, ())
        allowed_actions = tuple(one for one in _expanded(wanted.actions) if one in _RIGHTS and self._may(_RIGHTS[one]))
        return Access(wanted.type, wanted.name, allowed_actions if wanted.type == "repository" else ())

    def has_any_right(self) -> bool:
        return any(self._may(right) for right in ("pull", "push", "delete", "catalog"))

    def _may(self, action: Action) -> bool:
        return self.directory.may(self.registry, self.name, action)


class Callers:
    """Finds out who asks.

    Args:
        directory: knows the admin users and the principals.
        tokens: reads tokens.
    """

    def __init__(self, directory: Directory, tokens: Tokens) -> None:
        self._directory = directory
        self._tokens = tokens

    def anonymous(self, registry: str) -> Caller | None:
        """Everybody, where they may pull. Name, rights and lifetime: recorded, test_anon_access…json."""
        if not self._directory.anonymous_pull(registry):
            return None
        return Holder("acr_anon_pull", (repository(ALL, PULL), CATALOG), ANONYMOUS_LIFE)

    def with_password(self, registry: str, user: str, password: str) -> Caller | None:
        """Whose name and password these are: the admin user's, or a token with :data:`TOKEN_USER`."""
        if user == TOKEN_USER:
            return self.with_refresh_token(registry, password) or self.with_access_token(registry, password)
        admin = self._directory.admin(registry)
        if admin is None or user != admin[0]:
            return None
        if not any(hmac.compare_digest(password.encode(), one.encode()) for one in admin[1]):
            return None
        return Holder(user, (repository(ALL, ALL), CATALOG))

    def with_refresh_token(self, registry: str, token: str) -> Principal | None:
        """Whom a refresh token stands for."""
        try:
            return Principal(self._tokens.principal(registry, token), registry, self._directory)
        except TokenRefused:
            return None

    def with_access_token(self, registry: str, token: str) -> Caller | None:
        """Whoever has an access token."""
        try:
            return Holder("", self._tokens.granted(registry, token))
        except TokenRefused:
            return None

    def with_aad_token(self, registry: str, token: str) -> Principal | None:
        """Whose access token of Microsoft Entra ID it is."""
        principal = self._directory.principal(token)
        return None if principal is None else Principal(principal, registry, self._directory)


def basic(header: str) -> tuple[str, str] | None:
    """User name and password of an ``Authorization`` header; None: there are none in it (RFC 7617)."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def _expanded(actions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_RIGHTS) if ALL in actions else actions
