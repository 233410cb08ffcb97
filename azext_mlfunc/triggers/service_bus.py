"""The Service Bus queue trigger: a message in one queue is scored into a message in another.

Sources: Azure Functions documentation, functions-bindings-service-bus-trigger and -output; queue names: Azure naming
rules, Microsoft.ServiceBus (1 to 260 characters: letters, digits, periods, hyphens, underscores, slashes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azext_mlfunc.findings import Finding
from azext_mlfunc.triggers.base import Emulated, ServiceOption, Trigger, option

if TYPE_CHECKING:
    from azext_mlfunc.deploying.blueprint import Service, Surroundings
    from azext_mlfunc.probing.prober import ProbeOptions, Prober
    from azext_mlfunc.probing.target import Target
    from azext_mlfunc.probing.test import Tools

_QUEUE = re.compile(r"(?=.{1,260}$)[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class ServiceBusQueueTrigger(Trigger):
    """A message in `input_queue` becomes a message in `output_queue`, in the same namespace."""

    name = "service-bus-queue"
    script = "event.py"
    service_option = ServiceOption(
        "service_bus_namespace",
        "Service Bus trigger: name or ID of the namespace of both queues. One that is not there is made. Default: a "
        "namespace of its own, with a name derived from the app's.",
    )

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

    def service(self, around: Surroundings) -> Service:
        from azext_mlfunc.deploying.blueprint import Service
        from azext_mlfunc.deploying.resources.service_bus import Namespace, Queue, Rule

        request = around.request
        named = request.services.get(self.service_option.name)
        namespace = Namespace(
            around.id_of("Microsoft.ServiceBus/namespaces", named, request.namespace_name(), Namespace.option),
            around.home,
        )
        rule = Rule(namespace)
        queues = (Queue(namespace, self.input_queue), Queue(namespace, self.output_queue))
        return Service((namespace, *queues, rule), lambda known: rule.setting(known, named is not None))

    def emulated(self) -> Emulated:
        return Emulated(queues=(self.input_queue, self.output_queue))

    def prober(self, target: Target, options: ProbeOptions, tools: Tools) -> Prober:
        from azext_mlfunc.probing.service_bus import ServiceBusProber

        return ServiceBusProber(target, self, options)

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
