"""Where the in-image runtime is, and how tests get hold of it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
_LEAVES_NO_TRACE = ("mlfunc_runtime", "entry_module", "main", "azureml", "inference_schema", "sibling", "in_source")


@pytest.fixture(scope="session")
def runtime_folder() -> Path:
    """The runtime's source, wherever `azext_mlfunc` is installed; that package itself is not imported."""
    spec = importlib.util.find_spec("azext_mlfunc")
    assert spec is not None and spec.origin is not None, "azext_mlfunc is not importable"
    return Path(spec.origin).parent / "runtime"


@pytest.fixture
def runtime(tmp_path: Path, runtime_folder: Path) -> Iterator[Callable[[str], Any]]:
    """Imports a module of the runtime by name, from a copy that is fresh for this test, as in a new process.

    What importing and loading scripts leaves behind in this process is taken back afterwards.
    """
    wwwroot = tmp_path / "wwwroot"
    wwwroot.mkdir()
    (wwwroot / "mlfunc_runtime").symlink_to(runtime_folder)
    path, finders, environment = list(sys.path), list(sys.meta_path), dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AML", "AZUREML", "MLFUNC", "SERVICE_", "SCORING"))]:
        del os.environ[name]
    sys.path.insert(0, str(wwwroot))
    _forget_modules()
    try:
        yield lambda name: importlib.import_module(f"mlfunc_runtime.{name}")
    finally:
        sys.path[:], sys.meta_path[:] = path, finders
        os.environ.clear()
        os.environ.update(environment)
        _forget_modules()


def _forget_modules() -> None:
    for name in [name for name in sys.modules if name.startswith(_LEAVES_NO_TRACE)]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def start(runtime: Callable[[str], Any], tmp_path: Path) -> Callable[..., Any]:
    """Starts a script of these tests as a new process would: `start("plain.py", SETTING="value")` gives the process."""

    def start_script(entry_script: str | None, **settings: str) -> Any:
        os.environ["AML_APP_ROOT"] = str(SCRIPTS)
        if entry_script:
            os.environ["AZUREML_ENTRY_SCRIPT"] = entry_script
        os.environ.update(settings)
        return runtime("process").started()

    return start_script
