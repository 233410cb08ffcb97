"""Resource groups."""

from __future__ import annotations

from collections.abc import Iterator

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Home, Known, Resource, State, az, name_of
from azext_mlfunc.findings import Finding

_API = "2022-09-01"


class ResourceGroup(Resource):
    """The group of everything that is made.

    :param home: names it; without a region there, it has to exist.
    """

    key = "group"

    def __init__(self, home: Home) -> None:
        self.id = home.group
        self._name = name_of(home.group)
        self.title = f"resource group '{self._name}'"
        self._home = home

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        return None if document is None else State(document)

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if state is None and self._home.region is None:
            yield Finding(
                f"--resource-group {self._name}",
                "there is no such resource group",
                "one that is there, or the region to make it in",
                "name the region with --location, for example --location westeurope",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [Change("location", None, self._home.region)] if state is None else []

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        arm.put(self.id, _API, {"location": self._home.region, "tags": self._home.tags})

    def commands(self, state: State | None, known: Known) -> list[str]:
        return [az("group", "create", "--name", self._name, *self._home.options(known))]
