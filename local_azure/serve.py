"""``python -m local_azure serve``: the local Azure itself, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from local_azure.faults import FaultRefused, read
from local_azure.latency import parse
from local_azure.running import CHECKOUT, Running, add_state, alone

COMPUTES = ("auto", "docker", "process")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_state(parser)
    parser.add_argument(
        "--compute", choices=COMPUTES, default="auto", help="what function apps run in (auto: docker, if it answers)"
    )
    parser.add_argument(
        "--latency", type=parse, default=parse("none"), metavar="none|azure[:SCALE]", help="answer as slowly as Azure"
    )
    parser.add_argument("--faults", type=Path, metavar="FILE", help="JSON list of faults that answers suffer")
    parser.add_argument(
        "--azurite",
        type=Path,
        default=os.environ.get("MLFUNC_AZURITE", CHECKOUT / ".venv" / "azurite"),
        help="where the storage emulator is installed",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve; the file ``server.pid`` in the state folder says that everything answers."""
    from local_azure.azurite import AzuriteMissing
    from local_azure.function_apps import ComputeUnavailable
    from local_azure.server import Options, Server, serve

    state: Path = arguments.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o700)  # keys and settings are in it
    running = Running(state)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)  # the SDK tells of each request that is made to Azurite
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ml-func"

    def ready(_: Server) -> None:
        running.pid_file.write_text(str(os.getpid()), "utf-8")
        logging.getLogger(__name__).info("everything answers")

    try:
        faults = read(arguments.faults) if arguments.faults else []
        options = Options(
            state=state,
            compute=arguments.compute,
            latency=arguments.latency,
            faults=faults,
            azurite=Path(arguments.azurite),
            python=Path(os.environ.get("MLFUNC_WORKER_PYTHON", sys.executable)),
            environments=CHECKOUT / ".venv" / "apps",
            cache=cache,
        )
        with alone(state / "server.lock", wait=False):
            try:
                asyncio.run(serve(options, ready))
            finally:
                running.pid_file.unlink(missing_ok=True)
    except BlockingIOError:
        print(f"A local Azure runs already in {state}.", file=sys.stderr)
        return 1
    except (AzuriteMissing, ComputeUnavailable, FaultRefused, OSError, TimeoutError) as failure:
        print(f"The local Azure cannot start: {failure}", file=sys.stderr)
        return 1
    return 0
