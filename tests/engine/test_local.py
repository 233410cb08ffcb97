"""`az ml-func test --local`: the very image in the engine, emulators behind it, and nothing left behind."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
from helpers import OWN, Answer, az

TRIGGERS = ("http", "blob", "service-bus-queue")
OWNER = "azure.mlfunc.process"
SCRIPT = """
import json
import os
import time


def init():
    print("init has run")
    if os.environ.get("FAIL_INIT"):
        raise RuntimeError("the model is broken")


def run(data):
    value = json.loads(data)
    if value == "fail":
        raise ValueError("this input is not for me")
    if value == "sleep":
        time.sleep(600)
    return {"got": value, "setting": os.environ.get("MINE")}
"""

Package = Callable[[str], str]


@pytest.fixture(scope="module")
def path() -> str:
    """PATH with the program `azurite`."""
    return os.pathsep.join((f"{os.environ['MLFUNC_AZURITE']}/node_modules/.bin", os.environ["PATH"]))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    (folder / "score.py").write_text(SCRIPT)
    (folder / "model.txt").write_text("nothing\n")
    (folder / "requirements.txt").write_text("")
    return folder


@pytest.fixture(scope="module")
def package(engine: docker.DockerClient, base_image: str, project: Path) -> Iterator[Package]:
    """Packages for a trigger into the engine, once; returns the image's name."""
    made: list[str] = []

    @functools.cache
    def packaged(trigger: str) -> str:
        answer = az(
            *("ml-func", "package", "--model", "model.txt", "--entry-script", "score.py"),
            *("--requirements", "requirements.txt", "--trigger", trigger, "--image-name", "local", "--image-tag"),
            *(trigger, "--build", "docker", "--build-network", "host"),
            cwd=project,
        )
        assert answer.code == 0, answer.stderr
        made.append(json.loads(answer.stdout)["tag"])
        return made[-1]

    yield packaged
    for image in made:
        engine.images.remove(image, force=True)


@pytest.fixture(autouse=True)
def nothing_stays(engine: docker.DockerClient) -> Iterator[None]:
    """After each test no container and no emulator of it is left."""
    yield
    assert not of_tests(engine)
    assert not [each for each in engine.images.list() if any("ml-func-test:" in tag for tag in each.tags)]
    assert not emulators()


def of_tests(engine: docker.DockerClient) -> list[Any]:
    return list(engine.containers.list(all=True, filters={"label": OWNER}))


def emulators() -> list[str]:
    """Azurites in a folder of a test's own."""
    found = []
    for process in psutil.process_iter(["cwd"]):
        if "ml-func-azurite-" in (process.info["cwd"] or ""):
            found.append(process.info["cwd"])
    return found


@pytest.fixture
def run_local(path: str, tmp_path: Path) -> Callable[..., Answer]:
    def run(*options: str, **environment: str) -> Answer:
        return az("ml-func", "test", "--local", *options, cwd=tmp_path, env={"PATH": path, **environment})

    return run


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_an_event_in_and_the_prediction_out(trigger: str, package: Package, run_local: Callable[..., Answer]) -> None:
    answer = run_local("--image", package(trigger), "--data", '["ü"]', "--settings", "MINE=1", "--only-show-errors")
    result = json.loads(answer.stdout)
    assert (answer.code, answer.stderr) == (0, "")
    assert (result["passed"], result["trigger"]) == (True, trigger)
    assert result["output"] == {"got": ["ü"], "setting": "1"}
    assert any("init() of /var/azureml-app/score.py has run" in line for line in result["log"])


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_failing_run_is_told_with_the_containers_log(
    trigger: str, package: Package, run_local: Callable[..., Answer]
) -> None:
    answer = run_local("--image", package(trigger), "--data", '"fail"', "--timeout", "100")
    assert answer.code == 1
    assert json.loads(answer.stdout)["passed"] is False
    assert "this input is not for me" in answer.stderr


def test_a_folder_of_events(package: Package, run_local: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(20):
        (tmp_path / "in" / f"{number}.json").write_text(str(number))
    image = package("service-bus-queue")
    answer = run_local("--image", image, "--input-directory", "in", "--output-directory", "out")
    assert answer.code == 0, answer.stderr
    for number in range(20):
        assert json.loads((tmp_path / "out" / f"{number}.json").read_text())["got"] == number


def test_a_context_is_built_first(
    project: Path, base_image: str, run_local: Callable[..., Answer], tmp_path: Path
) -> None:
    answer = az(
        *("ml-func", "package", "--model", "model.txt", "--entry-script", "score.py", "--requirements"),
        *("requirements.txt", "--context-only", str(tmp_path / "context")),
        cwd=project,
    )
    assert answer.code == 0, answer.stderr
    answer = run_local("--context", "context", "--build-network", "host", "--data", "1")
    assert answer.code == 0, answer.stderr
    assert json.loads(answer.stdout)["output"]["got"] == 1
    answer = run_local("--context", "nowhere", "--data", "1")
    assert answer.code == 1
    assert "this is no context" in answer.stderr


def test_an_init_that_fails_is_told_before_anything_is_sent(package: Package, run_local: Callable[..., Answer]) -> None:
    for trigger in TRIGGERS:
        answer = run_local("--image", package(trigger), "--data", "1", "--settings", "FAIL_INIT=1", "--timeout", "60")
        result = json.loads(answer.stdout)
        assert answer.code == 1
        assert "the model is broken" in result["causes"][0]["found"]


def test_an_image_that_ends(base_image: str, run_local: Callable[..., Answer], engine: docker.DockerClient) -> None:
    engine.images.build(fileobj=_dockerfile(base_image), tag="local:ends", rm=True)
    try:
        answer = run_local("--image", "local:ends", "--trigger", "http", "--data", "1", "--timeout", "60")
    finally:
        engine.images.remove("local:ends", force=True)
    assert answer.code == 1
    assert json.loads(answer.stdout)["causes"][0]["found"] == "the container has ended with exit code 3"
    assert "no model today" in answer.stderr


def _dockerfile(base: str) -> Any:
    import io

    return io.BytesIO(f'FROM {base}\nCMD ["sh", "-c", "echo no model today; exit 3"]\n'.encode())


def _heed_signals() -> None:
    """What is started in the background ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_everything_goes_when_it_is_interrupted(
    number: int, package: Package, path: str, tmp_path: Path, engine: docker.DockerClient
) -> None:
    image = package("blob")
    options = ("--image", image, "--data", '"sleep"')
    command = [sys.executable, "-m", "azure.cli", "ml-func", "test", "--local", *options]
    environment = {**os.environ, **OWN, "PATH": path}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=_heed_signals
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("Sent; waiting" in line for line in lines)
        assert of_tests(engine)
        assert emulators()
        process.send_signal(number)
        process.stderr.read()
    assert process.returncode != 0


def test_what_a_killed_test_left_goes_with_the_next(
    package: Package, path: str, tmp_path: Path, engine: docker.DockerClient, run_local: Callable[..., Answer]
) -> None:
    image = package("http")
    command = [sys.executable, "-m", "azure.cli", "ml-func", "test", "--local", "--image", image, "--data", '"sleep"']
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, **OWN, "PATH": path}, stderr=subprocess.PIPE) as it:
        assert it.stderr is not None
        assert any(b"Sent; waiting" in line for line in iter(it.stderr.readline, b""))
        it.kill()
    assert of_tests(engine)
    assert run_local("--image", image, "--data", "1").code == 0


def test_no_engine_and_no_image(run_local: Callable[..., Answer], tmp_path: Path) -> None:
    answer = run_local("--image", "local:http", "--data", "1", DOCKER_HOST=f"unix://{tmp_path}/none")
    assert answer.code != 0
    assert "No Docker engine answers" in answer.stderr
    assert "Start Docker" in answer.stderr
    answer = run_local("--image", "127.0.0.1:1/nowhere:1", "--data", "1")
    assert answer.code != 0
    assert "is not in the engine, and cannot be pulled" in answer.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--data", "1"), "--local runs one image, or one context"),
        (("--image", "i", "--context", "c", "--data", "1"), "--local runs one image, or one context"),
        (("--image", "i", "--name", "app", "--data", "1"), "--name is an app in Azure"),
    ],
)
def test_options_that_do_not_go_together(options: tuple[str, ...], told: str, run_local: Callable[..., Answer]) -> None:
    answer = run_local(*options)
    assert answer.code != 0
    assert told in answer.stderr
