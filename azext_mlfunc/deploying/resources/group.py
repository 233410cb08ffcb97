"""Resource groups."""

from __future__ import annotations

from collections.abc import Iterator

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Known, Resource, State
from azext_mlfunc.findings import Finding

_API = "2022-09-01"


class ResourceGroup(Resource):
    """The group of everything that is made.

    :param name: the group.
    :param location: of a new group; None: it has to be there.
    :param tags: of a new group.
    """

    key = "group"

    def __init__(self, subscription: str, name: str, location: str | None, tags: dict[str, str]) -> None:
        self.title = f"resource group '{name}'"
        self.id = f"/subscriptions/{subscription}/resourceGroups/{name}"
        self._name = name
        self._location = location
        self._tags = tags

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        return None if document is None else State(document)

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if state is None and self._location is None:
            yield Finding(
                f"--resource-group {self._name}",
                "there is no such resource group",
                "one that is there, or the region to make it in",
                "name the region with --location, for example --location westeurope",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [Change("location", None, self._location)] if state is None else []

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        arm.put(self.id, _API, {"location": self._location, "tags": self._tags})

    def command(self) -> str:
        return f"az group create --name {self._name} --location {self._location}"
