"""``python -m local_azure functions-host``: run a host until SIGTERM or SIGINT, or the end of its parent.

Everything can be given by flags or, as in a Functions image, by the environment alone: AzureWebJobsScriptRoot,
ASPNETCORE_URLS, FUNCTIONS_SECRETS_PATH, languageWorkers__python__defaultExecutablePath, and LOCAL_AZURE_WORKER_PATH.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from local_azure.functions_host.host import Host
from local_azure.functions_host.log import HostLog, secrets_in
from local_azure.functions_host.options import HostOptions

# Of the caller's own environment these are not for the app; of the app settings they are.
_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
# What the app's environment says of these holds for the connections of the host itself, too.
_OF_CONNECTIONS = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_DEFAULT_SECRETS = "/azure-functions-host/Secrets"
_PARENT_INTERVAL = 0.5  # seconds between two looks whether the parent is there


def add_arguments(parser: argparse.ArgumentParser) -> None:
    environment = os.environ
    parser.add_argument("--script-root", default=environment.get("AzureWebJobsScriptRoot"), help="the app's folder")
    parser.add_argument("--python", help="interpreter of the app's environment (3.13 or newer)")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--settings", type=Path, help="JSON file with the app settings")
    source.add_argument("--settings-from-environment", action="store_true", help="the environment is the settings")
    parser.add_argument("--keys", type=Path, help="the host's secrets file; the functions' files are beside it")
    parser.add_argument("--address", help="interface to listen on (127.0.0.1, or that of ASPNETCORE_URLS)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for any (0, or that of ASPNETCORE_URLS)")
    parser.add_argument(
        "--worker-path",
        default=environment.get("LOCAL_AZURE_WORKER_PATH"),
        help="folder with azure_functions_runtime_v1, if the interpreter does not have it",
    )
    parser.add_argument("--blob-polling-interval", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--log", type=Path, help="log file (default: stderr)")
    parser.add_argument("--with-parent", action="store_true", help="end when the process that started this one ends")


def main(arguments: list[str]) -> int:
    """Run the host as these arguments say; returns the exit code."""
    parser = argparse.ArgumentParser(prog="functions-host")
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Run the host; prints one JSON line ``{"url": …, "pid": …}`` when it listens."""
    if not arguments.script_root:
        print("Give --script-root, or set AzureWebJobsScriptRoot.", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stream: TextIO = arguments.log.open("a", encoding="utf-8") if arguments.log else sys.stderr
    parent = os.getppid()
    options = read_options(arguments)
    os.environ.update({name: value for name, value in options.environment.items() if name.upper() in _OF_CONNECTIONS})
    host = Host(options, HostLog(stream, secrets_in(options.settings)))
    try:
        port = host.start()
    except OSError as error:
        print(f"The host cannot start on {options.address[0]}:{options.address[1]}: {error}", file=sys.stderr)
        return 1
    name = "localhost" if options.address[0] == "0.0.0.0" else options.address[0]
    print(json.dumps({"url": f"http://{name}:{port}", "pid": os.getpid()}), flush=True)
    while not stop.wait(_PARENT_INTERVAL if arguments.with_parent else None):
        if os.getppid() != parent:
            break
    host.stop()
    return 0


def read_options(arguments: argparse.Namespace) -> HostOptions:
    """The options that the command line and the environment give together."""
    if arguments.settings:
        settings = {str(key): str(value) for key, value in json.loads(arguments.settings.read_text("utf-8")).items()}
        inherited = {name: value for name, value in os.environ.items() if name not in _OURS}
        environment = {**inherited, **settings}
    else:
        settings = environment = dict(os.environ)
    secrets = Path(settings.get("FUNCTIONS_SECRETS_PATH", _DEFAULT_SECRETS)) / "host.json"
    bound = urlsplit(settings.get("ASPNETCORE_URLS", "").split(";")[0].replace("+", "0.0.0.0").replace("*", "0.0.0.0"))
    port = arguments.port if arguments.port is not None else bound.port or (80 if bound.hostname else 0)
    return HostOptions(
        script_root=Path(arguments.script_root).resolve(),
        python=arguments.python or settings.get("languageWorkers__python__defaultExecutablePath") or "python",
        settings=settings,
        environment=environment,
        keys_file=arguments.keys or secrets,
        address=(arguments.address or bound.hostname or "127.0.0.1", port),
        worker_path=arguments.worker_path,
        blob_polling_interval=arguments.blob_polling_interval,
    )
