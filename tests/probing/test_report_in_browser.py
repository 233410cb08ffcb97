"""The page about a batch in a real browser: what it shows, and that it loads and executes nothing.

Chromium is driven by its chromedriver over the WebDriver protocol (https://www.w3.org/TR/webdriver2/). Where one of
them is missing the tests are skipped and say so; with MLFUNC_REQUIRE_ENGINE=1, as in CI, they fail instead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from azext_mlfunc.probing.batch import Batch, Row, beginning
from azext_mlfunc.probing.report import Subject, render

NEEDED = ("chromium", "chromedriver")
SUBJECT = Subject("my-app", "r.azurecr.io/package@sha256:" + "ab" * 32, "http")
OPTIONS = (
    "--headless=new",
    "--hide-scrollbars",
    "--no-sandbox",  # it refuses to run as root with it
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the network is off
)
ATTACK = "document.documentElement.dataset.attacked = 1; console.error('attacked')"
HOSTILE = (
    f"<script>{ATTACK}</script>",
    f'"><img src="http://evil.test/x.png" onerror="{ATTACK}">',
    f"</title></style></svg></pre></table><script>{ATTACK}</script>",
    f"'><svg onload=\"{ATTACK}\"><style>@import 'http://evil.test/x.css';</style>",
    f'<iframe srcdoc="<script>parent.{ATTACK}</script>"></iframe><meta http-equiv="refresh" content="0;url=/">',
    "--><!--<![CDATA[ &lt; &#60;script&#62; \x00\x1b[31m",
    "\u202e\u2066lmth.txt\ufeff\u200f",
    "lone \ud800 and \udcff",
    "x" * 10_000,
)


class Browser:
    """A session of WebDriver, with a log of all that its page says and asks for.

    Args:
        driver: The URL of chromedriver.
        chromium: The browser's program.
    """

    def __init__(self, driver: str, chromium: str) -> None:
        self._http = requests.Session()
        self._url = driver
        wanted = {
            "goog:chromeOptions": {"binary": chromium, "args": OPTIONS},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._url += "/session/" + self._post("/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _post(self, path: str, content: dict[str, Any]) -> Any:
        answer = self._http.post(self._url + path, json=content, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    def quit(self) -> None:
        self._http.delete(self._url, timeout=60)

    def open(self, file: Path, page: str) -> None:
        """Writes a page into a file and opens that; all logs are of this page then."""
        file.write_text(page, "utf-8")
        self._post("/url", {"url": "about:blank"})
        self.console(), self.requested()
        self._post("/url", {"url": file.as_uri()})

    def run(self, script: str) -> Any:
        """What a function with this body returns in the page."""
        return self._post("/execute/sync", {"script": script, "args": []})

    def texts(self, selector: str) -> list[str]:
        return list(self.run(f"return Array.from(document.querySelectorAll({selector!r}), e => e.textContent)"))

    def count(self, selector: str) -> int:
        return int(self.run(f"return document.querySelectorAll({selector!r}).length"))

    def width(self, pixels: int) -> None:
        """Gives the page a width, as a small screen has."""
        screen = {"width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self._post("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": screen})

    def console(self) -> list[str]:
        """What the console has got since it was asked the last time."""
        return [entry["message"] for entry in self._post("/se/log", {"type": "browser"})]

    def requested(self) -> list[str]:
        """The addresses that were asked for since the last time."""
        events = [json.loads(entry["message"])["message"] for entry in self._post("/se/log", {"type": "performance"})]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = {name: shutil.which(name) for name in NEEDED}
    missing = [name for name, program in found.items() if program is None]
    if missing:
        reason = f"no {' and no '.join(missing)}: on Debian, `apt-get install chromium chromium-driver`"
        (pytest.fail if os.environ.get("MLFUNC_REQUIRE_ENGINE") == "1" else pytest.skip)(reason)
    with subprocess.Popen([str(found["chromedriver"]), "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        try:
            ports = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
            port = next(filter(None, ports))[1]
            session = Browser(f"http://127.0.0.1:{port}", str(found["chromium"]))
            yield session
            session.quit()
        finally:
            driver.terminate()


def row(number: int, problem: str | None = None, data: bytes = b"") -> Row:
    latency = None if problem else 0.1 + number / 1000
    return Row(f"{number:03}.json", "00", not problem, latency, problem, 1e9 + number, data=beginning(data))


def hostile() -> Batch:
    """Events with a hostile name, input and error each: without an answer, and with one."""
    rows = [
        Row(f"{text}{latency}", "00", False, latency, text, 1e9, data=text)
        for text in HOSTILE
        for latency in (None, 0.5)
    ]
    return Batch((*rows, row(1)), 1.0)


def test_the_page_shows_everything_and_asks_for_nothing_else(browser: Browser, tmp_path: Path) -> None:
    failed = [row(7, "it answered 500:\n<b>no</b>", b'{"data": [["a"]]}'), row(9, "no answer came", b"\xff\xd8\xff")]
    differs = Row("010.json", "00", False, 0.2, "-1.5\n+2.5", 1e9 + 10, data="[1]")
    skipped = Row("011.json", "00", True, 0.2, None, 1.0, skipped=True)
    rows = [row(number) for number in range(200) if number not in (7, 9, 10, 11)]
    batch = Batch((*rows, *failed, differs, skipped), 20.0)
    page = tmp_path / "report.html"
    browser.open(page, render(batch, SUBJECT))
    assert browser.texts("head title, h1") == ["my-app: failed"] * 2
    facts = dict(zip(browser.texts(".facts dt"), browser.texts(".facts dd"), strict=True))
    assert (facts["Image"], facts["Trigger"]) == (SUBJECT.image, "http")
    assert facts["Time"] == "2001-09-09 01:46:40 UTC, for 20 s"
    numbers = dict(zip(browser.texts(".numbers dt"), browser.texts(".numbers dd"), strict=True))
    told = [numbers[name] for name in ("sent", "succeeded", "failed", "skipped", "p50 latency", "events/s")]
    assert told == ["199", "197", "3", "1", "201 ms", "9.9"]
    assert (browser.count("circle"), browser.count("circle.failed"), browser.count("line.failed")) == (197, 1, 2)
    bars = browser.texts("rect title")
    assert sum(int(title.split()[0]) for title in bars) == 197
    assert len(bars) > 5
    # Each is where its number says: dots rise with their latency, bars stand on the floor, as high as they count.
    dots = browser.run(
        "return Array.from(document.querySelectorAll('circle:not(.failed)'),"
        " e => [e.cx.baseVal.value, -e.cy.baseVal.value])"
    )
    assert [dot[1] for dot in sorted(dots)] == sorted({dot[1] for dot in dots})
    bars = browser.run(
        "return Array.from(document.querySelectorAll('rect'), e => [parseInt(e.textContent), e.height.baseVal.value, "
        "e.ownerSVGElement.clientHeight - e.y.baseVal.value])"
    )
    unit = max(height for _, height, _ in bars) / max(count for count, _, _ in bars)
    assert bars == [
        [count, pytest.approx(count * unit, abs=0.1), pytest.approx(height, abs=0.1)] for count, height, _ in bars
    ]
    assert browser.texts("th[scope=col]") == ["Input", "Error"]
    assert browser.texts("tbody th") == ['007.json{"data": [["a"]]}', "009.jsonff d8 ff", "010.json[1]"]
    assert browser.texts("tbody td") == ["it answered 500:\n<b>no</b>", "no answer came", "-1.5\n+2.5"]
    assert browser.count("svg[role=img][aria-label]") == 2
    assert browser.console() == []
    assert browser.requested() == [page.as_uri()]
    assert browser.run("return performance.getEntriesByType('resource').length") == 0


@pytest.mark.parametrize("policy", [True, False], ids=["with its policy", "by its text alone"])
def test_hostile_names_inputs_and_errors_are_text(policy: bool, browser: Browser, tmp_path: Path) -> None:
    text = render(hostile(), Subject(HOSTILE[2], HOSTILE[1], HOSTILE[0]))
    if not policy:
        text, removed = re.subn(r'<meta http-equiv="Content-Security-Policy".*\n', "", text)
        assert removed == 1
    page = tmp_path / "report.html"
    browser.open(page, text)
    assert browser.texts("head title, h1") == [f"{HOSTILE[2]}: failed"] * 2
    assert browser.texts("tbody td")[::2][:5] == list(HOSTILE[:5])
    assert browser.texts("tbody td")[::2][5:8] == [
        r"--><!--<![CDATA[ &lt; &#60;script&#62; \x00\x1b[31m",
        r"\u202e\u2066lmth.txt\ufeff\u200f",
        r"lone \ud800 and \udcff",
    ]
    assert browser.count("script, img, iframe, style ~ style, body style, meta[http-equiv=refresh]") == 0
    assert browser.run("return document.documentElement.dataset.attacked ?? null") is None
    assert browser.console() == []
    assert browser.requested() == [page.as_uri()]


def test_the_policy_stops_what_would_get_in(browser: Browser, tmp_path: Path) -> None:
    """The same attacks unescaped: without the policy the browser executes them, and tells; with it it does not."""
    text = render(Batch((row(1),), 1.0), SUBJECT).replace("</body>", "".join(HOSTILE[:2]) + "</body>")
    browser.open(tmp_path / "report.html", text)
    assert browser.run("return document.documentElement.dataset.attacked ?? null") is None
    assert any("Content Security Policy" in message for message in browser.console())
    page = tmp_path / "open.html"
    browser.open(page, re.sub(r'<meta http-equiv="Content-Security-Policy".*\n', "", text))
    assert browser.run("return document.documentElement.dataset.attacked") == "1"
    assert any("attacked" in message for message in browser.console())
    assert browser.requested() == [page.as_uri(), "http://evil.test/x.png"]


@pytest.mark.parametrize(
    "batch", [hostile(), Batch(tuple(map(row, range(300))), 9.0), Batch((row(1),), 1.0)], ids=("hostile", "many", "one")
)
def test_nothing_is_wider_than_a_small_screen(batch: Batch, browser: Browser, tmp_path: Path) -> None:
    browser.width(360)
    browser.open(tmp_path / "report.html", render(batch, SUBJECT))
    assert browser.run("return [innerWidth, document.documentElement.scrollWidth]") == [360, 360]
    # Nor is anything cut off: text ends where its box does.
    assert (
        browser.run(
            "return Array.from(document.querySelectorAll('body *:not(circle)'))"
            ".filter(e => e.getBoundingClientRect().right > 360 || e.getBoundingClientRect().left < 0).length"
        )
        == 0
    )


def test_very_many_events_are_shown(browser: Browser, tmp_path: Path) -> None:
    rows = (
        Row(f"{number:05}.json", "00", number % 10 > 0, number % 997 / 100 + 0.01, "no", 1e9 + number / 100, data="[1]")
        for number in range(20_000)
    )
    page = tmp_path / "report.html"
    browser.open(page, render(Batch(tuple(rows), 200.0), SUBJECT))
    assert 1000 < browser.count("circle") < 16_000
    assert browser.count("tbody tr") == 500
    assert browser.texts("table + p")[0].startswith("And 1,500 more")
    assert browser.requested() == [page.as_uri()]
