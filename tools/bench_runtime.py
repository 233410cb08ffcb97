"""What the runtime in the image adds to an invocation: against a function that calls the same run() itself.

Both functions are loaded by Microsoft's worker in one process and invoked in turn, over HTTP's binding, without a
network in between. Run as a script, this file is that process, under the worker's Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
WORKER = CHECKOUT / ".venv" / "worker" / "bin" / "python"
RUNTIME = CHECKOUT / ".venv" / "azure-extensions" / "ml-func" / "azext_mlfunc" / "runtime"
TURNS, WARM_UP = 6000, 500
BODY = '{"data": [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]}'
SCORE = "import json\ndef init(): pass\ndef run(data): return [sum(row) for row in json.loads(data)['data']]\n"
DIRECT = """
import json, sys
import azure.functions as func
sys.path.append({app!r})
import score

def main(request):
    return func.HttpResponse(json.dumps(score.run(request.get_body().decode())), mimetype="application/json")
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        wwwroot, app = Path(folder, "wwwroot"), Path(folder, "app")
        shutil.copytree(RUNTIME, wwwroot / "mlfunc_runtime", ignore=shutil.ignore_patterns("__pycache__"))
        (wwwroot / "direct").mkdir()
        (wwwroot / "direct" / "__init__.py").write_text(DIRECT.format(app=str(app)))
        app.mkdir()
        (app / "score.py").write_text(SCORE)
        environment = {**os.environ, "AML_APP_ROOT": str(app), "AZUREML_ENTRY_SCRIPT": "score.py"}
        environment["PYTHONPATH"] = str(CHECKOUT)
        output = subprocess.run(
            [WORKER, __file__, wwwroot], env=environment, cwd=wwwroot, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    ours, direct = json.loads(output.splitlines()[-1])
    print(f"An invocation under Microsoft's worker, {TURNS} of each in turn, median")
    print(f"  {'through the runtime in the image':<42}{ours * 1000:8.3f} ms")
    print(f"  {'a function that calls run() itself':<42}{direct * 1000:8.3f} ms")
    print(f"  {'added':<42}{(ours - direct) * 1000:8.3f} ms (goal: below 0.1)\n")


async def invoke_in_turn(wwwroot: Path) -> tuple[float, float]:
    """Load both functions and invoke them in turn; the median seconds of each."""
    from multiprocessing import Pipe

    from local_azure.functions_host.worker.program import Program, prepare_path

    prepare_path(str(wwwroot), None)
    program = Program(Pipe()[0], str(wwwroot))
    await program._init({})
    for name, script, entry_point in (
        ("score", "mlfunc_runtime/http.py", "score"),
        ("direct", "direct/__init__.py", "main"),
    ):
        loaded = await program._load(
            {
                "name": name,
                "function_id": name,
                "directory": str(wwwroot / name),
                "script_file": str(wwwroot / script),
                "entry_point": entry_point,
                "bindings": {
                    "request": {"type": "httpTrigger", "direction": "in", "data_type": 0},
                    "$return": {"type": "http", "direction": "out", "data_type": 0},
                },
            }
        )
        assert loaded["error"] is None, loaded["error"]
    seconds: dict[str, list[float]] = {"score": [], "direct": []}
    for turn in range(WARM_UP + TURNS):
        for name, own in seconds.items():
            started = time.perf_counter()
            answer = await program._invoke(_request(name))
            elapsed = time.perf_counter() - started
            assert answer["error"] is None, answer["error"]
            if turn >= WARM_UP:
                own.append(elapsed)
    return statistics.median(seconds["score"]), statistics.median(seconds["direct"])


def _request(function: str) -> dict[str, Any]:
    http = {
        "method": "POST",
        "url": "http://localhost/score",
        "headers": {"host": "localhost", "content-type": "application/json", "content-length": str(len(BODY))},
        "params": {},
        "query": {},
        "body": ("bytes", BODY.encode()),
    }
    return {
        "invocation_id": "0",
        "function_id": function,
        "inputs": {"request": ("http", http)},
        "metadata": {},
        "trace_parent": "",
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(invoke_in_turn(Path(sys.argv[1])))))
