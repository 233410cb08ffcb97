"""The figures that README.md names, measured on this machine: `make bench`.

Each figure is the median of several runs, taken in turn with what it is compared to, so that a machine that becomes
slower in between does not tip the balance.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import platform
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import bench_deploy, bench_direct, bench_download, bench_probe, bench_runtime
from tools.measuring import AZ, GIB, MIB, Command, in_turn, median, row, write_random

CONTEXT_SIZE = 2 * GIB


def main() -> None:
    """Measure everything and print it."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores\n")
    bench_start()
    bench_context()
    bench_runtime.main()
    bench_direct.main()
    bench_deploy.main()
    bench_probe.main()
    bench_download.main()


def bench_start() -> None:
    """`az ml-func -h` against `az version`: what the extension adds to a start of az."""
    commands: tuple[Command, ...] = ((AZ, "ml-func", "-h"), (AZ, "version"))
    help_runs, version_runs = in_turn(commands, times=7)
    print("Start of az")
    row("az ml-func -h", help_runs)
    row("az version", version_runs)
    print(f"  {'ratio':<42}{median(help_runs) / median(version_runs):8.2f}\n")


def bench_context() -> None:
    """The whole `az ml-func package` of a 2 GiB model, against an engine that only takes the context; and tar."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_random(folder / "model" / "weights.bin", CONTEXT_SIZE)
        (folder / "src").mkdir()
        (folder / "src" / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
        with swallowing_engine(folder / "engine.sock") as engine:
            script = folder / "src" / "score.py"
            package: Command = (AZ, "ml-func", "package", "--model", folder / "model", "--entry-script", script)
            idle: Command = (AZ, "version")
            tar: Command = ("sh", "-c", f"tar -c -C '{folder}' model src | cat >/dev/null")
            commands = ((*package, "--only-show-errors"), tar, idle)
            environment = {"DOCKER_HOST": f"unix://{folder}/engine.sock"}
            package_runs, tar_runs, idle_runs = in_turn(commands, times=3, environment=environment)
        assert engine.received > CONTEXT_SIZE, f"the engine was sent {engine.received} bytes"
    print("A context of 2 GiB, streamed to an engine that swallows it")
    row("az ml-func package", package_runs, with_peak=True)
    row("tar of the same files to a pipe", tar_runs, with_peak=True)
    row("an idle az (az version)", idle_runs, with_peak=True)
    over = max(run.peak for run in package_runs) - max(run.peak for run in idle_runs)
    print(f"  {'peak memory over an idle az':<42}{over / MIB:8.0f} MiB (goal: below 150)\n")


@dataclass
class Swallowed:
    """What an engine was sent, in bytes, by the largest build."""

    received: int = 0


@contextlib.contextmanager
def swallowing_engine(path: Path) -> Iterator[Swallowed]:
    """A Docker engine on a socket that takes a build's context, throws it away and says that it was built."""
    swallowed = Swallowed()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            is_image = "/images/" in self.path
            self.answer({"Id": "sha256:0", "Size": 0} if is_image else {"ApiVersion": "1.41"})

        def do_POST(self) -> None:
            received = 0
            while size := int(self.rfile.readline(), 16):
                left = size
                while left:
                    left -= len(self.rfile.read(min(left, MIB)))
                self.rfile.readline()
                received += size
            self.rfile.readline()
            swallowed.received = max(swallowed.received, received)
            self.answer({"stream": "Successfully built 0\n"})

        def answer(self, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "local"

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with Server(os.fspath(path), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield swallowed
        server.shutdown()


if __name__ == "__main__":
    main()
