"""Azurite, and lines to it that break, stop and count."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.azurite import Azurite

from .blobs import Blobs, Line

CHECKOUT = Path(__file__).parents[2]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    prefix = Path(os.environ.get("MLFUNC_AZURITE", CHECKOUT / ".venv" / "azurite"))
    with Azurite(prefix, tmp_path_factory.mktemp("azurite")) as azurite:
        yield azurite


@pytest.fixture
def blobs(azurite: Azurite) -> Iterator[Blobs]:
    """A container of the test's own, behind a line."""
    with Line(azurite.ports["blob"]) as line:
        yield Blobs(azurite, f"models{next(NUMBERS)}", line)
