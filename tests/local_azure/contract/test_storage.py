"""Microsoft.Storage."""

from __future__ import annotations

from collections.abc import Callable

from .azure import LocalAzure, account
from .wire import Names, Recording

Wire = Callable[[str], Recording]
_SAFER = {
    "properties.minimumTlsVersion": "TLS1_2 by 2025 (its notes)",
    "properties.allowBlobPublicAccess": "false by 2025 (its notes)",
}


def test_create_an_account(slow_azure: LocalAzure, slow_names: Names, wire: Wire) -> None:
    recording = wire("storage-account-put.json")

    first = recording.answer.replay(slow_azure, slow_names)
    under_way = slow_azure.get(account(slow_names))
    polls = slow_azure.follow(first)

    assert "Azure-AsyncOperation" not in first.headers
    assert under_way.status_code == 404
    assert len(polls) > 1
    for poll in polls[:-1]:
        recording.answer.hold(poll, slow_names)
        assert poll.headers["Location"] == first.headers["Location"]
    done = recording.then[0].hold(polls[-1], slow_names, varies=_SAFER).json()
    assert "Location" not in polls[-1].headers
    assert done["properties"]["minimumTlsVersion"] == "TLS1_2"
    assert done["properties"]["allowBlobPublicAccess"] is done["properties"]["allowCrossTenantReplication"] is False


def test_an_account_that_is_there_is_answered_at_once(azure: LocalAzure, names: Names, wire: Wire) -> None:
    made = azure.make_account(names)

    again = wire("storage-account-put.json").answer.send(azure, names)

    assert (again.status_code, again.json()) == (200, made)
    assert "Location" not in again.headers


def test_an_account_name_that_is_taken(azure: LocalAzure, names: Names, wire: Wire) -> None:
    azure.make_account(names)
    other = azure.fresh() | {"account": names["account"]}

    wire("storage-account-put.json").error("name taken").replay(azure, other, bare=True)


def test_a_bad_account_name(azure: LocalAzure, names: Names, wire: Wire) -> None:
    for bad in ("Upper", "a-b-c", "ab", "a" * 25):
        wire("storage-account-put.json").error("bad name").replay(azure, names | {"account": bad}, bare=True)


def test_get_an_account(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("storage-account-get.json")
    recording.error("missing").replay(azure, names, bare=True)
    body = {"location": "westus", "sku": {"name": "Standard_LRS"}, "kind": "Storage"}
    azure.make(account(names), body | {"properties": {"minimumTlsVersion": "TLS1_0", "allowBlobPublicAccess": True}})

    recording.answer.replay(azure, names)


def test_keys(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("storage-account-list-keys.json")
    azure.make_account(names)

    keys = recording.answer.replay(azure, names, bare=True).json()["keys"]

    assert keys[0]["value"] != keys[1]["value"]
    assert recording.answer.send(azure, names).json()["keys"] == keys


def test_check_an_account_name(azure: LocalAzure, names: Names, wire: Wire) -> None:
    recording = wire("storage-check-name-availability.json")
    recording.then[0].replay(azure, names, bare=True, body=recording.answer.sent(names))
    azure.make_account(names)

    recording.answer.replay(azure, names, bare=True)

    bad = recording.answer.send(azure, names | {"account": "No"})
    assert (bad.status_code, bad.json()["reason"]) == (200, "AccountNameInvalid")
