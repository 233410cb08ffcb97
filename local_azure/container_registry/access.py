"""What is asked for, and granted: a resource and actions on it.

Source: Docker Registry, "Token Scope Documentation"; the actions are those of azure-cli, command_modules/acr,
_docker_utils.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PULL, PUSH, DELETE = "pull", "push", "delete"
METADATA_READ, METADATA_WRITE = "metadata_read", "metadata_write"
ALL = "*"


@dataclass(frozen=True)
class Access:
    """Actions on one resource.

    Args:
        type: ``repository`` or ``registry``.
        name: the repository, or ``catalog``.
        actions: what may be done with it.
    """

    type: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"

    def claim(self) -> dict[str, Any]:
        """As it stands in an access token. Documented in lower case, as az reads it; recorded in 2021 in upper case."""
        return {"type": self.type, "name": self.name, "actions": list(self.actions)}


CATALOG = Access("registry", "catalog", (ALL,))


def repository(name: str, *actions: str) -> Access:
    """Actions on a repository."""
    return Access("repository", name, actions)


def of_claim(claim: dict[str, Any]) -> Access:
    """Read an entry of a token's ``access``."""
    return Access(claim["type"], claim["name"], tuple(claim["actions"]))


def parse(scopes: Iterable[str]) -> list[Access]:
    """Read ``TYPE:NAME:ACTION,ACTION``, several of them where blanks separate them; what is no scope is left out."""
    found = []
    for scope in " ".join(scopes).split():
        # A name may hold a colon, as that of a registry's port.
        head, _, actions = scope.rpartition(":")
        kind, colon, name = head.partition(":")
        if colon and name:
            found.append(Access(kind, name, tuple(filter(None, actions.split(",")))))
    return found


def covers(granted: Iterable[Access], wanted: Access) -> Access:
    """What of `wanted` is granted.

    Who may pull may read the attributes: recorded, test_anon_access…test_delete_manifest.json.
    """
    actions: set[str] = set()
    for each in granted:
        if each.type == wanted.type and each.name in (ALL, wanted.name):
            actions.update(each.actions)
    if PULL in actions:
        actions.add(METADATA_READ)
    return Access(wanted.type, wanted.name, tuple(one for one in wanted.actions if one in actions or ALL in actions))
