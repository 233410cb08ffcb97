"""Holding an answer against what was expected."""

from __future__ import annotations

import pytest

from azext_mlfunc.probing.compare import difference

SAME = [
    (b"[1, 2]", b"[1,2]\n"),
    (b'{"a": 1, "b": [true, null]}', b'{"b": [true, null], "a": 1.0}'),
    (b"[6783.288837469609]", b"[6783.2888374]"),
    (b"[0.0000001]", b"[0]"),
    (b"[NaN, Infinity]", b"[NaN, Infinity]"),
    (b"", b""),
    (b"\xff\x00", b"\xff\x00"),
    ("ü".encode(), "ü".encode()),
]
DIFFERENT = [
    (b"[1, 2]", b"[1, 3]", "3"),
    (b"[1, 2]", b"[1, 2, 3]", "3"),
    (b"[true]", b"[1]", "1"),
    (b'["1"]', b"[1]", "1"),
    (b'{"a": 1}', b'{"b": 1}', '"b"'),
    (b"[null]", b"[0]", "0"),
    (b"[NaN]", b"[1]", "NaN"),
    (b"one\ntwo\n", b"one\nthree\n", "+two"),
    (b"one", b"one\r", "ends of lines"),
    (b"\xff\x01", b"\xff\x02", "from byte 1 on"),
    (b"\xff", b"", "the end"),
]


@pytest.mark.parametrize(("found", "expected"), SAME)
def test_the_same(found: bytes, expected: bytes) -> None:
    assert difference(found, expected, 1e-6) is None


@pytest.mark.parametrize(("found", "expected", "told"), DIFFERENT)
def test_different(found: bytes, expected: bytes, told: str) -> None:
    assert told in str(difference(found, expected, 1e-6))


def test_the_tolerance_is_that_of_the_user() -> None:
    assert difference(b"[1.05]", b"[1.0]", 0.1) is None
    assert difference(b"[1.05]", b"[1.0]", 0.01) is not None


def test_a_long_difference_is_cut() -> None:
    text = str(difference(str(list(range(1000))).encode(), b"[]", 0))
    assert "more lines" in text
    assert len(text.splitlines()) < 50


def test_a_long_line_is_shortened() -> None:
    told = difference(b"a" * 1_000_000, b"b", 0.0)
    assert told is not None
    assert len(told) < 2000
    assert "(1000001 characters)" in told
