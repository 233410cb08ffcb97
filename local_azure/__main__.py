"""``python -m local_azure``: the command line of the local Azure."""

from __future__ import annotations

import argparse
import importlib
import sys

# Each module has add_arguments(parser) and run(arguments) -> exit code; imported only when asked for, so that the
# Functions host starts without the storage emulator's needs and the other way round.
COMMANDS = {
    "up": ("local_azure.up", "start the local Azure, and sign in to it"),
    "env": ("local_azure.env", "print what to export so that az and the SDKs reach it"),
    "down": ("local_azure.down", "end it; what it keeps stays for the next `up`"),
    "serve": ("local_azure.serve", "be the local Azure, in the foreground: what `up` starts"),
    "demo": ("local_azure.demo", "package the example for each trigger and score with it"),
    "functions-host": ("local_azure.functions_host.command", "run a function app with the real Python worker"),
    "service-bus": ("local_azure.service_bus_command", "run a small Service Bus"),
    "install-azurite": ("local_azure.azurite", "install the storage emulator from npm into a folder"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog="python -m local_azure", description="An Azure on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    chosen = next((argument for argument in arguments if argument in COMMANDS), None)
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == chosen:
            importlib.import_module(module).add_arguments(command)
    parsed = parser.parse_args(arguments)
    code: int = importlib.import_module(COMMANDS[parsed.command][0]).run(parsed)
    return code


if __name__ == "__main__":
    sys.exit(main())
