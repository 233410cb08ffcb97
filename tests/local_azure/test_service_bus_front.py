"""A namespace over HTTPS by its name in Azure, through the local Azure's proxy; and by its own port, as AMQP has it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from contract.azure import LocalAzure, namespace
from service_bus_rest import RestClient, fields_of, sign

from local_azure.waiting import wait_for

VERSION = "2021-11-01"


class Namespace:
    """A namespace of a local Azure, with the queue `queue`, as clients of Azure reach it over HTTPS."""

    def __init__(self, azure: LocalAzure) -> None:
        names = azure.fresh()
        self.path = namespace(names)
        azure.make_namespace(names)
        azure.make(f"{self.path}/queues/queue", {"properties": {}}, VERSION)
        keys = azure.send("POST", f"{self.path}/authorizationRules/RootManageSharedAccessKey/listKeys", version=VERSION)
        self.connection_string: str = keys.json()["primaryConnectionString"]
        fields = fields_of(self.connection_string)
        self.url = f"https://{names['namespace']}.servicebus.windows.net"
        self._token = sign(self.url, fields["SharedAccessKeyName"], fields["SharedAccessKey"])
        self._options: dict[str, Any] = {
            "proxies": {"https": azure.environment["HTTPS_PROXY"]},
            "verify": azure.environment["REQUESTS_CA_BUNDLE"],
            "timeout": 90,
        }

    def ask(self, method: str, target: str, body: bytes = b"", token: str | None = None, **options: Any) -> Any:
        url = target if target.startswith("https://") else f"{self.url}/{target}"
        headers = {"Authorization": self._token if token is None else token, **options.pop("headers", {})}
        return requests.request(method, url, data=body, headers=headers, **{**self._options, **options})


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    azure = LocalAzure(tmp_path_factory.mktemp("azure"))
    try:
        yield azure.start()
    finally:
        azure.stop()


@pytest.fixture
def bus(azure: LocalAzure) -> Namespace:
    return Namespace(azure)


def test_send_lock_and_complete(bus: Namespace) -> None:
    properties = {"BrokerProperties": '{"MessageId": "m1", "CorrelationId": "c1"}', "Content-Type": "text/plain"}
    assert bus.ask("POST", "queue/messages", b"a", headers=properties).status_code == 201
    locked = bus.ask("POST", "queue/messages/head?timeout=30")
    assert (locked.status_code, locked.content, locked.headers["Content-Type"]) == (201, b"a", "text/plain")
    assert locked.headers["Location"].startswith(f"{bus.url}/queue/messages/1/")
    assert bus.ask("DELETE", locked.headers["Location"]).status_code == 200
    assert bus.ask("DELETE", locked.headers["Location"]).status_code == 410
    assert bus.ask("DELETE", "queue/messages/head?timeout=0").status_code == 204


def test_refusals(bus: Namespace) -> None:
    assert (
        bus.ask("POST", "queue/messages", b"a", token="SharedAccessSignature sr=x&sig=x&se=1&skn=x").status_code == 401
    )
    assert bus.ask("POST", "nowhere/messages", b"a").status_code == 404
    with pytest.raises(requests.exceptions.ProxyError):
        bus.ask("POST", "https://no-such-namespace.servicebus.windows.net/queue/messages")


def test_both_ways_lead_to_one_queue(bus: Namespace) -> None:
    """Over HTTPS by the name, over HTTP by the port, and over AMQP."""
    bus.ask("POST", "queue/messages", b"by name")
    plain = RestClient(bus.connection_string)
    assert plain.receive("queue").body == b"by name"
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(bus.ask, "DELETE", "queue/messages/head?timeout=60")
        assert bus.ask("DELETE", "queue/messages/head?timeout=0").status_code == 204  # meanwhile others are answered
        with ServiceBusClient.from_connection_string(bus.connection_string) as client:
            client.get_queue_sender("queue").send_messages(ServiceBusMessage("by AMQP"))
        assert waiting.result(60).content == b"by AMQP"


def test_who_has_gone_takes_no_message(azure: LocalAzure, bus: Namespace) -> None:
    with pytest.raises(requests.exceptions.ReadTimeout):
        bus.ask("DELETE", "queue/messages/head?timeout=60", timeout=(90, 0.2))

    def noticed() -> bool:
        return any(each["query"] == "timeout=60" and each["status"] == 0 for each in azure.control("requests"))

    wait_for(noticed, 30, "the end of the request")
    bus.ask("POST", "queue/messages", b"a")
    assert bus.ask("DELETE", "queue/messages/head?timeout=30").content == b"a"


def test_a_deleted_namespace_ends_the_wait(azure: LocalAzure, bus: Namespace) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(bus.ask, "DELETE", "queue/messages/head?timeout=60")
        assert bus.ask("DELETE", "queue/messages/head?timeout=0").status_code == 204
        azure.follow(azure.send("DELETE", bus.path, version=VERSION))
        assert waiting.result(60).status_code == 404
