"""How long Azure takes, as the wire facts measured it; the one place for all of these figures.

A file of the wire facts names the operation. Where its recordings have dates the figure is worked out from them; the
others are estimates and say so.
"""

from __future__ import annotations

import argparse
import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_azure.arm.operation import Operation


@dataclass(frozen=True)
class Measured:
    """What one operation takes, in seconds.

    Attributes:
        answer: until the request is answered; the connection stays open.
        finish: from there until the operation is over, where it goes on.
        interval: between two polls, as the service asks for it.
        source: where the figures come from.
    """

    answer: float = 0.0
    finish: float = 0.0
    interval: float = 0.0
    source: str = "dates of the recording"


_ESTIMATE = "estimate"

TABLE: dict[str, Measured] = {
    "arm-resource-group-put.json": Measured(answer=1, source=_ESTIMATE),
    "arm-resource-group-delete.json": Measured(answer=1, finish=60, interval=15),
    "acr-registry-put.json": Measured(answer=1, finish=10, interval=10),
    "acr-registry-delete.json": Measured(answer=1, finish=10, interval=10),
    "storage-account-put.json": Measured(answer=1, finish=17, interval=17),
    "web-serverfarms-put.json": Measured(answer=13, source="dates of the recordings: 6 to 20 s"),
    "web-serverfarms-delete.json": Measured(answer=8),
    "web-sites-put.json": Measured(answer=25, source="dates of the recordings: 23 to 26 s"),
    "web-sites-delete.json": Measured(answer=28),
    "web-sites-config-web-patch.json": Measured(answer=3, source="dates of the recordings: 2 to 4 s"),
    "web-sites-config-appsettings-put.json": Measured(answer=3, source="estimate: as the configuration"),
    "web-sites-host-functionkeys-put.json": Measured(answer=1, source="estimate; 13 s while the host starts"),
    "insights-components-put.json": Measured(answer=3, source=_ESTIMATE),
    "authorization-role-assignment-put.json": Measured(
        answer=1, finish=60, source="answer: the recording; effect: docs"
    ),
    "servicebus-namespace-put.json": Measured(answer=2, finish=50, interval=30, source="recording: 42 to 60 s"),
    "servicebus-queue-put.json": Measured(answer=3),
    "servicebus-authorizationrule-put.json": Measured(answer=8),
    "ml-workspace-get.json": Measured(answer=1, finish=30, interval=10, source=_ESTIMATE),
    "ml-model-version-put.json": Measured(answer=1, source="the recording's notes"),
}
READ = Measured(answer=0.3, finish=5, interval=5, source=_ESTIMATE)
WRITE = Measured(answer=1, finish=5, interval=5, source=_ESTIMATE)
"""Whatever the table does not have."""
NEW_PRINCIPAL = 20.0
"""Seconds for which the directory does not know a new identity (authorization-role-assignment-put.json)."""


WAITED: ContextVar[float] = ContextVar("WAITED", default=0.0)
"""Seconds for which the request that is being answered was made to wait."""


async def wait(seconds: float) -> None:
    """Let the request that is being answered take longer."""
    if seconds > 0:
        WAITED.set(WAITED.get() + seconds)
        await asyncio.sleep(seconds)


class Latency:
    """The table at a scale.

    Args:
        scale: 0: no delay at all; 1: as Azure; 0.1: ten times as fast.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __str__(self) -> str:
        """What ``parse`` makes this of."""
        return f"azure:{self.scale:g}" if self.scale else "none"

    def answer(self, operation: Operation) -> float:
        """Seconds until a request is answered; a wire file with a write has its reads in it, too."""
        reads = operation.method in ("GET", "HEAD")
        return (READ if reads else self._measured(operation)).answer * self.scale

    def finish(self, operation: Operation) -> float:
        """Seconds from the answer until the operation is over."""
        return self._measured(operation).finish * self.scale

    def interval(self, operation: Operation) -> float:
        """Seconds that the service asks its client to wait between two polls."""
        return self._measured(operation).interval * self.scale

    @property
    def of_a_poll(self) -> float:
        return READ.answer * self.scale

    @property
    def of_a_new_principal(self) -> float:
        return NEW_PRINCIPAL * self.scale

    def _measured(self, operation: Operation) -> Measured:
        default = WRITE if operation.method in ("PUT", "PATCH", "DELETE") else READ
        return TABLE.get(operation.wire or "", default)


def parse(text: str) -> Latency:
    """The latency that ``none``, ``azure`` or ``azure:SCALE`` names.

    Raises:
        argparse.ArgumentTypeError: it is none of them.
    """
    kind, _, scale = text.partition(":")
    if text == "none":
        return Latency(0)
    try:
        factor = float(scale) if scale else 1.0
    except ValueError:
        factor = -1
    if kind != "azure" or factor < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a latency; expected none, azure or azure:SCALE (azure:0.1).")
    return Latency(factor)
