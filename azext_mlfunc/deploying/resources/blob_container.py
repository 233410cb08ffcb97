"""Blob containers, made through ARM, which works where the account's firewall or keys would keep us from its data."""

from __future__ import annotations

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Known, Resource, State, az
from azext_mlfunc.deploying.resources.storage_account import StorageAccount

_API = "2023-05-01"


class BlobContainer(Resource):
    """A container; one that is there stays as it is.

    :param account: the account that it is in.
    :param name: its name.
    """

    def __init__(self, account: StorageAccount, name: str) -> None:
        self.key = f"container:{name}"
        self.title = f"container '{name}' of storage account '{account.name}'"
        self.needs = (account.key,)
        self._account = account
        self._name = name
        self._id = f"{account.id}/blobServices/default/containers/{name}"

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self._id, _API)
        return None if document is None else State(document)

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [Change("publicAccess", None, "None")] if state is None else []

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        arm.put(self._id, _API, {"properties": {"publicAccess": "None"}})

    def commands(self, state: State | None, known: Known) -> list[str]:
        return [az("storage", "container", "create", "--name", self._name, "--account-name", self._account.name)]
