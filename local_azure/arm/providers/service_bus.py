"""Microsoft.ServiceBus: namespaces, their queues, and authorization rules of both."""

from __future__ import annotations

import base64
import datetime
import re
import secrets
from typing import Any

from local_azure.arm import names
from local_azure.arm.azure import Azure
from local_azure.arm.body import like
from local_azure.arm.errors import ArmError, resource_not_found
from local_azure.arm.long_running import location_of_nothing, retry_after, settling
from local_azure.arm.operation import GROUP, Answer, Call, Operation, Provider, listing
from local_azure.arm.store import Resource
from local_azure.messaging import Queue, describe

NAMESPACE = "Microsoft.ServiceBus/Namespaces"
QUEUE = "Microsoft.ServiceBus/Namespaces/Queues"
RULE = "Microsoft.ServiceBus/Namespaces/AuthorizationRules"
QUEUE_RULE = "Microsoft.ServiceBus/Namespaces/Queues/AuthorizationRules"
ROOT_RULE = "RootManageSharedAccessKey"
_NAMESPACES = GROUP + "/providers/Microsoft.ServiceBus/namespaces"
_NAMESPACE = _NAMESPACES + "/{namespace}"
_QUEUE = _NAMESPACE + "/queues/{queue}"
_RULE = "/authorizationRules/{rule}"
_FOREVER = "P10675199DT2H48M5.4775807S"
_RIGHTS = ("Manage", "Send", "Listen")
_QUEUE_NAME = re.compile(r"[A-Za-z0-9](?:[\w./~-]{0,258}[A-Za-z0-9])?")
_QUEUE_DEFAULTS: dict[str, Any] = {
    "maxMessageSizeInKilobytes": 256,
    "lockDuration": "PT1M",
    "maxSizeInMegabytes": 1024,
    "requiresDuplicateDetection": False,
    "requiresSession": False,
    "defaultMessageTimeToLive": _FOREVER,
    "deadLetteringOnMessageExpiration": False,
    "enableBatchedOperations": True,
    "duplicateDetectionHistoryTimeWindow": "PT10M",
    "maxDeliveryCount": 10,
    "sizeInBytes": 0,
    "status": "Active",
    "autoDeleteOnIdle": _FOREVER,
    "enablePartitioning": False,
    "enableExpress": False,
}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_SHORTEST_IDLENESS = 300.0  # seconds
_NO_TIME = "0001-01-01T00:00:00"


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _lower(call: Call, value: dict[str, Any]) -> dict[str, Any]:
    """A document whose ID has the casing of a GET (servicebus-authorizationrule-put.json)."""
    return value | {"id": value["id"].replace("/resourceGroups/", "/resourcegroups/")}


# -- namespaces


async def put_namespace(call: Call) -> Answer:
    """Create or update a namespace (servicebus-namespace-put.json)."""
    name = call.parameters["namespace"]
    if names.NAMESPACE_NAME.fullmatch(name) is None:
        raise ArmError(400, "BadRequest", f"The specified service namespace '{name}' is invalid.")
    found = call.find(NAMESPACE, "namespace")
    if found is not None:
        if "tags" in call.document:
            found.document["tags"] = call.document["tags"] or {}
        found.properties["updatedAt"] = _now()
        call.azure.store.changed()
        return Answer(200, _shown(call, found))
    if any(each.name.lower() == name.lower() for each in call.azure.store.select(NAMESPACE)):
        text = f"The specified name '{name}' is not available. For more information visit https://aka.ms/eventhubsarmexceptions."
        raise ArmError(409, "Conflict", text)
    sku = (call.document.get("sku") or {}).get("name", "Standard")
    now = _now()
    document = {
        "sku": {"name": sku, "tier": sku},
        "id": call.id_of("Microsoft.ServiceBus/namespaces", "namespace"),
        "name": name,
        "type": NAMESPACE,
        "location": names.displayed(call.location(NAMESPACE)),
        "tags": call.document.get("tags") or {},
        "properties": {
            "minimumTlsVersion": call.properties.get("minimumTlsVersion") or "1.2",
            "publicNetworkAccess": call.properties.get("publicNetworkAccess") or "Enabled",
            "disableLocalAuth": bool(call.properties.get("disableLocalAuth")),
            "zoneRedundant": False,
            "provisioningState": "Succeeded",
            "metricId": f"{call.subscription}:{name.lower()}",
            "createdAt": now,
            "updatedAt": now,
            "serviceBusEndpoint": f"https://{name}.servicebus.windows.net:443/",
            "status": "Active",
        },
    }
    resource = Resource(NAMESPACE, document)
    call.azure.store.put(resource)
    resource.hidden["port"] = await call.azure.service_bus.open(name, None)
    _make_rule(call.azure, resource, RULE, ROOT_RULE, ["Listen", "Manage", "Send"])

    async def finish() -> None:
        resource.properties["updatedAt"] = _now()

    settling(call, resource.id, finish)
    return Answer(200, _shown(call, resource, settled=False), _wait(call))


def _wait(call: Call) -> dict[str, str]:
    """No header at Azure's own pace: the SDKs poll every 30 s. Faster ones have to be told."""
    interval = call.azure.latency.interval(call.operation)
    return {} if call.azure.latency.scale >= 1 else retry_after(interval)


def _shown(call: Call, resource: Resource, settled: bool = True) -> dict[str, Any]:
    document = resource.copy()
    if not settled or call.azure.long_running.is_settling(resource.id):
        document["properties"] |= {"provisioningState": "Created", "status": "Activating"}
    return document


def _namespace(call: Call, settled: bool = False) -> Resource:
    """The namespace of the path.

    Args:
        call: the request.
        settled: it has to have settled; Azure refuses operations in it until then.
    """
    found = call.find(NAMESPACE, "namespace")
    if found is None:
        raise resource_not_found("Microsoft.ServiceBus/namespaces", call.parameters["namespace"], call.group)
    if settled and call.azure.long_running.is_settling(found.id):
        raise ArmError(429, "429", "Namespace provisioning in transition")
    return found


async def get_namespace(call: Call) -> Answer:
    """Get a namespace (servicebus-namespace-put.json, then)."""
    resource = _namespace(call)
    wait = _wait(call) if call.azure.long_running.is_settling(resource.id) else {}
    return Answer(200, _shown(call, resource), wait)


async def list_namespaces(call: Call) -> Answer:
    """General knowledge: REST API docs, Namespaces - List."""
    below = names.group_id(call.subscription, call.group) if "group" in call.parameters else ""
    return listing([_shown(call, each) for each in call.azure.store.select(NAMESPACE, below)])


async def delete_namespace(call: Call) -> Answer:
    """General knowledge: REST API docs, Namespaces - Delete: 202 with a Location, 204 when there is none."""
    found = call.find(NAMESPACE, "namespace")
    if found is None:
        return Answer(204)

    async def finish() -> None:
        async with call.azure.writing(found.id):
            await call.azure.remove(found)

    path = f"/subscriptions/{call.subscription}/providers/Microsoft.ServiceBus/locations/operationResults/"
    return location_of_nothing(call, path, finish)


async def check_name(call: Call) -> Answer:
    """General knowledge: REST API docs, Namespaces - Check Name Availability."""
    name = str(call.document.get("name", ""))
    if any(each.name.lower() == name.lower() for each in call.azure.store.select(NAMESPACE)):
        text = f"Namespace name '{name}' is in use."
        return Answer(body={"message": text, "nameAvailable": False, "reason": "NameInUse"})
    if names.NAMESPACE_NAME.fullmatch(name) is None:
        text = f"The namespace name '{name}' is not valid."
        return Answer(body={"message": text, "nameAvailable": False, "reason": "InvalidName"})
    return Answer(body={"message": "", "nameAvailable": True, "reason": "None"})


# -- queues


async def put_queue(call: Call) -> Answer:
    """Create or update a queue (servicebus-queue-put.json)."""
    namespace = _namespace(call, settled=True)
    name = call.parameters["queue"]
    if _QUEUE_NAME.fullmatch(name) is None:
        raise ArmError(400, "BadRequest", f"The specified queue name '{name}' is invalid.")
    found = call.find(QUEUE, "namespace", "queue")
    asked = {key: value for key, value in call.properties.items() if key in _QUEUE_DEFAULTS and value is not None}
    _check_idleness(namespace, name, asked.get("autoDeleteOnIdle"))
    if found is not None:
        for fixed in ("requiresSession", "enablePartitioning", "requiresDuplicateDetection"):
            if fixed in asked and asked[fixed] != found.properties[fixed]:
                text = f"The value for the {fixed} property of an existing Queue cannot be changed."
                raise ArmError(400, "BadRequest", text)
        found.properties.update(asked)
        found.properties["updatedAt"] = _now()
        call.azure.store.changed()
        answer = _queue(call, found)
        answer["properties"] |= {"createdAt": _NO_TIME, "updatedAt": _NO_TIME}
        return Answer(200, answer)
    now = _now()
    document = {
        "id": f"{namespace.id}/queues/{name}",
        "name": name,
        "type": QUEUE,
        "location": namespace.document["location"],
        "properties": {**_QUEUE_DEFAULTS, **asked, "createdAt": now, "updatedAt": now, "accessedAt": _NO_TIME},
    }
    resource = call.azure.store.put(Resource(QUEUE, document))
    _open_queue(call.azure, resource)
    return Answer(200, _queue(call, resource))


def _open_queue(azure: Azure, resource: Resource) -> None:
    properties = resource.properties
    azure.service_bus.put_queue(
        resource.id.split("/")[8],
        Queue(
            resource.name,
            int(properties["maxDeliveryCount"]),
            _seconds(properties["lockDuration"]),
            None if properties["autoDeleteOnIdle"] == _FOREVER else _seconds(properties["autoDeleteOnIdle"]),
        ),
        expired=lambda: azure.store.delete(resource.id),
    )


def _seconds(duration: str) -> float:
    """Seconds in an ISO duration of days and less; those of a minute in one that cannot be read."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        return 60.0
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _check_idleness(namespace: Resource, name: str, duration: str | None) -> None:
    """Refuse what autoDeleteOnIdle cannot be.

    Sources: Azure Service Bus docs: "Service Bus Resource Manager exceptions" (Basic), "Azure Service Bus advanced
    features" (five minutes); the text of the latter is general knowledge.
    """
    if duration is None or duration == _FOREVER:
        return
    if namespace.document["sku"]["name"] == "Basic":
        text = (
            "SubCode=40000. The property 'AutoDeleteOnIdle' cannot be set when creating a Queue because the namespace "
            f"'{namespace.name}' is using the 'Basic' Tier. This operation is only supported in 'Standard' or "
            "'Premium' tier."
        )
        raise ArmError(400, "BadRequest", text)
    if _DURATION.fullmatch(duration) is None or _seconds(duration) < _SHORTEST_IDLENESS:
        text = f"SubCode=40000. The value '{duration}' of AutoDeleteOnIdle of queue '{name}' is not at least PT5M."
        raise ArmError(400, "BadRequest", text)


def _queue(call: Call, resource: Resource) -> dict[str, Any]:
    document = resource.copy()
    document["properties"] |= describe(call.azure.service_bus.counts(resource.id.split("/")[8], resource.name))
    return document


async def get_queue(call: Call) -> Answer:
    """General knowledge: REST API docs, Queues - Get; the form of servicebus-queue-put.json."""
    namespace = _namespace(call)
    found = call.find(QUEUE, "namespace", "queue")
    if found is None:
        raise ArmError(
            404,
            "NotFound",
            f"The requested resource {call.parameters['queue']} does not exist in namespace {namespace.name}.",
        )
    return Answer(body=_queue(call, found))


async def list_queues(call: Call) -> Answer:
    """General knowledge: REST API docs, Queues - List By Namespace."""
    namespace = _namespace(call)
    return listing([_queue(call, each) for each in call.azure.store.select(QUEUE, namespace.id)])


async def delete_queue(call: Call) -> Answer:
    """General knowledge: REST API docs, Queues - Delete."""
    _namespace(call)
    found = call.find(QUEUE, "namespace", "queue")
    if found is None:
        return Answer(204)
    await call.azure.remove(found)
    return Answer(200, "")


# -- authorization rules, of a namespace or of a queue


def _owner(call: Call) -> tuple[Resource, str]:
    """What a rule belongs to, and the rule's type."""
    namespace = _namespace(call)
    if "queue" not in call.parameters:
        return namespace, RULE
    queue = call.find(QUEUE, "namespace", "queue")
    if queue is None:
        raise resource_not_found(QUEUE, f"{namespace.name}/{call.parameters['queue']}", call.group)
    return queue, QUEUE_RULE


def _make_rule(azure: Azure, owner: Resource, kind: str, name: str, rights: list[str]) -> Resource:
    document = {
        "id": f"{owner.id}/AuthorizationRules/{name}",
        "name": name,
        "type": kind,
        "location": names.normalised(owner.document["location"]),
        "properties": {"rights": rights},
    }
    keys = [base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2)]
    rule = azure.store.put(Resource(kind, document, {"keys": keys}))
    azure.service_bus.put_rule(owner.id.split("/")[8], name, keys)
    return rule


async def put_rule(call: Call) -> Answer:
    """Create or update a rule (servicebus-authorizationrule-put.json)."""
    _namespace(call, settled=True)
    owner, kind = _owner(call)
    rights = call.properties.get("rights") or []
    unknown = [right for right in rights if right not in _RIGHTS]
    if unknown or not rights or ("Manage" in rights and set(rights) != set(_RIGHTS)):
        text = (
            "Manage permission should also include Send and Listen." if not unknown else f"Unknown right {unknown[0]}."
        )
        raise ArmError(400, "BadRequest", f"Authorization rule {call.parameters['rule']}: {text}")
    found = call.azure.store.get(f"{owner.id}/AuthorizationRules/{call.parameters['rule']}")
    if found is None:
        found = _make_rule(call.azure, owner, kind, call.parameters["rule"], rights)
    else:
        found.properties["rights"] = rights
        call.azure.store.changed()
    return Answer(200, found.document)


def _rule(call: Call) -> Resource:
    owner, _ = _owner(call)
    found = call.azure.store.get(f"{owner.id}/AuthorizationRules/{call.parameters['rule']}")
    if found is None:
        text = f"The requested resource {call.parameters['rule']} does not exist."
        raise ArmError(404, "NotFound", text)
    return found


async def get_rule(call: Call) -> Answer:
    """Get a rule (servicebus-authorizationrule-put.json, then)."""
    document = _rule(call).document
    shown = (
        document["id"]
        .replace("/resourceGroups/", "/resourcegroups/")
        .replace("/AuthorizationRules/", "/authorizationrules/")
    )
    return Answer(body=document | {"id": shown})


async def list_rules(call: Call) -> Answer:
    """General knowledge: REST API docs, Namespaces - List Authorization Rules."""
    owner, kind = _owner(call)
    return listing([each.document for each in call.azure.store.select(kind, owner.id)])


async def delete_rule(call: Call) -> Answer:
    """General knowledge: REST API docs, Namespaces - Delete Authorization Rule."""
    owner, _ = _owner(call)
    found = call.azure.store.get(f"{owner.id}/AuthorizationRules/{call.parameters['rule']}")
    if found is None:
        return Answer(204)
    call.azure.service_bus.delete_rule(owner.id.split("/")[8], found.name)
    call.azure.store.delete(found.id)
    return Answer(200, "")


async def list_keys(call: Call) -> Answer:
    """List the keys of a rule (servicebus-authorizationrule-listkeys.json)."""
    return Answer(body=_keys(call, _rule(call)))


async def regenerate_keys(call: Call) -> Answer:
    """General knowledge: REST API docs, Namespaces - Regenerate Keys."""
    rule = _rule(call)
    index = 1 if call.document.get("keyType") == "SecondaryKey" else 0
    rule.hidden["keys"][index] = call.document.get("key") or base64.b64encode(secrets.token_bytes(32)).decode()
    call.azure.service_bus.put_rule(rule.id.split("/")[8], rule.name, rule.hidden["keys"])
    call.azure.store.changed()
    return Answer(body=_keys(call, rule))


def _keys(call: Call, rule: Resource) -> dict[str, Any]:
    namespace, (primary, secondary) = rule.id.split("/")[8], rule.hidden["keys"]
    path = f";EntityPath={rule.id.split('/')[10]}" if rule.type == QUEUE_RULE else ""
    connect = call.azure.service_bus.connection_string
    return {
        "primaryConnectionString": connect(namespace, rule.name, primary) + path,
        "secondaryConnectionString": connect(namespace, rule.name, secondary) + path,
        "primaryKey": primary,
        "secondaryKey": secondary,
        "keyName": rule.name,
    }


async def network_rules(call: Call) -> Answer:
    """General knowledge: REST API docs, Namespaces - Get Network Rule Set; az servicebus namespace create reads it."""
    namespace = _namespace(call)
    return Answer(
        body={
            "id": f"{namespace.id}/networkRuleSets/default",
            "name": "default",
            "type": f"{NAMESPACE}/NetworkRuleSets",
            "location": namespace.document["location"],
            "properties": {
                "publicNetworkAccess": "Enabled",
                "defaultAction": "Allow",
                "virtualNetworkRules": [],
                "ipRules": [],
            },
        }
    )


async def _namespace_removed(azure: Azure, resource: Resource) -> None:
    await azure.service_bus.close(resource.name)


async def _queue_removed(azure: Azure, resource: Resource) -> None:
    azure.service_bus.delete_queue(resource.id.split("/")[8], resource.name)


async def _resume(azure: Azure) -> None:
    for namespace in azure.store.select(NAMESPACE):
        namespace.hidden["port"] = await azure.service_bus.open(namespace.name, namespace.hidden.get("port"))
    for queue in azure.store.select(QUEUE):
        _open_queue(azure, queue)
    for kind in (RULE, QUEUE_RULE):
        for rule in azure.store.select(kind):
            azure.service_bus.put_rule(rule.id.split("/")[8], rule.name, rule.hidden["keys"])


_NAMESPACE_FIELDS = {
    "properties.minimumTlsVersion": str,
    "properties.publicNetworkAccess": str,
    "properties.disableLocalAuth": bool,
}
_RULE_FIELDS = {"properties.rights": list, "properties.rights.[]": str}
_KEY_FIELDS = {"keyType": str, "key": str}


def _rules_of(owner: str) -> tuple[Operation, ...]:
    """The operations on the rules of a namespace or of a queue."""
    wire = "servicebus-authorizationrule-{}.json"
    return (
        Operation("PUT", owner + _RULE, put_rule, wire.format("put"), _RULE_FIELDS),
        Operation("GET", owner + _RULE, get_rule, wire.format("put")),
        Operation("DELETE", owner + _RULE, delete_rule),
        Operation("GET", owner + "/authorizationRules", list_rules),
        Operation("POST", owner + _RULE + "/listKeys", list_keys, wire.format("listkeys")),
        Operation("POST", owner + _RULE + "/regenerateKeys", regenerate_keys, fields=_KEY_FIELDS),
    )


_SUBSCRIPTION = "/subscriptions/{subscription}/providers/Microsoft.ServiceBus"
PROVIDER = Provider(
    "Microsoft.ServiceBus",
    (
        Operation("PUT", _NAMESPACE, put_namespace, "servicebus-namespace-put.json", _NAMESPACE_FIELDS),
        Operation("GET", _NAMESPACE, get_namespace, "servicebus-namespace-put.json"),
        Operation("DELETE", _NAMESPACE, delete_namespace),
        Operation("GET", _NAMESPACES, list_namespaces),
        Operation("GET", _SUBSCRIPTION + "/namespaces", list_namespaces),
        Operation("POST", _SUBSCRIPTION + "/CheckNameAvailability", check_name),
        Operation("GET", _NAMESPACE + "/networkRuleSets/default", network_rules),
        *_rules_of(_NAMESPACE),
        *_rules_of(_QUEUE),
        Operation("PUT", _QUEUE, put_queue, "servicebus-queue-put.json", like(_QUEUE_DEFAULTS)),
        Operation("GET", _QUEUE, get_queue),
        Operation("DELETE", _QUEUE, delete_queue),
        Operation("GET", _NAMESPACE + "/queues", list_queues),
    ),
    removed={NAMESPACE: _namespace_removed, QUEUE: _queue_removed},
    resume=_resume,
)
