"""A page about a batch, in one file that needs no network: numbers, latencies over time and by size, failures."""

from __future__ import annotations

import html
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from azext_mlfunc.probing.batch import JOURNAL, Batch, Row

_FAILURES = 500  # listed; the journal has all
_NAME, _TIP, _ERROR = 300, 60, 2000  # characters shown of an event's name in the list, at a dot, of its error
_DOTS = (240, 64)  # places for dots across and up: about one for each three pixels
_BINS = 40
_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --good: #2563eb; --bad: #dc2626; --faint: #8886; }
@media (prefers-color-scheme: dark) { :root { --good: #60a5fa; --bad: #f87171; } }
body { max-width: 56rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; } .failed { color: var(--bad); }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } .facts div { display: contents; }
.numbers { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: .5rem 0; margin: 1rem 0; }
.numbers div { display: flex; flex-direction: column-reverse; } .numbers dd { font-size: 1.5rem; }
dt { opacity: .75; } dd, figure, pre { margin: 0; } figure { padding-bottom: 1.5rem; } figcaption, pre, .numbers dt { font-size: .85rem; }
svg { display: block; height: 12rem; width: calc(100% - 4rem); margin: 1rem 0 0 4rem; overflow: visible; }
svg text { font-size: 12px; fill: currentColor; } line { stroke: var(--faint); }
circle { fill: var(--good); fill-opacity: .6; } rect { fill: var(--good); stroke: var(--good); }
circle.failed { fill: var(--bad); fill-opacity: 1; } line.failed { stroke: var(--bad); stroke-width: 2; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-top: 1px solid var(--faint); }
pre { white-space: pre-wrap; font-weight: normal; max-height: 20rem; overflow-y: auto; }
"""  # noqa: E501


@dataclass(frozen=True)
class Subject:
    """What was tested.

    :param app: the app's name.
    :param image: with its digest; empty: not known.
    :param trigger: what calls it.
    """

    app: str
    image: str
    trigger: str


def render(batch: Batch, tested: Subject) -> str:
    """The page, as text.

    Nothing in it is executed or loaded, whatever the events hold: it has no scripts, all that comes from elsewhere is
    escaped, and its policy (https://www.w3.org/TR/CSP3/) allows its own style alone.
    """
    result = batch.describe(tested.trigger)
    sent = [row for row in batch.rows if not row.skipped]
    first = min((row.started for row in sent), default=time.time())
    failures = [row for row in batch.rows if not row.passed]
    title = _text(f"{tested.app}: {'passed' if batch.passed else 'failed'}")
    facts = {
        "App": tested.app,
        "Image": tested.image or "not known",
        "Trigger": tested.trigger,
        "Time": f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(first))}, for {_seconds(batch.seconds)}",
    }
    numbers = {name: f"{result[name]:,}" for name in ("sent", "succeeded", "failed", "skipped")}
    numbers |= {f"{name} latency": _seconds(value) for name, value in result["latency"].items()}
    numbers["events/s"] = f"{result['eventsPerSecond'] or '–'}"
    skipped = "<p>Skipped: answered in an earlier run, and not sent again. Latencies and events/s are of this run.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_CSP}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1{"" if batch.passed else ' class="failed"'}>{title}</h1>
<dl class="facts">{_terms(facts)}</dl>
<h2>Events ({len(batch.rows):,})</h2>
<dl class="numbers">{_terms(numbers)}</dl>
{skipped if result["skipped"] else ""}
<h2>Latency over time</h2>
{_over_time(sent, first)}
<h2>Latency histogram</h2>
{_histogram(sent)}
<h2>Failures ({len(failures):,})</h2>
{_failures(failures)}
</body>
</html>
"""


def _terms(values: dict[str, str]) -> str:
    return "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in values.items())


@dataclass(frozen=True)
class _Scale:
    """A logarithmic scale: on it a first event that takes minutes leaves the others apart.

    :param ticks: its round values in seconds, from one below all that are shown to one above.
    """

    ticks: tuple[float, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> _Scale:
        """The scale for the latencies of rows, at least one of which has one."""
        latencies = [row.latency for row in rows if row.latency is not None]
        least, most = max(min(latencies), 0.001), max(*latencies, 0.002)
        for steps in ((1, 2, 5), (1,)):  # powers of ten alone where there would be too many
            rounds = [step * 10.0**power for power in range(-3, 9) for step in steps]
            below = sum(value <= least for value in rounds) - 1
            above = next(number for number, value in enumerate(rounds) if value >= most and number > below)
            if above - below < 8:
                break
        return cls(tuple(rounds[below : above + 1]))

    def at(self, seconds: float) -> float:
        """Where a value is, from 0 to 1."""
        low, high = self.ticks[0], self.ticks[-1]
        return min(1.0, max(0.0, math.log(max(seconds, low) / low) / math.log(high / low)))

    def value(self, fraction: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return float(low * (high / low) ** fraction)


def _over_time(rows: Sequence[Row], first: float) -> str:
    """A dot for each answer, by the time it was sent and how long it took; a stroke where none came."""
    if all(row.latency is None for row in rows):
        return "<p>Nothing was answered in this run.</p>"
    scale = _Scale.of(rows)
    span = max(row.started for row in rows) - first or 1.0
    lines = [_line(1 - scale.at(tick), _seconds(tick)) for tick in scale.ticks]
    # Events that would lie on each other share a mark: a page about any number of them stays small.
    marks: dict[tuple[int, int | None, bool], list[Row]] = {}
    for row in rows:
        across = round((row.started - first) / span * _DOTS[0])
        up = None if row.latency is None else round(scale.at(row.latency) * _DOTS[1])
        marks.setdefault((across, up, row.passed), []).append(row)
    drawn = []
    for same in sorted(marks.values(), key=lambda same: not same[0].passed):  # failures last, thus on top
        row, x = same[0], _percent((same[0].started - first) / span)
        told = f"{row.name[-_TIP:]}: {'no answer' if row.latency is None else _seconds(row.latency)}"
        title = f"<title>{_text(told)}{f', and {len(same) - 1:,} more' if len(same) > 1 else ''}</title>"
        kind = "" if row.passed else ' class="failed"'
        if row.latency is None:
            drawn.append(f'<line{kind} x1="{x}" x2="{x}" y1="94%" y2="100%">{title}</line>')
        else:
            drawn.append(f'<circle{kind} cx="{x}" cy="{_percent(1 - scale.at(row.latency))}" r="3">{title}</circle>')
    caption = "Each dot is an answer, by the time when its event was sent; the scale is logarithmic."
    if not all(row.passed for row in rows):
        caption += " Red: not as expected; a red stroke at the bottom: no answer."
    return _chart(caption, [*lines, *drawn, _label(0, "0 s"), _label(1, _seconds(span))])


def _histogram(rows: Sequence[Row]) -> str:
    """How many answers took how long."""
    latencies = [row.latency for row in rows if row.latency is not None]
    if not latencies:
        return "<p>Nothing was answered in this run.</p>"
    scale = _Scale.of(rows)
    counts = Counter(min(int(scale.at(latency) * _BINS), _BINS - 1) for latency in latencies)
    most = max(counts.values())
    bars = [
        f'<rect x="{_percent(number / _BINS)}" y="{_percent(1 - count / most)}" width="{_percent(0.8 / _BINS)}" '
        f'height="{_percent(count / most)}"><title>{count:,} between {_seconds(scale.value(number / _BINS))} and '
        f"{_seconds(scale.value((number + 1) / _BINS))}</title></rect>"
        for number, count in sorted(counts.items())
    ]
    labels = [_label(scale.at(tick), _seconds(tick)) for tick in scale.ticks]
    caption = "How many answers took how long; the scale is logarithmic."
    return _chart(caption, [_line(0, f"{most:,}"), _line(1, "0"), *bars, *labels])


def _chart(caption: str, content: Sequence[str]) -> str:
    # Without a viewBox, with all places in percent: it has the width of the page, and its text is always readable.
    return (
        f"<figure><figcaption>{_text(caption)}</figcaption>"
        f'<svg role="img" aria-label="{_text(caption)}">{"".join(content)}</svg></figure>'
    )


def _line(down: float, label: str) -> str:
    y = _percent(down)
    return f'<line x2="100%" y1="{y}" y2="{y}"/><text x="-8" y="{y}" dy="4" text-anchor="end">{_text(label)}</text>'


def _label(across: float, label: str) -> str:
    anchor = {0.0: "start", 1.0: "end"}.get(across, "middle")
    return f'<text x="{_percent(across)}" y="100%" dy="20" text-anchor="{anchor}">{_text(label)}</text>'


def _failures(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>None.</p>"
    lines = "".join(
        f'<tr><th scope="row">{_text(_short(row.name, _NAME))}<pre>{_text(row.data or "(empty)")}</pre></th>'
        f"<td><pre>{_text(_short(row.problem or '', _ERROR))}</pre></td></tr>\n"
        for row in rows[:_FAILURES]
    )
    more = f"<p>And {len(rows) - _FAILURES:,} more, which {JOURNAL} in the output directory has.</p>"
    return (
        f'<table><thead><tr><th scope="col">Input</th><th scope="col">Error</th></tr></thead>\n'
        f"<tbody>{lines}</tbody></table>{more if len(rows) > _FAILURES else ''}"
    )


def _percent(fraction: float) -> str:
    return f"{fraction * 100:.2f}%"


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    amount, unit = (value * 1000, "ms") if value < 0.9995 else (value, "s")
    return f"{amount:,.0f} {unit}" if amount >= 99.5 else f"{amount:.3g} {unit}"


def _short(value: str, length: int) -> str:
    return value if len(value) <= length else f"{value[:length]} …"


def _text(value: str) -> str:
    """Text as the page shows it; what cannot be seen, such as a control that turns its direction, by its code."""
    shown = (c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in value)
    return html.escape("".join(shown))
