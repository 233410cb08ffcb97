"""A folder with all that deployment files name, and what reading such a file says."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from azure.cli.core.azclierror import ValidationError

from azext_mlfunc.packaging.deployment_files import FileOptions, read, read_all

SCRIPT = "def init():\n    pass\n\n\ndef run(data):\n    return data\n"
CONDA = "channels: [conda-forge]\ndependencies: [python=3.13, numpy=2.3.4]\n"


class Files:
    """Writes files and reads deployment files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in {
            "model.pkl": "a model",
            "model-1/model/weights.bin": "a model",
            "src/score.py": SCRIPT,
            "src/online/score.py": SCRIPT,
            "score.py": SCRIPT,
            "conda.yml": CONDA,
            "env/conda.yml": CONDA,
        }.items():
            self.write(name, text)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def read(self, text: str | bytes, name: str = "deployment.yml", overridden: tuple[str, ...] = ()) -> FileOptions:
        return read(self.write(name, text), overridden)

    def errors(self, text: str | bytes, name: str = "deployment.yml", overridden: tuple[str, ...] = ()) -> list[str]:
        """Each error as `line key`, or `line what` where it is about no key; the line is 0 where there is none."""
        path = self.write(name, text)
        return [error.removeprefix(f"{name}:") for error in self.errors_of(path, overridden=overridden)]

    def errors_of(self, *paths: Path, overridden: tuple[str, ...] = ()) -> list[str]:
        """Each error of several files as `file:line key`."""
        try:
            read_all(paths, overridden)
        except ValidationError as problem:
            folder = re.escape(str(self.folder))
            places = re.findall(rf"^{folder}/([^:]+)(?::(\d+))?: ([^:\n]+)", str(problem), re.MULTILINE)
            return [f"{name}:{line or 0} {what}" for name, line, what in places]
        return []


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture):
    """A function that gives the warnings so far, each as `line key`."""
    caplog.set_level(logging.WARNING)

    def said() -> list[str]:
        return [
            f"{found[1] or 0} {found[2]}"
            for record in caplog.records
            if (found := re.match(r".*?\.\w+(?::(\d+))?: ([^:\n]+)", record.getMessage()))
        ]

    return said
