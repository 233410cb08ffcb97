"""host.json and function.json: reading and validating them as the Functions host does.

Sources: Azure/azure-functions-host, ``HostJsonFileConfigurationSource``, ``HostFunctionMetadataProvider``,
``Utility.ValidateFunctionName``/``ValidateBinding``; Azure Functions docs: functions-host-json.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_azure.functions_host.errors import FunctionError, HostError

OVERRIDE_PREFIX = "AzureFunctionsJobHost__"
DEFAULT_TIMEOUT = 30 * 60.0  # seconds; Dedicated and Premium plans
HTTP_METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT")

_FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
_BINDING_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]{0,127}")
_TIME_SPAN = re.compile(r"(-)?(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")
_DATA_TYPES = {"string": 1, "binary": 2, "stream": 3}
_SETTING_NAME = re.compile(r"%([^%]+)%")


@dataclass(frozen=True)
class HostConfiguration:
    """What host.json (and the settings that override it) says, with the host's own defaults."""

    function_timeout: float | None = DEFAULT_TIMEOUT  # seconds; None: unbounded
    route_prefix: str = "api"
    blob_max_tries: int = 5
    blob_parallelism: int = 8 * (os.cpu_count() or 1)
    service_bus_max_concurrent_calls: int = 16
    service_bus_auto_complete: bool = True
    service_bus_max_lock_renewal: float = 300.0  # seconds


@dataclass(frozen=True)
class Binding:
    """One entry of function.json's ``bindings``."""

    name: str
    type: str
    direction: str
    data_type: str | None
    properties: Mapping[str, Any]

    @property
    def is_trigger(self) -> bool:
        return self.type.lower().endswith("trigger")


@dataclass(frozen=True)
class FunctionDefinition:
    """One function.json."""

    name: str
    directory: Path
    script_file: Path
    entry_point: str
    bindings: tuple[Binding, ...]
    raw: Mapping[str, Any] = field(repr=False)
    disabled: bool = False

    @property
    def function_id(self) -> str:
        return self.name

    @property
    def trigger(self) -> Binding:
        return next(binding for binding in self.bindings if binding.is_trigger)

    @property
    def outputs(self) -> tuple[Binding, ...]:
        return tuple(binding for binding in self.bindings if binding.direction == "out")

    def worker_bindings(self) -> dict[str, dict[str, Any]]:
        """The bindings in the form that the worker is given them."""
        return {
            binding.name: {
                "type": binding.type,
                "direction": binding.direction,
                "data_type": _DATA_TYPES.get((binding.data_type or "").lower(), 0),
            }
            for binding in self.bindings
        }


@dataclass(frozen=True)
class App:
    """A function app as its files describe it; ``errors`` says by function name why one cannot be used."""

    configuration: HostConfiguration
    functions: tuple[FunctionDefinition, ...]
    errors: Mapping[str, str]


def parse_time_span(text: str) -> float | None:
    """Seconds in a .NET time span such as ``00:05:00`` or ``1.00:00:00``; None for ``-1``, which is unbounded.

    Raises:
        HostError: the text is not a time span.
    """
    if text.strip() in ("-1", "-00:00:00.0010000"):
        return None
    match = _TIME_SPAN.fullmatch(text.strip())
    if match is None or match[1]:
        raise HostError(f"'{text}' in host.json is not a time span; expected hh:mm:ss, or -1 for no limit.")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    return ((days * 24 + hours) * 60 + minutes) * 60.0 + seconds


def resolve_settings_in(text: str, settings: Mapping[str, str]) -> str:
    """Replace ``%name%`` by the app setting of that name (WebJobs SDK, ``DefaultNameResolver``).

    Raises:
        FunctionError: there is no such setting.
    """

    def value(match: re.Match[str]) -> str:
        found = settings.get(match[1])
        if found is None:
            raise FunctionError(f"'%{match[1]}%' does not resolve to a value.")
        return found

    return _SETTING_NAME.sub(value, text)


def read_app(script_root: Path, settings: Mapping[str, str]) -> App:
    """Read and validate the app in ``script_root``.

    Raises:
        HostError: host.json is of no use, or the settings name another language than that of the functions
            (``Utility.VerifyFunctionsMatchSpecifiedLanguage``).
    """
    configuration = read_host_configuration(script_root, settings)
    functions: list[FunctionDefinition] = []
    errors: dict[str, str] = {}
    paths = sorted(script_root.glob("*/function.json"))
    runtime = settings.get("FUNCTIONS_WORKER_RUNTIME") or "python"
    if paths and runtime.lower() != "python":
        raise HostError(f"Did not find functions with language [{runtime}].")
    for path in paths:
        try:
            functions.append(read_function(path, settings))
        except FunctionError as error:
            errors[path.parent.name] = str(error)
    return App(configuration, tuple(functions), errors)


def read_host_configuration(script_root: Path, settings: Mapping[str, str]) -> HostConfiguration:
    """host.json, or the default one where there is none, with the ``AzureFunctionsJobHost__a__b`` settings over it."""
    path = script_root / "host.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        document = {"version": "2.0"}  # what the real host makes there (``HostJsonFileConfigurationSource``)
    except ValueError as error:
        raise HostError(f"Unable to parse host configuration file '{path}': {error}") from error
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise HostError("The host.json file is missing the required 'version' property, which must be \"2.0\".")
    for name, value in settings.items():
        if name.startswith(OVERRIDE_PREFIX):
            _override(document, name[len(OVERRIDE_PREFIX) :].split("__"), value)

    def section(name: str) -> dict[str, Any]:
        return _mapping(_mapping(document, "extensions"), name)

    default = HostConfiguration()
    blobs, service_bus = section("blobs"), section("serviceBus")
    timeout = document.get("functionTimeout")
    renewal = service_bus.get("maxAutoLockRenewalDuration")
    return HostConfiguration(
        function_timeout=default.function_timeout if timeout is None else parse_time_span(str(timeout)),
        route_prefix=str(section("http").get("routePrefix", default.route_prefix)).strip("/"),
        blob_max_tries=int(blobs.get("poisonBlobThreshold", blobs.get("maxDequeueCount", default.blob_max_tries))),
        blob_parallelism=int(blobs.get("maxDegreeOfParallelism", default.blob_parallelism)),
        service_bus_max_concurrent_calls=int(
            service_bus.get("maxConcurrentCalls", default.service_bus_max_concurrent_calls)
        ),
        service_bus_auto_complete=_truth(service_bus.get("autoCompleteMessages", True)),
        service_bus_max_lock_renewal=default.service_bus_max_lock_renewal
        if renewal is None
        else parse_time_span(str(renewal)) or 0.0,
    )


def read_function(path: Path, settings: Mapping[str, str]) -> FunctionDefinition:
    """One function.json.

    Raises:
        FunctionError: the function cannot be used, in the host's own words.
    """
    name = path.parent.name
    if _FUNCTION_NAME.fullmatch(name) is None or name.lower() == "host":
        raise FunctionError(f"'{name}' is not a valid function name.")
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise FunctionError(f"Unable to parse function.json: {error}") from error
    if not isinstance(raw, dict) or not raw.get("bindings"):
        raise FunctionError("At least one binding must be declared.")
    bindings = tuple(_binding(entry) for entry in raw["bindings"])
    names = [binding.name for binding in bindings]
    repeated = next((each for each in names if names.count(each) > 1), None)
    if repeated is not None:
        raise FunctionError(f"Multiple bindings with name '{repeated}' discovered. Binding names must be unique.")
    triggers = sum(binding.is_trigger for binding in bindings)
    if triggers == 0:
        raise FunctionError("No trigger binding specified. A function must have a trigger input binding.")
    if triggers > 1:
        raise FunctionError("Multiple trigger bindings defined. A function can only have a single trigger binding.")
    script_file = Path(os.path.normpath(path.parent / raw.get("scriptFile", "__init__.py")))
    if not script_file.is_file():
        raise FunctionError(
            "Invalid script file name configuration. The 'scriptFile' property is set to a file "
            f"that does not exist: '{raw.get('scriptFile', '__init__.py')}'."
        )
    return FunctionDefinition(
        name=name,
        directory=path.parent,
        script_file=script_file,
        entry_point=raw.get("entryPoint", ""),
        bindings=bindings,
        raw=raw,
        disabled=_is_disabled(name, settings) or _truth(raw.get("disabled", False)),
    )


def _is_disabled(name: str, settings: Mapping[str, str]) -> bool:
    """Source: azure-webjobs-sdk, FunctionIndexer.IsDisabled: Linux takes no dots in the names of variables."""
    return any(
        _truth(settings.get(each)) for each in (f"AzureWebJobs.{name}.Disabled", f"AzureWebJobs_{name}_Disabled")
    )


def _binding(entry: Any) -> Binding:
    name, kind = entry.get("name"), entry.get("type")
    if not kind:
        raise FunctionError("A binding is missing the required 'type' property.")
    if not isinstance(name, str) or (_BINDING_NAME.fullmatch(name) is None and name != "$return"):
        raise FunctionError(f"The binding name {name} is invalid. Please assign a valid name to the binding.")
    direction = str(entry.get("direction", "in")).lower()
    if direction not in ("in", "out", "inout"):
        raise FunctionError(f"The binding {name} has the direction '{direction}'; expected in, out or inout.")
    return Binding(name, kind, direction, entry.get("dataType"), entry)


def _mapping(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key, {})
    if not isinstance(found, dict):
        raise HostError(f"'{key}' in host.json must be an object.")
    return found


def _override(document: dict[str, Any], keys: list[str], value: str) -> None:
    for key in keys[:-1]:
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            raise HostError(f"A setting overrides '{key}' of host.json, which is not an object.")
    document[keys[-1]] = value


def _truth(value: Any) -> bool:
    return str(value).lower() in ("true", "1")
