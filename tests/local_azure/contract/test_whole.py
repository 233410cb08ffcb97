"""That nothing is forgotten: each recording is held or left out with its reason, each operation names its recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from local_azure.arm.operation import Operation
from local_azure.arm.providers import PROVIDERS
from local_azure.latency import TABLE

from .azure import LocalAzure
from .wire import FOLDER, LEDGER, LEFT_OUT, Names, Recording, all_recordings

Wire = Callable[[str], Recording]
_OF_NO_OPERATION = {
    "arm-common-errors.json",  # of any operation
    "web-serverfarms-put-elastic-premium.json",  # as web-serverfarms-put.json
    "web-sites-config-web-patch-acr-identity.json",  # as web-sites-config-web-patch.json
    "web-sites-put-identity.json",  # as web-sites-put.json
}


_OF_ANOTHER_KIND = {"web-sites-config-web-patch-containerapps.json"}  # an app on a plan takes the same request


def _left_out() -> list[str]:
    return [file for file, _ in LEFT_OUT]


def test_each_recording_is_held_or_left_out(request: pytest.FixtureRequest, wire: Wire) -> None:
    """All of it: the answer, what follows it, and each error."""
    wire("arm-common-errors.json")
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    if here - {item.path.name for item in request.session.items} or request.config.getoption("keyword"):
        pytest.skip("only some of the contract tests were run")

    missing = {
        str(part)
        for recording in all_recordings()
        for part in recording.exchanges
        if recording.file not in _left_out() and part.part not in LEDGER.parts.get(recording.file, ())
    }
    assert not missing
    assert set(_left_out()) <= {recording.file for recording in all_recordings()}


@pytest.mark.parametrize("file", [file for file in _left_out() if file not in _OF_ANOTHER_KIND])
def test_what_is_left_out_is_refused_as_azure_refuses_what_it_has_not(
    azure: LocalAzure, names: Names, wire: Wire, file: str
) -> None:
    recording = wire(file)
    more = ("runId", "environment")
    own = names | {each: each for each in more}

    refused = recording.answer.send(azure, own)

    assert refused.status_code == 404
    assert refused.json()["error"]["code"] in ("InvalidResourceType", "InvalidResourceNamespace")


def _operations() -> list[Operation]:
    return [operation for provider in PROVIDERS for operation in provider.operations]


def test_each_held_recording_is_named_by_an_operation(wire: Wire) -> None:
    wire("arm-common-errors.json")
    files = {path.name for path in FOLDER.glob("*.json")}

    named = {operation.wire for operation in _operations() if operation.wire}

    assert named <= files
    assert named == files - set(_left_out()) - _OF_NO_OPERATION


def test_an_operation_that_names_no_recording_says_where_it_comes_from() -> None:
    silent = {
        f"{operation.method} {operation.path}"
        for operation in _operations()
        if operation.wire is None and not operation.handler.__doc__
    }
    assert not silent


def test_each_latency_is_of_a_recording(wire: Wire) -> None:
    wire("arm-common-errors.json")
    assert set(TABLE) <= {path.name for path in FOLDER.glob("*.json")}


def test_nothing_has_failed_in_the_servers(azure: LocalAzure, slow_azure: LocalAzure) -> None:
    """After all the others: no stack trace in either log."""
    for each in (azure, slow_azure):
        assert "Traceback" not in each.log()
