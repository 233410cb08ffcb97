"""The page about a batch: what is in it; how it looks is for a browser to say."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from azext_mlfunc.probing.batch import Batch, Row
from azext_mlfunc.probing.report import Subject, render

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


def row(number: int, passed: bool = True, problem: str | None = None) -> Row:
    return Row(f"{number}.json", "00", passed, 0.1 * number if passed else None, problem, 1000.0 + number)


def test_a_page_tells_everything_and_loads_nothing() -> None:
    rows = (row(1), row(2), row(3, False, "<script>alert(1)</script> failed"), row(4))
    page = render(Batch(rows, 4.0), SUBJECT)
    tags = Tags()
    tags.feed(page)
    assert tags.loaded == []
    assert tags.tags.get("script") is None
    assert tags.tags["circle"] == 3
    assert sum(int(count) for count in re.findall(r"<title>(\d+) between", page)) == 3
    for text in ("my&lt;app&gt;: failed", "sha256:abc", "3.json", "&lt;script&gt;alert(1)", "p95"):
        assert text in page


def test_a_page_about_nothing_and_about_one() -> None:
    assert "Nothing was answered." in render(Batch((row(1, False, "no"),), 1.0), SUBJECT)
    assert "<circle" in render(Batch((row(1),), 1.0), SUBJECT)
