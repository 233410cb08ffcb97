"""A folder of events: many at once, each answer into a file of its own, and what came of all of them."""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import queue
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azext_mlfunc.probing.event import Event, NoAnswer, ProbeFailed
from azext_mlfunc.probing.files import input_files, output_path
from azext_mlfunc.probing.prober import Prober
from azext_mlfunc.probing.single import Expectation
from azext_mlfunc.progress import Progress

JOURNAL = ".ml-func-test.jsonl"
"""The file in the output folder that says which events were answered: a run that is started again skips them."""
_PARTIAL = ".ml-func-part"
_LULL = 0.2  # seconds between two looks at what has ended
_SHOWN, _SHOWN_BINARY = 500, 64  # bytes of an event's data


@dataclass(frozen=True)
class Row:
    """What became of one event.

    :param name: its path below the input folder.
    :param sha256: of its bytes.
    :param passed: it was answered, and as expected.
    :param latency: seconds; None without an answer.
    :param problem: why it has not passed.
    :param started: seconds since the epoch when it was sent.
    :param skipped: it was answered in an earlier run.
    :param data: the beginning of what was sent, readable, of an event that has not passed.
    """

    name: str
    sha256: str
    passed: bool
    latency: float | None
    problem: str | None
    started: float
    skipped: bool = False
    data: str | None = None


@dataclass(frozen=True)
class Batch:
    """What came of all events.

    :param rows: one for each, in the order of their names.
    :param seconds: from the first event sent to the last answer.
    """

    rows: tuple[Row, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)

    def describe(self, trigger: str) -> dict[str, Any]:
        """The batch as a result."""
        sent = [row for row in self.rows if not row.skipped]
        latencies = sorted(row.latency for row in sent if row.latency is not None)
        return {
            "passed": self.passed,
            "trigger": trigger,
            "sent": len(sent),
            "succeeded": sum(row.passed for row in self.rows),
            "failed": sum(not row.passed for row in self.rows),
            "skipped": len(self.rows) - len(sent),
            "latency": {f"p{percent}": percentile(latencies, percent) for percent in (50, 95, 99)},
            "eventsPerSecond": round(len(sent) / self.seconds, 1) if sent and self.seconds else None,
            "results": [
                {"input": row.name, "passed": row.passed, "latency": row.latency, "problem": row.problem}
                for row in self.rows
            ],
        }


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """A percentile of numbers in order, to the millisecond; None when there are none."""
    if not ordered:
        return None
    if len(ordered) == 1:
        return round(ordered[0], 3)
    return round(statistics.quantiles(ordered, n=100, method="inclusive")[percent - 1], 3)


@dataclass(frozen=True)
class BatchOptions:
    """How a folder is sent.

    :param inputs: the folder with a file for each event.
    :param outputs: the folder that gets the answers.
    :param concurrency: events under way at once.
    :param timeout: seconds for one event.
    :param expectation: what the answer to an event, named by its path below the folder, is held against; None: any
        answer will do.
    """

    inputs: Path
    outputs: Path
    concurrency: int
    timeout: float
    expectation: Callable[[str], Expectation | None]


def probe_all(prober: Prober, options: BatchOptions, progress: Progress) -> Batch:
    """Send every file of a folder, as many at once as asked for, to a prober that is open.

    Each answer is written to its file before the journal says so; Ctrl-C ends it with what is written so far.
    """
    files = input_files(options.inputs)
    options.outputs.mkdir(parents=True, exist_ok=True)
    journal = Journal(options.outputs / JOURNAL)
    answered = journal.read()
    waiting: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
    ended: queue.SimpleQueue[Row | BaseException] = queue.SimpleQueue()
    for file in files:
        waiting.put(file)
    workers = min(options.concurrency, len(files))
    for _ in range(workers):
        waiting.put(None)

    def work() -> None:
        while (file := waiting.get()) is not None:
            try:
                ended.put(_one(prober, file, options, answered))
            except BaseException as problem:
                ended.put(problem)

    started = time.monotonic()
    for _ in range(workers):
        threading.Thread(target=work, daemon=True).start()
    rows: list[Row] = []
    while len(rows) < len(files):
        new = _rows_of(ended)
        journal.add(row for row in new if not row.skipped)
        rows += new
        failed = sum(not row.passed for row in rows)
        told = f"{len(rows)} of {len(files)} events" + (f", {failed} failed" if failed else "")
        progress.live(told, len(rows) / len(files))
        time.sleep(min(_LULL, 0.1 * (time.monotonic() - started)))  # each waking takes time away from the senders
    return Batch(tuple(sorted(rows, key=lambda row: row.name)), time.monotonic() - started)


def _rows_of(ended: queue.SimpleQueue[Row | BaseException]) -> list[Row]:
    """All that has ended by now, at least one.

    :raises BaseException: one that ended a worker.
    """
    rows: list[Row] = []
    while not rows or not ended.empty():
        row = ended.get()
        if isinstance(row, BaseException):
            raise row
        rows.append(row)
    return rows


def _one(prober: Prober, file: Path, options: BatchOptions, answered: dict[str, Row]) -> Row:
    name = file.relative_to(options.inputs).as_posix()
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    target = output_path(options.outputs, name)
    before = answered.get(name)
    if before is not None and before.passed and before.sha256 == digest and target.exists():
        return Row(name, digest, True, before.latency, None, before.started, skipped=True)
    started = time.time()
    try:
        output = prober.probe(Event(file.name, data), options.timeout)
    except (ProbeFailed, NoAnswer) as problem:
        return Row(name, digest, False, None, str(problem), started, data=beginning(data))
    _write(target, output.data)
    expectation = options.expectation(name)
    differs = expectation.check(output.data) if expectation else None
    sent = None if differs is None else beginning(data)
    return Row(name, digest, differs is None, round(output.latency, 4), differs, started, data=sent)


def beginning(data: bytes) -> str:
    """How an event's data begins: text as it was sent, anything else in hexadecimal; cut off, it says so."""
    head = data[:_SHOWN]
    try:
        # A last character that the cut went through is left out.
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) == len(data))
    except UnicodeDecodeError:
        head = data[:_SHOWN_BINARY]
        text = head.hex(" ")
    return text if len(head) == len(data) else f"{text} … ({len(data):,} bytes in all)"


def _write(target: Path, data: bytes) -> None:
    """Write a file at once or not at all."""
    draft = target.with_name(target.name + _PARTIAL)
    try:
        draft.write_bytes(data)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
    os.replace(draft, target)


class Journal:
    """The answered events of an output folder, a line of JSON each.

    :param file: where they are written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, Row]:
        """The events by name; a line that an interruption cut off is left out."""
        return {row.name: row for row in self._rows()}

    def add(self, rows: Iterable[Row]) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(vars(row)) + "\n" for row in rows)

    def _rows(self) -> Iterator[Row]:
        if not self._file.exists():
            return
        for line in self._file.read_text("utf-8").splitlines():
            try:
                yield Row(**json.loads(line))
            except (ValueError, TypeError):
                continue
