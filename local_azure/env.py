"""``python -m local_azure env``: the exports for a shell."""

from __future__ import annotations

import argparse
import shlex
import sys

from local_azure.running import Running, add_state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_state(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print them; ``eval "$(python -m local_azure env)"`` takes them."""
    running = Running(arguments.state.resolve())
    if not running.answers():
        print(f"No local Azure runs in {running.state}. Start it: python -m local_azure up", file=sys.stderr)
        return 1
    for name, value in running.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0
