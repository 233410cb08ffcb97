"""The host's side of one worker process: starting it, asking it, noticing its end."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import IO, Any

from local_azure.functions_host.errors import WorkerExited
from local_azure.functions_host.log import HostLog

START = Path(__file__).parent / "worker" / "start.py"
_LEVELS = {"CRITICAL": "Critical", "ERROR": "Error", "WARNING": "Warning", "INFO": "Information", "DEBUG": "Debug"}
_GRACE = 5.0  # seconds between asking and killing


class WorkerProcess:
    """One life of the worker: a process in a group of its own, and an unnamed socket pair to talk over.

    Args:
        python: the interpreter of the app's environment.
        script_root: the app's folder; the working directory of the process.
        environment: the whole environment of the process.
        log: takes what the app prints and logs.
        on_exit: called once with the exit code when the process is gone, however that came about.
        worker_path: a folder that holds the runtime when the interpreter itself does not.
    """

    def __init__(
        self,
        python: str,
        script_root: Path,
        environment: Mapping[str, str],
        log: HostLog,
        on_exit: Callable[[WorkerProcess, int], None],
        worker_path: str | None = None,
    ) -> None:
        self._python = python
        self._script_root = script_root
        self._environment = environment
        self._log = log
        self._on_exit = on_exit
        self._worker_path = worker_path
        self._sending = threading.Lock()
        self._ids = itertools.count(1)
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._waiting_lock = threading.Lock()
        self._gone = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self.function_of_invocation: dict[str, str] = {}  # to name the function on a log line

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: the interpreter cannot be run.
        """
        self._connection, theirs = Pipe()
        try:
            descriptor = theirs.fileno()
            extra = [self._worker_path] if self._worker_path else []
            self._process = subprocess.Popen(
                [self._python, "-P", str(START), str(descriptor), str(self._script_root), *extra],
                cwd=self._script_root,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="backslashreplace",
                pass_fds=[descriptor],
                start_new_session=True,
            )
        finally:
            theirs.close()
        assert self._process.stdout is not None and self._process.stderr is not None
        for target, arguments in (
            (self._read_answers, ()),
            (self._read_console, ("Information", "stdout", self._process.stdout)),
            (self._read_console, ("Error", "stderr", self._process.stderr)),
            (self._wait, ()),
        ):
            threading.Thread(target=target, args=arguments, daemon=True).start()

    def request(self, kind: str, **fields: Any) -> Future[dict[str, Any]]:
        """Send a request; the future holds the answer, or WorkerExited."""
        future: Future[dict[str, Any]] = Future()
        number = next(self._ids)
        with self._waiting_lock:
            if self._gone.is_set():
                future.set_exception(WorkerExited("The worker process has exited."))
                return future
            self._waiting[number] = future
        with self._sending, contextlib.suppress(OSError):  # a process that is going: _wait answers for it
            self._connection.send({"kind": kind, "id": number, **fields})
        return future

    def stop(self) -> None:
        """End the process and whatever it started; returns when it is gone."""
        if self._process is None:
            return
        if self._sending.acquire(timeout=_GRACE):  # not to be had while a worker that hangs is being written to
            with contextlib.suppress(OSError):
                self._connection.send({"kind": "stop"})
            self._sending.release()
        self._gone.wait(_GRACE)
        self.kill()
        self._gone.wait()

    def kill(self) -> None:
        """End the process at once, if it is still there, and whatever it started."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _wait(self) -> None:
        assert self._process is not None
        code = self._process.wait()
        with self._waiting_lock:
            self._gone.set()
            waiting, self._waiting = list(self._waiting.values()), {}
        for future in waiting:
            future.set_exception(WorkerExited(f"The worker process exited with code {code}."))
        self._on_exit(self, code)

    def _read_answers(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                return
            if message["kind"] == "log":
                self._write_log(message)
                continue
            with self._waiting_lock:
                future = self._waiting.pop(message["id"], None)
            if future is not None:
                future.set_result(message)

    def _write_log(self, message: dict[str, Any]) -> None:
        function = self.function_of_invocation.get(message["invocation_id"] or "")
        system = message["logger"].startswith("azure.functions")
        if system:
            category = "Worker"
        elif function:
            category = f"Function.{function}.User"
        else:
            category = "Worker.User"
        self._log.write(_LEVELS.get(message["level"], "Information"), category, message["text"])

    def _read_console(self, level: str, name: str, stream: IO[str]) -> None:
        for line in stream:
            self._log.write(level, f"Host.Function.Console.{name}", line.rstrip("\n"))
