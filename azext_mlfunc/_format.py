"""How results read with `-o table`. The objects themselves are never changed here."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


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
    """A row for each step of `az ml-func deploy`, or for each resource of its dry run."""
    if isinstance(result, list):
        return [_row(Resource=each["resource"], Action=each["action"], Change=_changes(each)) for each in result]
    return [_row(Step=each["name"], Outcome=each["outcome"], Seconds=each["seconds"]) for each in result["steps"]]


def _changes(planned: dict[str, Any]) -> str:
    """The changes of one resource in a few words."""
    if planned["action"] == "create":
        return ""
    named = [f"{each['property']}: {each['before']} -> {each['after']}" for each in planned["changes"]]
    return ", ".join(named)


def _row(**cells: Any) -> OrderedDict[str, Any]:
    return OrderedDict(cells)
