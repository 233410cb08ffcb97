"""`make demo`: from a trained model to predictions, in three commands for each trigger, on this machine.

Starts a local Azure, trains the example, calls `az ml-func package` (without Docker) and `az ml-func deploy` for each
trigger, sends the sample through it, and takes everything down again.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.running import CHECKOUT, Running
from local_azure.waiting import wait_for

EXAMPLE = Path("examples", "diabetes")
GROUP, REGISTRY = "demo", "demoregistry"
_PATIENCE = 60.0  # seconds for one prediction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, default=CHECKOUT / ".venv" / "demo", help="where it keeps all; made anew")
    parser.add_argument("--compute", default="process", help="what the apps run in: process, docker or auto")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit code is 0 when all three predictions came and agree."""
    started = time.monotonic()
    state: Path = arguments.state.resolve()
    shutil.rmtree(state, ignore_errors=True)
    with local_azure(state, arguments.compute) as shell:
        show("Train the example's model.")
        train = [sys.executable, "--script", str(EXAMPLE / "train.py")]
        shell.run(["uv", "run", "--quiet", "--no-project", "--python", *train])
        show("A resource group and a container registry, as one has them.")
        shell.run(["az", "group", "create", "--name", GROUP, "--location", "westeurope", "-o", "table"])
        registry = ["az", "acr", "create", "--resource-group", GROUP, "--name", REGISTRY, "--sku", "Basic"]
        shell.run([*registry, "--admin-enabled", "-o", "table"])
        predictions = {trigger: through(trigger, shell) for trigger in SCORERS}
    show("The predictions:")
    for trigger, prediction in predictions.items():
        print(f"  {trigger:<18} {prediction.decode()}")
    agree = len({json.dumps(json.loads(prediction)) for prediction in predictions.values()}) == 1
    verdict = "All three agree" if agree else "They do not agree"
    print(f"\n{verdict}; {time.monotonic() - started:.0f} s. Logs are in {os.path.relpath(state, CHECKOUT)}/.")
    return 0 if agree else 1


@dataclass(frozen=True)
class Shell:
    """Runs commands as one would type them, from the checkout, with the tools of .venv.

    Attributes:
        environment: what leads to the local Azure.
    """

    environment: Mapping[str, str]

    def run(self, command: Sequence[str]) -> None:
        """Print a command and run it.

        Raises:
            subprocess.CalledProcessError: it failed; it has said why itself.
        """
        print(f"$ {shlex.join(command)}", flush=True)
        subprocess.run(self._found(command), cwd=CHECKOUT, env=self._environment, check=True)

    def ask(self, command: Sequence[str]) -> Any:
        """Run an az command quietly; its result.

        Raises:
            subprocess.CalledProcessError: it failed; it has said why itself.
        """
        answer = subprocess.run(
            self._found([*command, "--only-show-errors", "-o", "json"]),
            cwd=CHECKOUT,
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
        )
        return json.loads(answer.stdout or b"null")

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    @staticmethod
    def _found(command: Sequence[str]) -> list[str]:
        return [str(Path(sys.executable).with_name(command[0])), *command[1:]]


@contextmanager
def local_azure(state: Path, compute: str) -> Iterator[Shell]:
    """A local Azure that is up, and down again afterwards."""
    show("Start a local Azure, to which an unmodified az signs in.")
    command = [sys.executable, "-m", "local_azure"]
    subprocess.run([*command, "up", "--state", str(state), "--compute", compute], cwd=CHECKOUT, check=True)
    try:
        yield Shell(Running(state).environment())
    finally:
        subprocess.run([*command, "down", "--state", str(state)], cwd=CHECKOUT, stdout=subprocess.DEVNULL)


def through(trigger: str, shell: Shell) -> bytes:
    """Package and deploy for one trigger, send the sample, and return the prediction."""
    app = f"demo-{trigger}"
    show(f"{trigger}: package, deploy, and the sample through it.")
    shell.run(
        ["az", "ml-func", "package", "--model", str(EXAMPLE / "model" / "diabetes.pkl")]
        + ["--entry-script", str(EXAMPLE / "score.py"), "--conda-file", str(EXAMPLE / "environment.yml")]
        + ["--trigger", trigger, "--registry", REGISTRY, "--image-tag", trigger, "--build", "direct", "-o", "table"]
    )
    image = f"{REGISTRY}.azurecr.io/package:{trigger}"
    shell.run(["az", "ml-func", "deploy", "-g", GROUP, "-n", app, "--image", image, "-o", "table"])
    return SCORERS[trigger](shell, app, (CHECKOUT / EXAMPLE / "sample.json").read_bytes())


def _score_http(shell: Shell, app: str, sample: bytes) -> bytes:
    print(f"POST https://{app}.azurewebsites.net/score, with the app's key")
    keys = shell.ask(["az", "functionapp", "keys", "list", "-g", GROUP, "-n", app])
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": shell.environment["HTTPS_PROXY"]}),
        urllib.request.HTTPSHandler(context=_trusting(shell)),
    )
    headers = {"x-functions-key": keys["functionKeys"]["default"]}
    request = urllib.request.Request(f"https://{app}.azurewebsites.net/score", data=sample, headers=headers)
    with opener.open(request, timeout=_PATIENCE) as answer:
        return bytes(answer.read())


def _trusting(shell: Shell) -> Any:
    import ssl

    return ssl.create_default_context(cafile=shell.environment["REQUESTS_CA_BUNDLE"])


def _score_blob(shell: Shell, app: str, sample: bytes) -> bytes:
    print("upload the blob input/sample.json, and wait for output/sample.out")
    connection = _connection(shell, app)
    blob = ["az", "storage", "blob"]
    local = str(EXAMPLE / "sample.json")
    to = ["--connection-string", connection, "--container-name"]
    shell.ask([*blob, "upload", *to, "input", "--file", local, "--name", "sample.json"])
    output = [*to, "output", "--name", "sample.out"]
    wait_for(lambda: shell.ask([*blob, "exists", *output])["exists"], _PATIENCE, "output/sample.out")
    file = Path(shell.environment["AZURE_CONFIG_DIR"]).parent / "sample.out"
    shell.ask([*blob, "download", *output, "--file", str(file), "--no-progress"])
    return file.read_bytes()


def _score_message(shell: Shell, app: str, sample: bytes) -> bytes:
    from azure.servicebus import ServiceBusClient, ServiceBusMessage

    print("send to inqueue, and receive from outqueue")
    with ServiceBusClient.from_connection_string(_connection(shell, app)) as client:
        with client.get_queue_sender("inqueue") as sender:
            sender.send_messages(ServiceBusMessage(sample))
        with client.get_queue_receiver("outqueue", max_wait_time=_PATIENCE) as receiver:
            for message in receiver:
                receiver.complete_message(message)
                return b"".join(message.body)
    raise TimeoutError(f"Waited {_PATIENCE:g} s in vain for a message in outqueue.")


def _connection(shell: Shell, app: str) -> str:
    """The trigger's connection string, from the app's settings."""
    settings = shell.ask(["az", "functionapp", "config", "appsettings", "list", "-g", GROUP, "-n", app])
    connection: str = next(each["value"] for each in settings if each["name"] == "TriggerConnectionString")
    return connection


SCORERS: dict[str, Callable[[Shell, str, bytes], bytes]] = {
    "http": _score_http,
    "blob": _score_blob,
    "service-bus-queue": _score_message,
}


def show(text: str) -> None:
    """Say what comes next."""
    print(f"\n== {text}", flush=True)
