"""`az ml-func test` of a folder of events against a bare loop over the SDK, for HTTP and for blobs.

Both send the same events to the same app in a local Azure, in turn, with as many under way at once. The loop leaves its
blobs where they are; the test takes its own away. `python -m tools.bench_probe http` measures that one alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench_deploy import CHECKOUT, Cloud, running_cloud
from tools.measuring import AZ, MIB, Command, measure

EVENTS, FEW = 2000, 200
CONCURRENCY = 32
RUNS = {"http": 3, "blob": 1}
GOAL = 0.95
SCORE = """
import json
def init():
    pass
def run(data):
    return json.loads(data)
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch, running_cloud(Path(scratch) / "azure") as cloud:
        folder = Path(scratch)
        _write(folder)
        cloud.az("group", "create", "-n", "probed", "-l", "westeurope")
        cloud.az("acr", "create", "-g", "probed", "-n", "probedregistry", "--sku", "Basic", "--admin-enabled")
        print(f"{EVENTS} events through an app, {CONCURRENCY} at a time")
        for trigger, runs in RUNS.items():
            if sys.argv[1:] and trigger not in sys.argv[1:]:
                continue
            app = _deploy(cloud, folder, trigger)
            loops, tests = [], []
            for _ in range(runs):
                loops.append(_loop(cloud, folder, trigger, app))
                tests.append(_test(cloud, folder, app))
            loop, test = statistics.median(loops), statistics.median(tests)
            few, many = (_peak(cloud, folder, app, events) for events in ("few", "events"))
            print(f"  {f'{trigger}: a bare loop over the SDK':<42}{loop:8.1f} events/s")
            print(f"  {f'{trigger}: az ml-func test':<42}{test:8.1f} events/s")
            print(f"  {'ratio':<42}{test / loop:8.2f} (goal: at least {GOAL})")
            print(f"  {f'peak memory, {FEW} and {EVENTS} events':<42}{few / MIB:8.1f} and {many / MIB:.1f} MiB")
    print()


def _write(folder: Path) -> None:
    """The project and the events."""
    (folder / "src").mkdir()
    (folder / "src" / "score.py").write_text(SCORE)
    (folder / "model.txt").write_text("nothing\n")
    for name, count in (("events", EVENTS), ("few", FEW)):
        (folder / name).mkdir()
        for number in range(count):
            (folder / name / f"{number}.json").write_text(f'{{"number": {number}}}')


def _deploy(cloud: Cloud, folder: Path, trigger: str) -> str:
    """Package and deploy the project for a trigger; the app's name."""
    options = ["--model", str(folder / "model.txt"), "--entry-script", str(folder / "src" / "score.py")]
    packaged = cloud.az(
        *("ml-func", "package", *options, "--trigger", trigger, "--registry", "probedregistry"),
        *("--image-tag", trigger, "--build", "direct"),
    )
    app = f"probed-{trigger}"
    cloud.az("ml-func", "deploy", "-g", "probed", "-n", app, "-l", "westeurope", "--image", packaged["location"])
    return app


def _loop(cloud: Cloud, folder: Path, trigger: str, app: str) -> float:
    """Events per second of the bare loop."""
    if trigger == "http":
        keys = cloud.az("functionapp", "keys", "list", "-g", "probed", "-n", app)
        settings = {"BENCH_URL": f"https://{app}.azurewebsites.net/score", "BENCH_KEY": keys["functionKeys"]["default"]}
    else:
        listed = cloud.az("functionapp", "config", "appsettings", "list", "-g", "probed", "-n", app)
        settings = {
            "BENCH_CONNECTION": next(each["value"] for each in listed if each["name"] == "TriggerConnectionString")
        }
    with tempfile.TemporaryDirectory(dir=folder) as answers:
        words = [sys.executable, "-m", "tools.bench_probe_loop", str(folder / "events"), answers, str(CONCURRENCY)]
        environment = {**os.environ, **cloud.environment, **settings}
        done = subprocess.run(words, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def _test(cloud: Cloud, folder: Path, app: str) -> float:
    """Events per second of `az ml-func test`."""
    with tempfile.TemporaryDirectory(dir=folder) as answers:
        result = cloud.az(*_command(folder, app, "events", answers))
    assert result["succeeded"] == EVENTS, result
    return float(result["eventsPerSecond"])


def _peak(cloud: Cloud, folder: Path, app: str, events: str) -> int:
    """The most memory that a test holds, in bytes."""
    with tempfile.TemporaryDirectory(dir=folder) as answers:
        command: Command = (AZ, *_command(folder, app, events, answers), "--only-show-errors")
        return measure(command, dict(cloud.environment)).peak


def _command(folder: Path, app: str, events: str, answers: str) -> tuple[str, ...]:
    where = ("--input-directory", str(folder / events), "--output-directory", answers)
    return ("ml-func", "test", "-g", "probed", "-n", app, *where, "--concurrency", str(CONCURRENCY))


if __name__ == "__main__":
    main()
