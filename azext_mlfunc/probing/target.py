"""The app that is tested: where it answers, what it is called by, and who can be asked about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from azext_mlfunc.triggers.base import Trigger

if TYPE_CHECKING:
    from azext_mlfunc.probing.prober import Cause


class Queues(ABC):
    """The queues of the Service Bus namespace behind an app's trigger."""

    @abstractmethod
    def make(self, name: str) -> None:
        """Make a queue for the time of a test.

        :raises azure.cli.core.azclierror.ResourceNotFoundError: nobody knows the namespace.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Take it away again; that it cannot be is no failure."""

    @abstractmethod
    def count(self, name: str) -> int | None:
        """How many messages a queue holds; None: there is no queue of that name."""


class Place(ABC):
    """Where an app runs, and what can be asked there about it."""

    @abstractmethod
    def key(self, auth_level: str) -> str | None:
        """A key that opens functions of an authorization level; None: the host that has it is not up."""

    @abstractmethod
    def queues(self, target: Target) -> Queues:
        """The queues behind the app's trigger."""

    @abstractmethod
    def causes(self, target: Target) -> Iterator[Cause]:
        """Why the app does not answer, as far as it lies in the app itself; most likely first."""

    @abstractmethod
    def last_resort(self, target: Target) -> Cause:
        """What is said when nothing is found."""


@dataclass(frozen=True)
class Target:
    """An app.

    :param name: its name, as errors call it.
    :param url: where it answers requests, without a slash at the end.
    :param settings: its app settings, as they are good for this machine.
    :param image: the image that it runs; None: it has none.
    :param trigger: what its function is called by.
    :param function: the function's name.
    :param place: where it runs.
    """

    name: str
    url: str
    settings: Mapping[str, str] = field(repr=False)
    image: str | None
    trigger: Trigger
    function: str
    place: Place

    @property
    def connection(self) -> str | None:
        """The connection string of the trigger's service; None: the app has none."""
        return self.settings.get(self.trigger.connection) if self.trigger.connection else None
