"""The commands of `python -m local_azure`, and the host as an image starts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from function_apps import FunctionApp, call, http_trigger

from local_azure import base_image
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


def test_a_host_ends_with_its_parent(app: FunctionApp, tmp_path: Path) -> None:
    code = f"""
        import os
        from pathlib import Path
        from local_azure.functions_host import FunctionsHost

        host = FunctionsHost(Path({str(app.folder)!r}), {sys.executable!r}, {{}}, Path({str(tmp_path / "state")!r}))
        print(host.start().pid, flush=True)
        os.kill(os.getpid(), 9)
    """
    parent = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=CHECKOUT, stdout=subprocess.PIPE)
    pid = int(parent.stdout)
    wait_for(lambda: not running(pid), 30, "the host to end")


def test_the_base_image_carries_all_that_the_host_imports(tmp_path: Path) -> None:
    for name, path in base_image.our_files():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / name)
    host = tmp_path / base_image.OUR_HOST_FOLDER / "local_azure" / "functions_host" / "container.py"
    assert len(list(host.parents[1].rglob("*.py"))) < len(list((CHECKOUT / "local_azure").rglob("*.py")))
    done = subprocess.run([sys.executable, "-I", host, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert "--script-root" in done.stdout, done.stderr


def running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_waiting_in_vain_names_what_was_waited_for() -> None:
    with pytest.raises(TimeoutError, match="the moon"):
        wait_for(lambda: False, 0, "the moon")
