"""The page about a batch: what is in it; how it looks is for a browser to say (test_report_in_browser.py)."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from azext_mlfunc.probing.batch import JOURNAL, Batch, BatchOptions, Journal, Row, beginning, probe_all
from azext_mlfunc.probing.event import Event, Output, ProbeFailed
from azext_mlfunc.probing.prober import Prober
from azext_mlfunc.probing.report import Subject, render
from azext_mlfunc.probing.single import Expectation
from fakes import RecordingProgress

SUBJECT = Subject("my<app>", "r.azurecr.io/package@sha256:abc", "http")


class Tags(HTMLParser):
    """Counts tags, and collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href", "data")]


def row(number: int, passed: bool = True, problem: str | None = None, data: str | None = None) -> Row:
    return Row(f"{number}.json", "00", passed, 0.1 * number if passed else None, problem, 1000.0 + number, data=data)


def in_bars(page: str) -> int:
    """How many answers the bars of the histogram stand for."""
    return sum(int(count.replace(",", "")) for count in re.findall(r"<title>([\d,]+) between", page))


def at_dots(page: str) -> int:
    """How many answers the dots stand for."""
    titles = re.findall(r"<circle[^>]*><title>(.*?)</title>", page)
    more = [re.search(r", and ([\d,]+) more$", title) for title in titles]
    return len(titles) + sum(int(found[1].replace(",", "")) for found in more if found)


def test_a_page_tells_everything_and_loads_nothing() -> None:
    rows = (row(1), row(2), row(3, False, "<script>alert(1)</script> failed", "[<b>]"), row(4))
    page = render(Batch(rows, 4.0), SUBJECT)
    tags = Tags()
    tags.feed(page)
    assert tags.loaded == []
    assert tags.tags.get("script") is None
    assert tags.tags["circle"] == 3
    assert in_bars(page) == 3
    for text in ("my&lt;app&gt;: failed", "sha256:abc", "3.json", "[&lt;b&gt;]", "&lt;script&gt;alert(1)", "p95"):
        assert text in page
    assert "Skipped:" not in page


@pytest.mark.parametrize("latency", [0.0, 0.0004, 0.001, 0.1, 0.25, 1.0, 86400.0])
def test_one_event_of_any_latency_is_in_both_charts(latency: float) -> None:
    page = render(Batch((Row("a", "00", True, latency, None, 1000.0),), 1.0), SUBJECT)
    assert (at_dots(page), in_bars(page)) == (1, 1)
    places = [float(number) for number in re.findall(r'(?:x|y|cx|cy|x1|y1|width|height)="([^"%]+)%"', page)]
    assert all(0 <= place <= 100 for place in places)


def test_a_page_about_nothing() -> None:
    for rows in ((), (row(1, False, "no"),)):
        page = render(Batch(rows, 1.0), SUBJECT)
        assert page.count("Nothing was answered") == 2
        assert "<svg" not in page


def test_what_was_skipped_is_said_and_not_drawn() -> None:
    rows = (row(1), *(Row(f"{number}", "00", True, 9.0, None, 1.0, skipped=True) for number in range(12)))
    page = render(Batch(rows, 1.0), SUBJECT)
    assert "<dt>skipped</dt><dd>12</dd>" in page
    assert "Skipped: answered in an earlier run" in page
    assert (at_dots(page), in_bars(page)) == (1, 1)


def test_a_page_about_very_many_stays_small_and_leaves_none_out() -> None:
    rows = [
        Row(f"{'folder/' * 8}{number:05}.json", "00", True, (number * 7919 % 20_000 + 1) / 1000, None, number / 100)
        for number in range(20_000)
    ]
    page = render(Batch(tuple(rows), 200.0), SUBJECT)
    assert len(page) < 4 * 2**20
    assert page.count("<circle") < 16_000
    assert (at_dots(page), in_bars(page)) == (20_000, 20_000)


def test_very_many_failures_are_counted_and_the_first_are_shown() -> None:
    rows = tuple(row(number, False, "x" * 100_000, '"&' * 250) for number in range(20_000))
    page = render(Batch(rows, 200.0), SUBJECT)
    assert len(page) < 4 * 2**20
    assert "Failures (20,000)" in page
    assert page.count('<th scope="row">') == 500
    assert f"And 19,500 more, which {JOURNAL}" in page


def test_what_cannot_be_seen_is_shown_by_its_code() -> None:
    name = "a\u202egnp.exe\udc80\x00"
    page = render(Batch((Row(name, "00", False, None, "\ud800 no\nway", 1.0, data="\u2066é日本"),), 1.0), SUBJECT)
    page.encode()
    assert r"a\u202egnp.exe\udc80\x00" in page
    assert "\\ud800 no\nway" in page
    assert r"\u2066é日本" in page


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", ""),
        (b'{"a": [1]}\n', '{"a": [1]}\n'),
        (b"x" * 500, "x" * 500),
        (b"x" * 1500, "x" * 500 + " … (1,500 bytes in all)"),
        ("é".encode() * 400 + b"x", "é" * 250 + " … (801 bytes in all)"),
        (b"x" + "é".encode() * 400, "x" + "é" * 249 + " … (801 bytes in all)"),
        (b"\xff\xd8\xff", "ff d8 ff"),
        (b"\xff" * 2000, "ff " * 63 + "ff … (2,000 bytes in all)"),
        ("é".encode()[:1], "c3"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_how_an_events_data_begins(data: bytes, shown: str) -> None:
    assert beginning(data) == shown


class SquareProber(Prober):
    """Answers with the square of a number; anything else fails."""

    waits_for = "a square"

    def open(self) -> None: ...

    def close(self) -> None: ...

    def probe(self, event: Event, timeout: float) -> Output:
        if not event.data.isdigit():
            raise ProbeFailed("that is no number")
        return Output(b"%d" % int(event.data) ** 2, 0.1)


def test_what_failed_keeps_its_input_and_what_passed_does_not(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, data in (("a", b"2"), ("b", b"3"), ("c", b"three")):
        (tmp_path / "in" / name).write_bytes(data)
    options = BatchOptions(tmp_path / "in", tmp_path / "out", 2, 5, lambda name: Expectation(b"4", 0))
    batch = probe_all(SquareProber(), options, RecordingProgress())
    assert [row.data for row in batch.rows] == [None, "3", "three"]
    page = render(batch, SUBJECT)
    assert '<th scope="row">b<pre>3</pre></th><td><pre>--- expected' in page
    assert '<th scope="row">c<pre>three</pre></th><td><pre>that is no number</pre></td>' in page


def test_a_journal_from_before_data_was_kept_is_still_read(tmp_path: Path) -> None:
    file = tmp_path / JOURNAL
    old = {"name": "a", "sha256": "00", "passed": True, "latency": 0.1, "problem": None, "started": 1.0}
    file.write_text(json.dumps({**old, "skipped": False}) + "\n")
    new = row(1, False, "no", "\u202e[1]")
    Journal(file).add([new])
    assert Journal(file).read() == {"a": Row("a", "00", True, 0.1, None, 1.0), "1.json": new}
