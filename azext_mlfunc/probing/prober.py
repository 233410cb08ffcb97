"""What sends events to an app and takes its answers: one for each trigger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from azext_mlfunc.probing.event import Event, Output


@dataclass(frozen=True)
class Cause:
    """Why no answer came.

    :param found: what was found.
    :param remedy: what to do.
    """

    found: str
    remedy: str


@dataclass(frozen=True)
class ProbeOptions:
    """What the user asked of the probing itself.

    :param blob_name: name of the input blob; None: a name of its own.
    :param path: of an HTTP request.
    :param method: of an HTTP request.
    :param headers: of an HTTP request.
    :param content_type: of an HTTP request or a blob; None: by the data.
    :param keep: leave inputs and outputs where they are.
    :param concurrency: how many events are under way at once.
    """

    blob_name: str | None = None
    path: str = "/score"
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    keep: bool = False
    concurrency: int = 1


class Prober(ABC):
    """Sends events and waits for their answers; many threads may call `probe` at once."""

    waits_for: str
    """What is waited for after an event is sent, in words."""

    @abstractmethod
    def open(self) -> None:
        """Get ready.

        :raises azure.cli.core.azclierror.AzCLIError: events cannot be sent at all.
        """

    @abstractmethod
    def probe(self, event: Event, timeout: float) -> Output:
        """Send one event, and return its own answer.

        :param timeout: seconds.
        :raises ProbeFailed: the app answered with a failure.
        :raises NoAnswer: nothing came in time.
        """

    @abstractmethod
    def close(self) -> None:
        """Remove what was made for the test."""

    def causes(self, event: Event) -> Iterator[Cause]:
        """Why this event was not answered, as far as the trigger's own service can tell; most likely first."""
        yield from ()

    def __enter__(self) -> Prober:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def describe_output(output: Output) -> dict[str, Any]:
    """What a result says of an output beside its data."""
    return dict(output.details)
