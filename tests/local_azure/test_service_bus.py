"""The Service Bus stand-in, as azure-servicebus sees it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
)

from azext_mlfunc.emulators.service_bus import ServiceBus


@pytest.fixture
def client(service_bus: ServiceBus) -> Iterator[ServiceBusClient]:
    service_bus.add_queue("queue", max_delivery=2, lock_seconds=30)
    with ServiceBusClient.from_connection_string(service_bus.connection_string, retry_total=0) as client:
        yield client


@pytest.fixture
def sender(client: ServiceBusClient) -> Iterator[ServiceBusSender]:
    with client.get_queue_sender("queue") as sender:
        yield sender


@pytest.fixture
def receiver(client: ServiceBusClient) -> Iterator[ServiceBusReceiver]:
    with client.get_queue_receiver("QUEUE") as receiver:  # names are not case-sensitive
        yield receiver


def one(receiver: ServiceBusReceiver) -> ServiceBusReceivedMessage:
    received = receiver.receive_messages(1, max_wait_time=30)
    assert len(received) == 1
    return received[0]


def nothing(receiver: ServiceBusReceiver) -> bool:
    return not receiver.receive_messages(1, max_wait_time=1)


def test_all_that_a_message_carries(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    properties = {"text": "a", "number": 7, "yes": True, "half": 0.5}
    sender.send_messages(
        ServiceBusMessage(
            b"body",
            message_id="m1",
            correlation_id="c1",
            content_type="text/plain",
            subject="about",
            reply_to="answers",
            to="you",
            application_properties=properties,
        )
    )
    message = one(receiver)
    assert b"".join(message.body) == b"body"
    assert (message.message_id, message.correlation_id, message.content_type) == ("m1", "c1", "text/plain")
    assert (message.subject, message.reply_to, message.to) == ("about", "answers", "you")
    assert {key.decode(): value.decode() if isinstance(value, bytes) else value
            for key, value in message.application_properties.items()} == properties  # fmt: skip
    assert message.sequence_number == 1
    assert message.delivery_count == 0
    assert message.enqueued_time_utc is not None
    assert message.locked_until_utc is not None
    assert message.locked_until_utc - message.enqueued_time_utc > timedelta(seconds=29)


def test_order_batches_and_sizes(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    batch = sender.create_message_batch()
    batch.add_message(ServiceBusMessage("first"))
    batch.add_message(ServiceBusMessage("second"))
    sender.send_messages(batch)
    sender.send_messages([ServiceBusMessage("third"), ServiceBusMessage("x" * 300_000)])
    bodies: list[str] = []
    while len(bodies) < 4:
        for message in receiver.receive_messages(10, max_wait_time=30):
            bodies.append(str(message))
            receiver.complete_message(message)
    assert bodies == ["first", "second", "third", "x" * 300_000]


def test_a_completed_message_is_gone(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    sender.send_messages(ServiceBusMessage("a"))
    receiver.complete_message(one(receiver))
    assert receiver.peek_messages(10) == []


def test_an_abandoned_message_comes_again_until_it_is_dead(
    client: ServiceBusClient, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(ServiceBusMessage("a", application_properties={"kept": 1}))
    first = one(receiver)
    receiver.abandon_message(first)
    second = one(receiver)
    assert second.delivery_count == 1
    assert second.sequence_number == first.sequence_number
    receiver.abandon_message(second)
    with client.get_queue_receiver("queue", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        dead = one(dead_letters)
        assert str(dead) == "a"
        assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
        assert dead.dead_letter_source == "queue"
        assert dead.application_properties is not None
        assert dead.application_properties[b"kept"] == 1
        dead_letters.complete_message(dead)
        assert dead_letters.peek_messages(10) == []


def test_dead_lettering_by_hand(
    client: ServiceBusClient, sender: ServiceBusSender, receiver: ServiceBusReceiver
) -> None:
    sender.send_messages(ServiceBusMessage("a"))
    receiver.dead_letter_message(one(receiver), reason="unreadable", error_description="no JSON")
    with client.get_queue_receiver("queue", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead_letters:
        dead = one(dead_letters)
        assert (dead.dead_letter_reason, dead.dead_letter_error_description) == ("unreadable", "no JSON")


def test_deferral(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    sender.send_messages(ServiceBusMessage("a"))
    message = one(receiver)
    receiver.defer_message(message)
    assert nothing(receiver)
    again = receiver.receive_deferred_messages(message.sequence_number)[0]
    assert str(again) == "a"
    receiver.abandon_message(again)  # it stays deferred
    assert nothing(receiver)
    receiver.complete_message(receiver.receive_deferred_messages(message.sequence_number)[0])
    with pytest.raises(MessageNotFoundError):
        receiver.receive_deferred_messages(message.sequence_number)


def test_scheduling(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    soon = datetime.now(timezone.utc) + timedelta(seconds=2)
    sender.schedule_messages(ServiceBusMessage("later"), soon)
    cancelled = sender.schedule_messages(ServiceBusMessage("never"), soon)
    assert [str(message) for message in receiver.peek_messages(10)] == ["later", "never"]
    sender.cancel_scheduled_messages(cancelled)
    message = one(receiver)
    assert str(message) == "later"
    assert message.enqueued_time_utc is not None
    assert message.enqueued_time_utc >= soon - timedelta(milliseconds=1)
    receiver.complete_message(message)
    assert nothing(receiver)


def test_peeking_locks_nothing(sender: ServiceBusSender, receiver: ServiceBusReceiver) -> None:
    sender.send_messages([ServiceBusMessage("a"), ServiceBusMessage("b")])
    assert [str(message) for message in receiver.peek_messages(10)] == ["a", "b"]
    assert [str(message) for message in receiver.peek_messages(1, sequence_number=2)] == ["b"]
    assert str(one(receiver)) == "a"


def test_a_lock_runs_out_unless_it_is_renewed(service_bus: ServiceBus) -> None:
    service_bus.add_queue("short", lock_seconds=1)
    with ServiceBusClient.from_connection_string(service_bus.connection_string) as client:
        with client.get_queue_sender("short") as sender:
            sender.send_messages(ServiceBusMessage("a"))
        with client.get_queue_receiver("short") as receiver, client.get_queue_receiver("short") as other:
            message = one(receiver)
            before = message.locked_until_utc
            assert receiver.renew_message_lock(message) > before
            taken = one(other)  # once the lock has run out
            assert taken.delivery_count == 1
            with pytest.raises(MessageLockLostError):
                receiver.complete_message(message)


def test_receive_and_delete(client: ServiceBusClient, sender: ServiceBusSender) -> None:
    sender.send_messages(ServiceBusMessage("a"))
    with client.get_queue_receiver("queue", receive_mode=ServiceBusReceiveMode.RECEIVE_AND_DELETE) as receiver:
        assert str(one(receiver)) == "a"
        assert receiver.peek_messages(10) == []


def test_a_wrong_key_is_refused(service_bus: ServiceBus, client: ServiceBusClient) -> None:
    wrong = service_bus.connection_string.replace("SharedAccessKey=", "SharedAccessKey=x")
    stranger = ServiceBusClient.from_connection_string(wrong, retry_total=0)
    with stranger, pytest.raises(ServiceBusAuthenticationError):
        stranger.get_queue_sender("queue").send_messages(ServiceBusMessage("a"))


def test_a_queue_that_is_not_there(client: ServiceBusClient) -> None:
    with pytest.raises(MessagingEntityNotFoundError):
        client.get_queue_sender("nowhere").send_messages(ServiceBusMessage("a"))


def test_a_queue_added_while_it_runs(service_bus: ServiceBus, client: ServiceBusClient) -> None:
    service_bus.add_queue("Later")
    with client.get_queue_sender("later") as sender, client.get_queue_receiver("later") as receiver:
        sender.send_messages(ServiceBusMessage("a"))
        assert str(one(receiver)) == "a"


def test_it_starts_again_on_the_same_port(service_bus: ServiceBus) -> None:
    before = service_bus.connection_string
    service_bus.stop()
    service_bus.start()
    assert service_bus.connection_string == before
    with ServiceBus() as other, pytest.raises(OSError, match="address already in use"):
        ServiceBus(port=other.port).start()
