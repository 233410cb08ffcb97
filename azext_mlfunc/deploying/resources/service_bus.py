"""Service Bus: a namespace, its queues, and the rule whose connection string the trigger uses.

Source: azure-cli's recorded traffic, test_sb_auth_rule and test_sb_queue.
"""

from __future__ import annotations

from collections.abc import Iterator

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Known, Resource, State, location_of_group
from azext_mlfunc.findings import Finding

_API = "2021-11-01"
_CONNECTION = "connectionString"
_RIGHTS = ["Listen", "Send"]
RULE = "ml-func"
_SKU = "Standard"


class Namespace(Resource):
    """A namespace; one that is there is used as it is.

    :param namespace_id: its ID.
    :param location: of a new namespace; None: that of the group.
    :param tags: of a new namespace.
    """

    key = "namespace"
    needs = ("group",)

    def __init__(self, namespace_id: str, location: str | None, tags: dict[str, str]) -> None:
        self.id = namespace_id
        self.name = namespace_id.rsplit("/", 1)[-1]
        self.title = f"Service Bus namespace '{self.name}'"
        self._location = location
        self._tags = tags

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
                    "name another one with --service-bus-namespace, or switch them on: az servicebus namespace update "
                    f"--name {self.name} --disable-local-auth false",
                )
            return
        path = f"/subscriptions/{arm.subscription}/providers/Microsoft.ServiceBus/CheckNameAvailability"
        answer = arm.post(path, _API, {"name": self.name})
        if not answer["nameAvailable"]:
            yield Finding(
                self.title,
                answer.get("message") or "the name cannot be had",
                "a name that nobody in Azure has, 6 to 50 letters, digits and hyphens",
                "name another one with --service-bus-namespace; one in another resource group by its ID",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return (
            []
            if state
            else [Change("sku", None, _SKU), Change("location", None, self._location or location_of_group(known))]
        )

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        body = {
            "location": self._location or location_of_group(known),
            "tags": self._tags,
            "sku": {"name": _SKU, "tier": _SKU},
            "properties": {"minimumTlsVersion": "1.2"},
        }
        arm.put(self.id, _API, body)

    def command(self) -> str:
        group = self.id.split("/")[4]
        return f"az servicebus namespace create --resource-group {group} --name {self.name} --sku {_SKU}"


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
        return [] if state else [Change("maxDeliveryCount", None, 10)]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        arm.put(self._id, _API, {"properties": {"maxDeliveryCount": 10}})

    def command(self) -> str:
        group = self._namespace.id.split("/")[4]
        return (
            f"az servicebus queue create --resource-group {group} --namespace-name {self._namespace.name} "
            f"--name {self._name}"
        )


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
        missing = rights is None or not set(_RIGHTS) <= set(rights)
        return [Change("rights", rights, _RIGHTS)] if missing else []

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        now = state.properties.get("rights") or [] if state else []
        arm.put(self._id, _API, {"properties": {"rights": sorted({*now, *_RIGHTS})}})

    def connection_string(self, known: Known) -> str | None:
        """None while there is no rule."""
        state = known[self.key]
        return None if state is None else state.secrets[_CONNECTION]

    def command(self) -> str:
        group = self._namespace.id.split("/")[4]
        return (
            f"az servicebus namespace authorization-rule create --resource-group {group} --namespace-name "
            f"{self._namespace.name} --name {RULE} --rights {' '.join(_RIGHTS)}"
        )
