"""What a trigger is, and how its options become command-line options.

A trigger is a frozen dataclass in a file of its own. Its fields are its options: from them come the command line, the
defaults and the trigger's part of the manifest, so that a new trigger is one new file and one line in the tuple of
`azext_mlfunc.triggers`.
"""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from azext_mlfunc.findings import Finding

if TYPE_CHECKING:
    from azext_mlfunc.deploying.blueprint import Service, Surroundings
    from azext_mlfunc.probing.prober import ProbeOptions, Prober
    from azext_mlfunc.probing.target import Target
    from azext_mlfunc.probing.test import Tools

# The setting under which azureml-contrib-functions kept the one connection of its triggers; deploy writes it.
CONNECTION_SETTING = "TriggerConnectionString"
_REGEX_OF_CAMEL = re.compile(r"_(\w)")


def option(*, default: str, help: str, choices: tuple[str, ...] | None = None) -> Any:
    """Declare a trigger's option: a dataclass field `input_path` becomes `--input-path`.

    :param default: the value where the user gives none.
    :param help: its text in `az ml-func package -h`.
    :param choices: the values allowed, where they are few.
    """
    return dataclasses.field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True)
class ServiceOption:
    """The option of `az ml-func deploy` that names the service of a trigger.

    :param name: the argument, `trigger_storage_account`.
    :param help: its text in `az ml-func deploy -h`.
    """

    name: str
    help: str


@dataclass(frozen=True)
class Emulated:
    """What has to be emulated for an app on this machine.

    :param containers: of blobs.
    :param queues: of Service Bus.
    """

    containers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trigger(ABC):
    """One kind of event, with its options."""

    name: ClassVar[str]
    """Its name on the command line and in the manifest."""
    script: ClassVar[str]
    """The file of the in-image runtime whose function `score` is called with the event."""
    connection: ClassVar[str | None] = CONNECTION_SETTING
    """The app setting that holds the connection, if the trigger has one."""

    service_option: ClassVar[ServiceOption | None] = None
    """How the user names the service that its events come from, if it has one."""

    @classmethod
    def options(cls) -> tuple[dataclasses.Field[str], ...]:
        """The options, as dataclass fields whose metadata holds `help` and `choices`."""
        return dataclasses.fields(cls)

    @abstractmethod
    def check(self) -> Iterator[Finding]:
        """Yield what Azure Functions would refuse of these options."""

    @abstractmethod
    def bindings(self) -> list[dict[str, Any]]:
        """The bindings of its `function.json`."""

    def service(self, around: Surroundings) -> Service | None:
        """The service that its events come from and its outputs go to, as deploy makes it; None: it needs none."""
        return None

    def emulated(self) -> Emulated:
        """What `az ml-func test --local` emulates of that service."""
        return Emulated()

    @abstractmethod
    def prober(self, target: Target, options: ProbeOptions, tools: Tools) -> Prober:
        """What sends events to an app with this trigger."""

    def describe(self) -> dict[str, Any]:
        """The trigger as the manifest holds it: `type`, its options in camel case, and its connection's setting."""
        described: dict[str, Any] = {"type": self.name}
        for field in self.options():
            described[_REGEX_OF_CAMEL.sub(lambda m: m[1].upper(), field.name)] = getattr(self, field.name)
        if self.connection:
            described["connection"] = self.connection
        return described


def flag(field: dataclasses.Field[Any]) -> str:
    """The command-line flag of a trigger's option: `input_path` is `--input-path`."""
    return "--" + field.name.replace("_", "-")
