"""How processes are measured: time and peak memory, several runs in turn, medians."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

AZ = Path(sys.executable).parent / "az"
GIB = 1 << 30
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


def in_turn(commands: Sequence[Command], times: int, environment: dict[str, str] | None = None) -> list[list[Run]]:
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
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for _ in range(size // (16 * MIB)):
            file.write(os.urandom(16 * MIB))
