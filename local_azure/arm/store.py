"""The resources, found by ID whatever its case, and kept in a file."""

from __future__ import annotations

import asyncio
import copy
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SETTLE = 0.2  # seconds in which changes are gathered before they are written


@dataclass
class Resource:
    """One resource.

    Attributes:
        type: such as ``Microsoft.Web/sites``, in the canonical casing.
        document: what a GET answers, but for what the provider works out at each GET.
        hidden: what no GET answers: keys, app settings.
    """

    type: str
    document: dict[str, Any]
    hidden: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def id(self) -> str:
        """As it was first written."""
        identifier: str = self.document["id"]
        return identifier

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]

    @property
    def group(self) -> str:
        return self.id.split("/")[4]

    @property
    def properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.document["properties"]
        return properties

    def copy(self) -> dict[str, Any]:
        """The document, to be changed on its way out."""
        return copy.deepcopy(self.document)


class Store:
    """All resources.

    Args:
        file: where they are kept; only the user can read it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._resources: dict[str, Resource] = {}
        self._saving: asyncio.TimerHandle | None = None

    def load(self) -> None:
        """Read what an earlier run has kept."""
        if self._file.exists():
            for entry in json.loads(self._file.read_text("utf-8")):
                resource = Resource(**entry)
                self._resources[resource.id.lower()] = resource

    def get(self, identifier: str) -> Resource | None:
        return self._resources.get(identifier.lower())

    def put(self, resource: Resource) -> Resource:
        """Add or replace a resource."""
        self._resources[resource.id.lower()] = resource
        self.changed()
        return resource

    def delete(self, identifier: str) -> None:
        """Take a resource and all that is below it away; nothing happens when it is not there."""
        gone = identifier.lower()
        for key in [key for key in self._resources if key == gone or key.startswith(f"{gone}/")]:
            del self._resources[key]
        self.changed()

    def select(self, resource_type: str | None = None, below: str = "") -> list[Resource]:
        """Resources in the order of their creation.

        Args:
            resource_type: of this type only.
            below: an ID; only what is below it.
        """
        prefix, wanted = below.lower(), resource_type.lower() if resource_type else None
        return [
            resource
            for key, resource in self._resources.items()
            if (not prefix or key.startswith(f"{prefix}/")) and (wanted is None or resource.type.lower() == wanted)
        ]

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def changed(self) -> None:
        """Have the resources written soon."""
        if self._saving is None:
            self._saving = asyncio.get_running_loop().call_later(_SETTLE, self.save)

    def save(self) -> None:
        """Write all of it now, at once or not at all."""
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump([vars(resource) for resource in self._resources.values()], file)
        draft.replace(self._file)
