"""Small helpers that several tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azext_mlfunc.packaging.context import Entry

ROOT = Path(__file__).parents[1]
AZ = Path(sys.executable).parent / "az"
DIABETES = ROOT / "examples" / "diabetes"
OWN = {
    "AZURE_CONFIG_DIR": str(ROOT / ".venv" / "azure-config"),
    "AZURE_EXTENSION_DIR": str(ROOT / ".venv" / "azure-extensions"),
    "AZURE_CORE_COLLECT_TELEMETRY": "false",
    "PYTHONSAFEPATH": "1",  # else what lies in the current folder, such as this checkout, goes before the wheel
    "PYTHONDONTWRITEBYTECODE": "",  # az takes three times as long without its .pyc files
}
"""What keeps the tests' `az` apart from the user's own."""


@dataclass(frozen=True)
class Answer:
    """What an `az` call came to."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> Any:
        """The result, of a call that must have gone well; None: it has none."""
        assert self.code == 0, self.stderr
        return json.loads(self.stdout) if self.stdout else None


def az(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Answer:
    """Call the unmodified `az` with the extension as its wheel installed it, apart from the user's own `az`."""
    call = subprocess.run(
        [AZ, *arguments], cwd=cwd, env={**os.environ, **OWN, **(env or {})}, capture_output=True, text=True
    )
    return Answer(call.returncode, call.stdout, call.stderr)


def read_all(entries: Iterable[Entry]) -> dict[str, bytes]:
    """The files among entries, with their bytes, taken one after the other as a builder does."""
    return {entry.path: b"".join(entry.chunks()) for entry in entries if entry.chunks is not None}
