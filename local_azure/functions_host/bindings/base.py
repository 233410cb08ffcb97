"""What a trigger and an output binding are to the host."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, ClassVar, Protocol

from local_azure.functions_host.configuration import Binding, FunctionDefinition, HostConfiguration
from local_azure.functions_host.log import HostLog
from local_azure.functions_host.worker.values import Value
from local_azure.functions_host.worker_supervisor import InvocationResult


@dataclass(frozen=True)
class TriggerEvent:
    """One reason to call a function.

    Attributes:
        value: what the trigger's parameter gets.
        metadata: sent to the worker beside it (the worker's ``trigger_metadata``).
        binding_data: texts by name that templates of output paths may use.
        reason: for the log.
    """

    value: Value
    metadata: Mapping[str, Value]
    binding_data: Mapping[str, str]
    reason: str


class Invoke(Protocol):
    """Calls a function for an event, and writes its outputs."""

    def __call__(self, function: FunctionDefinition, event: TriggerEvent) -> InvocationResult: ...


@dataclass(frozen=True)
class Services:
    """What the host gives its bindings."""

    settings: Mapping[str, str]
    configuration: HostConfiguration
    log: HostLog
    invoke: Invoke
    blob_polling_interval: float  # seconds


class Trigger(Protocol):
    """Waits for events of one function. Constructors validate and do no I/O; they raise FunctionError."""

    binding_type: ClassVar[str]

    def __init__(self, function: FunctionDefinition, services: Services) -> None: ...

    @property
    def binding_data_names(self) -> set[str]:
        """The names that output templates may use."""
        ...

    def start(self) -> None:
        """Begin to listen."""
        ...

    def stop(self) -> None:
        """Take no more events, and give those under way a moment to end."""
        ...

    def run_manually(self, text: str) -> None:
        """Call the function with ``text`` as POST /admin/functions/{name} does."""
        ...


class Output(Protocol):
    """Writes one output of a function. Constructors validate and do no I/O; they raise FunctionError."""

    binding_type: ClassVar[str]

    def __init__(self, function: FunctionDefinition, binding: Binding, names: set[str], services: Services) -> None: ...

    def write(self, value: Value, binding_data: Mapping[str, str]) -> None:
        """Write ``value``; any exception fails the invocation."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def json_value(content: Any) -> Value:
    """A metadata value as the host's ``ToRpc`` sends it: texts as they are, everything else as JSON."""
    if content is None:
        return None
    return ("string", content) if isinstance(content, str) else ("json", json.dumps(content, default=str))


def system_metadata(function: FunctionDefinition) -> dict[str, Value]:
    """The ``sys`` entry that every trigger's metadata has (WebJobs SDK, ``SystemBindingData``)."""
    return {
        "sys": json_value(
            {"MethodName": function.name, "UtcNow": net_time(datetime.now(timezone.utc)), "RandGuid": str(uuid.uuid4())}
        )
    }


def net_time(moment: datetime) -> str:
    """A UTC time in the round-trip form of .NET, e.g. ``2026-01-02T03:04:05.123456+00:00``."""
    return moment.astimezone(timezone.utc).isoformat()


def input_value(content: bytes, data_type: str | None) -> Value:
    """Bytes of an event as the binding's ``dataType`` asks for them; text is the host's default."""
    if (data_type or "").lower() in ("binary", "stream"):
        return "bytes", content
    return "string", content.decode("utf-8", errors="replace")


def output_bytes(value: Value) -> bytes:
    """What an output binding writes for a value of the worker."""
    if value is None:
        return b""
    kind, content = value
    return content if kind == "bytes" else str(content).encode()
