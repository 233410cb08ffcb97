"""`make demo`: from a trained model to predictions, in three commands for each trigger, on this machine.

Starts a local Azure, trains the example, calls `az ml-func package` (without Docker), `az ml-func deploy` and
`az ml-func test` for each trigger, and takes everything down again.
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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.running import CHECKOUT, Running

EXAMPLE = Path("examples", "diabetes")
GROUP, REGISTRY = "demo", "demoregistry"
TRIGGERS = ("http", "blob", "service-bus-queue")


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
        predictions = {trigger: through(trigger, shell) for trigger in TRIGGERS}
    show("The predictions:")
    for trigger, prediction in predictions.items():
        print(f"  {trigger:<18} {json.dumps(prediction)}")
    agree = len({json.dumps(prediction) for prediction in predictions.values()}) == 1
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

    def run(self, command: Sequence[str], keep: bool = False) -> str:
        """Print a command and run it; returns what it printed if that is to be kept, and not shown.

        Raises:
            subprocess.CalledProcessError: it failed; it has said why itself.
        """
        print(f"$ {shlex.join(command)}", flush=True)
        output = subprocess.PIPE if keep else None
        done = subprocess.run(
            self._found(command), cwd=CHECKOUT, env=self._environment, check=True, stdout=output, text=True
        )
        return done.stdout or ""

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


def through(trigger: str, shell: Shell) -> Any:
    """Package and deploy for one trigger, test it with the sample, and return the prediction."""
    app = f"demo-{trigger}"
    show(f"{trigger}: package, deploy, test.")
    shell.run(
        ["az", "ml-func", "package", "--model", str(EXAMPLE / "model" / "diabetes.pkl")]
        + ["--entry-script", str(EXAMPLE / "score.py"), "--conda-file", str(EXAMPLE / "environment.yml")]
        + ["--trigger", trigger, "--registry", REGISTRY, "--image-tag", trigger, "--build", "direct", "-o", "table"]
    )
    image = f"{REGISTRY}.azurecr.io/package:{trigger}"
    shell.run(["az", "ml-func", "deploy", "-g", GROUP, "-n", app, "--image", image, "-o", "table"])
    sample = f"@{EXAMPLE / 'sample.json'}"
    return json.loads(shell.run(["az", "ml-func", "test", "-g", GROUP, "-n", app, "--data", sample], keep=True))[
        "output"
    ]


def show(text: str) -> None:
    """Say what comes next."""
    print(f"\n== {text}", flush=True)
