"""Service Bus: a namespace, its queues, and the rule whose connection string the trigger uses.

Source: azure-cli's recorded traffic, test_sb_auth_rule and test_sb_queue.
"""

from __future__ import annotations

from collections.abc import Iterator

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Home, Known, Resource, State, asked, az, group_of, name_of
from azext_mlfunc.deploying.settings import Setting
from azext_mlfunc.findings import Finding

_API = "2021-11-01"
_CONNECTION = "connectionString"
_RIGHTS = ("Listen", "Send")
RULE = "ml-func"
_RULE = ("servicebus", "namespace", "authorization-rule")
_SKU = "Standard"
_DELIVERIES = 10


class Namespace(Resource):
    """A namespace; one that is there is used as it is.

    :param namespace_id: its ID.
    :param home: of a new namespace.
    """

    key = "namespace"
    needs = ("group",)

    option = "--service-bus-namespace"
    """Names another one."""

    def __init__(self, namespace_id: str, home: Home) -> None:
        self.id = namespace_id
        self.name = name_of(namespace_id)
        self.title = f"Service Bus namespace '{self.name}'"
        self.named = ("--resource-group", group_of(self.id), "--namespace-name", self.name)
        self._home = home

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        return None if document is None else State(document)

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if state is not None:
            if state.properties.get("disableLocalAuth"):
                yield Finding(
                    self.title,
                    "its shared access keys are switched off (disableLocalAuth: true)",
                    "a namespace with shared access keys: the app's connection string holds one",
                    f"name another one with {self.option}, or switch them on: az servicebus namespace update "
                    f"--resource-group {group_of(self.id)} --name {self.name} --disable-local-auth false",
                )
            return
        yield from self._home.check_absent(self.title, self.id, self.option)
        path = f"/subscriptions/{arm.subscription}/providers/Microsoft.ServiceBus/CheckNameAvailability"
        answer = arm.post(path, _API, {"name": self.name})
        if not answer["nameAvailable"]:
            yield Finding(
                self.title,
                answer.get("message") or "the name cannot be had",
                "a name that nobody in Azure has, 6 to 50 letters, digits and hyphens",
                f"name another one with {self.option}; one that you have in another resource group by its ID",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        if state is not None:
            return []
        return [Change("sku", None, _SKU), Change("location", None, self._home.location(known))]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        body = {
            "location": self._home.location(known),
            "tags": self._home.tags,
            "sku": {"name": _SKU, "tier": _SKU},
            "properties": {"minimumTlsVersion": "1.2"},
        }
        arm.put(self.id, _API, body)

    def commands(self, state: State | None, known: Known) -> list[str]:
        named = ("--resource-group", group_of(self.id), "--name", self.name)
        create = ("servicebus", "namespace", "create", *named, "--sku", _SKU, "--minimum-tls-version", "1.2")
        return [az(*create, *self._home.options(known))]


class Queue(Resource):
    """A queue; one that is there stays as it is.

    :param namespace: where it is.
    :param name: its name.
    """

    def __init__(self, namespace: Namespace, name: str) -> None:
        self.key = f"queue:{name}"
        self.title = f"queue '{name}' of Service Bus namespace '{namespace.name}'"
        self.needs = (namespace.key,)
        self._namespace = namespace
        self._name = name
        self._id = f"{namespace.id}/queues/{name}"

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self._id, _API)
        return None if document is None else State(document)

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        if state is not None and state.properties.get("requiresSession"):
            yield Finding(
                self.title,
                "it requires sessions",
                "a queue without sessions: the function's trigger takes none",
                "package the model with the name of another queue",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [] if state else [Change("maxDeliveryCount", None, _DELIVERIES)]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        arm.put(self._id, _API, {"properties": {"maxDeliveryCount": _DELIVERIES}})

    def commands(self, state: State | None, known: Known) -> list[str]:
        named = (*self._namespace.named, "--name", self._name)
        return [az("servicebus", "queue", "create", *named, "--max-delivery-count", str(_DELIVERIES))]


class Rule(Resource):
    """The rule that the app connects with: it may listen and send, and not manage.

    :param namespace: what it is a rule of.
    """

    key = "rule"

    def __init__(self, namespace: Namespace) -> None:
        self.title = f"access rule '{RULE}' of Service Bus namespace '{namespace.name}'"
        self.needs = (namespace.key,)
        self._namespace = namespace
        self._id = f"{namespace.id}/authorizationRules/{RULE}"

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self._id, _API)
        if document is None:
            return None
        return State(document, {_CONNECTION: arm.post(f"{self._id}/listKeys", _API)["primaryConnectionString"]})

    def changes(self, state: State | None, known: Known) -> list[Change]:
        rights = sorted(state.properties.get("rights") or []) if state else None
        wanted = self._rights(state)
        return [] if rights == wanted else [Change("rights", rights, wanted)]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        arm.put(self._id, _API, {"properties": {"rights": self._rights(state)}})

    @staticmethod
    def _rights(state: State | None) -> list[str]:
        """Those that it needs, and those that it has."""
        return sorted({*_RIGHTS, *((state.properties.get("rights") or []) if state else [])})

    def setting(self, known: Known, is_named: bool) -> Setting:
        """The connection string.

        :param is_named: whether the user named the namespace.
        """
        state = known[self.key]
        keys = (*_RULE, "keys", "list", *self._namespace.named, "--name", RULE, "--query", "primaryConnectionString")
        connection = None if state is None else state.secrets[_CONNECTION]
        return Setting(connection, asked(*keys), None if is_named else self._namespace.option)

    def commands(self, state: State | None, known: Known) -> list[str]:
        verb = "create" if state is None else "update"
        return [az(*_RULE, verb, *self._namespace.named, "--name", RULE, "--rights", *self._rights(state))]
