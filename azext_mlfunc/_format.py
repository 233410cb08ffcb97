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
