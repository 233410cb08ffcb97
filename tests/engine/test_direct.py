"""Images without an engine: the same every time, only what is new is sent, and a tag moves last or not at all."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path

import pytest
import requests
from helpers import az

from .conftest import Packager, Registry

pytestmark = pytest.mark.usefixtures("base_image")


def tags(registry: Registry, repository: str) -> list[str]:
    """The tags that a repository has; none where there is no such repository."""
    answer = requests.get(
        f"http://{registry.host}/v2/{repository}/tags/list", auth=(registry.user, registry.password), timeout=30
    )
    return list(answer.json().get("tags") or []) if answer.status_code == 200 else []


def test_the_same_project_gives_the_same_digest_wherever_and_whenever(
    tmp_path, project: Path, registry, docker_config, direct: Packager
):
    first = direct("--image-name", "same", "--image-tag", "a").result
    elsewhere = Path(shutil.copytree(project, tmp_path / "other" / "place", copy_function=shutil.copy))
    again = Packager(elsewhere, registry, docker_config, direct.way)
    again.environment = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    assert again("--image-name", "same", "--image-tag", "b", "--no-cache").result["digest"] == first["digest"]


def test_a_changed_line_sends_kilobytes(project: Path, direct: Packager):
    before = direct.layers(direct("--image-name", "line", "--image-tag", "a").result["location"])
    with (project / "score.py").open("a") as script:
        script.write(f"# {uuid.uuid4()}\n")
    answer = direct("--image-name", "line", "--image-tag", "b")
    after = direct.layers(answer.result["location"])
    assert before[:-1] == after[:-1] and before[-1] != after[-1]
    sent = [line for line in answer.stderr.splitlines() if "Sent " in line and "(" in line]
    assert sorted(line.split("Sent ")[1].split(" (")[0] for line in sent) == ["code", "config"]
    assert int(after[-1]["size"]) < 100_000


def test_a_lock_installs_what_it_lists(project: Path, direct: Packager):
    result = direct("--image-name", "locked").result
    (project / "lock.txt").write_text("\n".join(result["lock"]) + "\n")
    (project / "environment.yml").write_text("dependencies: [python=3.13, {pip: [scikit-learn, joblib]}]\n")
    assert direct("--image-name", "locked", "--lock", "lock.txt").result["lock"] == result["lock"]


def test_wrong_credentials_are_named_and_nothing_is_tagged(direct: Packager, registry, tmp_path):
    direct.docker_config = tmp_path / "empty"
    direct.docker_config.mkdir()
    answer = direct("--image-name", "nologin")
    assert answer.code == 1 and answer.stdout == ""
    assert f"docker login {registry.host}" in answer.stderr
    assert tags(registry, "nologin") == []


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ("{pip: [no-such-package-anywhere]}", "no-such-package-anywhere"),
        ("{pip: ['numpy==2.3.4', 'numpy==2.3.3']}", "numpy"),
        ("{pip: [docopt==0.6.2]}", "docopt"),
        ("cudatoolkit=11.8", "cudatoolkit=11.8"),
    ],
    ids=["not there", "unsolvable", "only a source distribution", "only conda"],
)
def test_what_has_no_wheels_is_named_with_the_ways_out(project: Path, direct: Packager, registry, environment, found):
    (project / "environment.yml").write_text(f"dependencies: [python=3.13, {environment}]\n")
    answer = direct("--image-name", "nowheel")
    assert answer.code == 1 and answer.stdout == ""
    assert found in answer.stderr
    assert ("--build docker" in answer.stderr) == found.startswith(("docopt", "cuda")), (
        "an engine helps with these alone"
    )
    assert tags(registry, "nowheel") == []


def test_a_missing_base_is_named(direct: Packager, registry):
    answer = direct("--image-name", "nobase", "--base-image", f"{registry.host}/azure-functions/python:none")
    assert answer.code == 3 and "azure-functions/python" in answer.stderr
    assert tags(registry, "nobase") == []


def test_without_a_registry_there_is_nowhere_to_put_it(project: Path):
    answer = az(
        *("ml-func", "package", "--model", "model/diabetes.pkl", "--entry-script", "score.py", "--build", "direct"),
        *("--conda-file", "environment.yml"),
        cwd=project,
    )
    assert answer.code == 1 and "--registry" in answer.stderr


def test_auto_says_which_way_it_takes_and_why(project: Path, direct: Packager, docker_config, registry, pushed_base):
    auto = Packager(project, registry, docker_config, ("--base-image", pushed_base, "--build-network", "host"))
    assert "--build direct" in auto("--image-name", "auto").stderr
    (project / "environment.yml").write_text("dependencies: [python=3.13, {pip: [docopt==0.6.2, joblib]}]\n")
    (project / "score.py").write_text("import docopt\ndef init(): pass\ndef run(data): return docopt.__version__\n")
    answer = auto("--image-name", "auto")
    assert answer.code == 0, answer.stderr
    assert "--build docker, because" in answer.stderr and "docopt" in answer.stderr

    auto.environment = {"DOCKER_HOST": "unix:///nowhere.sock"}
    answer = auto("--image-name", "auto")
    assert answer.code == 1
    assert "docopt" in answer.stderr and "No Docker engine answers" in answer.stderr


def test_only_show_errors_is_silent(direct: Packager):
    answer = direct("--image-name", "silent", "--only-show-errors")
    assert answer.stderr == "" and json.loads(answer.stdout)["digest"].startswith("sha256:")
