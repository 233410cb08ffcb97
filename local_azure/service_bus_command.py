"""``python -m local_azure service-bus``: run a Service Bus until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading

from azext_mlfunc.emulators.service_bus.entity import DEFAULT_LOCK_SECONDS, DEFAULT_MAX_DELIVERY
from azext_mlfunc.emulators.service_bus.server import ServiceBus

KEY_VARIABLE = "LOCAL_AZURE_SERVICE_BUS_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", action="append", default=[], metavar="NAME", help="a queue; may be repeated")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--max-delivery", type=int, default=DEFAULT_MAX_DELIVERY)
    parser.add_argument("--lock-seconds", type=float, default=DEFAULT_LOCK_SECONDS)
    parser.epilog = f"The access key is taken from {KEY_VARIABLE}, or made."


def run(arguments: argparse.Namespace) -> int:
    """Run it; prints one JSON line ``{"connectionString": …, "port": …, "pid": …}`` when it listens."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    bus = ServiceBus(arguments.port, arguments.host, os.environ.get(KEY_VARIABLE))
    for name in arguments.queue:
        bus.add_queue(name, arguments.max_delivery, arguments.lock_seconds)
    try:
        bus.start()
    except OSError as error:
        print(f"The Service Bus cannot listen on {arguments.host}:{arguments.port}: {error}", file=sys.stderr)
        return 1
    line = {"connectionString": bus.connection_string, "port": bus.port, "pid": os.getpid()}
    print(json.dumps(line), flush=True)
    stop.wait()
    bus.stop()
    return 0
