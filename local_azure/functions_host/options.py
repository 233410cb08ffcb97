"""How to run an app, and what its worker finds in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_NOT_FOR_THE_WORKER = ("CONTAINER_NAME", "WEBSITE_INSTANCE_ID")  # they make the worker rewrite its own path
_THREAD_COUNT = "PYTHON_THREADPOOL_THREAD_COUNT"


@dataclass(frozen=True)
class HostOptions:
    """How to run an app.

    Attributes:
        script_root: the app's folder (wwwroot).
        python: the interpreter of the app's environment, 3.13 or newer, with ``azure-functions-runtime-v1``.
        settings: the app settings.
        environment: the worker's environment, which includes the settings.
        keys_file: the host's secrets file; the functions' are beside it.
        address: interface and port (0: any free one).
        worker_path: a folder with the runtime, when the interpreter's own packages lack it.
        blob_polling_interval: seconds between two looks into a container.
    """

    script_root: Path
    python: str
    settings: Mapping[str, str]
    environment: Mapping[str, str]
    keys_file: Path
    address: tuple[str, int] = ("127.0.0.1", 0)
    worker_path: str | None = None
    blob_polling_interval: float = 0.5


def worker_environment(options: HostOptions) -> dict[str, str]:
    """The environment of the worker, with what the host puts into it.

    Source: Azure/azure-functions-host, ``DefaultWorkerProcessFactory`` (a pool of 1000 threads unless the app says
    otherwise) and worker.py (the two variables that are left out).
    """
    environment = {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsScriptRoot": str(options.script_root),
        _THREAD_COUNT: "1000",
        **options.environment,
    }
    for name in _NOT_FOR_THE_WORKER:
        environment.pop(name, None)
    return environment
