"""What all tests share: the extension as the wheel installed it, never the checkout's own files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXTENSION = Path(os.environ.get("AZURE_EXTENSION_DIR", ROOT / ".venv" / "azure-extensions")) / "ml-func"

if not (EXTENSION / "azext_mlfunc").is_dir():
    raise SystemExit(f"The extension is not installed in {EXTENSION}: run `make setup` first, or `make test`.")
# The extension comes before anything else; the checkout comes last, for local_azure and tools alone.
sys.path[:] = [str(EXTENSION), *(p for p in sys.path if p not in ("", str(ROOT))), str(ROOT)]
# Some machines set it, and it makes Microsoft's worker believe that it runs in Azure.
os.environ.pop("CONTAINER_NAME", None)


def _uv_run(script: Path, *arguments: Path) -> str:
    uv = Path(sys.executable).parent / "uv"
    command = [uv, "run", "--quiet", "--no-project", "--python", sys.executable, "--script", script, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="session")
def trained_example() -> Path:
    """The folder of the diabetes example, its model trained by its own script."""
    folder = ROOT / "examples" / "diabetes"
    _uv_run(folder / "train.py")
    return folder


@pytest.fixture(scope="session")
def predictions(trained_example: Path) -> list[float]:
    """What the example's model says of its sample, asked directly."""
    script = ROOT / "tests" / "predict_directly.py"
    said = _uv_run(script, trained_example / "model" / "diabetes.pkl", trained_example / "sample.json")
    return list(json.loads(said))
