"""Building without an engine, against `docker build` and `docker push` of the same context to the same registry.

Needs the engine and the registry that `.ci/engine start` starts, and their exports; without them it says so.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.measuring import AZ, GIB, MIB, Command, Run, in_turn, measure, median, row, write_random

CHECKOUT = Path(__file__).parents[1]
EXAMPLE = CHECKOUT / "examples" / "diabetes"
BASE = "mcr.microsoft.com/azure-functions/python:4-python3.13"
NEEDED = ("DOCKER_HOST", "MLFUNC_TEST_REGISTRY", "MLFUNC_TEST_REGISTRY_USER", "MLFUNC_TEST_REGISTRY_PASSWORD")
TIMES = 3


@dataclass(frozen=True)
class Case:
    """One thing to build: what changes in the project before, and what is kept from earlier builds."""

    name: str
    changed: str | None
    no_cache: bool


CASES = (
    Case("first build", None, no_cache=True),
    Case("rebuild after a changed score.py", "score.py", no_cache=False),
    Case("rebuild after a changed model (100 MiB)", "model/weights.bin", no_cache=False),
)


def main() -> None:
    """Measure and print."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        print(f"Builds without an engine: not measured, as {', '.join(missing)} is not set (.ci/engine start).\n")
        return
    with tempfile.TemporaryDirectory() as scratch, _login(Path(scratch)):
        registry = os.environ["MLFUNC_TEST_REGISTRY"]
        base = f"{registry}/azure-functions/python:4-python3.13"
        _quietly("docker", "tag", BASE, base)
        _quietly("docker", "push", base)
        project = Path(shutil.copytree(EXAMPLE, Path(scratch) / "project"))
        write_random(project / "model" / "weights.bin", 100 * MIB)
        idle = median(in_turn([(AZ, "version")], times=5)[0])
        print(f"Builds on {base.partition('/')[2]}, pushed to a registry on this machine ({TIMES} of each in turn)")
        for case in CASES:
            _compare(case, project, Path(scratch) / "context", registry, base, idle)
        _big_model(Path(scratch), registry, base)


def _compare(case: Case, project: Path, context: Path, registry: str, base: str, idle: float) -> None:
    direct: list[Run] = []
    engine: list[Run] = []
    sent: dict[str, list[int]] = {"direct": [], "engine": []}
    name = f"bench-{uuid.uuid4().hex[:8]}"
    for _ in range(TIMES):
        if case.no_cache:
            name = f"bench-{uuid.uuid4().hex[:8]}"  # a repository that has nothing yet
        else:  # what was there before the change
            _context(project, context, base)
            measure(_direct(project, f"{name}-a", registry, base, case), {})
            measure(_engine(f"{registry}/{name}-b", case, context), {})
            _change(project, str(case.changed))
        _context(project, context, base)
        for way, command, runs in (
            ("direct", _direct(project, f"{name}-a", registry, base, case), direct),
            ("engine", _engine(f"{registry}/{name}-b", case, context), engine),
        ):
            before = _loopback()
            runs.append(measure(command, {}))
            sent[way].append(_loopback() - before)
    print(f"  {case.name}")
    row("  az ml-func package --build direct", direct, with_peak=True)
    row("  docker build, docker push", engine)
    ratio = median(direct) / median(engine)
    print(f"    {'ratio':<40}{ratio:8.2f}     over an idle az: {median(direct) - idle:.2f} s")
    print(f"    {'bytes to the registry':<40}{min(sent['direct']):>12,} direct, {min(sent['engine']):>12,} engine")


def _big_model(scratch: Path, registry: str, base: str) -> None:
    project = scratch / "big"
    (project / "src").mkdir(parents=True)
    write_random(project / "model" / "weights.bin", 2 * GIB)
    (project / "src" / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    command = (AZ, "ml-func", "package", "--model", project / "model", "--entry-script", project / "src" / "score.py")
    options = ("--build", "direct", "--registry", registry, "--base-image", base, "--image-name", uuid.uuid4().hex)
    run = measure((*command, *options, "--only-show-errors"), {})
    idle = measure((AZ, "version"), {})
    print("  a model of 2 GiB, first build")
    row("  az ml-func package --build direct", [run], with_peak=True)
    print(f"    {'peak memory over an idle az':<40}{(run.peak - idle.peak) / MIB:8.0f} MiB (goal: below 150)\n")


def _direct(project: Path, name: str, registry: str, base: str, case: Case) -> Command:
    options = ["--build", "direct", "--registry", registry, "--base-image", base, "--image-name", name]
    options += ["--no-cache"] if case.no_cache else []
    models = (project / "model" / "diabetes.pkl", project / "model" / "weights.bin")
    script, conda = project / "score.py", project / "environment.yml"
    command = (AZ, "ml-func", "package", "--model", *models, "--entry-script", script, "--conda-file", conda)
    return (*command, *options, "--only-show-errors")


def _engine(image: str, case: Case, context: Path) -> Command:
    build = "docker build --quiet --network host" + (" --no-cache" if case.no_cache else "")
    return ("sh", "-c", f"{build} -t {image} '{context}' >/dev/null && docker push --quiet {image} >/dev/null")


def _context(project: Path, context: Path, base: str) -> None:
    """Write the context that the engine builds: the same as the direct builder's."""
    models = (project / "model" / "diabetes.pkl", project / "model" / "weights.bin")
    script, conda = project / "score.py", project / "environment.yml"
    command = (AZ, "ml-func", "package", "--model", *models, "--entry-script", script, "--conda-file", conda)
    measure((*command, "--base-image", base, "--context-only", context, "--only-show-errors"), {})


def _change(project: Path, name: str) -> None:
    if name.endswith(".py"):
        with (project / name).open("a") as script:
            script.write(f"# {uuid.uuid4()}\n")
    else:
        with (project / name).open("r+b") as weights:
            weights.write(os.urandom(MIB))


def _loopback() -> int:
    """The bytes that went over the loopback interface so far."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        interface, _, counters = line.partition(":")
        if interface.strip() == "lo":
            return int(counters.split()[0])
    return 0


@contextlib.contextmanager
def _login(scratch: Path) -> Iterator[None]:
    """Docker's own configuration with a login for the test registry, for both ways."""
    registry, user, password = (os.environ[name] for name in NEEDED[1:])
    folder = scratch / "docker-config"
    folder.mkdir()
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry: {"auth": login}}}))
    before = os.environ.get("DOCKER_CONFIG")
    os.environ |= {"DOCKER_CONFIG": str(folder), "DOCKER_BUILDKIT": "0"}
    try:
        yield
    finally:
        os.environ.pop("DOCKER_CONFIG")
        if before is not None:
            os.environ["DOCKER_CONFIG"] = before


def _quietly(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
