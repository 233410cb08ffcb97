"""The worker's main loop: takes the host's requests from a connection, hands them to the runtime, sends the answers.

Requests are dicts with ``kind`` init, load or invoke and an ``id``; the answer to each has the same ``id`` and an
``error`` (None, or the dict ``message, trace``). The kind stop and a closed connection end the process, so that no
worker outlives its host. Log records travel on the same connection (``kind`` log); what the app prints
goes to stdout as usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from . import protos, values

RUNTIME = "azure_functions_runtime_v1"


def prepare_path(script_root: str, worker_path: str | None) -> None:
    """Give the app the ``sys.path`` that the real worker gives it.

    ``.python_packages`` first, the interpreter's own packages next, the worker's own after them (the user's versions
    win, as PYTHON_ISOLATE_WORKER_DEPENDENCIES has it, which is always on from Python 3.13), the script root last.
    Source: azure-functions-python-worker, workers/proxy_worker/utils/dependency.py.
    """
    packages = Path(script_root) / ".python_packages" / "lib" / "site-packages"
    if packages.is_dir():
        sys.path.insert(0, str(packages))
    if worker_path:
        sys.path.append(worker_path)
    sys.path.append(script_root)


class Program:
    """One worker: a connection to the host and the runtime behind it.

    Args:
        connection: the host's end is on the other side.
        script_root: the app's folder (wwwroot).
    """

    def __init__(self, connection: Connection, script_root: str) -> None:
        self._connection = connection
        self._script_root = script_root
        self._sending = threading.Lock()
        self._runtime: Any = None

    def send(self, message: dict[str, Any]) -> None:
        with self._sending, contextlib.suppress(OSError):  # a host that is gone is noticed by the reader
            self._connection.send(message)

    async def run(self) -> None:
        """Answer requests until the host closes the connection."""
        loop = asyncio.get_running_loop()
        requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        threading.Thread(target=self._read, args=(loop, requests), name="host-reader", daemon=True).start()
        running: set[asyncio.Task[None]] = set()
        while True:
            task = asyncio.create_task(self._answer(await requests.get()))
            running.add(task)
            task.add_done_callback(running.discard)

    def _read(self, loop: asyncio.AbstractEventLoop, requests: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            try:
                request = self._connection.recv()
            except (EOFError, OSError):
                request = {"kind": "stop"}
            if request["kind"] == "stop":
                sys.stdout.flush()
                os._exit(0)  # threads of the app must not keep a worker alive whose host is done with it
            loop.call_soon_threadsafe(requests.put_nowait, request)

    async def _answer(self, request: dict[str, Any]) -> None:
        handler = {"init": self._init, "load": self._load, "invoke": self._invoke}[request["kind"]]
        try:
            answer = await handler(request)
        except Exception as error:
            logging.getLogger("azure.functions").exception("The worker failed on a %s request.", request["kind"])
            answer = {"error": {"message": f"{type(error).__name__}: {error}", "trace": ""}}
        self.send({"kind": "answer", "id": request["id"], **answer})

    async def _init(self, _request: dict[str, Any]) -> dict[str, Any]:
        self._runtime = importlib.import_module(RUNTIME)
        logging.getLogger().addHandler(HostLogHandler(self, self._runtime.invocation_id_cv))
        self._runtime.start_threadpool_executor()
        response = await self._runtime.worker_init_request(
            self._wrap(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=self._script_root))
        )
        return _outcome(response)

    async def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        bindings = {
            name: protos.BindingInfo(**{**info, "direction": getattr(protos.BindingInfo, info["direction"])})
            for name, info in request["bindings"].items()
        }
        metadata = protos.RpcFunctionMetadata(
            name=request["name"],
            directory=request["directory"],
            script_file=request["script_file"],
            entry_point=request["entry_point"],
            bindings=bindings,
        )
        response = await self._runtime.function_load_request(
            self._wrap(function_load_request=SimpleNamespace(function_id=request["function_id"], metadata=metadata))
        )
        return _outcome(response)

    async def _invoke(self, request: dict[str, Any]) -> dict[str, Any]:
        invocation = SimpleNamespace(
            invocation_id=request["invocation_id"],
            function_id=request["function_id"],
            input_data=[
                protos.ParameterBinding(name=name, data=values.to_message(value))
                for name, value in request["inputs"].items()
            ],
            trigger_metadata={name: values.to_message(value) for name, value in request["metadata"].items()},
            trace_context=SimpleNamespace(trace_parent=request["trace_parent"], trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        response = await self._runtime.invocation_request(self._wrap(invocation_request=invocation))
        sys.stderr.flush()
        return {
            **_outcome(response),
            "returned": values.from_message(response.return_value),
            "outputs": {output.name: values.from_message(output.data) for output in response.output_data or []},
        }

    @staticmethod
    def _wrap(**request: Any) -> SimpleNamespace:
        return SimpleNamespace(request=SimpleNamespace(**request), properties={"protos": protos, "host": "127.0.0.1"})


def _outcome(response: Any) -> dict[str, Any]:
    if response.result.status == protos.StatusResult.Success:
        return {"error": None}
    exception = response.result.exception
    return {"error": {"message": exception.message, "trace": exception.stack_trace}}


class HostLogHandler(logging.Handler):
    """Sends every log record to the host, with the invocation that it belongs to."""

    def __init__(self, program: Program, invocation_id: Any) -> None:
        super().__init__()
        self._program = program
        self._invocation_id = invocation_id

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._program.send(
                {
                    "kind": "log",
                    "level": record.levelname,
                    "logger": record.name,
                    "invocation_id": self._invocation_id.get(),
                    "text": self.format(record),
                }
            )
        except Exception:
            self.handleError(record)


def main(connection_fd: str, script_root: str, worker_path: str | None = None) -> None:
    """Run the worker until its host goes away."""
    descriptor = int(connection_fd)
    os.set_inheritable(descriptor, False)
    prepare_path(script_root, worker_path)
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    asyncio.run(Program(Connection(descriptor), script_root).run())
