"""What a resource is to deploy: how it is found, what it should be, how it is written, which command that equals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.findings import Finding

Action = Literal["create", "update", "unchanged"]
UNKNOWN = "(known when it is made)"
"""Stands for a value that comes from a resource that is not there yet."""
HIDDEN = "***"


@dataclass(frozen=True)
class State:
    """A resource as it is.

    :param document: what ARM's GET answers.
    :param secrets: keys and settings, which no GET shows.
    """

    document: dict[str, Any]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def properties(self) -> dict[str, Any]:
        properties: dict[str, Any] = self.document.get("properties") or {}
        return properties


@dataclass(frozen=True)
class Change:
    """One difference between what is and what should be; neither side shows a secret."""

    property: str
    before: Any
    after: Any


Known = Mapping[str, "State | None"]
"""The resources of a deployment by key, as far as they are there."""


class Resource(ABC):
    """One resource of a deployment.

    Its constructor does no I/O; `read` only reads, and `write` is the only one that writes.
    """

    key: str
    """Its name in the graph."""
    title: str
    """What people call it: `storage account 'x'`."""
    needs: tuple[str, ...] = ()
    """The keys of those that have to be there first."""

    @abstractmethod
    def read(self, arm: Arm) -> State | None:
        """The resource as it is; None: there is none, which only a 404 means."""

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        """Yield what would keep it from being made or used; may ask ARM whether a name is free."""
        yield from ()

    @abstractmethod
    def changes(self, state: State | None, known: Known) -> list[Change]:
        """What has to be written; empty: nothing. Without a state it is what the new one will be."""

    @abstractmethod
    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        """Make it, or change it."""

    @abstractmethod
    def command(self) -> str:
        """The documented az command that this stands for; secrets are named as variables."""


def path_of(subscription: str, group: str, resource_type: str, *names: str) -> str:
    """The ID of a resource: a name for each segment of the type after the namespace."""
    namespace, *segments = resource_type.split("/")
    pairs = "".join(f"/{segment}/{name}" for segment, name in zip(segments, names, strict=True))
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}{pairs}"


def same_location(one: str, other: str) -> bool:
    """Whether two names are of the same region: `West Europe` and `westeurope` are."""
    return one.replace(" ", "").lower() == other.replace(" ", "").lower()


def differences(before: Mapping[str, Any], after: Mapping[str, Any], secret: bool = False) -> list[Change]:
    """What changes when `after` is merged into `before`.

    :param secret: values are hidden.
    """
    changes = []
    for name, value in after.items():
        if name not in before:
            changes.append(Change(name, None, HIDDEN if secret else value))
        elif before[name] != value:
            changes.append(Change(name, HIDDEN if secret else before[name], HIDDEN if secret else value))
    return changes


def location_of_group(known: Known) -> str:
    """Where new things go when nobody says; empty while there is no group."""
    group = known["group"]
    return str(group.document["location"]) if group else ""
