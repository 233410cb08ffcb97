"""The bindings that this host knows: one file for each service, listed here."""

from __future__ import annotations

from local_azure.functions_host.bindings.base import Output, Services, Trigger
from local_azure.functions_host.bindings.blob import BlobOutput, BlobTrigger
from local_azure.functions_host.bindings.http import HttpTrigger
from local_azure.functions_host.bindings.service_bus import ServiceBusOutput, ServiceBusTrigger
from local_azure.functions_host.configuration import Binding, FunctionDefinition
from local_azure.functions_host.errors import FunctionError

TRIGGERS: tuple[type[Trigger], ...] = (HttpTrigger, BlobTrigger, ServiceBusTrigger)
OUTPUTS: tuple[type[Output], ...] = (BlobOutput, ServiceBusOutput)
HTTP_OUTPUT = "http"  # not written anywhere: the HTTP trigger answers with it


def make_trigger(function: FunctionDefinition, services: Services) -> Trigger:
    """The trigger of a function.

    Raises:
        FunctionError: its type is not known, or its settings are wrong.
    """
    for binding in function.bindings:
        if not binding.is_trigger and binding.direction != "out":
            raise _not_registered(binding)
    for kind in TRIGGERS:
        if kind.binding_type.lower() == function.trigger.type.lower():
            return kind(function, services)
    raise _not_registered(function.trigger)


def make_outputs(function: FunctionDefinition, names: set[str], services: Services) -> dict[str, Output]:
    """The outputs of a function by binding name, the HTTP answer excepted.

    Raises:
        FunctionError: a type is not known, or the settings of one are wrong.
    """
    return {
        binding.name: _make_output(function, binding, names, services)
        for binding in function.outputs
        if binding.type.lower() != HTTP_OUTPUT
    }


def _make_output(function: FunctionDefinition, binding: Binding, names: set[str], services: Services) -> Output:
    for kind in OUTPUTS:
        if kind.binding_type.lower() == binding.type.lower():
            return kind(function, binding, names, services)
    raise _not_registered(binding)


def _not_registered(binding: Binding) -> FunctionError:
    triggers = ", ".join(kind.binding_type for kind in TRIGGERS)
    outputs = ", ".join([HTTP_OUTPUT, *(kind.binding_type for kind in OUTPUTS)])
    return FunctionError(
        f"The binding type(s) '{binding.type}' are not registered. Please ensure the type is correct and the binding "
        f"extension is installed. This host knows the triggers {triggers} and the outputs {outputs}."
    )
