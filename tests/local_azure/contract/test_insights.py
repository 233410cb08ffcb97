"""Microsoft.Insights."""

from __future__ import annotations

from collections.abc import Callable

from .azure import LocalAzure
from .wire import Names, Recording


def test_create_a_component(azure: LocalAzure, names: Names, wire: Callable[[str], Recording]) -> None:
    recording = wire("insights-components-put.json")
    varies = {"properties.ConnectionString": "has an ApplicationId since 2025"}

    made = recording.answer.replay(azure, names, varies=varies).json()["properties"]

    recorded = recording.answer.expected["body"]["properties"]["ConnectionString"]
    own = recorded.replace("FAKE-KEY", made["InstrumentationKey"])
    assert made["ConnectionString"] == f"{own};ApplicationId={made['AppId']}"
    assert recording.answer.send(azure, names).json()["properties"]["AppId"] == made["AppId"]
