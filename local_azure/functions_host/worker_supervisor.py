"""Keeps a worker running with the app's functions loaded, and calls functions in it.

Sources: Azure/azure-functions-host, ``RpcFunctionInvocationDispatcher`` (restarts: three times per process, then the
host gives up), ``GrpcWorkerChannel`` (limits for starting and loading), ``FunctionTimeout`` handling.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import timedelta

from local_azure.functions_host.configuration import FunctionDefinition
from local_azure.functions_host.errors import FunctionTimeout, HostError, WorkerExited
from local_azure.functions_host.log import HostLog
from local_azure.functions_host.worker.values import Value
from local_azure.functions_host.worker_process import WorkerProcess

MAX_RESTARTS = 3
INIT_TIMEOUT = 60.0 + 120.0  # seconds: process start, then the newer worker's own limit for its init


@dataclass(frozen=True)
class InvocationResult:
    """What a function did: its outputs, or the error that ended it."""

    invocation_id: str
    returned: Value = None
    outputs: Mapping[str, Value] | None = None
    error: str | None = None
    trace: str = ""

    @property
    def succeeded(self) -> bool:
        return self.error is None


class WorkerSupervisor:
    """Starts the worker, loads every function, restarts a worker that died.

    Args:
        make_worker: makes a worker process that is not started yet, given the callback for its end.
        functions: loaded in this order.
        timeout: of one invocation, in seconds; None: unbounded.
        log: the host's log.
        on_failure: called with the reason when the worker is given up.
    """

    def __init__(
        self,
        make_worker: Callable[[Callable[[WorkerProcess, int], None]], WorkerProcess],
        functions: tuple[FunctionDefinition, ...],
        timeout: float | None,
        log: HostLog,
        on_failure: Callable[[str], None],
    ) -> None:
        self._make_worker = make_worker
        self._functions = functions
        self._timeout = timeout
        self._log = log
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._launching = threading.Lock()  # held while a worker is made and started
        self._worker: WorkerProcess | None = None  # set while it is ready
        self._starting: WorkerProcess | None = None
        self._stopping = False
        self._failure: str | None = None
        self._deaths = 0
        self._expected: set[WorkerProcess] = set()  # ends that we brought about ourselves
        self.load_errors: dict[str, str] = {}  # by function name

    @property
    def pid(self) -> int | None:
        worker = self._worker or self._starting
        return worker.pid if worker else None

    def start(self) -> None:
        """Start the worker and load the functions; returns when they are loaded or have failed to.

        Raises:
            HostError: no worker could be brought up, after the restarts that are allowed.
        """
        self._launch()
        with self._changed:
            self._changed.wait_for(lambda: self._worker is not None or self._failure is not None or self._stopping)
            if self._failure is not None:
                raise HostError(self._failure)

    def stop(self) -> None:
        """End the worker for good."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        with self._launching, self._changed:
            worker = self._worker or self._starting
            self._worker = self._starting = None
        if worker is not None:
            worker.stop()

    def invoke(
        self, function: FunctionDefinition, inputs: Mapping[str, Value], metadata: Mapping[str, Value]
    ) -> InvocationResult:
        """Call a function and wait for its end; every failure of the call is a result with an ``error``.

        Raises:
            HostError: there is no worker to call it in, and there will be none.
        """
        invocation_id = str(uuid.uuid4())
        if function.name in self.load_errors:
            return InvocationResult(invocation_id, error=self.load_errors[function.name])
        worker = self._ready_worker()
        worker.function_of_invocation[invocation_id] = function.name
        future = worker.request(
            "invoke",
            invocation_id=invocation_id,
            function_id=function.function_id,
            inputs=dict(inputs),
            metadata=dict(metadata),
            trace_parent=f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-00",
        )
        try:
            answer = future.result(self._timeout)
        except FutureTimeout:
            assert self._timeout is not None
            error = FunctionTimeout(
                f"Timeout value of {timedelta(seconds=self._timeout)} exceeded by function "
                f"'Functions.{function.name}' (Id: '{invocation_id}'). Initiating cancellation."
            )
            self._recycle(worker)
            return InvocationResult(invocation_id, error=str(error))
        except WorkerExited as exited:
            return InvocationResult(invocation_id, error=str(exited))
        finally:
            worker.function_of_invocation.pop(invocation_id, None)
        if answer["error"] is not None:
            return InvocationResult(invocation_id, error=answer["error"]["message"], trace=answer["error"]["trace"])
        return InvocationResult(invocation_id, answer["returned"], answer["outputs"])

    def _ready_worker(self) -> WorkerProcess:
        with self._changed:
            self._changed.wait_for(lambda: self._worker is not None or self._failure is not None or self._stopping)
            if self._worker is None:
                raise HostError(self._failure or "The host is stopping.")
            return self._worker

    def _launch(self) -> None:
        with self._launching:
            with self._changed:
                if self._stopping:
                    return
                worker = self._starting = self._make_worker(self._ended)
            try:
                worker.start()
            except OSError as error:
                self._fail(f"Failed to start a new language worker for runtime: python. {error}")
                return
        threading.Thread(target=self._prepare, args=(worker,), daemon=True).start()

    def _prepare(self, worker: WorkerProcess) -> None:
        """Initialise the worker and load the functions; a worker that dies meanwhile is dealt with by ``_ended``."""
        try:
            answer = worker.request("init").result(INIT_TIMEOUT)
            if answer["error"] is not None:
                self._fail(f"The worker could not be initialised: {answer['error']['message']}", worker)
                return
            errors = {}
            for function in self._functions:
                error = self._load(worker, function)
                if error is not None:
                    errors[function.name] = error
        except WorkerExited:
            return
        except FutureTimeout:
            self._fail("The worker did not answer in time while it was started.", worker)
            return
        with self._changed:
            self.load_errors = errors
            if self._starting is worker:
                self._worker, self._starting = worker, None
            self._changed.notify_all()

    def _load(self, worker: WorkerProcess, function: FunctionDefinition) -> str | None:
        limit = None if self._timeout is None else max(60.0, self._timeout)
        answer = worker.request(
            "load",
            function_id=function.function_id,
            name=function.name,
            directory=str(function.directory),
            script_file=str(function.script_file),
            entry_point=function.entry_point,
            bindings=function.worker_bindings(),
        ).result(limit)
        if answer["error"] is None:
            return None
        message: str = answer["error"]["message"]
        text = f"Worker failed to load function: '{function.name}'. {message}"
        self._log.error("Worker", f"{text}\n{answer['error']['trace']}".rstrip())
        return text

    def _ended(self, worker: WorkerProcess, code: int) -> None:
        with self._changed:
            if self._stopping or self._failure is not None:
                return
            if self._worker is worker:
                self._worker = None
            expected = worker in self._expected
            self._expected.discard(worker)
            if not expected:
                self._deaths += 1
            deaths = self._deaths
        if not expected:
            self._log.error(
                "Worker", f"Language Worker Process exited. Pid={worker.pid}. python exited with code {code}."
            )
        if deaths > MAX_RESTARTS:
            self._fail(
                "Exceeded language worker restart retry count for runtime:python. "
                "Shutting down and proactively recycling the Functions Host to recover"
            )
            return
        self._log.information("Worker", "Restarting the language worker process.")
        self._launch()

    def _recycle(self, worker: WorkerProcess) -> None:
        """Replace a worker in which a function ran too long: a Python thread cannot be cancelled."""
        with self._changed:
            if self._worker is not worker:
                return
            self._worker = None
            self._expected.add(worker)
        worker.kill()

    def _fail(self, reason: str, worker: WorkerProcess | None = None) -> None:
        with self._changed:
            self._failure = reason
            self._worker = None
            self._changed.notify_all()
        if worker is not None:
            worker.stop()
        self._on_failure(reason)
