"""What all tests share: the extension as the wheel installed it, never the checkout's own files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTENSION = Path(os.environ.get("AZURE_EXTENSION_DIR", ROOT / ".venv" / "azure-extensions")) / "ml-func"

if not (EXTENSION / "azext_mlfunc").is_dir():
    raise SystemExit(f"The extension is not installed in {EXTENSION}: run `make setup` first, or `make test`.")
# The extension comes before anything else; the checkout comes last, for local_azure and tools alone.
sys.path[:] = [str(EXTENSION), *(p for p in sys.path if p not in ("", str(ROOT))), str(ROOT)]
# Some machines set it, and it makes Microsoft's worker believe that it runs in Azure.
os.environ.pop("CONTAINER_NAME", None)
