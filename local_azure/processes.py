"""Starting a helper process in a group of its own, and ending it with all that it started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_GRACE = 15.0  # seconds between asking and killing
_WITH_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Becomes another program that ends when the thread that started it does, however that ends (Linux: prctl(2)).

A program of its own, as Python's ``preexec_fn`` is not safe in a process with threads.
"""

_LINUX = sys.platform == "linux"


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def accepts_connections(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


class ManagedProcess:
    """A process that is ended together with its children, and on Linux also when this process is killed.

    Args:
        command: program and arguments.
        environment: the whole environment.
        output: takes stderr, and stdout too unless ``pipe_stdout``.
        pipe_stdout: makes ``stdout`` readable.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], output: Path, pipe_stdout: bool = False
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._output = output
        self._pipe_stdout = pipe_stdout
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> subprocess.Popen[str]:
        """Start it; on Linux, from a thread that stays as long as it does.

        Raises:
            OSError: the program cannot be run.
        """
        if shutil.which(self._command[0], path=self._environment.get("PATH")) is None:
            raise FileNotFoundError(f"There is no program {self._command[0]}.")
        launcher = [sys.executable, "-I", "-S", "-c", _WITH_PARENT, str(os.getpid())] if _LINUX else []
        with self._output.open("ab") as file:
            self._process = subprocess.Popen(
                [*launcher, *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._pipe_stdout else file,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end, then make it; returns when it is gone."""
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)  # whatever is left of the group
        except ProcessLookupError:
            pass
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
