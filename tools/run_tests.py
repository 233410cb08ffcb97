"""`make test`: all tests with the Python of .venv, then the image's runtime on every other Python that is here.

The image's runtime has to run on each Python that Azure Functions has images for; of these, 3.13 and newer also run
under Microsoft's worker from PyPI, in the first part. At the end it is said again how much of Azure's recorded answers
was held (tests/local_azure/contract).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
VENV = CHECKOUT / ".venv"
REQUIREMENTS = CHECKOUT / "tools" / "other-requirements.txt"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
RUNTIME_TESTS = (
    "tests/runtime",
    "--ignore=tests/runtime/test_differential.py",
    "--ignore=tests/runtime/test_worker.py",
)


def main(arguments: list[str]) -> int:
    """Run pytest in each environment; further arguments go to the first. Returns the worst exit code."""
    with tempfile.TemporaryDirectory() as folder:
        summary = Path(folder) / "contract"
        codes = [_pytest(Path(sys.executable), *arguments, MLFUNC_CONTRACT_SUMMARY=str(summary))]
        contract = summary.read_text("utf-8") if summary.exists() else ""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = []
    for version in PYTHONS:
        python = None if version == own else find_python(version)
        if python:
            print(f"\nThe image's runtime on Python {version}", flush=True)
            codes.append(_pytest(_environment(version, python), "-q", *RUNTIME_TESTS))
        elif version != own:
            missing.append(version)
    if missing:
        print(f"\nNot tested, as this machine has no such Python: {', '.join(missing)}")
    if contract:
        print(f"\n{contract}")
    return max(codes)


def find_python(version: str) -> str | None:
    """The interpreter of a version: on PATH if it works there, else in pyenv's versions folder."""
    candidates = [shutil.which(f"python{version}")]
    candidates += sorted(map(str, (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")), reverse=True)
    for candidate in filter(None, candidates):
        code = f"import sys; sys.exit(sys.version_info[:2] != ({version.replace('.', ', ')}))"
        if subprocess.run([candidate, "-c", code], capture_output=True).returncode == 0:
            return candidate
    return None


def _environment(version: str, python: str) -> Path:
    """The environment for a version, made when it is missing or older than its requirements."""
    folder = VENV / f"py{version}"
    interpreter, done = folder / "bin" / "python", folder / "done"
    if not done.exists() or done.stat().st_mtime < REQUIREMENTS.stat().st_mtime:
        uv = VENV / "bin" / "uv"
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", python, folder], check=True)
        install = (uv, "pip", "install", "--quiet", "--python", interpreter, "--requirement", REQUIREMENTS)
        subprocess.run(install, check=True)
        done.touch()
    return interpreter


def _pytest(python: Path, *arguments: str, **environment: str) -> int:
    # Not `python -m pytest`: that would put the checkout before the installed extension.
    command = [str(python.with_name("pytest")), *arguments]
    code = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **environment}).returncode
    return code if code >= 0 else 128 - code  # ended by a signal, which is no success either


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
