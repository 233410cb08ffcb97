"""The worker process: what the app finds in it, and what happens when it dies."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from function_apps import FunctionApp, StartHost, call, http_trigger

from local_azure.functions_host import FunctionsHost, HostFailed
from local_azure.waiting import wait_for

PID = """
    import os

    def main(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(str(os.getpid()))
"""
DIES = """
    import os

    def main(request: func.HttpRequest) -> func.HttpResponse:
        os._exit(3)
"""


def exists(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def logged(host: FunctionsHost, text: str) -> bool:
    return text in host.logs()


def worker_of(host: FunctionsHost) -> int:
    return int(host.status()["workerProcessId"])


def call_in_vain(host: FunctionsHost, target: str) -> None:
    """A request whose answer nobody waits for."""
    with suppress(OSError, http.client.HTTPException):
        call(host, target)


def test_the_app_finds_its_own_world(
    app: FunctionApp, start_host: StartHost, monkeypatch: pytest.MonkeyPatch, worker_python: str
) -> None:
    monkeypatch.setenv("CONTAINER_NAME", "somewhere")  # of the machine, not of our code
    code = """
        import json, os, sys, threading

        def main(request: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse(json.dumps({
                "cwd": os.getcwd(), "path": sys.path, "container": os.environ.get("CONTAINER_NAME"),
                "setting": os.environ["SETTING"], "pythonpath": os.environ.get("PYTHONPATH"),
                "threads": os.environ["PYTHON_THREADPOOL_THREAD_COUNT"],
                "ours": [name for name in sys.modules if name.split(".")[0] == "local_azure"],
                "executable": sys.executable,
            }))
    """
    packages = app.folder / ".python_packages" / "lib" / "site-packages"
    packages.mkdir(parents=True)
    host = start_host(app.add("world", http_trigger(), code), {"SETTING": "value"})
    world = call(host, "/world").json()
    assert Path(world["cwd"]) == app.folder
    assert world["path"][0] == str(packages)
    assert world["path"][-1] == str(app.folder)
    assert world["container"] is None
    assert world["setting"] == "value"
    assert world["pythonpath"] is None
    assert world["threads"] == "1000"
    assert world["ours"] == []
    assert world["executable"] == worker_python


def test_prints_and_logs_come_out_tagged(app: FunctionApp, start_host: StartHost) -> None:
    code = """
        import logging, sys

        def main(request: func.HttpRequest) -> func.HttpResponse:
            print("a print")
            print("an error print", file=sys.stderr)
            logging.warning("a warning")
            logging.getLogger("mine").debug("too much detail")
            return func.HttpResponse()
    """
    host = start_host(app.add("talks", http_trigger(), code))
    call(host, "/talks")
    for expected in (
        "[Information] Host.Function.Console.stdout: a print",
        "[Error] Host.Function.Console.stderr: an error print",
        "[Warning] Function.talks.User: a warning",
    ):
        wait_for(partial(logged, host, expected), 30, expected)
    assert "too much detail" not in host.logs()


def test_secrets_stay_out_of_the_log(app: FunctionApp, start_host: StartHost) -> None:
    secret = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0LWtleQ=="
    code = """
        import os

        def main(request: func.HttpRequest) -> func.HttpResponse:
            print("whole", os.environ["CONNECTION"], "part", os.environ["CONNECTION"][-16:])
            print("done")
            return func.HttpResponse()
    """
    host = start_host(app.add("leaks", http_trigger(), code), {"CONNECTION": secret})
    call(host, "/leaks")
    logs = wait_for(lambda: host.logs() if "done" in host.logs() else None, 30, "the function's prints")
    assert "whole [Hidden Credential] part [Hidden Credential]" in logs
    assert "c2VjcmV0" not in logs
    assert not any(key in logs for key in host.keys.all())


def test_a_dead_worker_is_replaced(app: FunctionApp, start_host: StartHost) -> None:
    app.add("pid", http_trigger(), PID).add("dies", http_trigger(), DIES)
    host = start_host(app)
    first = call(host, "/pid").body
    assert call(host, "/dies").status == 500
    second = call(host, "/pid")
    assert second.status == 200
    assert second.body != first
    assert "Language Worker Process exited." in host.logs()
    assert "python exited with code 3" in host.logs()


def test_a_worker_that_keeps_dying_is_given_up(app: FunctionApp, start_host: StartHost) -> None:
    app.add("pid", http_trigger(), PID).add("dies", http_trigger(), DIES)
    host = start_host(app)
    for _ in range(4):
        assert call(host, "/dies").status == 500
    wait_for(lambda: host.status()["state"] == "Error", 30, "the host to give up")
    assert "Exceeded language worker restart retry count" in host.status()["errors"][0]
    assert call(host, "/pid").status == 503


def test_a_worker_that_dies_while_loading_is_given_up(app: FunctionApp, start_host: StartHost) -> None:
    app.add("never", http_trigger(), "import os; os._exit(9)")
    host = start_host(app, running=False)
    with pytest.raises(HostFailed, match="Exceeded language worker restart retry count"):
        host.wait_until_running(60)
    assert host.logs().count("python exited with code 9") == 4


def test_an_interpreter_without_the_runtime_is_named(app: FunctionApp, tmp_path: Path) -> None:
    app.add("pid", http_trigger(), PID)
    host = FunctionsHost(app.folder, tmp_path / "no-python", {}, tmp_path / "state")
    with host, pytest.raises(HostFailed, match="no-python"):
        host.wait_until_running(60)


def test_the_function_timeout_ends_the_invocation_and_the_worker(tmp_path: Path, start_host: StartHost) -> None:
    app = FunctionApp(tmp_path / "wwwroot", {"functionTimeout": "00:00:01", "extensions": {}})
    code = """
        import threading

        def main(request: func.HttpRequest) -> func.HttpResponse:
            threading.Event().wait()
    """
    app.add("hangs", http_trigger(), code).add("pid", http_trigger(), PID)
    host = start_host(app)
    first = call(host, "/api/pid").body
    for _ in range(5):  # more often than a worker may die: this is no crash
        assert call(host, "/api/hangs").status == 500
    assert "Timeout value of 0:00:01 exceeded by function 'Functions.hangs'" in host.logs()
    assert call(host, "/api/pid").body != first
    assert host.status()["state"] == "Running"


def test_a_clean_stop_leaves_no_process(app: FunctionApp, start_host: StartHost, tmp_path: Path) -> None:
    code = """
        import os, subprocess, sys, threading

        threading.Thread(target=threading.Event().wait).start()   # not a daemon
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])

        def main(request: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse(str(child.pid))
    """
    host = start_host(app.add("spawns", http_trigger(), code))
    pids = [int(call(host, "/spawns").body), worker_of(host), host.pid or 0]
    assert all(map(exists, pids))
    host.stop()
    wait_for(lambda: not any(map(exists, pids)), 10, f"{pids} to be gone")


def test_a_worker_that_hangs_is_killed(app: FunctionApp, start_host: StartHost) -> None:
    code = """
        import ctypes

        def main(request: func.HttpRequest) -> func.HttpResponse:
            print("hanging", flush=True)
            ctypes.PyDLL(None).sleep(1000)  # keeps the interpreter's lock: no other thread of the worker runs
    """
    host = start_host(app.add("hangs", http_trigger(), code))
    worker = worker_of(host)
    threading.Thread(target=call_in_vain, args=(host, "/hangs"), daemon=True).start()
    wait_for(partial(logged, host, "hanging"), 30, "the function to hang")
    host.stop()
    wait_for(lambda: not exists(worker), 10, "the worker to be killed")


def test_the_worker_does_not_outlive_a_host_that_is_killed(app: FunctionApp, start_host: StartHost) -> None:
    host = start_host(app.add("pid", http_trigger(), PID))
    worker = worker_of(host)
    assert host.pid is not None
    os.kill(host.pid, signal.SIGKILL)
    wait_for(lambda: not exists(worker), 30, "the worker to end")


def test_host_json_can_be_overridden_by_settings(app: FunctionApp, start_host: StartHost) -> None:
    app.add("pid", http_trigger(), PID)
    host = start_host(app, {"AzureFunctionsJobHost__extensions__http__routePrefix": "other"})
    assert call(host, "/other/pid").status == 200
    assert call(host, "/pid").status == 404


def test_async_functions(app: FunctionApp, start_host: StartHost) -> None:
    code = """
        import asyncio, json

        async def main(request: func.HttpRequest) -> func.HttpResponse:
            await asyncio.sleep(0)
            return func.HttpResponse(json.dumps({"asynchronous": True}))
    """
    host = start_host(app.add("waits", http_trigger(), code))
    assert json.loads(call(host, "/waits").body) == {"asynchronous": True}
