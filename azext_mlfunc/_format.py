"""How results read with `-o table`. The objects themselves are never changed here."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import Any

_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")

_WIDEST = 80  # characters of an output


def transform_package(result: dict[str, Any]) -> OrderedDict[str, Any]:
    """One row for what `az ml-func package` returned."""
    files = result["files"]
    row: OrderedDict[str, Any] = OrderedDict()
    row["Trigger"] = result["trigger"]["type"]
    row["Python"] = result["pythonVersion"]
    row["Files"] = sum(part["count"] for part in files.values())
    row["Bytes"] = sum(part["bytes"] for part in files.values())
    if result["tag"]:
        row["Tag"] = result["tag"]
    row["Location"] = result["location"]
    return row


def transform_deploy(result: dict[str, Any] | list[dict[str, Any]]) -> list[OrderedDict[str, Any]]:
    """A row for each step of `az ml-func deploy`; for each resource of its dry run, and for each change of one."""
    if isinstance(result, list):
        return [row for each in result for row in _planned(each)]
    return [_row(Step=each["name"], Outcome=each["outcome"], Seconds=each["seconds"]) for each in result["steps"]]


def _planned(planned: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """The rows of one resource; what a new one will be is left to the other formats."""
    changes = [_change(each) for each in planned["changes"]] if planned["action"] == "update" else [""]
    names = [(planned["resource"], planned["action"]), *([("", "")] * (len(changes) - 1))]
    return [
        _row(Resource=name, Action=action, Change=each) for (name, action), each in zip(names, changes, strict=True)
    ]


def _change(change: dict[str, Any]) -> str:
    """One change in a few words; of a digest the first characters will do, and what they belong to is said once."""
    before, after = (_DIGEST.sub(r"\1", str(change[side])) for side in ("before", "after"))
    if change["before"] is None:
        return f"{change['property']}: {after}"
    image, at, digest = after.partition("@")
    return f"{change['property']}: {before} -> {at + digest if at and before.startswith(image + at) else after}"


def transform_test(result: dict[str, Any]) -> list[OrderedDict[str, Any]]:
    """A row for the one event of `az ml-func test`, or one for each of a folder and a last one for all."""
    if "results" in result:
        rows = [
            _row(Input=each["input"], Passed=each["passed"], Latency=each["latency"], Problem=_first(each["problem"]))
            for each in result["results"]
        ]
        latency = result["latency"]["p50"]
        return [*rows, _row(Input=f"{result['sent']} sent", Passed=result["passed"], Latency=latency, Problem="")]
    output = json.dumps(result["output"], ensure_ascii=False)
    shown = output if len(output) <= _WIDEST else f"{output[: _WIDEST - 1]}…"
    told = {"Passed": result["passed"], "Trigger": result["trigger"], "Latency": result["latency"], "Output": shown}
    return [_row(**told, Problem=_first(result["problem"]))]


def _first(text: str | None) -> str:
    """The first line of a text."""
    return (text or "").partition("\n")[0]


def _row(**cells: Any) -> OrderedDict[str, Any]:
    return OrderedDict(cells)
