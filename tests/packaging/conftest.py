"""A small sound project, and the request to package it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.models import LocalModel
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.triggers import HttpTrigger


class Project:
    """A folder with a model, a script and a requirements file; tests write more into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("src/score.py", "def init():\n    pass\n\n\ndef run(data):\n    return data\n")
        self.write("model.pkl", "a model")
        self.write("requirements.txt", "numpy==2.3.4\n")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def request(self, **changes: Any) -> PackageRequest:
        sound = PackageRequest(
            models=(LocalModel(self.folder / "model.pkl"),),
            entry_script=self.folder / "src" / "score.py",
            source_directory=self.folder / "src",
            trigger=HttpTrigger(),
            image_name="package",
            image_tag="v1",
            requirements=self.folder / "requirements.txt",
        )
        return dataclasses.replace(sound, **changes)


def said(findings: list[Finding]) -> str:
    """All findings as the user sees them."""
    return "\n".join(map(str, findings))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
