"""`make demo`: from nothing to predictions, on this machine, without Docker, root or Azure.

Trains the example, packages it for each trigger with `az ml-func package`, runs what was packaged under Microsoft's
Python worker beside Azurite and the Service Bus stand-in, and sends the sample through each trigger.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from local_azure.app import run_context
from local_azure.azurite import Azurite
from local_azure.functions_host import FunctionsHost
from local_azure.service_bus import ServiceBus
from local_azure.waiting import wait_for

CHECKOUT = Path(__file__).parents[1]
EXAMPLE = CHECKOUT / "examples" / "diabetes"
_PATIENCE = 60.0  # seconds for one prediction


@dataclass(frozen=True)
class Clouds:
    """The emulators that the apps use."""

    storage: Azurite
    service_bus: ServiceBus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, default=CHECKOUT / ".venv" / "demo", help="where contexts and logs go")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit code is 0 when all three predictions came and agree."""
    started = time.monotonic()
    state: Path = arguments.state
    show("Train the example's model.")
    call(["uv", "run", "--quiet", "--no-project", "--python", sys.executable, "--script", "examples/diabetes/train.py"])
    with ExitStack() as stack:
        storage = stack.enter_context(Azurite(CHECKOUT / ".venv" / "azurite", state / "azurite"))
        service_bus = stack.enter_context(ServiceBus())
        clouds = Clouds(storage, service_bus)
        show("Package it for each trigger. Each context could be built by any Docker as it is.")
        for trigger in SCORERS:
            package(trigger, state / trigger)
        show("Run each packaged app under Microsoft's Python worker, and send it the sample.")
        with ThreadPoolExecutor() as pool:
            predictions = dict(zip(SCORERS, pool.map(lambda t: score(t, state, clouds), SCORERS), strict=True))
    show("The predictions:")
    for trigger, prediction in predictions.items():
        print(f"  {trigger:<18} {prediction.decode()}")
    agree = len({json.dumps(json.loads(prediction)) for prediction in predictions.values()}) == 1
    verdict = "All three agree" if agree else "They do not agree"
    print(f"\n{verdict}; {time.monotonic() - started:.0f} s. Contexts and logs are in {state.relative_to(CHECKOUT)}/.")
    return 0 if agree else 1


def package(trigger: str, context: Path) -> None:
    """Call `az ml-func package` for one trigger."""
    call(
        ["az", "ml-func", "package", "--model", "examples/diabetes/model/diabetes.pkl"]
        + ["--entry-script", "examples/diabetes/score.py", "--conda-file", "examples/diabetes/environment.yml"]
        + ["--trigger", trigger, "--context-only", os.path.relpath(context, CHECKOUT), "-o", "table"]
    )


def score(trigger: str, state: Path, clouds: Clouds) -> bytes:
    """Run one packaged app, send it the sample and return its answer."""
    host = run_context(
        state / trigger,
        sys.executable,
        state / f"{trigger}-host",
        CHECKOUT / ".venv" / "apps",
        storage=clouds.storage.connection_string(),
        service_bus=clouds.service_bus.connection_string,
    )
    SCORERS[trigger].prepare(clouds)
    with host:
        host.wait_until_running(_PATIENCE)
        return SCORERS[trigger].score(host, clouds, (EXAMPLE / "sample.json").read_bytes())


@dataclass(frozen=True)
class Scorer:
    """How an event of one trigger is sent: what must be there before the app starts, and one event's way."""

    prepare: Callable[[Clouds], None]
    score: Callable[[FunctionsHost, Clouds, bytes], bytes]


def _score_http(host: FunctionsHost, _: Clouds, sample: bytes) -> bytes:
    print("  http: POST /score, with the host's default key")
    request = urllib.request.Request(
        f"{host.url}/score", data=sample, headers={"x-functions-key": host.keys.host["default"]}
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
        return bytes(answer.read())


def _make_containers(clouds: Clouds) -> None:
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(clouds.storage.connection_string()) as service:
        for name in ("input", "output"):
            try:
                service.create_container(name)
            except ResourceExistsError:
                continue


def _score_blob(_: FunctionsHost, clouds: Clouds, sample: bytes) -> bytes:
    from azure.core.exceptions import ResourceNotFoundError
    from azure.storage.blob import BlobServiceClient

    print("  blob: upload input/sample.json, wait for output/sample.out")
    with BlobServiceClient.from_connection_string(clouds.storage.connection_string()) as service:
        service.get_blob_client("input", "sample.json").upload_blob(sample, overwrite=True)
        output = service.get_blob_client("output", "sample.out")

        def downloaded() -> bytes | None:
            try:
                return bytes(output.download_blob().readall())
            except ResourceNotFoundError:
                return None

        return wait_for(downloaded, _PATIENCE, "output/sample.out")


def _make_queues(clouds: Clouds) -> None:
    for name in ("inqueue", "outqueue"):
        clouds.service_bus.add_queue(name)


def _score_message(_: FunctionsHost, clouds: Clouds, sample: bytes) -> bytes:
    from azure.servicebus import ServiceBusClient, ServiceBusMessage

    print("  service-bus-queue: send to inqueue, receive from outqueue")
    with ServiceBusClient.from_connection_string(clouds.service_bus.connection_string) as client:
        with client.get_queue_sender("inqueue") as sender:
            sender.send_messages(ServiceBusMessage(sample))
        with client.get_queue_receiver("outqueue", max_wait_time=_PATIENCE) as receiver:
            for message in receiver:
                receiver.complete_message(message)
                return b"".join(message.body)
    raise TimeoutError(f"Waited {_PATIENCE:g} s in vain for a message in outqueue.")


SCORERS = {
    "http": Scorer(lambda _: None, _score_http),
    "blob": Scorer(_make_containers, _score_blob),
    "service-bus-queue": Scorer(_make_queues, _score_message),
}


def show(text: str) -> None:
    """Say what comes next."""
    print(f"\n== {text}", flush=True)


def call(command: Sequence[str]) -> None:
    """Print a command as one would type it, and run it from the checkout with the tools of .venv.

    :raises subprocess.CalledProcessError: it failed; it has said why itself.
    """
    print(f"$ {shlex.join(command)}", flush=True)
    program = Path(sys.executable).with_name(command[0])
    subprocess.run([program, *command[1:]], cwd=CHECKOUT, check=True)
