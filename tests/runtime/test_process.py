"""What happens once in a process, however many ask for it at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

ASKERS = 8


def _ask_at_once(start: Callable[..., Any], **settings: str) -> list[Any]:
    """What all who ask at the same time get: the process, or the exception."""
    gate = threading.Barrier(ASKERS)

    def ask(_: int) -> Any:
        gate.wait(timeout=60)
        try:
            return start("counting.py", **settings)
        except Exception as error:
            return error

    with ThreadPoolExecutor(ASKERS) as threads:
        return list(threads.map(ask, range(ASKERS)))


def test_the_script_is_started_once(start: Callable[..., Any], tmp_path: Path) -> None:
    got = _ask_at_once(start, INIT_LOG=str(tmp_path / "inits"))
    assert len({id(process) for process in got}) == 1
    assert got[0].scorer.script.run(data="") == 1
    assert (tmp_path / "inits").read_text() == "init\n"


def test_a_failed_start_is_remembered(start: Callable[..., Any], tmp_path: Path) -> None:
    settings = {"INIT_LOG": str(tmp_path / "inits"), "INIT_FAILS": "yes"}
    got = _ask_at_once(start, **settings)
    assert {type(error).__name__ for error in got} == {"ScriptError"}
    with pytest.raises(Exception, match="init\\(\\) fails as asked"):
        start("counting.py", **settings)
    assert (tmp_path / "inits").read_text() == "init\n"


def test_wrong_settings_fail_the_start(start: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="MLFUNC_CONCURRENT_RUNS"):
        start("plain.py", MLFUNC_CONCURRENT_RUNS="many")
