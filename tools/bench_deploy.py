"""`az ml-func deploy` against the documented steps, in a local Azure that answers ten times as fast as Azure does.

Both make everything for the same image with a blob trigger. The documented steps are counted until the last command
returns, deploy until the function is loaded, which it waits for.
"""

from __future__ import annotations

import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.running import Running
from tools.measuring import AZ

CHECKOUT = Path(__file__).parents[1]
SCALE = 0.1
RUNS = 3
GOAL_RATIO, GOAL_CHAIN, GOAL_OWN = 0.35, 1.05, 5.0  # the last in milliseconds
SCORE = """
import json, os
def init():
    global factor
    factor = json.load(open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")))["factor"]
def run(data):
    return [factor * value for value in json.loads(data)["data"]]
"""


@dataclass(frozen=True)
class Cloud:
    """A local Azure that runs, and what reaches it."""

    environment: Mapping[str, str]

    def az(self, *arguments: str) -> Any:
        """Call az; its result, if it is JSON.

        :raises RuntimeError: it failed.
        """
        call = subprocess.run(
            [AZ, *arguments, "--only-show-errors"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
        )
        if call.returncode:
            raise RuntimeError(f"az {' '.join(arguments[:4])} …: {call.stderr}")
        try:
            return json.loads(call.stdout)
        except ValueError:
            return call.stdout.strip()

    def control(self, path: str, method: str = "GET") -> Any:
        """Ask `/_control`."""
        request = urllib.request.Request(f"{self.environment['LOCAL_AZURE']}/_control/{path}", method=method)
        context = ssl.create_default_context(cafile=self.environment["REQUESTS_CA_BUNDLE"])
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch, running_cloud(Path(scratch) / "azure") as cloud:
        image, password = package(cloud, Path(scratch))
        started = time.perf_counter()
        steps = documented_steps(cloud, image, password)
        documented = time.perf_counter() - started
        runs = [measured_deploy(cloud, image, f"deployed{number}") for number in range(RUNS)]
        again = measured_deploy(cloud, image, "deployed0")
    assert all(step["outcome"] == "unchanged" for step in again.result["steps"])
    typical = sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
    ratio = typical.seconds / documented
    taken, chain = written_in(typical.requests), longest_chain(typical.result)
    print(f"Everything around an image, against a local Azure at azure:{SCALE} (median of {RUNS})")
    print(f"  {f'the documented steps ({steps} az commands)':<42}{documented:8.1f} s")
    print(f"  {'az ml-func deploy, the function loaded':<42}{typical.seconds:8.1f} s, {typical.calls}")
    print(f"  {'ratio':<42}{ratio:8.2f} (goal: at most {GOAL_RATIO})")
    print(f"  {'its writes, until the function is loaded':<42}{taken:8.1f} s; its longest chain {chain:.1f} s")
    print(f"  {'ratio':<42}{taken / chain:8.2f} (goal: at most {GOAL_CHAIN})")
    print(f"  {'a deploy that changes nothing':<42}{again.seconds:8.1f} s, {again.calls}")
    own = statistics.median(entry["own"] * 1000 for entry in again.requests)
    print(f"  {'the server itself, median of its answers':<42}{own:8.1f} ms (goal: below {GOAL_OWN})\n")


@contextmanager
def running_cloud(state: Path) -> Iterator[Cloud]:
    """A local Azure, taken down again."""
    command = [sys.executable, "-m", "local_azure"]
    up = ["up", "--state", str(state), "--latency", f"azure:{SCALE}", "--compute", "process"]
    subprocess.run([*command, *up], cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    try:
        yield Cloud(Running(state).environment())
    finally:
        subprocess.run([*command, "down", "--state", str(state)], cwd=CHECKOUT, stdout=subprocess.DEVNULL)


def package(cloud: Cloud, scratch: Path) -> tuple[str, str]:
    """A small image in a registry, and the registry's password."""
    (scratch / "model.json").write_text('{"factor": 2}')
    (scratch / "src").mkdir()
    (scratch / "src" / "score.py").write_text(SCORE)
    cloud.az("group", "create", "-n", "registries", "-l", "westeurope")
    cloud.az("acr", "create", "-g", "registries", "-n", "benchregistry", "--sku", "Basic", "--admin-enabled")
    options = ["--model", str(scratch / "model.json"), "--entry-script", str(scratch / "src" / "score.py")]
    packaged = cloud.az(
        "ml-func", "package", *options, "--trigger", "blob", "--registry", "benchregistry", "--build", "direct"
    )
    credentials = cloud.az("acr", "credential", "show", "-n", "benchregistry")
    return packaged["location"], credentials["passwords"][0]["value"]


def documented_steps(cloud: Cloud, image: str, password: str) -> int:
    """Type them, one after the other; returns how many there were."""
    group, app = ("-g", "documented"), ("-g", "documented", "-n", "documented-app")
    count = 0

    def az(*arguments: str) -> Any:
        nonlocal count
        count += 1
        return cloud.az(*arguments)

    az("acr", "credential", "show", "--name", "benchregistry")
    az("group", "create", "-n", "documented", "-l", "westeurope")
    az("appservice", "plan", "create", *group, "-n", "documented-plan", "--sku", "B1", "--is-linux")
    az("storage", "account", "create", *group, "-n", "documentedapp", "--sku", "Standard_LRS")
    az("storage", "account", "show-connection-string", *group, "-n", "documentedapp")
    create = ("--plan", "documented-plan", "--storage-account", "documentedapp", "--functions-version", "4")
    az("functionapp", "create", *app, *create, "--deployment-container-image-name", image)
    az("storage", "account", "create", *group, "-n", "documentedtrigger", "--sku", "Standard_LRS")
    connection = az("storage", "account", "show-connection-string", *group, "-n", "documentedtrigger")
    connection = connection["connectionString"]
    for container in ("input", "output"):
        az("storage", "container", "create", "-n", container, "--connection-string", connection)
    az("functionapp", "config", "appsettings", "set", *app, "--settings", f"TriggerConnectionString={connection}")
    az("acr", "repository", "show-tags", "-n", "benchregistry", "--repository", "package")
    login = ("--docker-registry-server-user", "benchregistry", "--docker-registry-server-password", password)
    server = ("--docker-registry-server-url", "https://benchregistry.azurecr.io")
    az("functionapp", "config", "container", "set", *app, "--docker-custom-image-name", image, *server, *login)
    return count


@dataclass(frozen=True)
class Deployed:
    """One deploy: its time in seconds, its result, and what ARM was asked for it."""

    seconds: float
    result: Any
    requests: list[dict[str, Any]]

    @property
    def calls(self) -> str:
        """How many there were of each kind."""
        kinds = Counter(entry["method"] for entry in self.requests)
        return f"{len(self.requests)} calls ({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))})"


def measured_deploy(cloud: Cloud, image: str, app: str) -> Deployed:
    """Deploy an image to an app in a group of its own."""
    cloud.control("requests", "DELETE")
    started = time.perf_counter()
    result = cloud.az("ml-func", "deploy", "-g", app, "-n", app, "-l", "westeurope", "--image", image)
    seconds = time.perf_counter() - started
    requests = [entry for entry in cloud.control("requests") if entry["host"] == "localhost"]
    return Deployed(seconds, result, requests)


def written_in(requests: list[dict[str, Any]]) -> float:
    """Seconds from the first write of a deploy to its last request, as the server saw them."""
    first = min(entry["started"] for entry in requests if entry["method"] == "PUT")
    return float(max(entry["started"] + entry["seconds"] for entry in requests) - first)


def longest_chain(result: Any) -> float:
    """Seconds of the longest chain of steps that wait for each other, as deploy itself measured them."""
    seconds = {step["name"]: step["seconds"] for step in result["steps"]}

    def slowest(start: str) -> float:
        return max((taken for name, taken in seconds.items() if name.startswith(start)), default=0.0)

    middle = max(
        slowest("plan"),
        slowest("storage account") + slowest("container"),
        slowest("Log Analytics") + slowest("Application Insights"),
    )
    return slowest("resource group") + middle + slowest("function app") + slowest("function loaded")
