"""Service Bus functions under the real worker, with the Service Bus stand-in and the Azure SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusSubQueue
from function_apps import FunctionApp, StartHost, call, http_trigger, queue_trigger

from azext_mlfunc.emulators.service_bus import ServiceBus
from local_azure.waiting import wait_for

UPPER = """
    def main(input: func.ServiceBusMessage, output: func.Out[bytes]) -> None:
        print("called for", input.message_id)
        output.set(input.get_body().upper())
"""
FAILS = """
    def main(input: func.ServiceBusMessage, output: func.Out[bytes]) -> None:
        print("called for", input.message_id, "delivery", input.delivery_count)
        raise ValueError("cannot be scored")
"""


@pytest.fixture
def bus(service_bus: ServiceBus) -> ServiceBus:
    service_bus.add_queue("inqueue", max_delivery=3)
    service_bus.add_queue("outqueue")
    return service_bus


@pytest.fixture
def client(bus: ServiceBus) -> Iterator[ServiceBusClient]:
    with ServiceBusClient.from_connection_string(bus.connection_string) as client:
        yield client


@pytest.fixture
def settings(bus: ServiceBus) -> dict[str, str]:
    return {"Trigger": bus.connection_string}


def send(client: ServiceBusClient, *messages: ServiceBusMessage) -> None:
    with client.get_queue_sender("inqueue") as sender:
        sender.send_messages(list(messages))


def receive(client: ServiceBusClient, count: int = 1, **where: object) -> list[ServiceBusReceivedMessage]:
    """Take messages off a queue (`outqueue`), once they are there."""
    received: list[ServiceBusReceivedMessage] = []
    with client.get_queue_receiver("outqueue" if not where else "inqueue", **where) as receiver:
        while len(received) < count:
            messages = receiver.receive_messages(count - len(received), max_wait_time=30)
            assert messages, f"{len(received)} of {count} messages came"
            for message in messages:
                receiver.complete_message(message)
            received += messages
    return received


def body(message: ServiceBusReceivedMessage) -> bytes:
    return b"".join(message.body)


def test_a_message_goes_in_and_a_message_comes_out(
    app: FunctionApp, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    start_host(app.add("score", queue_trigger(), UPPER), settings)
    send(client, ServiceBusMessage(b"hello"))
    assert [body(message) for message in receive(client)] == [b"HELLO"]


def test_what_succeeded_is_completed(
    app: FunctionApp, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    host = start_host(app.add("score", queue_trigger(), UPPER), settings)
    send(client, ServiceBusMessage(b"hello", message_id="m1"))
    receive(client)
    host.stop()
    with client.get_queue_receiver("inqueue") as receiver:
        assert receiver.peek_messages(10) == []


def test_bytes_pass_unchanged(
    app: FunctionApp, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    code = "def main(input: func.ServiceBusMessage, output: func.Out[bytes]): output.set(input.get_body())"
    start_host(app.add("copy", queue_trigger(), code), settings)
    content = bytes(range(256)) * 800  # several AMQP frames
    send(client, ServiceBusMessage(content))
    assert body(receive(client)[0]) == content


def test_the_messages_metadata(
    app: FunctionApp, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    code = """
        import json

        def main(input: func.ServiceBusMessage, output: func.Out[bytes]) -> None:
            output.set(json.dumps([
                input.message_id, input.delivery_count, input.sequence_number, input.correlation_id, input.content_type,
                input.user_properties, input.application_properties, bool(input.lock_token),
                input.enqueued_time_utc.year > 2000, sorted(input.metadata),
            ]).encode())
    """
    start_host(app.add("score", queue_trigger(), code), settings)
    given = {"text": "a", "number": 7}
    send(client, ServiceBusMessage(b"", message_id="m1", correlation_id="c1", content_type="text/x",
                                   application_properties=given))  # fmt: skip
    seen = json.loads(body(receive(client)[0]))
    assert seen[:-1] == ["m1", 1, 1, "c1", "text/x", given, given, True, True]
    assert {"MessageId", "DeliveryCount", "SequenceNumber", "EnqueuedTimeUtc", "LockToken", "UserProperties",
            "ApplicationProperties", "sys"} <= set(seen[-1])  # fmt: skip


def test_a_failing_function_leads_to_the_dead_letter_queue(
    app: FunctionApp, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    host = start_host(app.add("score", queue_trigger(), FAILS), settings)
    send(client, ServiceBusMessage(b"bad", message_id="m1"))
    dead = receive(client, sub_queue=ServiceBusSubQueue.DEAD_LETTER)[0]
    assert body(dead) == b"bad"
    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    calls = [line.split("called for ")[1] for line in host.logs().splitlines() if "called for" in line]
    assert calls == ["m1 delivery 1", "m1 delivery 2", "m1 delivery 3"]


def test_an_output_that_cannot_be_sent_fails_the_message(
    app: FunctionApp, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    host = start_host(app.add("score", queue_trigger(output="nowhere"), UPPER), settings)
    send(client, ServiceBusMessage(b"x"))
    assert body(receive(client, sub_queue=ServiceBusSubQueue.DEAD_LETTER)[0]) == b"x"
    assert "Error while handling parameter output after function returned" in host.logs()


def test_messages_are_worked_on_at_the_same_time_within_the_limit(
    tmp_path: Path, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    app = FunctionApp(tmp_path / "together", {"extensions": {"serviceBus": {"maxConcurrentCalls": 4}}})
    code = """
        import threading
        meeting, running, most = threading.Barrier(4), 0, 0
        lock = threading.Lock()

        def main(input: func.ServiceBusMessage, output: func.Out[bytes]) -> None:
            global running, most
            with lock:
                running += 1
                most = max(most, running)
            meeting.wait(30)                      # passes only when four are here
            with lock:
                running -= 1
            output.set(str(most).encode())
    """
    start_host(app.add("score", queue_trigger(), code), settings)
    send(client, *(ServiceBusMessage(b"") for _ in range(8)))
    assert {body(message) for message in receive(client, 8)} == {b"4"}


def test_the_lock_of_a_slow_function_is_renewed(
    app: FunctionApp, start_host: StartHost, service_bus: ServiceBus, tmp_path: Path
) -> None:
    service_bus.add_queue("inqueue", max_delivery=5, lock_seconds=1)
    service_bus.add_queue("outqueue")
    gate = tmp_path / "gate"
    code = f"""
        import pathlib, time

        def main(input: func.ServiceBusMessage, output: func.Out[bytes]) -> None:
            print("called for", input.message_id)
            before = input.locked_until
            while not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.02)
            output.set(b"done")
    """
    host = start_host(app.add("slow", queue_trigger(), code), {"Trigger": service_bus.connection_string})
    with ServiceBusClient.from_connection_string(service_bus.connection_string) as client:
        send(client, ServiceBusMessage(b"", message_id="m1"))
        wait_for(lambda: "called for m1" in host.logs(), 30, "the call")
        with client.get_queue_receiver("inqueue") as other:  # a lock that ran out would give it to this one
            assert other.receive_messages(1, max_wait_time=3) == []
        gate.touch()
        assert body(receive(client)[0]) == b"done"
    assert host.logs().count("called for m1") == 1


def test_a_host_that_gave_up_takes_no_more_messages(
    app: FunctionApp, start_host: StartHost, client: ServiceBusClient, settings: dict[str, str]
) -> None:
    code = """
        def main(input: func.ServiceBusMessage, output: func.Out[bytes]) -> None:
            output.set(str(input.delivery_count).encode())
    """
    app.add("score", queue_trigger(), code)
    app.add("dies", http_trigger(), "import os\ndef main(request): os._exit(1)")
    host = start_host(app, settings)
    for _ in range(4):
        call(host, "/dies")
    wait_for(lambda: "Stopped the listener for function 'Functions.score'" in host.logs(), 30, "the host to give up")
    assert host.status()["state"] == "Error"
    send(client, ServiceBusMessage(b"untouched"))
    host.stop()
    start_host(app, settings)
    assert body(receive(client)[0]) == b"1"


def test_the_listener_survives_a_service_that_goes_away(
    app: FunctionApp, start_host: StartHost, service_bus: ServiceBus
) -> None:
    service_bus.add_queue("inqueue")
    service_bus.add_queue("outqueue")
    host = start_host(app.add("score", queue_trigger(), UPPER), {"Trigger": service_bus.connection_string})
    with ServiceBusClient.from_connection_string(service_bus.connection_string) as client:
        send(client, ServiceBusMessage(b"before"))
        receive(client)
    service_bus.stop()
    service_bus.start()
    with ServiceBusClient.from_connection_string(service_bus.connection_string) as client:
        send(client, ServiceBusMessage(b"after"))
        assert body(receive(client)[0]) == b"AFTER"
    assert host.status()["state"] == "Running"


def test_a_queue_that_is_not_there_is_waited_for(
    app: FunctionApp, start_host: StartHost, service_bus: ServiceBus
) -> None:
    host = start_host(app.add("score", queue_trigger(), UPPER), {"Trigger": service_bus.connection_string})
    wait_for(lambda: "'inqueue' could not be found" in host.logs(), 60, "the error line")
    service_bus.add_queue("inqueue")
    service_bus.add_queue("outqueue")
    with ServiceBusClient.from_connection_string(service_bus.connection_string) as client:
        send(client, ServiceBusMessage(b"late"))
        assert body(receive(client)[0]) == b"LATE"
