"""Holding an answer against what was expected: JSON as JSON, with a tolerance for numbers; anything else as bytes."""

from __future__ import annotations

import difflib
import json
import math
from typing import Any

DEFAULT_TOLERANCE = 1e-6
_SHOWN = 40  # lines of a difference
_WIDEST = 500  # characters of one of them
_SHOWN_BYTES = 32


def difference(found: bytes, expected: bytes, tolerance: float) -> str | None:
    """What differs, readable; None: nothing does.

    :param tolerance: how far two numbers may be apart, absolute and relative.
    """
    if found == expected:
        return None
    try:
        left, right = json.loads(found), json.loads(expected)
    except ValueError:
        return _of_texts(found, expected)
    if _equal(left, right, tolerance):
        return None
    return _unified(*(json.dumps(each, indent=2, sort_keys=True).splitlines() for each in (left, right)))


def _equal(left: Any, right: Any, tolerance: float) -> bool:
    if _is_number(left) and _is_number(right):
        both_nan = math.isnan(left) and math.isnan(right)
        return both_nan or left == right or math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_equal(left[key], right[key], tolerance) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(lambda a, b: _equal(a, b, tolerance), left, right))
    return type(left) is type(right) and left == right


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _of_texts(found: bytes, expected: bytes) -> str:
    try:
        return _unified(found.decode().splitlines(), expected.decode().splitlines()) or "the ends of lines differ"
    except UnicodeDecodeError:
        pairs = zip(found, expected, strict=False)
        first = next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(found), len(expected)))
        here, there = (part[first : first + _SHOWN_BYTES].hex(" ") for part in (found, expected))
        return (
            f"{len(found)} bytes, expected {len(expected)}; they differ from byte {first} on:\n"
            f"-{there or '(the end)'}\n+{here or '(the end)'}"
        )


def _unified(found: list[str], expected: list[str]) -> str:
    lines = list(difflib.unified_diff(expected, found, "expected", "found", lineterm="", n=2))
    more = [f"… {len(lines) - _SHOWN} more lines"] if len(lines) > _SHOWN else []
    return "\n".join([*map(_shortened, lines[:_SHOWN]), *more])


def _shortened(line: str) -> str:
    return line if len(line) <= _WIDEST else f"{line[:_WIDEST]}… ({len(line)} characters)"
