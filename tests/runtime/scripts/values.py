"""Returns every kind of value that is not a response; the input names it."""

import datetime


class Unknown:
    pass


def endless():
    values = []
    values.append(values)
    return values


async def later():
    return 1


VALUES = {
    "none": lambda: None,
    "text": lambda: "text",
    "json text": lambda: '{"a": 1}',
    "empty text": lambda: "",
    "non-ascii": lambda: "Grüße, 世界",
    "lone surrogate": lambda: "\ud800",
    "nan": lambda: [float("nan"), float("inf"), -float("inf")],
    "true": lambda: True,
    "zero": lambda: 0,
    "float": lambda: 0.1 + 0.2,
    "empty list": lambda: [],
    "nested": lambda: {"b": [1, {"a": None}], "a": (1, 2)},
    "integer keys": lambda: {1: "one", None: "none"},
    "bytes": lambda: b"bytes",
    "set": lambda: {1},
    "date": lambda: datetime.date(2026, 1, 2),
    "object": Unknown,
    "tuple keys": lambda: {(1, 2): 3},
    "endless": endless,
    "generator": lambda: (n for n in range(3)),
    "coroutine": later,
    "http-like": lambda: {"status": 418, "body": "not a response", "headers": {"X-A": "1"}},
    "pair": lambda: ("text", 404),
}


def init():
    pass


def run(name):
    return VALUES[name]()
