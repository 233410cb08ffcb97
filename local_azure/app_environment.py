"""A virtual environment with Microsoft's Python worker and nothing else: apps bring their own packages.

Made once and kept under a name that is a hash of all that it depends on.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

RUNTIME = "azure-functions-runtime-v1"
RUNTIME_VERSION = "1.2.0"
OLDEST_PYTHON = (3, 13)  # of the runtime
_PACKAGES = (f"{RUNTIME}=={RUNTIME_VERSION}", "azure-functions")
_COMPLETE = "complete"


class EnvironmentFailed(Exception):
    """The environment could not be made; the text has the installer's own words."""


def worker_only_environment(python: str | Path, environments: Path) -> Path:
    """The interpreter of an environment that has the worker alone, for an app that brings its packages.

    Args:
        python: a Python of 3.13 or newer to base it on.
        environments: the folder where environments are kept.

    Raises:
        EnvironmentFailed: the Python is too old, or the worker could not be installed.
    """
    version = python_version(python)
    named = "\n".join([version, str(Path(python).resolve()), *_PACKAGES])
    folder = Path(environments) / hashlib.sha256(named.encode()).hexdigest()[:16]
    interpreter = folder / "bin" / "python"
    with _locked(folder.with_suffix(".lock")):
        if not (folder / _COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
            _make(folder, python)
            _install(interpreter, _PACKAGES)
            (folder / _COMPLETE).touch()
    return interpreter


def python_version(python: str | Path) -> str:
    """The version of an interpreter, such as 3.13.0.

    Raises:
        EnvironmentFailed: it is older than the worker needs, or cannot be run.
    """
    code = "import sys; print(*sys.version_info[:3], sep='.')"
    version = _run([str(python), "-c", code]).strip()
    if tuple(map(int, version.split(".")))[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise EnvironmentFailed(f"{python} is Python {version}; Microsoft's worker from PyPI needs {oldest} or newer.")
    return version


def _make(folder: Path, python: str | Path) -> None:
    uv = _uv()
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", str(python), str(folder)])
    else:
        _run([str(python), "-m", "venv", str(folder)])


def _install(interpreter: Path, packages: Sequence[str]) -> None:
    uv = _uv()
    if uv is not None:
        _run([uv, "pip", "install", "--quiet", "--python", str(interpreter.absolute()), *packages])
    else:
        pip = [str(interpreter.absolute()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *packages])


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise EnvironmentFailed(f"{command[0]} cannot be run: {error}") from error
    if done.returncode != 0:
        raise EnvironmentFailed(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process at a time make the environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
