"""An app as `az ml-func package` lays it out, its function loaded by Microsoft's worker in a process of its own.

The worker is driven by parts of `local_azure.functions_host`: its supervisor, and its HTTP trigger without the server.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_azure.functions_host.bindings.base import Services, TriggerEvent
from local_azure.functions_host.bindings.http import HttpRequest, HttpTrigger
from local_azure.functions_host.configuration import FunctionDefinition, HostConfiguration, read_function
from local_azure.functions_host.log import HostLog
from local_azure.functions_host.worker_process import WorkerProcess
from local_azure.functions_host.worker_supervisor import InvocationResult, WorkerSupervisor

SCRIPTS = Path(__file__).parent / "scripts"
DEADLINE = 60.0  # seconds; nothing here takes long
FUNCTION = "score"

CONNECTION = "TriggerConnectionString"
BINDINGS: Mapping[str, list[dict[str, Any]]] = {
    "http": [
        {"type": "httpTrigger", "direction": "in", "name": "request", "authLevel": "function", "route": "{*path}"},
        {"type": "http", "direction": "out", "name": "$return"},
    ],
    "blob": [
        {
            "type": "blobTrigger",
            "direction": "in",
            "name": "input",
            "dataType": "binary",
            "path": "input/{blobname}.{blobextension}",
            "connection": CONNECTION,
        },
        {
            "type": "blob",
            "direction": "out",
            "name": "output",
            "path": "output/{blobname}.out",
            "connection": CONNECTION,
        },
    ],
    "service-bus-queue": [
        {
            "type": "serviceBusTrigger",
            "direction": "in",
            "name": "input",
            "dataType": "binary",
            "queueName": "inqueue",
            "connection": CONNECTION,
        },
        {
            "type": "serviceBus",
            "direction": "out",
            "name": "output",
            "queueName": "outqueue",
            "connection": CONNECTION,
        },
    ],
}


def worker_python() -> str:
    """The interpreter of the processes that hold the worker or Azure ML's server."""
    return os.environ.get("MLFUNC_WORKER_PYTHON") or sys.executable


def child_environment(folder: Path, entry_script: str | None, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that serves a script of the app in `folder`; None leaves the script open."""
    foreign = ("AML", "AZUREML", "MLFUNC", "PYTHON", "SERVICE_", "WEBSITE_", "CONTAINER_NAME", "SCORING_", "FLASK")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environment |= {"AML_APP_ROOT": str(folder / "app"), "AZUREML_MODEL_DIR": str(folder / "models")}
    environment["TZ"] = "UTC"  # as in the image: the worker reads a cookie's date as local time
    if entry_script is not None:
        environment["AZUREML_ENTRY_SCRIPT"] = entry_script
    return {**environment, **settings}


def lay_out(folder: Path, runtime_folder: Path, trigger: str, entry_script: str | None = None) -> None:
    """Write an app with all scripts of these tests.

    :param runtime_folder: the in-image runtime.
    :param trigger: one of `BINDINGS`.
    :param entry_script: the manifest's; None for an app without a manifest.
    """
    wwwroot = folder / "wwwroot"
    shutil.copytree(runtime_folder, wwwroot / "mlfunc_runtime", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(SCRIPTS, folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "models").mkdir()
    (folder / "models" / "model.txt").write_text("a model", encoding="utf-8")
    if entry_script is not None:
        manifest = {"schemaVersion": 1, "trigger": {"type": trigger}, "entryScript": entry_script}
        (wwwroot / "mlfunc.json").write_text(json.dumps(manifest), encoding="utf-8")
    function = {
        "scriptFile": f"../mlfunc_runtime/{'http' if trigger == 'http' else 'event'}.py",
        "entryPoint": "score",
        "bindings": BINDINGS[trigger],
    }
    (wwwroot / FUNCTION).mkdir()
    (wwwroot / FUNCTION / "function.json").write_text(json.dumps(function), encoding="utf-8")


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    :param target: path and query, percent-encoded.
    """

    method: str = "POST"
    target: str = "/score"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def sent_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers, with those that a client adds by itself."""
        length = (("Content-Length", str(len(self.body))),) if self.body else ()
        return (*self.headers, ("Host", "localhost"), ("User-Agent", "test"), *length)


@dataclass(frozen=True)
class Response:
    """One HTTP response, or a word as its `status` for what came instead of one."""

    status: int | str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"")

    def header(self, name: str) -> str | None:
        """All values of a header, with commas between them; None if there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None


class LoadFailed(Exception):
    """The worker could not load the function."""


class InvocationFailed(Exception):
    """The function raised."""


class WorkerApp:
    """A running worker with the app's function loaded; a context manager.

    :param folder: an app of `lay_out`.
    :param entry_script: the script, or None to leave AZUREML_ENTRY_SCRIPT unset.
    :param settings: more environment variables.
    """

    def __init__(self, folder: Path, entry_script: str | None = None, **settings: str) -> None:
        wwwroot = folder / "wwwroot"
        self._lines = io.StringIO()
        log = HostLog(self._lines)
        environment = child_environment(folder, entry_script, settings)
        paths = sorted(wwwroot.glob("*/function.json"))
        functions = tuple(read_function(path, environment) for path in paths)
        self._function = next(function for function in functions if function.name == FUNCTION)
        self._supervisor = WorkerSupervisor(
            make_worker=lambda on_exit: WorkerProcess(worker_python(), wwwroot, environment, log, on_exit),
            functions=functions,
            timeout=DEADLINE,
            log=log,
            on_failure=lambda _: None,
        )
        self._services = Services(
            settings=environment,
            configuration=HostConfiguration(route_prefix=""),
            log=log,
            invoke=self._invoke,
            blob_polling_interval=1.0,
        )

    @property
    def log(self) -> str:
        """What the worker and the app have logged and printed so far."""
        return self._lines.getvalue()

    def wait_for_log(self, text: str) -> None:
        """Wait until `text` is in the log: what a script prints comes by another way than its answers."""
        deadline = time.monotonic() + DEADLINE
        while text not in self.log:
            assert time.monotonic() < deadline, f"{text!r} was not logged:\n{self.log}"
            time.sleep(0.01)

    @property
    def load_errors(self) -> Mapping[str, str]:
        """Why functions could not be loaded, by name."""
        return self._supervisor.load_errors

    def __enter__(self) -> WorkerApp:
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.stop()

    def send(self, request: Request) -> Response:
        """Send an HTTP request and wait for the response.

        :raises LoadFailed: the function is not loaded.
        """
        sent = HttpRequest(request.method, request.target, "localhost", request.sent_headers(), request.body or None)
        answer = HttpTrigger(self._function, self._services).respond(sent, {})
        return Response(answer.status, answer.headers, answer.body)

    def score_blob(self, data: bytes, content_type: str | None = None, metadata: Mapping[str, str] = {}) -> bytes:
        """Give the function a blob, and return its output.

        :raises LoadFailed: the function is not loaded.
        :raises InvocationFailed: the function raised.
        """
        properties = {"ContentLength": len(data), "ContentType": content_type, "ETag": '"0x1"'}
        return self._score(
            data,
            BlobTrigger=("string", "input/a.json"),
            Uri=("string", "https://account.blob.core.windows.net/input/a.json"),
            Properties=("json", json.dumps(properties)),
            Metadata=("json", json.dumps(metadata)),
        )

    def score_message(
        self, data: bytes | None, content_type: str | None = None, properties: Mapping[str, Any] = {}
    ) -> bytes:
        """Give the function a Service Bus message, and return its output.

        :param data: None for a message without a body.
        :raises LoadFailed: the function is not loaded.
        :raises InvocationFailed: the function raised.
        """
        optional = {"ContentType": ("string", content_type)} if content_type else {}
        return self._score(
            data,
            MessageId=("string", "message-1"),
            CorrelationId=("string", "correlation-1"),
            DeliveryCount=("json", "1"),
            ApplicationProperties=("json", json.dumps(properties)),
            UserProperties=("json", json.dumps(properties)),
            **optional,
        )

    def _score(self, data: bytes | None, **metadata: tuple[str, str]) -> bytes:
        value = None if data is None else ("bytes", data)
        result = self._invoke(self._function, TriggerEvent(value, metadata, {}, "test"))
        if result.error is not None:
            raise InvocationFailed(f"{result.error}\n{result.trace}")
        kind, output = (result.outputs or {})["output"] or ("nothing", None)
        assert kind == "bytes"
        assert isinstance(output, bytes)
        return output

    def _invoke(self, function: FunctionDefinition, event: TriggerEvent) -> InvocationResult:
        if self.load_errors:
            raise LoadFailed(self.load_errors[function.name])
        return self._supervisor.invoke(function, {function.trigger.name: event.value}, event.metadata)
