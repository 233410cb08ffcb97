"""What only Azure's own pace shows: when a client is told to come again. Needs no recordings."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .azure import LocalAzure, account, group, namespace, registry
from .conftest import started
from .wire import Names


@pytest.fixture(scope="module")
def own_pace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    yield from started(tmp_path_factory, "own-pace", "--latency", "azure")


def test_when_to_come_again(own_pace: LocalAzure) -> None:
    """Seconds as the recordings tell; and none of a Service Bus namespace, whose clients have their own time."""
    names: Names = own_pace.fresh()
    body = {"location": "westus", "sku": {"name": "Basic"}, "properties": {}}
    storage = {"location": "westus", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}

    asynchronous = own_pace.send("PUT", registry(names), body, "2022-02-01-preview")
    status = own_pace.get(asynchronous.headers["Azure-AsyncOperation"])
    made = own_pace.send("PUT", account(names), storage)
    poll = own_pace.get(made.headers["Location"])
    settling = own_pace.send("PUT", namespace(names), body)
    shown = own_pace.get(namespace(names))
    deleting = own_pace.send("DELETE", group(names))

    told = {each.request.url: each.headers.get("Retry-After") for each in (asynchronous, status, made, poll, deleting)}
    assert list(told.values()) == ["10", "10", "17", "17", "15"]
    assert status.json() == {"status": "Creating"}
    assert (poll.status_code, poll.content) == (202, b"")
    for each in (settling, shown):
        assert each.json()["properties"]["status"] == "Activating"
        assert not {"retry-after", "retry-after-ms", "location"} & {name.lower() for name in each.headers}
