"""What the data plane asks of ARM and of Microsoft Entra ID."""

from __future__ import annotations

from typing import Literal, Protocol

Action = Literal["pull", "push", "delete", "catalog"]


class Directory(Protocol):
    """Knows registries, principals and role assignments. Registries are named without regard to case."""

    def admin(self, registry: str) -> tuple[str, tuple[str, ...]] | None:
        """User name and passwords of the admin user; None: it is disabled."""

    def may(self, registry: str, principal: str, action: Action) -> bool:
        """Whether a principal, named by its object ID, has a role for this at the registry."""

    def anonymous_pull(self, registry: str) -> bool:
        """Whether anybody may pull."""

    def principal(self, aad_token: str) -> str | None:
        """The object ID in an access token of Microsoft Entra ID; None: it is not one of ours, or over."""
