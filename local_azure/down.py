"""``python -m local_azure down``: end what ``up`` has started, and nothing else."""

from __future__ import annotations

import argparse

from local_azure.running import Running, add_state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_state(parser)


def run(arguments: argparse.Namespace) -> int:
    """End it; that there is nothing to end is no failure."""
    running = Running(arguments.state.resolve())
    print(f"Ended. {running.state} is kept." if running.stop() else f"No local Azure runs in {running.state}.")
    return 0
