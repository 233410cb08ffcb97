"""What a resource is to deploy: how it is found, what it should be, how it is written, which commands that equals."""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.findings import Finding

Action = Literal["create", "update", "unchanged"]
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


@dataclass(frozen=True)
class Home:
    """Where new resources go, and how they are found again.

    :param group: ID of the resource group.
    :param region: None: that of the group.
    :param tags: on everything that is made.
    """

    group: str
    region: str | None
    tags: Mapping[str, str]

    def location(self, known: Known) -> str:
        """The region of a new resource; empty while neither the user nor a group says it."""
        group = known["group"]
        return self.region or (str(group.document["location"]) if group else "")

    def options(self, known: Known) -> tuple[str, ...]:
        """How a command is told all of this."""
        return ("--location", self.location(known), "--tags", *(f"{name}={value}" for name, value in self.tags.items()))

    def check_absent(self, title: str, resource_id: str, option: str) -> Iterator[Finding]:
        """What is to be said of a resource that is not there: it is made, but only in our own group.

        :param option: the one that names it.
        """
        if not resource_id.lower().startswith(f"{self.group.lower()}/"):
            yield Finding(
                title,
                f"there is none with the ID {resource_id}",
                "one that is there, if it is in another resource group than that of --resource-group",
                f"check the ID, or give {option} a name only: what is not there is then made",
            )


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

    def is_needed(self, known: Known) -> bool:
        """Whether it is part of the deployment, now that it is known what is there."""
        return True

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
    def commands(self, state: State | None, known: Known) -> list[str]:
        """The az commands that do what `changes` says, for a shell; they ask for secrets, and hold none."""


def path_of(subscription: str, group: str, resource_type: str, *names: str) -> str:
    """The ID of a resource: a name for each segment of the type after the namespace."""
    namespace, *segments = resource_type.split("/")
    pairs = "".join(f"/{segment}/{name}" for segment, name in zip(segments, names, strict=True))
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}{pairs}"


def group_of(resource_id: str) -> str:
    """The name of the resource group in an ID."""
    return resource_id.split("/")[4]


def name_of(resource_id: str) -> str:
    """The resource's own name in its ID."""
    return resource_id.rsplit("/", 1)[-1]


def same_location(one: str, other: str) -> bool:
    """Whether two names are of the same region: `West Europe` and `westeurope` are."""
    return one.replace(" ", "").lower() == other.replace(" ", "").lower()


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What changes when `after` is merged into `before`."""
    return [Change(name, before.get(name), value) for name, value in after.items() if before.get(name) != value]


def az(*words: str) -> str:
    """An az command for a shell; words with a `$` are for it to fill in."""
    return " ".join(["az", *(f'"{word}"' if "$" in word else shlex.quote(word) for word in words)])


def asked(*words: str) -> str:
    """What a shell puts in for the text that an az command answers."""
    return f"$({az(*words, '--output', 'tsv')})"


def variable(name: str) -> str:
    """What a shell puts in for a secret that only the user knows."""
    return "$" + re.sub(r"\W", "_", name)
