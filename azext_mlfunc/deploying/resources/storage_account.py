"""Storage accounts.

Source: azure-cli's recorded traffic, test_create_storage_account and test_acr_create_function_app; REST API docs,
Storage Accounts.
"""

from __future__ import annotations

from collections.abc import Iterator

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Known, Resource, State, location_of_group
from azext_mlfunc.findings import Finding

_API = "2023-05-01"
_KEY = "key"
_SKU = "Standard_LRS"
_SAFE = {"minimumTlsVersion": "TLS1_2", "allowBlobPublicAccess": False, "supportsHttpsTrafficOnly": True}
"""What a new account has beyond Azure's own defaults, or to be sure of them."""
_NEEDED = ("blob", "queue")  # the services that a function app and a blob trigger use


class StorageAccount(Resource):
    """An account; one that is there is used as it is.

    :param key: its name in the graph.
    :param account_id: its ID.
    :param purpose: what it is for, in words.
    :param option: the option that names another one.
    :param location: of a new account; None: that of the group.
    :param suffix: what the cloud's storage host names end in, `core.windows.net`.
    :param tags: of a new account.
    """

    needs = ("group",)

    def __init__(
        self,
        key: str,
        account_id: str,
        purpose: str,
        option: str,
        location: str | None,
        suffix: str,
        tags: dict[str, str],
    ) -> None:
        self.key = key
        self.id = account_id
        self.name = account_id.rsplit("/", 1)[-1]
        self.title = f"storage account '{self.name}' ({purpose})"
        self._option = option
        self._location = location
        self._suffix = suffix
        self._tags = tags

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        if document is None:
            return None
        keys = arm.post(f"{self.id}/listKeys", _API)["keys"]
        return State(document, {_KEY: keys[0]["value"]})

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if state is None:
            yield from self._check_name(arm)
            return
        if state.properties.get("allowSharedKeyAccess") is False:
            yield Finding(
                self.title,
                "its shared keys are switched off (allowSharedKeyAccess: false)",
                "an account with shared keys: the app's connection strings hold one",
                f"name another account with {self._option}, or switch them on: az storage account update --name "
                f"{self.name} --allow-shared-key-access true",
            )
        missing = [service for service in _NEEDED if service not in (state.properties.get("primaryEndpoints") or {})]
        if missing:
            yield Finding(
                self.title,
                f"it has no {' and no '.join(missing)} service (kind {state.document.get('kind')})",
                "a general-purpose account (StorageV2)",
                f"name another account with {self._option}",
            )

    def _check_name(self, arm: Arm) -> Iterator[Finding]:
        path = f"/subscriptions/{arm.subscription}/providers/Microsoft.Storage/checkNameAvailability"
        answer = arm.post(path, _API, {"name": self.name, "type": "Microsoft.Storage/storageAccounts"})
        if not answer["nameAvailable"]:
            yield Finding(
                self.title,
                answer.get("message") or "the name cannot be had",
                "a name that nobody in Azure has, 3 to 24 lower-case letters and digits",
                f"name another one with {self._option}; one that you have in another resource group by its ID",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        if state is not None:
            return []
        wanted = {"sku": _SKU, "location": self._location or location_of_group(known), **_SAFE}
        return [Change(name, None, value) for name, value in wanted.items()]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        body = {
            "sku": {"name": _SKU},
            "kind": "StorageV2",
            "location": self._location or location_of_group(known),
            "tags": self._tags,
            "properties": _SAFE,
        }
        arm.put(self.id, _API, body)

    def connection_string(self, known: Known) -> str | None:
        """As az and the portal write it; None while there is no account."""
        state = known[self.key]
        if state is None:
            return None
        return (
            f"DefaultEndpointsProtocol=https;EndpointSuffix={self._suffix};AccountName={self.name};"
            f"AccountKey={state.secrets[_KEY]}"
        )

    def command(self) -> str:
        return f"az storage account create --resource-group {self.id.split('/')[4]} --name {self.name} --sku {_SKU}"
