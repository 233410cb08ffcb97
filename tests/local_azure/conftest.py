"""Real parts for the tests of the local Azure: Azurite, the Service Bus stand-in, hosts with Microsoft's worker."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # for function_apps

from function_apps import FunctionApp, StartHost

from azext_mlfunc.emulators.service_bus import ServiceBus
from local_azure.azurite import Azurite
from local_azure.functions_host import FunctionsHost

CHECKOUT = Path(__file__).parents[2]
ACCOUNT_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def worker_python() -> str:
    """An interpreter that has Microsoft's worker (azure-functions-runtime-v1)."""
    return os.environ.get("MLFUNC_WORKER_PYTHON", sys.executable)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    prefix = Path(os.environ.get("MLFUNC_AZURITE", CHECKOUT / ".venv" / "azurite"))
    with Azurite(prefix, tmp_path_factory.mktemp("azurite")) as azurite:
        yield azurite


@pytest.fixture
def storage(azurite: Azurite) -> str:
    """The connection string of a storage account of the test's own."""
    return azurite.add_account(f"account{next(ACCOUNT_NUMBERS)}")


@pytest.fixture
def service_bus() -> Iterator[ServiceBus]:
    with ServiceBus() as bus:
        yield bus


@pytest.fixture
def app(tmp_path: Path) -> FunctionApp:
    """An empty function app."""
    return FunctionApp(tmp_path / "wwwroot")


@pytest.fixture
def start_host(tmp_path: Path, worker_python: str) -> Iterator[StartHost]:
    """Starts hosts, and stops them after the test."""
    hosts = []

    def start(app: FunctionApp, settings: dict[str, str] | None = None, **options: Any) -> FunctionsHost:
        running = options.pop("running", True)
        options.setdefault("blob_polling_interval", 0.1)
        options.setdefault("state_dir", tmp_path / "state")
        host = FunctionsHost(app.folder, worker_python, settings or {}, **options)
        hosts.append(host)
        host.start()
        return host.wait_until_running(60) if running else host

    yield start
    for host in hosts:
        host.stop()
