"""The extension as `az` sees it: its wheel, its loading, its help and its errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import AZ, OWN, ROOT, az

WHEEL = next((ROOT / ".venv" / "wheel").glob("ml_func-*.whl"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return data\n")
    (tmp_path / "model.pkl").write_text("a model")
    return tmp_path


def test_the_wheel_is_pure_and_declares_nothing_that_az_brings():
    assert WHEEL.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(WHEEL) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(next(n for n in names if n.endswith(".dist-info/METADATA"))).decode()
        az_metadata = json.loads(wheel.read("azext_mlfunc/azext_metadata.json"))
    declared = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert declared == ["Requires-Dist: docker<8,>=7.1", "Requires-Dist: python-dxf<13,>=12.1.1"]
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"azext_mlfunc"}
    assert az_metadata["azext.isPreview"] is True and az_metadata["azext.minCliCoreVersion"]


def test_az_knows_the_installed_extension():
    [extension] = [e for e in az("extension", "list").result if e["name"] == "ml-func"]
    assert extension["experimental"] is False and extension["preview"] is True


def test_nothing_heavy_is_imported_at_load():
    script = (
        "import sys; before = set(sys.modules); import azure.cli.core; core = set(sys.modules);"
        "import azext_mlfunc, azext_mlfunc.commands, azext_mlfunc._params;"
        "from azure.cli.core.mock import DummyCli;"
        "azext_mlfunc.COMMAND_LOADER_CLS(DummyCli()).load_command_table([]);"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - core}))"
    )
    env_path = str(Path(sys.modules["azext_mlfunc"].__file__ or "").parents[1]) if "azext_mlfunc" in sys.modules else ""
    path = env_path or str(ROOT / ".venv" / "azure-extensions" / "ml-func")
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); " + script],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    ).stdout.split()
    assert not {"docker", "dxf", "requests", "yaml", "msrest", "packaging", "urllib3"} & set(shown)


@pytest.mark.parametrize(("command", "words"), [("ml-func", ["package"]), ("ml-func package", ["Examples", "--model"])])
def test_help_reads_well(command, words):
    answer = az(*command.split(), "-h")
    assert answer.code == 0
    assert all(word in answer.stdout for word in words)


def test_every_argument_has_help_and_the_triggers_bring_theirs():
    text = az("ml-func", "package", "-h").stdout
    for option in ("--auth-level", "--input-path", "--output-path", "--input-queue", "--output-queue"):
        assert option in text.partition("Trigger Arguments")[2]
    own = text.partition("Arguments\n")[2].partition("Global Arguments")[0]
    assert [line for line in own.splitlines() if line.strip().startswith("--") and ":" not in line] == []


def test_a_context_is_written_and_the_result_is_an_object_on_stdout(project):
    answer = az(
        "ml-func", "package", "-m", "model.pkl", "--entry-script", "score.py", "--context-only", "c", cwd=project
    )
    assert answer.result["location"] == "c"
    assert answer.result["digest"] is None
    assert answer.result["trigger"] == {"type": "http", "authLevel": "function"}
    assert answer.result["files"]["models"] == {"count": 1, "bytes": 7}
    assert (project / "c" / "Dockerfile").is_file()


def test_the_table_has_one_row(project):
    common = ("ml-func", "package", "-m", "model.pkl", "--entry-script", "score.py", "--context-only")
    rows = az(*common, "c", "-o", "table", cwd=project).stdout.splitlines()
    assert rows[0].split() == ["Trigger", "Python", "Files", "Bytes", "Location"]
    assert rows[2].split()[:2] == ["http", "3.13"]


def test_only_show_errors_is_silent(project):
    (project / "r.txt").write_text("azureml-defaults\n")
    common = (
        "ml-func",
        "package",
        "-m",
        "model.pkl",
        "--entry-script",
        "score.py",
        "-r",
        "r.txt",
        "--context-only",
        "c",
    )
    assert "azureml-defaults" in az(*common, cwd=project).stderr
    assert az(*common, "--only-show-errors", cwd=project).stderr == ""


def test_all_findings_come_at_once_and_nothing_is_written(project):
    (project / "score.py").write_text("def run(*a): pass\n")
    (project / ".env").write_text("KEY=x")
    answer = az(
        *("ml-func", "package", "-m", "none.pkl", "--entry-script", "score.py", "--trigger", "blob"),
        *("--input-path", "{x}/{y}", "--image-name", "Bad", "--context-only", "c"),
        cwd=project,
    )
    assert answer.code == 1 and answer.stdout == ""
    for words in ("no init()", "takes *a", "no such model", "pattern in the container", "'Bad'", "looks like a secret"):
        assert words in answer.stderr
    assert "6 problems were found; nothing was built." in answer.stderr
    assert not (project / "c").exists()


def test_a_folder_of_somebody_s_is_not_overwritten_but_a_former_context_is(project):
    common = ("ml-func", "package", "-m", "model.pkl", "--entry-script", "score.py", "--context-only")
    (project / "mine").mkdir()
    (project / "mine" / "thesis.tex").write_text("years of work")
    answer = az(*common, "mine", cwd=project)
    assert answer.code == 1 and "not a context that this command wrote" in answer.stderr
    assert [path.name for path in (project / "mine").iterdir()] == ["thesis.tex"]
    for _ in range(2):
        # The context lies in the source directory: neither it nor what becomes of it may be packed.
        assert az(*common, "c", cwd=project).result["files"]["source"]["count"] == 2


def test_an_option_of_another_trigger_is_a_usage_error(project):
    answer = az(
        "ml-func", "package", "-m", "model.pkl", "--entry-script", "score.py", "--input-queue", "q", cwd=project
    )
    assert answer.code == 1 and answer.stdout == ""
    assert "--trigger http does not take --input-queue" in answer.stderr


def test_context_only_and_a_registry_exclude_each_other(project):
    common = ("ml-func", "package", "-m", "model.pkl", "--entry-script", "score.py")
    answer = az(*common, "--context-only", "c", "--registry", "myreg", cwd=project)
    assert answer.code != 0 and "--context-only builds and pushes nothing" in answer.stderr


def test_without_an_engine_the_error_names_the_ways_out(project):
    answer = az(
        *("ml-func", "package", "-m", "model.pkl", "--entry-script", "score.py"),
        cwd=project,
        env={"DOCKER_HOST": f"unix://{project}/none.sock"},
    )
    assert answer.code == 1
    assert "direct: Without an engine an image goes straight to a registry" in answer.stderr
    assert "No Docker engine answers" in answer.stderr and "--context-only" in answer.stderr


def test_models_may_be_named_one_by_one(project):
    (project / "other.pkl").write_text("another")
    common = ("ml-func", "package", "--entry-script", "score.py", "--context-only", "c")
    answer = az(*common, "--model", "model.pkl", "--model", "other.pkl", cwd=project)
    assert answer.result["files"]["models"]["count"] == 2


@pytest.mark.parametrize("option", ["--model", "--conda-file", "--context-only", "--registry", "--input-path"])
def test_an_empty_value_is_refused(project, option):
    answer = az("ml-func", "package", "-m", "model.pkl", "--entry-script", "score.py", option, "", cwd=project)
    assert answer.code != 0 and f"{option}: empty" in answer.stderr


def test_the_script_may_be_named_from_the_source_directory(project):
    (project / "src").mkdir()
    (project / "score.py").rename(project / "src" / "score.py")
    common = ("ml-func", "package", "-m", "model.pkl", "--source-directory", "src", "--context-only", "c")
    assert az(*common, "--entry-script", "score.py", cwd=project).code == 0


def test_two_runs_into_one_folder_leave_a_whole_context(project):
    for name in ("a", "b"):
        (project / name / "model").mkdir(parents=True)
        for number in range(300):
            (project / name / "model" / f"{number}").write_text(name)
    common = ("ml-func", "package", "--entry-script", "score.py", "--context-only", "c", "--model")
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda name: az(*common, f"{name}/model", cwd=project), ("a", "b")))
    assert [answer.code for answer in answers] == [0, 0], answers
    packed = [path.read_text() for path in (project / "c" / "models" / "model").iterdir()]
    assert len(packed) == 300 and len(set(packed)) == 1
    assert not list(project.glob(".c-*"))


def test_a_context_in_a_model_is_refused(project):
    (project / "model").mkdir()
    (project / "model" / "w").write_text("w")
    common = ("ml-func", "package", "-m", "model", "--entry-script", "score.py", "--context-only")
    answer = az(*common, "model/context", cwd=project)
    assert answer.code == 1 and "lies in the model" in answer.stderr


def test_a_termination_leaves_nothing_behind(project):
    (project / "big").mkdir()
    with (project / "big" / "weights").open("wb") as weights:
        weights.truncate(1 << 33)
    command = [AZ, "ml-func", "package", "-m", "big", "--entry-script", "score.py", "--context-only", "c"]
    with subprocess.Popen(command, cwd=project, env={**os.environ, **OWN}, stderr=subprocess.DEVNULL) as process:
        while not list(project.glob(".c-*/new/models/big/weights")):
            assert process.poll() is None
        process.terminate()
    assert process.returncode == 143
    assert not list(project.glob(".c-*")) and not (project / "c").exists()


def test_a_closed_stderr_is_no_reason_to_fail(project):
    command = f"'{AZ}' ml-func package -m model.pkl --entry-script score.py --context-only c 2>&-"
    assert subprocess.run(command, shell=True, cwd=project, env={**os.environ, **OWN}).returncode == 0
