"""The environment with MLflow, and the models that it saves."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from helpers import ROOT

HERE = Path(__file__).parent
ML_PYTHON = os.environ.get("MLFUNC_ML_PYTHON") or str(ROOT / ".venv" / "ml" / "bin" / "python")


def run_in_ml(*arguments: str | Path, cwd: Path) -> str:
    """Run the interpreter that has MLflow, and give back what it prints."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AML", "AZUREML", "PYTHON"))
    }
    done = subprocess.run([ML_PYTHON, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of `models.py`."""
    assert Path(ML_PYTHON).exists(), "MLFUNC_ML_PYTHON must name a Python that has mlflow: make .venv/done/ml"
    folder = tmp_path_factory.mktemp("models")
    run_in_ml(HERE / "models.py", folder, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def ml_packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where MLflow's environment keeps its packages."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return run_in_ml("-c", code, cwd=tmp_path_factory.mktemp("empty")).strip()
