"""``python -m local_azure up``: start the local Azure in the background, and sign an unmodified az in to it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from local_azure import serve
from local_azure.running import CHECKOUT, Running, alone
from local_azure.waiting import wait_for

CLOUD = "LocalAzure"
_START_TIMEOUT = 180.0  # seconds; the base image of a Docker engine takes its time when it is made first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    serve.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Start it; returns when everything answers and az is signed in."""
    running, started = Running(arguments.state.resolve()), time.monotonic()
    try:
        running.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"The local Azure cannot start: {error}", file=sys.stderr)
        return 1
    with alone(running.state / "up.lock", wait=True):
        if running.answers():
            print(f"It runs already, in {running.state}.")
        elif not _start(running, arguments):
            return 1
        _sign_in(running)
    print(f"The local Azure is up ({time.monotonic() - started:.1f} s); its log is {running.log_file}.")
    option = "" if arguments.state == CHECKOUT / ".venv" / "local-azure" else f" --state {arguments.state}"
    print(f'Reach it with:  eval "$({_shown(sys.executable)} -m local_azure env{option})"')
    print(f"End it with:    {_shown(sys.executable)} -m local_azure down{option}")
    return 0


def _start(running: Running, arguments: argparse.Namespace) -> bool:
    """Start the process; False: it ended at once, and it has been said why."""
    options = {
        "state": running.state,
        "compute": arguments.compute,
        "latency": arguments.latency,
        "azurite": Path(arguments.azurite).resolve(),
        **({"faults": arguments.faults.resolve()} if arguments.faults else {}),
    }
    named = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "local_azure", "serve", *named]
    with running.log_file.open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            # without compiled modules the apps' packages take three times as long to load
            env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_for(
        lambda: running.answers() or process.poll() is not None, _START_TIMEOUT, f"it to answer; see {running.log_file}"
    )
    if process.poll() is None:
        return True
    with running.log_file.open("rb") as log:
        log.seek(begin)
        sys.stderr.write(log.read().decode(errors="replace"))
    return False


def _sign_in(running: Running) -> None:
    """Have az know the cloud and sign in, unless an earlier run has; in one process, for az is slow to start.

    Raises:
        subprocess.CalledProcessError: az refused; it has said why.
    """
    environment = {**os.environ, **running.environment()}
    if (Path(environment["AZURE_CONFIG_DIR"]) / "azureProfile.json").exists():
        return
    subprocess.run(
        [sys.executable, "-m", "local_azure.sign_in", CLOUD, environment["LOCAL_AZURE"]],
        cwd=CHECKOUT,
        env=environment,
        check=True,
    )


def _shown(path: str) -> str:
    """A path as one would type it here."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
