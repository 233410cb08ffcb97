"""Every trigger that a model can be packaged for: one file each, and this tuple of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azext_mlfunc.triggers.base import ServiceOption, Trigger, flag
from azext_mlfunc.triggers.blob import BlobTrigger
from azext_mlfunc.triggers.http import HttpTrigger
from azext_mlfunc.triggers.service_bus import ServiceBusQueueTrigger

TRIGGERS: tuple[type[Trigger], ...] = (HttpTrigger, BlobTrigger, ServiceBusQueueTrigger)
NAMES: tuple[str, ...] = tuple(trigger.name for trigger in TRIGGERS)
SERVICE_OPTIONS: tuple[ServiceOption, ...] = tuple(t.service_option for t in TRIGGERS if t.service_option)
"""The options of `az ml-func deploy` that name the services of triggers."""


def from_description(described: Mapping[str, Any]) -> Trigger:
    """The trigger that a manifest describes; see `Trigger.describe`.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: there is no trigger of that name.
    """
    made = make_trigger(str(described.get("type")), {})
    plain = {camel.lower(): value for camel, value in described.items()}
    options = {field.name: plain.get(field.name.replace("_", "")) for field in made.options()}
    return make_trigger(made.name, options)


def make_trigger(name: str, given: Mapping[str, str | None]) -> Trigger:
    """The trigger called `name`, with the options that the user gave and its defaults for the rest.

    :param name: one of `NAMES`.
    :param given: every trigger's options by field name; None where the user gave none.
    :raises azure.cli.core.azclierror.InvalidArgumentValueError: there is no trigger of that name.
    :raises azure.cli.core.azclierror.MutuallyExclusiveArgumentError: an option of another trigger was given.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError, MutuallyExclusiveArgumentError

    kind = next((trigger for trigger in TRIGGERS if trigger.name == name), None)
    if kind is None:
        raise InvalidArgumentValueError(f"There is no trigger '{name}'.", f"Choose one of {', '.join(NAMES)}.")
    own = {field.name for field in kind.options()}
    values = {key: value for key, value in given.items() if value is not None}
    foreign = [
        f"{flag(field)} (of --trigger {other.name})"
        for other in TRIGGERS
        for field in other.options()
        if field.name in values and field.name not in own
    ]
    if foreign:
        raise MutuallyExclusiveArgumentError(
            f"--trigger {name} does not take {', '.join(foreign)}.",
            "Leave it out, or choose the trigger that it belongs to.",
        )
    return kind(**values)
