"""Loading an entry script, and what is said when it cannot serve."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]


def test_the_modules_name_is_that_of_azure_ml(start: Start) -> None:
    start("plain.py")
    assert sys.modules["entry_module"].__file__ == str(Path(os.environ["AML_APP_ROOT"]) / "plain.py")


def test_the_folders_of_the_script_are_on_the_path_behind_all_others(start: Start) -> None:
    before = list(sys.path)
    start("siblings.py", AZUREML_SOURCE_DIRECTORY="packages_here")
    root = os.environ["AML_APP_ROOT"]
    assert sys.path == [*before, root, str(Path(root) / "packages_here")]


def test_without_an_entry_script_it_is_the_module_main(start: Start) -> None:
    start(None, AML_APP_ROOT=str(Path(__file__).parent / "scripts" / "as_main"))
    assert "entry_module" not in sys.modules
    assert (sys.modules["main"].__doc__ or "").startswith("The entry script by name")


@pytest.mark.parametrize(
    ("script", "kind", "wants_headers"),
    [
        ("plain.py", "TextInput", False),
        ("headers.py", "TextInput", True),
        ("keyword_only.py", "TextInput", False),
        ("raw.py", "RawInput", False),
        ("raw_image.py", "RawInput", False),
        ("raw_elsewhere.py", "RawInput", False),
    ],
)
def test_the_way_that_run_is_called_is_found_out(start: Start, script: str, kind: str, wants_headers: bool) -> None:
    loaded = start(script).scorer.script
    assert (type(loaded.input).__name__, loaded.wants_headers) == (kind, wants_headers)


def test_a_schema_is_found_out(start: Start) -> None:
    pytest.importorskip("inference_schema")
    script = start("schema_standard.py").scorer.script
    assert [parameter.name for parameter in script.input.parameters] == ["name", "count", "options"]


def test_headers_are_no_input_of_a_schema(start: Start) -> None:
    pytest.importorskip("inference_schema")
    pytest.importorskip("numpy")
    script = start("schema_numpy.py").scorer.script
    assert [parameter.name for parameter in script.input.parameters] == ["data"]
    assert script.wants_headers


def test_the_script_behind_a_driver_is_called_after_the_drivers_own_init(start: Start) -> None:
    script = start("driver.py").scorer.script
    assert script.run(data=1) == {"by": "script", "data": 1}
    assert sys.modules["entry_module"].driver_module.ready


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("bad_no_init.py", r"has no function init\(\); an entry script needs init\(\) and run\(\)"),
        ("bad_no_run.py", r"has no function run\(\); an entry script needs"),
        ("bad_syntax.py", r"bad_syntax.py raised SyntaxError"),
        ("bad_import.py", r"bad_import.py raised ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
        ("bad_exit_on_import.py", r"bad_exit_on_import.py raised SystemExit: 0"),
        ("bad_init.py", r"init\(\) of .*bad_init.py raised FileNotFoundError: model.pkl"),
        ("bad_init_exits.py", r"init\(\) of .*bad_init_exits.py raised SystemExit: 0"),
        ("bad_args.py", r"run\(\) has the parameters \*data; expected named ones only"),
        ("bad_kwargs.py", r"run\(\) has the parameters \*\*more; expected named ones only"),
        ("bad_positional_only.py", r"run\(\) has the parameters data; expected named ones only"),
        ("bad_no_parameter.py", r"run\(\) takes no input; expected a parameter for it"),
        ("bad_only_headers.py", r"run\(\) takes no input; expected a parameter for it, besides request_headers"),
        ("nowhere.py", r"There is no entry script .*nowhere.py; its folder holds: .*plain.py.*AML_APP_ROOT"),
        ("no_folder/score.py", r"its folder holds: nothing"),
        ("own_swagger/swagger.json", r"is not a Python file"),
        (None, r"Module 'main' \(AZUREML_ENTRY_SCRIPT is not set\) .* raised ModuleNotFoundError"),
    ],
)
def test_what_cannot_serve_is_refused_with_what_was_found(start: Start, script: str | None, problem: str) -> None:
    with pytest.raises(Exception, match=problem) as raised:
        start(script)
    assert type(raised.value).__name__ == "ScriptError"
    assert "entry_module" not in sys.modules or "init" in problem or "run" in problem


def test_raw_and_schema_do_not_go_together(start: Start) -> None:
    pytest.importorskip("inference_schema")
    with pytest.raises(Exception, match="both @rawhttp and @input_schema"):
        start("bad_raw_and_schema.py")


def test_a_failed_init_is_logged_with_what_is_in_the_models_folder(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models = tmp_path / "models"
    (models / "deeper").mkdir(parents=True)
    (models / "deeper" / "model.pkl").touch()
    caplog.set_level(logging.INFO, "mlfunc")
    with pytest.raises(Exception, match="raised FileNotFoundError"):
        start("bad_init.py", AZUREML_MODEL_DIR=str(models))
    assert f"AZUREML_MODEL_DIR is {models}; files in it (at most 200): deeper/model.pkl" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("directory", ["", "/nowhere"])
def test_a_failed_init_is_logged_with_the_missing_models_folder(
    start: Start, caplog: pytest.LogCaptureFixture, directory: str
) -> None:
    caplog.set_level(logging.INFO, "mlfunc")
    with pytest.raises(Exception, match="raised FileNotFoundError"):
        start("bad_init.py", AZUREML_MODEL_DIR=directory)
    assert f"AZUREML_MODEL_DIR is '{directory}', which is not a folder." in caplog.text


def test_a_script_may_use_asyncio_in_init_though_the_worker_loads_it_in_its_loop(start: Start) -> None:
    import asyncio

    async def load_as_the_worker_does() -> Any:
        return start("asyncio_init.py")

    script = asyncio.run(load_as_the_worker_does()).scorer.script
    assert script.run(data="") == {"init": "loaded", "run": "loaded"}


def test_a_script_can_pickle_its_own_classes(start: Start) -> None:
    assert start("pickling.py").scorer.script.run(data="") == "mine"
