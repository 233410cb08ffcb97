"""What the contract tests share: two local Azures, the recordings, and the count of what was held."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .azure import LocalAzure
from .wire import FOLDER, LEDGER, LEFT_OUT, NEEDED, Names, Recording, all_recordings

SLOW = 0.05
"""How fast the slow one is, as a part of Azure's own pace."""


def started(factory: pytest.TempPathFactory, name: str, *options: str) -> Iterator[LocalAzure]:
    azure = LocalAzure(factory.mktemp(name), *options)
    try:
        yield azure.start()
    finally:
        azure.stop()


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """One that answers at once."""
    yield from started(tmp_path_factory, "azure")


@pytest.fixture(scope="session")
def slow_azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    """One that takes its time, so that one sees what is under way."""
    yield from started(tmp_path_factory, "slow", "--latency", f"azure:{SLOW}")


@pytest.fixture
def names(azure: LocalAzure) -> Names:
    """The names in a resource group of the test's own."""
    return azure.fresh()


@pytest.fixture
def slow_names(slow_azure: LocalAzure) -> Names:
    """Likewise, in the slow one."""
    return slow_azure.fresh()


@pytest.fixture(scope="session")
def wire() -> Callable[[str], Recording]:
    """Reads a recording; without the recordings the test is skipped."""
    if not FOLDER.is_dir():
        pytest.skip(NEEDED)
    return Recording.read


def _summary() -> str:
    """One line that tells what was held."""
    if not FOLDER.is_dir():
        return f"contract: not held; it {NEEDED}"
    recordings = all_recordings()
    held = [
        each.file
        for each in recordings
        if {part.part for part in each.exchanges} <= set(LEDGER.parts.get(each.file, ()))
    ]
    reasons = Counter(reason for _, reason in LEFT_OUT)
    left_out = "; ".join(f"{count}: {reason}" for reason, count in reasons.items())
    return (
        f"contract: {len(held)} of {len(recordings)} wire files held, {LEDGER.fields} fields compared, "
        f"{len(LEFT_OUT)} left out ({left_out})"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was held, also to whoever runs pytest among other things (``tools.run_tests``)."""
    if FOLDER.is_dir() and not LEDGER.parts:
        return  # none of these tests was run
    line = _summary()
    terminalreporter.write_line(line)
    told = os.environ.get("MLFUNC_CONTRACT_SUMMARY")
    if told:
        Path(told).write_text(line, "utf-8")
