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
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import bench_runtime

AZ = Path(sys.executable).parent / "az"
GIB = 1 << 30
CONTEXT_SIZE = 2 * GIB
MIB = 1 << 20
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Run:
    """One finished process.

    :param seconds: from its start to its end.
    :param peak: the most memory it held at once, in bytes.
    """

    seconds: float
    peak: int


def main() -> None:
    """Measure everything and print it."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores\n")
    bench_start()
    bench_context()
    bench_runtime.main()


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


def in_turn(
    commands: Sequence[Command], times: int, environment: dict[str, str] | None = None
) -> list[list[Run]]:
    """Run each command `times` times, one after the other and again, after one round that is not counted."""
    runs: list[list[Run]] = [[] for _ in commands]
    for turn in range(times + 1):
        for command, own in zip(commands, runs, strict=True):
            run = measure(command, environment or {})
            if turn:
                own.append(run)
    return runs


def measure(command: Command, environment: dict[str, str]) -> Run:
    """Run a command to its end; its output is thrown away.

    :raises RuntimeError: it failed.
    """
    arguments = [os.fspath(word) for word in command]
    start = time.perf_counter()
    pid = os.posix_spawnp(
        arguments[0],
        arguments,
        {**os.environ, **environment},
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise RuntimeError(f"{' '.join(arguments)} ended with status {os.waitstatus_to_exitcode(status)}")
    return Run(seconds, usage.ru_maxrss * 1024)


def median(runs: Sequence[Run]) -> float:
    """The median time, in seconds."""
    return statistics.median(run.seconds for run in runs)


def row(name: str, runs: Sequence[Run], with_peak: bool = False) -> None:
    """Print one line of a table."""
    low, high = min(run.seconds for run in runs), max(run.seconds for run in runs)
    peak = f"   peak {max(run.peak for run in runs) / MIB:6.0f} MiB" if with_peak else ""
    print(f"  {name:<42}{median(runs):8.2f} s  ({low:.2f} to {high:.2f}){peak}")


def write_random(path: Path, size: int) -> None:
    """Write a file of `size` random bytes, as trained weights are hardly compressible."""
    path.parent.mkdir()
    with path.open("wb") as file:
        for _ in range(size // (16 * MIB)):
            file.write(os.urandom(16 * MIB))


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
