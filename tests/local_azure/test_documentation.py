"""docs/local-azure.md says what there is."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from local_azure import control
from local_azure.faults import Fault
from local_azure.latency import READ, TABLE, WRITE

PAGE = (Path(__file__).parents[2] / "docs" / "local-azure.md").read_text("utf-8")


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first column has this heading."""
    lines = PAGE[PAGE.index(f"| {first} |") :].splitlines()[2:]
    rows = lines[: next(number for number, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_how_long_operations_take():
    expected = []
    for name, takes in {**TABLE, "any other write": WRITE, "any other read or POST": READ}.items():
        figures = [f"{seconds:g} s" if seconds else "" for seconds in (takes.answer, takes.finish, takes.interval)]
        expected.append([name.removesuffix(".json"), *figures, takes.source])
    rows = "\n".join(f"| {' | '.join(row)} |" for row in expected)
    assert table("Operation") == expected, f"The table's rows have to be:\n{rows}"


def test_the_fields_of_a_fault():
    assert [row[0] for row in table("Field")] == [f"`{each.name}`" for each in fields(Fault) if each.name != "seen"]


def test_the_requests_to_control():
    documented = re.findall(r"^(GET|POST|DELETE) (\S+)", control.__doc__ or "", re.MULTILINE)
    there = [f"`{method} {path.replace('…', '/_control')}`" for method, path in documented]
    assert [row[0] for row in table("Request")] == there
