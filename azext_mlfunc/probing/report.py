"""A page about a batch, in one file that needs no network: numbers, latencies over time and by size, failures."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from azext_mlfunc.probing.batch import Batch, Row

_WIDTH, _HEIGHT, _MARGIN = 720, 220, 48
_BINS = 40
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { opacity: .7; } dd { margin: 0; overflow-wrap: anywhere; }
.numbers { display: flex; flex-wrap: wrap; gap: 1.5rem; margin: 1rem 0; } .numbers div { font-size: 1.5rem; }
.numbers span { display: block; font-size: .8rem; opacity: .7; }
svg { width: 100%; height: auto; } text { font-size: 11px; fill: currentColor; } .axis { stroke: currentColor; opacity: .4; }
.dot { fill: #2563eb; fill-opacity: .6; } .bar { fill: #2563eb; } .failed { color: #dc2626; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: .3rem .6rem; border-top: 1px solid #8884; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
"""  # noqa: E501


@dataclass(frozen=True)
class Subject:
    """What was tested.

    :param app: the app's name.
    :param image: with its digest.
    :param trigger: what calls it.
    """

    app: str
    image: str
    trigger: str


def render(batch: Batch, tested: Subject) -> str:
    """The page, as text."""
    result = batch.describe(tested.trigger)
    sent = [row for row in batch.rows if not row.skipped]
    answered = [row for row in sent if row.latency is not None]
    failures = [row for row in batch.rows if not row.passed]
    numbers = {
        "sent": result["sent"],
        "succeeded": result["succeeded"],
        "failed": result["failed"],
        "skipped": result["skipped"],
        "p50": _seconds(result["latency"]["p50"]),
        "p95": _seconds(result["latency"]["p95"]),
        "p99": _seconds(result["latency"]["p99"]),
        "events per second": result["eventsPerSecond"] or "–",
    }
    facts = {
        "App": tested.app,
        "Image": tested.image,
        "Trigger": tested.trigger,
        "Time": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC"),
    }
    title = f"{tested.app}: {'passed' if batch.passed else 'failed'}"
    body = [
        f"<h1{'' if batch.passed else ' class=failed'}>{_text(title)}</h1>",
        "<dl>" + "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts.items()) + "</dl>",
        '<div class="numbers">'
        + "".join(f"<div>{_text(value)}<span>{_text(name)}</span></div>" for name, value in numbers.items())
        + "</div>",
        "<h2>Latency over time</h2>",
        _over_time(answered),
        "<h2>Latencies</h2>",
        _histogram([row.latency for row in answered if row.latency is not None]),
        f"<h2>Failures ({len(failures)})</h2>",
        _failures(failures),
    ]
    head = f'<meta charset="utf-8">\n<title>{_text(title)}</title>\n<style>{_STYLE}</style>'
    content = "\n".join(body)
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{content}\n</body>\n</html>\n'


def _over_time(rows: Sequence[Row]) -> str:
    """A dot for each answer: when it was sent, how long it took."""
    if not rows:
        return "<p>Nothing was answered.</p>"
    first = min(row.started for row in rows)
    span = max(max(row.started for row in rows) - first, 0.001)
    top = _nice(max(row.latency or 0.0 for row in rows))
    dots = "".join(_dot(row, (row.started - first) / span, (row.latency or 0.0) / top) for row in rows)
    return _chart(dots, "0 s", f"{span:.1f} s", _seconds(top), "latency of each event, by the time it was sent")


def _dot(row: Row, across: float, up: float) -> str:
    title = f"<title>{_text(row.name)}: {_seconds(row.latency)}</title>"
    return f'<circle class="dot" cx="{_x(across):.1f}" cy="{_y(up):.1f}" r="3">{title}</circle>'


def _histogram(latencies: Sequence[float]) -> str:
    """How many answers took how long."""
    if not latencies:
        return "<p>Nothing was answered.</p>"
    top = _nice(max(latencies))
    counts = [0] * _BINS
    for latency in latencies:
        counts[min(_BINS - 1, int(latency / top * _BINS))] += 1
    most = max(counts)
    width = (_WIDTH - 2 * _MARGIN) / _BINS
    bars = "".join(
        f'<rect class="bar" x="{_x(number / _BINS):.1f}" y="{_y(count / most):.1f}" width="{width - 1:.1f}" '
        f'height="{_y(0) - _y(count / most):.1f}"><title>{count} between {_seconds(top * number / _BINS)} and '
        f"{_seconds(top * (number + 1) / _BINS)}</title></rect>"
        for number, count in enumerate(counts)
        if count
    )
    return _chart(bars, "0 s", _seconds(top), str(most), "number of events, by latency")


def _chart(content: str, left: str, right: str, top: str, label: str) -> str:
    floor, end = _y(0), _x(1)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{_text(label)}">'
        f'<path class="axis" fill="none" d="M{_MARGIN},{_y(1)} V{floor} H{end}"/>'
        f'{content}<text x="{_MARGIN}" y="{floor + 16}">{_text(left)}</text>'
        f'<text x="{end}" y="{floor + 16}" text-anchor="end">{_text(right)}</text>'
        f'<text x="{_MARGIN - 6}" y="{_y(1) + 4}" text-anchor="end">{_text(top)}</text></svg>'
    )


def _failures(rows: Sequence[Row]) -> str:
    if not rows:
        return "<p>None.</p>"
    lines = "".join(
        f"<tr><td>{_text(row.name)}</td><td><pre>{_text(row.problem or '')}</pre></td></tr>" for row in rows
    )
    return f"<table><thead><tr><th>Input</th><th>Error</th></tr></thead><tbody>{lines}</tbody></table>"


def _x(fraction: float) -> float:
    return _MARGIN + fraction * (_WIDTH - 2 * _MARGIN)


def _y(fraction: float) -> float:
    return _HEIGHT - _MARGIN / 2 - 12 - fraction * (_HEIGHT - _MARGIN)


def _nice(value: float) -> float:
    """A round number that is not below a value."""
    if value <= 0:
        return 1.0
    size: float = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 5, 10) if step * size >= value)


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"


def _text(value: object) -> str:
    return html.escape(str(value).encode("utf-8", "replace").decode())
