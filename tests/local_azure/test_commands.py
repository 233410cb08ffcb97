"""The commands of `python -m local_azure`, and the host as an image starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from function_apps import FunctionApp, call, http_trigger

from local_azure.functions_host import FunctionsHost
from local_azure.functions_host.keys import load_keys
from local_azure.processes import free_port
from local_azure.waiting import wait_for

CHECKOUT = Path(__file__).parents[2]
CONTAINER = CHECKOUT / "local_azure" / "functions_host" / "container.py"
SEES = """
    import json, os, sys

    def main(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(json.dumps([sys.path, os.environ["PYTHONPATH"], os.environ["SETTING"]]))
"""


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes to end after the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.terminate()
        assert process.wait(20) == 0
        assert process.stdout is not None
        process.stdout.close()


def start(processes: list[subprocess.Popen[str]], *command: str | Path, **environment: str) -> dict[str, str | int]:
    """Start a command; returns the line that it prints when it is ready."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=CHECKOUT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    processes.append(process)
    assert process.stdout is not None
    line: dict[str, str | int] = json.loads(process.stdout.readline())
    assert line["pid"] == process.pid
    return line


def test_the_service_bus_command(processes: list[subprocess.Popen[str]]) -> None:
    line = start(processes, "-m", "local_azure", "service-bus", "--queue", "a", "--queue", "b", "--port", "0")
    with ServiceBusClient.from_connection_string(str(line["connectionString"])) as client:
        for queue in ("a", "b"):
            with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
                sender.send_messages(ServiceBusMessage(queue))
                assert str(receiver.receive_messages(1, max_wait_time=30)[0]) == queue


def test_a_host_that_is_configured_by_the_environment_alone(
    processes: list[subprocess.Popen[str]], app: FunctionApp, tmp_path: Path, worker_python: str
) -> None:
    app.add("sees", http_trigger("sees", authLevel="function"), SEES)
    inherited = tmp_path / "of-the-image"
    port = free_port()
    line = start(
        processes,
        "-I",
        CONTAINER,
        LOCAL_AZURE_PATH=os.pathsep.join([str(CHECKOUT), sysconfig.get_path("purelib")]),
        AzureWebJobsScriptRoot=str(app.folder),
        ASPNETCORE_URLS=f"http://+:{port}",
        FUNCTIONS_SECRETS_PATH=str(tmp_path / "Secrets"),
        languageWorkers__python__defaultExecutablePath=worker_python,
        PYTHONPATH=str(inherited),
        SETTING="value",
    )
    assert line["url"] == f"http://localhost:{port}"
    keys = load_keys(tmp_path / "Secrets" / "host.json", ["sees"])
    answer = call(f"http://127.0.0.1:{port}", f"/sees?code={keys.functions['sees']['default']}")
    path, python_path, setting = answer.json()
    assert path[0] == python_path == str(inherited)  # the app's own PYTHONPATH, and nothing of the host's
    assert str(CHECKOUT) not in path
    assert setting == "value"


def test_a_port_that_is_taken_is_said(app: FunctionApp, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}")
    with FunctionsHost(app.folder, sys.executable, {}, tmp_path / "state") as host:
        port = host.url.rsplit(":", 1)[1]
        done = subprocess.run(
            [sys.executable, "-m", "local_azure", "functions-host", "--script-root", app.folder, "--port", port,
             "--settings", tmp_path / "settings.json", "--keys", tmp_path / "keys" / "host.json"],
            cwd=CHECKOUT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"cannot start on 127.0.0.1:{port}" in done.stderr


def test_waiting_in_vain_names_what_was_waited_for() -> None:
    with pytest.raises(TimeoutError, match="the moon"):
        wait_for(lambda: False, 0, "the moon")
