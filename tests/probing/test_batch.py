"""A folder of events, against a prober in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from azext_mlfunc.probing.batch import JOURNAL, Batch, BatchOptions, percentile, probe_all
from azext_mlfunc.probing.event import Event, NoAnswer, Output, ProbeFailed
from azext_mlfunc.probing.prober import Prober
from azext_mlfunc.probing.single import Expectation
from fakes import RecordingProgress


class EchoProber(Prober):
    """Answers with the event's own data, unless it is told otherwise."""

    waits_for = "an echo"

    def __init__(self, answer: Callable[[Event], bytes] = lambda event: event.data) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self.sent: list[str] = []

    def open(self) -> None: ...

    def close(self) -> None: ...

    def probe(self, event: Event, timeout: float) -> Output:
        with self._lock:
            self.sent.append(event.name)
        return Output(self._answer(event), 0.25)


def events(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:03}.json").write_text(json.dumps([number]))
    return folder


def run(prober: Prober, tmp_path: Path, concurrency: int = 4, expected: bytes | None = None) -> Batch:
    expectation = Expectation(expected, 1e-6) if expected is not None else None
    options = BatchOptions(tmp_path / "in", tmp_path / "out", concurrency, 5, lambda name: expectation)
    return probe_all(prober, options, RecordingProgress())


def test_every_event_is_sent_once_and_answered_into_its_file(tmp_path: Path) -> None:
    folder, prober = events(tmp_path / "in", 50), EchoProber()
    batch = run(prober, tmp_path)
    assert sorted(prober.sent) == [path.name for path in sorted(folder.iterdir())]
    assert all((tmp_path / "out" / path.name).read_bytes() == path.read_bytes() for path in folder.iterdir())
    result = batch.describe("http")
    assert (result["passed"], result["sent"], result["succeeded"], result["failed"]) == (True, 50, 50, 0)
    assert result["latency"] == {"p50": 0.25, "p95": 0.25, "p99": 0.25}


def test_as_many_are_under_way_as_asked_for(tmp_path: Path) -> None:
    events(tmp_path / "in", 8)
    together = threading.Barrier(4)

    def answer(event: Event) -> bytes:
        together.wait(30)  # passes only when four are here at once
        return b"1"

    assert run(EchoProber(answer), tmp_path, concurrency=4).passed


def test_a_run_that_is_started_again_skips_what_was_answered(tmp_path: Path) -> None:
    events(tmp_path / "in", 5)

    def fails_on_three(event: Event) -> bytes:
        if event.name == "003.json":
            raise NoAnswer("nothing came")
        return event.data

    first = run(EchoProber(fails_on_three), tmp_path)
    assert not first.passed
    assert [row.name for row in first.rows if not row.passed] == ["003.json"]
    again = EchoProber()
    second = run(again, tmp_path)
    assert again.sent == ["003.json"]
    assert second.passed
    assert second.describe("http")["skipped"] == 4


@pytest.mark.parametrize("change", ["input", "output", "journal"])
def test_what_changed_is_sent_again(change: str, tmp_path: Path) -> None:
    events(tmp_path / "in", 2)
    run(EchoProber(), tmp_path)
    journal = tmp_path / "out" / JOURNAL
    if change == "input":
        (tmp_path / "in" / "001.json").write_text("[7]")
    elif change == "output":
        (tmp_path / "out" / "001.json").unlink()
    else:  # its last line was cut off
        lines = [line for line in journal.read_text().splitlines() if "001.json" not in line]
        journal.write_text("\n".join([*lines, '{"name": "001.j']) + "\n")
    again = EchoProber()
    assert run(again, tmp_path).passed
    assert again.sent == ["001.json"]
    assert (tmp_path / "out" / "001.json").read_bytes() == (tmp_path / "in" / "001.json").read_bytes()


def test_what_is_not_as_expected_fails_and_is_sent_again(tmp_path: Path) -> None:
    events(tmp_path / "in", 2)
    batch = run(EchoProber(), tmp_path, expected=b"[1]")
    assert [(row.name, row.passed) for row in batch.rows] == [("000.json", False), ("001.json", True)]
    assert "expected" in str(batch.rows[0].problem)
    again = EchoProber()
    run(again, tmp_path, expected=b"[1]")
    assert again.sent == ["000.json"]


def test_a_failure_of_the_app_is_told(tmp_path: Path) -> None:
    events(tmp_path / "in", 1)

    def refuses(event: Event) -> bytes:
        raise ProbeFailed("it answered 500")

    assert run(EchoProber(refuses), tmp_path).rows[0].problem == "it answered 500"


def test_a_fault_of_ours_is_not_swallowed(tmp_path: Path) -> None:
    events(tmp_path / "in", 3)

    def breaks(event: Event) -> bytes:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run(EchoProber(breaks), tmp_path)


def test_percentiles() -> None:
    hundred = [number / 100 for number in range(101)]
    assert [percentile(hundred, percent) for percent in (50, 95, 99)] == [0.5, 0.95, 0.99]
    assert percentile([], 50) is None
    assert percentile([0.1], 99) == 0.1
