"""The Service Bus queue trigger: a message in one queue is scored into a message in another.

Sources: Azure Functions documentation, functions-bindings-service-bus-trigger and -output; queue names: Azure naming
rules, Microsoft.ServiceBus (1 to 260 characters: letters, digits, periods, hyphens, underscores, slashes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.findings import Finding
from azext_mlfunc.triggers.base import Trigger, option

_QUEUE = re.compile(r"(?=.{1,260}$)[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class ServiceBusQueueTrigger(Trigger):
    """A message in `input_queue` becomes a message in `output_queue`, in the same namespace."""

    name = "service-bus-queue"
    script = "event.py"

    input_queue: str = option(default="inqueue", help="Service Bus trigger: the queue whose messages are scored.")
    output_queue: str = option(
        default="outqueue", help="Service Bus trigger: the queue that the predictions are sent to."
    )

    def check(self) -> Iterator[Finding]:
        for flag, queue in (("--input-queue", self.input_queue), ("--output-queue", self.output_queue)):
            if not _QUEUE.fullmatch(queue):
                yield Finding(
                    flag,
                    f"'{queue}' is no queue name",
                    "1 to 260 letters, digits, '.', '-', '_' and '/', with a letter or digit at both ends",
                    "choose a name like inqueue",
                )
        if self.input_queue.lower() == self.output_queue.lower():
            yield Finding(
                "--output-queue",
                f"'{self.output_queue}' is also the input queue",
                "another queue: the function would score its own predictions for ever",
                "choose another name, for example outqueue",
            )

    def bindings(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "serviceBusTrigger",
                "direction": "in",
                "name": "input",
                "dataType": "binary",
                "queueName": self.input_queue,
                "connection": self.connection,
            },
            {
                "type": "serviceBus",
                "direction": "out",
                "name": "output",
                "queueName": self.output_queue,
                "connection": self.connection,
            },
        ]
