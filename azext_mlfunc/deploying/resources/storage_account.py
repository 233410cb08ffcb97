"""Storage accounts.

Source: azure-cli's recorded traffic, test_create_storage_account and test_acr_create_function_app; REST API docs,
Storage Accounts.
"""

from __future__ import annotations

from collections.abc import Iterator

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Home, Known, Resource, State, asked, az, group_of, name_of
from azext_mlfunc.deploying.settings import Setting
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
    :param suffix: what the cloud's storage host names end in, `core.windows.net`.
    :param home: of a new account.
    """

    needs = ("group",)

    def __init__(self, key: str, account_id: str, purpose: str, option: str, suffix: str, home: Home) -> None:
        self.key = key
        self.id = account_id
        self.name = name_of(account_id)
        self.title = f"storage account '{self.name}' ({purpose})"
        self._option = option
        self._suffix = suffix
        self._home = home

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        if document is None:
            return None
        keys = arm.post(f"{self.id}/listKeys", _API)["keys"]
        return State(document, {_KEY: keys[0]["value"]})

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if state is None:
            yield from self._home.check_absent(self.title, self.id, self._option)
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
        wanted = {"sku": _SKU, "location": self._home.location(known), **_SAFE}
        return [Change(name, None, value) for name, value in wanted.items()]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        body = {
            "sku": {"name": _SKU},
            "kind": "StorageV2",
            "location": self._home.location(known),
            "tags": self._home.tags,
            "properties": _SAFE,
        }
        arm.put(self.id, _API, body)

    def setting(self, known: Known, is_named: bool) -> Setting:
        """Its connection string, as az and the portal write it.

        :param is_named: whether the user named the account.
        """
        state = known[self.key]
        connection = (
            None
            if state is None
            else (
                f"DefaultEndpointsProtocol=https;EndpointSuffix={self._suffix};AccountName={self.name};"
                f"AccountKey={state.secrets[_KEY]}"
            )
        )
        show = ("storage", "account", "show-connection-string", "--ids", self.id, "--query", "connectionString")
        return Setting(connection, asked(*show), None if is_named else self._option)

    def commands(self, state: State | None, known: Known) -> list[str]:
        named = ("--resource-group", group_of(self.id), "--name", self.name)
        safe = ("--min-tls-version", "TLS1_2", "--allow-blob-public-access", "false", "--https-only", "true")
        create = ("storage", "account", "create", *named, "--kind", "StorageV2", "--sku", _SKU, *safe)
        return [az(*create, *self._home.options(known))]
