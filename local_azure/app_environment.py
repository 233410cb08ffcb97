"""Virtual environments with Microsoft's Python worker: with what an app's requirements ask for, or with nothing else.

Made once and kept under a name that is a hash of all that it depends on.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

RUNTIME = "azure-functions-runtime-v1"
RUNTIME_VERSION = "1.2.0"
OLDEST_PYTHON = (3, 13)  # of the runtime
_COMPLETE = "complete"


class EnvironmentFailed(Exception):
    """The environment could not be made; the text has the installer's own words."""


def app_environment(context: Path, python: str | Path, environments: Path) -> Path:
    """The interpreter of the environment for the app in ``context``; made when it is not there yet.

    Args:
        context: what ``az ml-func package --context-only`` wrote, with a requirements.txt.
        python: a Python of 3.13 or newer to base it on.
        environments: the folder where environments are kept.

    Raises:
        EnvironmentFailed: the context needs conda, the Python is too old, or a package could not be installed.
    """
    context = Path(context)
    requirements = _requirements(context)
    listed = ["--requirement", "requirements.txt"] if requirements else []
    inputs = [requirements, *_local_files(context, requirements)]
    return _environment(python, environments, [*listed, *_worker_packages(requirements)], inputs, context)


def worker_only_environment(python: str | Path, environments: Path) -> Path:
    """The interpreter of an environment that has the worker alone, for an app that brings its packages.

    Args:
        python: a Python of 3.13 or newer to base it on.
        environments: the folder where environments are kept.

    Raises:
        EnvironmentFailed: the Python is too old, or the worker could not be installed.
    """
    return _environment(python, environments, _worker_packages(""), (), None)


def _environment(
    python: str | Path, environments: Path, packages: Sequence[str], inputs: Sequence[str], cwd: Path | None
) -> Path:
    """The interpreter of an environment with ``packages``, arguments of pip that ``inputs`` say more of."""
    version = python_version(python)
    named = "\n".join([version, str(Path(python).resolve()), *packages, *inputs])
    folder = Path(environments) / hashlib.sha256(named.encode()).hexdigest()[:16]
    interpreter = folder / "bin" / "python"
    with _locked(folder.with_suffix(".lock")):
        if not (folder / _COMPLETE).exists():
            shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
            _make(folder, python)
            _install(interpreter, packages, cwd)
            (folder / _COMPLETE).touch()
    return interpreter


def _requirements(context: Path) -> str:
    if (context / "environment.yml").exists():
        raise EnvironmentFailed(
            f"{context} has an environment.yml: it needs packages of conda, which are installed in its image only. "
            "Build the image and run that."
        )
    path = context / "requirements.txt"
    return path.read_text("utf-8") if path.exists() else ""


def _local_files(context: Path, requirements: str) -> list[str]:
    """Digests of the files of the context that the requirements name, such as a wheel or more requirements.

    Folders are left out: building a package from one writes into it.
    """
    named = [context / word for word in requirements.split()]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in named if path.is_file()]


def _worker_packages(requirements: str) -> list[str]:
    """The worker, unless the app names a version of it itself, which then is the one that runs in Azure too.

    Source: Azure Functions docs: "Python 3.13+ changes", runtime version control.
    """
    named = re.search(rf"^\s*{RUNTIME}\b", requirements.replace("_", "-"), re.MULTILINE | re.IGNORECASE)
    return ["azure-functions"] if named else [f"{RUNTIME}=={RUNTIME_VERSION}", "azure-functions"]


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


def _install(interpreter: Path, arguments: Sequence[str], cwd: Path | None) -> None:
    uv = _uv()
    if uv is not None:
        _run([uv, "pip", "install", "--quiet", "--python", str(interpreter.absolute()), *arguments], cwd)
    else:
        pip = [str(interpreter.absolute()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *arguments], cwd)


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
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
