"""What a resource provider declares, and what its operations are given and answer."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from local_azure.arm import names
from local_azure.arm.body import Fields
from local_azure.arm.errors import (
    group_not_found,
    invalid_body,
    location_not_available,
    location_required,
    resource_not_found,
)
from local_azure.arm.store import Resource

if TYPE_CHECKING:
    from local_azure.arm.azure import Azure

GROUP = "/subscriptions/{subscription}/resourceGroups/{group}"
"""How the path of every resource begins."""


@dataclass(frozen=True)
class Answer:
    """What an operation answers.

    Attributes:
        status: HTTP status.
        body: JSON; None: no body at all.
        headers: beside those that every answer has.
        content_type: of a body that is not JSON.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None


@dataclass(frozen=True)
class Call:
    """One request that an operation has to answer."""

    azure: Azure
    operation: Operation
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    parameters: Mapping[str, str]  # of the path, in the caller's casing
    base_url: str
    principal: str  # object ID of the caller

    @property
    def subscription(self) -> str:
        return self.azure.subscription.id

    @property
    def group(self) -> str:
        """The resource group's name as it was made, which need not be the caller's casing.

        Raises:
            ArmError: there is no such group.
        """
        found = self.azure.store.get(names.group_id(self.subscription, self.parameters["group"]))
        if found is None:
            raise group_not_found(self.parameters["group"])
        return found.name

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")

    @property
    def properties(self) -> dict[str, Any]:
        """``properties`` of the body; empty when it has none."""
        return dict(self.document.get("properties") or {})

    @property
    def document(self) -> dict[str, Any]:
        """The body, which has to be a JSON object.

        Raises:
            ArmError: it is not.
        """
        if not isinstance(self.body, dict):
            raise invalid_body("a JSON object is expected")
        return self.body

    def location(self, resource_type: str) -> str:
        """The region that the body names, such as ``westus``.

        Raises:
            ArmError: it names none, or one in which the type is not offered (arm-common-errors.json).
        """
        asked = self.document.get("location")
        if not isinstance(asked, str) or not asked:
            raise location_required()
        if names.normalised(asked) not in names.LOCATIONS:
            raise location_not_available(asked, resource_type, names.LOCATIONS)
        return names.normalised(asked)

    def id_of(self, resource_type: str, *parameters: str) -> str:
        """The ID of a resource of this type, its names taken from these parameters of the path."""
        return names.resource_id(
            self.subscription, self.group, resource_type, *(self.parameters[name] for name in parameters)
        )

    def find(self, resource_type: str, *parameters: str) -> Resource | None:
        """The resource that the path names, or None; see ``id_of``."""
        return self.azure.store.get(self.id_of(resource_type, *parameters))

    def get(self, resource_type: str, *parameters: str) -> Resource:
        """The resource that the path names.

        Raises:
            ArmError: 404.
        """
        found = self.find(resource_type, *parameters)
        if found is None:
            name = "/".join(self.parameters[each] for each in parameters)
            raise resource_not_found(resource_type, name, self.group)
        return found


Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Operation:
    """One operation of a REST API.

    Attributes:
        method: of HTTP.
        path: with ``{name}`` for one segment, ``{name:path}`` for any number of them.
        handler: answers it.
        wire: the file of the wire facts that records it; None where there is none, which the handler's docstring
            then makes up for.
        fields: of the body that it reads, and their JSON types, beside those that every resource has; see ``body``.
    """

    method: str
    path: str
    handler: Handler
    wire: str | None = None
    fields: Fields = field(default_factory=dict)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Of the whole path, whatever its case, for ARM's clients differ in it."""
        expression = re.sub(r"\\{(\w+):path\\}", r"(?P<\1>.*?)", re.escape(self.path))
        expression = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", expression)
        return re.compile(f"{expression}/?", re.IGNORECASE)


@dataclass(frozen=True)
class Provider:
    """A resource provider.

    Attributes:
        namespace: such as ``Microsoft.Web``.
        operations: all that it can.
        removed: by type, what else has to go when a resource goes.
        resume: brings back what runs behind its resources, after a restart.
    """

    namespace: str
    operations: Sequence[Operation]
    removed: Mapping[str, Callable[[Azure, Resource], Awaitable[None]]] = field(default_factory=dict)
    resume: Callable[[Azure], Awaitable[None]] | None = None


def listing(resources: Sequence[Any]) -> Answer:
    """A list as ARM answers it, all on one page."""
    return Answer(body={"value": list(resources)})
