"""The host itself: reads the app, brings up the worker, the listeners and the HTTP server, and takes them down."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local_azure.functions_host.bindings import make_outputs, make_trigger
from local_azure.functions_host.bindings.base import Output, Services, Trigger, TriggerEvent
from local_azure.functions_host.bindings.http import HttpTrigger
from local_azure.functions_host.configuration import App, FunctionDefinition, HostConfiguration, read_app
from local_azure.functions_host.connections import keys_have_storage
from local_azure.functions_host.errors import FunctionError, HostError
from local_azure.functions_host.http_server import DEFAULT_BODY_LIMIT, HostServer
from local_azure.functions_host.keys import EXTENSIONS, Keys, KeyStore
from local_azure.functions_host.log import HostLog
from local_azure.functions_host.options import HostOptions, worker_environment
from local_azure.functions_host.router import Router
from local_azure.functions_host.worker_process import WorkerProcess
from local_azure.functions_host.worker_supervisor import InvocationResult, WorkerSupervisor

VERSION = "4.0.0-local"
STARTING, RUNNING, ERROR, STOPPING = "Starting", "Running", "Error", "Stopping"
_ON_APP_SERVICE = "WEBSITE_INSTANCE_ID"  # set there and nowhere else (``IsAppService``)
_BLOBS_KEY = "blobs_extension"  # the blob extension has the host make it, for its webhook
_NO_FUNCTIONS = (
    "No functions were found. This can occur before you deploy code to your function app or when the host.json file is "
    "missing from the most recent deployment."
)
_NO_KEYS = (
    "Secret initialization from Blob storage failed due to missing both an Azure Storage connection string and a SAS "
    "connection uri. For Blob Storage, please provide at least one of these. If you intend to use files for secrets, "
    "add an App Setting key 'AzureWebJobsSecretStorageType' with value 'Files'."
)


class Host:
    """A Functions host for one app.

    Args:
        options: what to run and how.
        log: where it says what it does.
    """

    def __init__(self, options: HostOptions, log: HostLog) -> None:
        self._options = options
        self._log = log
        self._state = STARTING
        self._settled = threading.Event()  # no longer starting
        self._errors: list[str] = []
        self._function_errors: dict[str, str] = {}
        self._definitions: tuple[FunctionDefinition, ...] = ()
        self._triggers: dict[str, Trigger] = {}
        self._outputs: dict[str, dict[str, Output]] = {}
        self._supervisor: WorkerSupervisor | None = None
        self._server: HostServer | None = None
        self._started_at = time.monotonic()
        self._state_lock = threading.Lock()
        self._keys = KeyStore(options.keys_file)
        self.home_page = options.settings.get("AzureWebJobsDisableHomepage", "").lower() not in ("true", "1")

    # -- life

    def start(self) -> int:
        """Listen for HTTP at once and start the app in the background; returns the HTTP port.

        Raises:
            OSError: the port is taken.
        """
        app = self._read_app()
        self._keys.load(path.parent.name for path in self._options.script_root.glob("*/function.json"))
        if app is not None and _uses_blobs(app) and _BLOBS_KEY not in self.keys.system:
            self._keys.put(EXTENSIONS, _BLOBS_KEY)
        self._log.hide(self.keys.all())
        limit = int(self._options.settings.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", DEFAULT_BODY_LIMIT))
        self._server = HostServer(Router(self).answer, self._options.address, limit)
        port = self._server.start()
        if app is not None:
            threading.Thread(target=self._start_app, args=(app,), name="start-app", daemon=True).start()
        return port

    def stop(self) -> None:
        """Stop listening, then the worker, then the server."""
        with self._state_lock:
            self._state = STOPPING
        self._settled.set()
        _side_by_side([trigger.stop for trigger in self._triggers.values()])
        if self._supervisor is not None:
            self._supervisor.stop()
        _side_by_side([output.close for outputs in self._outputs.values() for output in outputs.values()])
        if self._server is not None:
            self._server.stop()
        self._log.information("Host.General", "Stopped the host.")

    def _read_app(self) -> App | None:
        try:
            return read_app(self._options.script_root, self._options.settings)
        except HostError as error:
            self._fail(str(error))
            return None

    def _start_app(self, app: App) -> None:
        try:
            self._bring_up(app)
        except HostError:
            return  # the supervisor has said so
        except Exception as error:
            self._fail(f"The host could not be started: {type(error).__name__}: {error}")

    def _bring_up(self, app: App) -> None:
        self._log.information("Host.Startup", f"{len(app.functions)} functions found in {self._options.script_root}.")
        if not app.functions:
            self._log.warning("Host.Startup", _NO_FUNCTIONS)
        self._definitions = app.functions
        for name, error in app.errors.items():
            self._function_failed(name, error)
        if _uses_blobs(app) and not keys_have_storage(self._options.settings):
            self._fail(
                _NO_KEYS
            )  # the blob extension asks for its key while the host starts (``ScriptWebHookProvider``)
            return
        services = Services(
            settings=self._options.settings,
            configuration=app.configuration,
            log=self._log,
            invoke=self._invoke,
            blob_polling_interval=self._options.blob_polling_interval,
        )
        usable = [function for function in app.functions if self._bind(function, services)]
        if usable:
            self._start_worker(tuple(usable), app.configuration)
        for name, trigger in list(self._triggers.items()):
            if self._state == STARTING:
                self._listen(name, trigger)
        with self._state_lock:
            if self._state == STARTING:
                self._state = RUNNING
        self._log.information("Host.Startup", "Host started." if self._state == RUNNING else "Host did not start.")
        self._settled.set()

    def _bind(self, function: FunctionDefinition, services: Services) -> bool:
        if function.disabled:
            self._log.information("Host.Startup", f"Function '{function.name}' is disabled.")
            return False
        try:
            trigger = make_trigger(function, services)
            self._outputs[function.name] = make_outputs(function, trigger.binding_data_names, services)
        except FunctionError as error:
            self._function_failed(function.name, str(error))
            return False
        self._triggers[function.name] = trigger
        return True

    def _start_worker(self, functions: tuple[FunctionDefinition, ...], configuration: HostConfiguration) -> None:
        options = self._options
        environment = worker_environment(options)
        supervisor = WorkerSupervisor(
            make_worker=lambda on_exit: WorkerProcess(
                options.python, options.script_root, environment, self._log, on_exit, options.worker_path
            ),
            functions=functions,
            timeout=configuration.function_timeout,
            log=self._log,
            on_failure=self._fail,
        )
        with self._state_lock:
            if self._state == STOPPING:
                return
            self._supervisor = supervisor
        supervisor.start()

    def _listen(self, name: str, trigger: Trigger) -> None:
        try:
            trigger.start()
        except Exception as error:
            del self._triggers[name]
            self._function_failed(name, f"The listener for function 'Functions.{name}' was unable to start. {error}")

    def _function_failed(self, name: str, error: str) -> None:
        self._function_errors[name] = error
        self._log.error("Host.Startup", f"The '{name}' function is in error: {error}")

    def _fail(self, reason: str) -> None:
        """Give up: no more events are taken, so that none is lost to a host that cannot serve it."""
        with self._state_lock:
            self._errors.append(reason)
            if self._state != STOPPING:
                self._state = ERROR
        self._log.error("Host.Startup", f"The host is in error: {reason}")
        self._settled.set()
        for name, trigger in list(self._triggers.items()):
            threading.Thread(target=self._stop_listening, args=(name, trigger), daemon=True).start()

    def _stop_listening(self, name: str, trigger: Trigger) -> None:
        trigger.stop()
        self._log.information("Host.Startup", f"Stopped the listener for function 'Functions.{name}'.")

    # -- functions

    def _invoke(self, function: FunctionDefinition, event: TriggerEvent) -> InvocationResult:
        assert self._supervisor is not None
        category = f"Function.{function.name}"
        started = time.perf_counter()
        self._log.information(category, f"Executing 'Functions.{function.name}' (Reason='{event.reason}')")
        result = self._supervisor.invoke(function, {function.trigger.name: event.value}, event.metadata)
        if result.succeeded:
            result = self._write_outputs(function, event, result)
        took = f"Id={result.invocation_id}, Duration={(time.perf_counter() - started) * 1000:.1f}ms"
        if result.succeeded:
            self._log.information(category, f"Executed 'Functions.{function.name}' (Succeeded, {took})")
        else:
            details = f"Result: Failure\nException: {result.error}\nStack: {result.trace}".rstrip()
            self._log.error(category, f"Executed 'Functions.{function.name}' (Failed, {took})\n{details}")
        return result

    def _write_outputs(
        self, function: FunctionDefinition, event: TriggerEvent, result: InvocationResult
    ) -> InvocationResult:
        for name, output in self._outputs[function.name].items():
            value = result.returned if name == "$return" else (result.outputs or {}).get(name)
            if value is None:
                continue
            try:
                output.write(value, event.binding_data)
            except Exception as error:
                text = f"Error while handling parameter {name} after function returned: {type(error).__name__}: {error}"
                return InvocationResult(result.invocation_id, error=text)
        return result

    # -- what its pages show: see HostView

    @property
    def log(self) -> HostLog:
        return self._log

    @property
    def keys(self) -> Keys:
        return self._keys.keys

    @property
    def key_store(self) -> KeyStore | None:
        settings = self._options.settings
        return self._keys if keys_have_storage(settings) or not settings.get(_ON_APP_SERVICE) else None

    def wait_until_available(self) -> bool:
        self._settled.wait()
        return self._state == RUNNING

    def triggers(self) -> dict[str, Trigger]:
        return self._triggers

    def has_function(self, name: str) -> bool:
        return name.lower() in self.keys.functions

    def status(self) -> dict[str, Any]:
        """The answer of GET /admin/host/status, with what this host alone tells beside it.

        Errors are the host's own. Those of a function are in its own status, and that the worker could not load it is
        in the log only, until it is invoked (Functions host, HostController.GetHostStatus, FunctionsController
        .GetFunctionStatus, GrpcWorkerChannel.LoadResponse).
        """
        failures = {**self._function_errors, **(self._supervisor.load_errors if self._supervisor else {})}
        return {
            "id": self._options.settings.get("WEBSITE_SITE_NAME", "local"),
            "state": self._state,
            "version": VERSION,
            "errors": list(self._errors),
            "functionErrors": [f"The '{name}' function is in error: {text}" for name, text in failures.items()],
            "processUptime": int((time.monotonic() - self._started_at) * 1000),
            "processId": os.getpid(),
            "workerProcessId": self._supervisor.pid if self._supervisor else None,
        }

    def describe_functions(self, base_url: str) -> list[dict[str, Any]]:
        """The answer of GET /admin/functions."""
        return [self._describe(function, base_url) for function in self._definitions]

    def function_errors(self, name: str) -> list[str]:
        return [text for key, text in self._function_errors.items() if key.lower() == name.lower()]

    def _describe(self, function: FunctionDefinition, base_url: str) -> dict[str, Any]:
        trigger = self._triggers.get(function.name)
        invoke_url = None
        if isinstance(trigger, HttpTrigger):
            invoke_url = f"{base_url}/{trigger.full_template}".rstrip("/")
        return {
            "name": function.name,
            "script_href": f"{base_url}/admin/vfs/{function.script_file.name}",
            "href": f"{base_url}/admin/functions/{function.name}",
            "invoke_url_template": invoke_url,
            "language": "python",
            "config": dict(function.raw),
            "isDisabled": function.disabled,
            "isDirect": False,
            "isProxy": False,
        }


def _uses_blobs(app: App) -> bool:
    """Whether the app needs the blob extension."""
    return any(
        binding.type.lower() in ("blobtrigger", "blob") for function in app.functions for binding in function.bindings
    )


def _side_by_side(calls: list[Callable[[], None]]) -> None:
    """Make the calls at once and wait for all: connections take their time to close."""
    with ThreadPoolExecutor(max(1, len(calls))) as pool:
        for done in [pool.submit(call) for call in calls]:
            done.result()
