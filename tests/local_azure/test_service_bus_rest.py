"""The Service Bus stand-in over HTTP: by itself, and what is sent by it received by azure-servicebus and back."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage, ServiceBusReceivedMessage, ServiceBusSubQueue
from azure.servicebus.exceptions import MessagingEntityNotFoundError
from service_bus_rest import DEAD_LETTERS, RestClient

from azext_mlfunc.emulators.service_bus import ServiceBus
from local_azure.messaging import Queue, ServiceBusNamespaces

BINARY = bytes(range(256)) * 3


@pytest.fixture
def rest(service_bus: ServiceBus) -> RestClient:
    service_bus.add_queue("queue", max_delivery=2, lock_seconds=30)
    return RestClient(service_bus.connection_string)


@pytest.fixture
def client(service_bus: ServiceBus) -> Iterator[ServiceBusClient]:
    with ServiceBusClient.from_connection_string(service_bus.connection_string, retry_total=0) as client:
        yield client


def received_by_sdk(client: ServiceBusClient, count: int = 1, queue: str = "queue") -> list[ServiceBusReceivedMessage]:
    """Take messages off a queue, once they are there."""
    received: list[ServiceBusReceivedMessage] = []
    with client.get_queue_receiver(queue) as receiver:
        while len(received) < count:
            messages = receiver.receive_messages(count - len(received), max_wait_time=30)
            assert messages, f"{len(received)} of {count} messages came"
            for message in messages:
                receiver.complete_message(message)
            received += messages
    return received


def body(message: ServiceBusReceivedMessage) -> bytes:
    return b"".join(message.body)


def properties(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    def text(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    return {text(name): text(value) for name, value in (message.application_properties or {}).items()}


# -- one sends, the other receives


def test_what_http_sends_amqp_receives(rest: RestClient, client: ServiceBusClient) -> None:
    broker = {
        "MessageId": "m1", "CorrelationId": "c\u00f61", "ReplyTo": "mlfunc-test-1f", "Label": "about", "To": "you",
        "SessionId": "s1", "ReplyToSessionId": "s2", "TimeToLive": 90, "Unknown": "is ignored",
    }  # fmt: skip
    custom = {
        "Priority": '"High"', "Bare": "High", "Quoted": '"a \\"b\\" \\u00e4"', "Path": '"C:\\dir"', "Number": "7",
        "Half": "0.5", "Yes": "true", "Big": str(2**70), "Text": '"7"', "x-ms-retrypolicy": "NoRetry",
    }  # fmt: skip
    answer = rest.send("queue", BINARY, {**custom, "Content-Type": "image/png", "User-Agent": "me"}, **broker)
    assert (answer.status, answer.body) == (201, b"")
    message = received_by_sdk(client)[0]
    assert body(message) == BINARY
    assert (message.message_id, message.correlation_id, message.reply_to) == ("m1", "c\u00f61", "mlfunc-test-1f")
    assert (message.subject, message.to, message.content_type) == ("about", "you", "image/png")
    assert (message.session_id, message.reply_to_session_id) == ("s1", "s2")
    assert message.time_to_live == timedelta(seconds=90)
    assert properties(message) == {
        "Priority": "High", "Bare": "High", "Quoted": 'a "b" \u00e4', "Path": "C:\\dir", "Number": 7, "Half": 0.5,
        "Yes": True, "Big": float(2**70), "Text": "7",
    }  # fmt: skip


def test_what_amqp_sends_http_receives(rest: RestClient, client: ServiceBusClient) -> None:
    given = {"text": 'a "b" \u00e4', "number": 7, "yes": True, "half": 0.5, "not for HTTP": 1, "Connection": "close"}
    with client.get_queue_sender("queue") as sender:
        sender.send_messages(
            ServiceBusMessage(
                BINARY,
                message_id="m1",
                correlation_id="c1",
                reply_to="answers",
                subject="about",
                content_type="text/plain",
                time_to_live=timedelta(seconds=90),
                application_properties=given,
            )
        )
    answer = rest.peek_lock("QUEUE")
    assert answer.status == 201
    assert answer.body == BINARY
    assert answer.headers["Content-Type"] == "text/plain"
    broker = answer.broker
    enqueued, until = (parsedate_to_datetime(broker.pop(name)) for name in ("EnqueuedTimeUtc", "LockedUntilUtc"))
    assert until - enqueued >= timedelta(seconds=29)
    assert abs(datetime.now(timezone.utc) - enqueued) < timedelta(minutes=1)
    token = broker.pop("LockToken")
    assert broker == {
        "MessageId": "m1", "CorrelationId": "c1", "ReplyTo": "answers", "Label": "about", "DeliveryCount": 1,
        "SequenceNumber": 1, "EnqueuedSequenceNumber": 0, "State": "Active", "TimeToLive": 90.0,
    }  # fmt: skip
    assert answer.headers["Location"] == f"http://{rest.host}/queue/messages/1/{token}"
    shown = {name: answer.headers[name] for name in ("text", "number", "yes", "half")}
    assert shown == {"text": '"a \\"b\\" \\u00e4"', "number": "7", "yes": "true", "half": "0.5"}
    assert "not for HTTP" not in answer.headers
    assert answer.headers["Connection"] != '"close"'


def test_a_message_without_a_name_gets_one(rest: RestClient) -> None:
    rest.send("queue", b"a")
    rest.send("queue", b"b")
    first, second = rest.receive("queue"), rest.receive("queue")
    assert first.broker["MessageId"] != second.broker["MessageId"]
    assert "CorrelationId" not in first.broker


def test_a_batch(rest: RestClient, client: ServiceBusClient) -> None:
    batch = [
        {"Body": "first", "BrokerProperties": {"MessageId": "m1", "ContentType": "text/x"}},
        {"Body": "second", "UserProperties": {"Priority": "High", "Number": 1.5}},
    ]
    kind = {"Content-Type": "application/vnd.microsoft.servicebus.json"}
    assert rest.send("queue", json.dumps(batch).encode(), kind).status == 201
    first, second = received_by_sdk(client, 2)
    assert (body(first), first.message_id, first.content_type) == (b"first", "m1", "text/x")
    assert (body(second), properties(second)) == (b"second", {"Priority": "High", "Number": 1.5})
    for wrong in (b"{", b"{}", b"[1]", b'[{"UserProperties": 1}]'):
        assert rest.send("queue", wrong, kind).status == 400
    assert rest.receive("queue", 0).status == 204


def test_a_scheduled_message_comes_at_its_time(rest: RestClient) -> None:
    later = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(seconds=2)
    rest.send("queue", b"later", ScheduledEnqueueTimeUtc=format_datetime(later, usegmt=True))
    assert rest.receive("queue", 0).status == 204
    assert parsedate_to_datetime(rest.receive("queue").broker["EnqueuedTimeUtc"]) >= later


# -- what is done with a message


def test_a_locked_message_is_nobody_elses_until_it_is_completed(rest: RestClient, service_bus: ServiceBus) -> None:
    rest.send("queue", b"a")
    locked = rest.peek_lock("queue")
    assert rest.peek_lock("queue", 0).status == 204
    assert rest.receive("queue", 0).status == 204
    assert rest.complete(locked).status == 200
    assert service_bus.counts("queue") == {"active": 0, "scheduled": 0, "dead_letter": 0}
    assert rest.complete(locked).status == 410


def test_a_message_is_named_by_its_number_or_its_id(rest: RestClient) -> None:
    rest.send("queue", b"a", MessageId="m 1")
    locked = rest.peek_lock("queue")
    token = locked.broker["LockToken"]
    assert rest.ask("DELETE", f"queue/messages/2/{token}").status == 404
    assert rest.ask("DELETE", "queue/messages/1/no-token").status == 404
    assert rest.ask("DELETE", f"queue/messages/m%201/{token}").status == 200


def test_an_unlocked_message_comes_again_until_it_is_dead(rest: RestClient, client: ServiceBusClient) -> None:
    rest.send("queue", b"a", {"Kept": "1"}, MessageId="m1", CorrelationId="c1")
    first = rest.peek_lock("queue")
    assert rest.unlock(first).status == 200
    assert rest.unlock(first).status == 410
    second = rest.peek_lock("queue")
    assert (second.broker["DeliveryCount"], second.broker["SequenceNumber"]) == (2, 1)
    rest.unlock(second)
    assert rest.peek_lock("queue", 0).status == 204
    dead = rest.peek_lock(f"queue{DEAD_LETTERS}")
    assert (dead.status, dead.body) == (201, b"a")
    assert dead.headers["DeadLetterReason"] == '"MaxDeliveryCountExceeded"'
    assert dead.headers["DeadLetterErrorDescription"] == '"Message could not be consumed after 2 delivery attempts."'
    assert dead.headers["Kept"] == "1"
    assert (dead.broker["MessageId"], dead.broker["CorrelationId"]) == ("m1", "c1")
    assert dead.broker["DeadLetterSource"] == "queue"
    assert f"/queue{DEAD_LETTERS}/messages/" in dead.headers["Location"]
    assert rest.unlock(dead).status == 200  # it stays
    dead = rest.peek_lock(f"queue{DEAD_LETTERS}")
    assert rest.complete(dead).status == 200
    with client.get_queue_receiver("queue", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as receiver:
        assert receiver.peek_messages(1) == []


def test_a_reason_given_over_amqp(rest: RestClient, client: ServiceBusClient) -> None:
    rest.send("queue", b"a")
    with client.get_queue_receiver("queue") as receiver:
        message = receiver.receive_messages(1, max_wait_time=30)[0]
        receiver.dead_letter_message(message, reason="unreadable", error_description="no\nJSON")
    dead = rest.receive(f"queue{DEAD_LETTERS}")
    assert (dead.status, dead.headers["DeadLetterReason"]) == (200, '"unreadable"')
    assert json.loads(dead.headers["DeadLetterErrorDescription"]) == "no\nJSON"


def test_a_lock_runs_out_unless_it_is_renewed(rest: RestClient, service_bus: ServiceBus) -> None:
    service_bus.add_queue("short", lock_seconds=1)
    rest.send("short", b"a")
    locked = rest.peek_lock("short")
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        assert rest.receive("short", 0.2).status == 204
        assert rest.renew(locked).status == 200
    assert rest.peek_lock("short").broker["DeliveryCount"] == 2  # once it has run out
    assert rest.renew(locked).status == 410
    assert rest.complete(locked).status == 410


def test_receive_and_delete(rest: RestClient, service_bus: ServiceBus) -> None:
    rest.send("queue", BINARY, MessageId="m1")
    answer = rest.receive("queue")
    assert (answer.status, answer.body, answer.broker["MessageId"]) == (200, BINARY, "m1")
    assert "LockToken" not in answer.broker
    assert "Location" not in answer.headers
    assert service_bus.counts("queue")["active"] == 0


# -- waiting


def test_an_empty_queue_answers_after_the_timeout(rest: RestClient) -> None:
    started = time.monotonic()
    answer = rest.peek_lock("queue", 1)
    assert (answer.status, answer.body) == (204, b"")
    assert time.monotonic() - started >= 0.9


@pytest.mark.parametrize("method", ["peek_lock", "receive"])
def test_a_message_wakes_who_waits_for_it(rest: RestClient, client: ServiceBusClient, method: str) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(getattr(rest, method), "queue", 60)
        rest.settle_down()  # meanwhile others are answered
        assert not waiting.done()
        with client.get_queue_sender("queue") as sender:
            sender.send_messages(ServiceBusMessage("a"))
        assert waiting.result(30).body == b"a"


def test_who_has_gone_takes_no_message(rest: RestClient) -> None:
    host, _, port = rest.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as gone:
        head = f"DELETE /queue/messages/head?timeout=60 HTTP/1.1\r\nHost: {rest.host}\r\nAuthorization: {rest.token()}"
        gone.sendall(f"{head}\r\n\r\n".encode())
        rest.settle_down()
    rest.settle_down()
    rest.send("queue", b"a")
    assert rest.receive("queue").body == b"a"


def test_a_deleted_queue_ends_the_wait(rest: RestClient, service_bus: ServiceBus) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(rest.receive, "queue", 60)
        rest.settle_down()
        service_bus.delete_queue("queue")
        assert waiting.result(30).status == 404


def test_the_end_of_the_service_ends_the_wait(rest: RestClient, service_bus: ServiceBus) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(rest.receive, "queue", 60)
        rest.settle_down()
        service_bus.stop()
        assert waiting.result(30).status == 404


def test_200_wait_and_200_messages_come(rest: RestClient, client: ServiceBusClient) -> None:
    bodies = [f"message {number}" for number in range(200)]

    async def all_of_them() -> list[tuple[int, str]]:
        url = f"http://{rest.host}/queue/messages/head?timeout=60"
        headers = {"Authorization": rest.token()}
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:

            async def receive() -> tuple[int, str]:
                async with session.delete(url) as answer:
                    return answer.status, await answer.text()

            waiting = [asyncio.ensure_future(receive()) for _ in bodies]
            await asyncio.to_thread(rest.settle_down)
            await asyncio.to_thread(send)
            return await asyncio.gather(*waiting)

    def send() -> None:
        with client.get_queue_sender("queue") as sender:
            sender.send_messages([ServiceBusMessage(body) for body in bodies])

    answers = asyncio.run(all_of_them())
    assert sorted(answers) == sorted((200, body) for body in bodies)
    assert rest.receive("queue", 0).status == 204


def test_200_send_at_once(rest: RestClient, client: ServiceBusClient) -> None:
    bodies = [b"message %d" % number for number in range(200)]
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda body: rest.send("queue", body), bodies))
    assert {answer.status for answer in answers} == {201}
    assert sorted(body(message) for message in received_by_sdk(client, 200)) == sorted(bodies)


# -- refusals


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda rest: "", id="none"),
        pytest.param(lambda rest: rest.token(key=f"x{rest.key}"), id="another key"),
        pytest.param(lambda rest: rest.token(key_name="Nobody"), id="another rule"),
        pytest.param(lambda rest: rest.token(expiry=time.time() - 1), id="over"),
        pytest.param(lambda rest: rest.token("other"), id="for another queue"),
        pytest.param(lambda rest: rest.token("que"), id="for a part of the name"),
        pytest.param(lambda rest: rest.token().replace(rest.host.partition(":")[0], "elsewhere"), id="changed"),
        pytest.param(lambda rest: rest.token().replace("se=", "se=x"), id="no time"),
        pytest.param(lambda rest: "Bearer x", id="of another kind"),
    ],
)
def test_who_has_no_token_is_refused(rest: RestClient, service_bus: ServiceBus, token: Any) -> None:
    rest_token = token(rest)
    answers = [
        rest.ask("POST", "queue/messages", b"a", token=rest_token),
        rest.ask("POST", "queue/messages/head?timeout=60", token=rest_token),
        rest.ask("DELETE", "queue/messages/head?timeout=60", token=rest_token),
        rest.ask("POST", "nowhere/messages", token=rest_token),
    ]
    assert [answer.status for answer in answers] == [401] * 4
    assert b"<Code>401</Code>" in answers[0].body
    assert service_bus.counts("queue")["active"] == 0


def test_a_token_for_the_queue_is_enough(rest: RestClient) -> None:
    token = rest.token("QUEUE/")
    assert rest.ask("POST", "queue/messages", b"a", token=token).status == 201
    assert rest.ask("POST", f"queue{DEAD_LETTERS}/messages/head?timeout=0", token=token).status == 204


def test_a_queue_that_is_not_there(rest: RestClient) -> None:
    assert rest.send("nowhere", b"a").status == 404
    assert rest.peek_lock("nowhere", 60).status == 404
    assert rest.receive(f"nowhere{DEAD_LETTERS}", 60).status == 404
    assert b"<Code>404</Code>" in rest.receive("nowhere", 60).body


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("POST", "queue/messages", {"BrokerProperties": "{"}, 400),
        ("POST", "queue/messages", {"BrokerProperties": "[]"}, 400),
        ("POST", "queue/messages", {"BrokerProperties": '{"MessageId": 1}'}, 400),
        ("POST", "queue/messages", {"BrokerProperties": '{"TimeToLive": "long"}'}, 400),
        ("POST", "queue/messages", {"BrokerProperties": '{"ScheduledEnqueueTimeUtc": "soon"}'}, 400),
        ("POST", f"queue{DEAD_LETTERS}/messages", {}, 400),
        ("POST", "queue/messages/head?timeout=soon", {}, 400),
        ("POST", "queue/messages/head?timeout=-1", {}, 400),
        ("GET", "queue/messages/head?timeout=0", {}, 405),
        ("PUT", "queue/messages", {}, 405),
        ("GET", "queue/messages/1/00000000-0000-0000-0000-000000000000", {}, 405),
        ("GET", "queue", {}, 404),
    ],
)
def test_what_is_malformed(
    rest: RestClient, service_bus: ServiceBus, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    assert rest.ask(method, target, b"a", headers).status == status
    assert service_bus.counts("queue")["active"] == 0


def test_what_is_too_large(rest: RestClient) -> None:
    assert rest.send("queue", bytes(1 << 20)).status == 403
    assert rest.send("queue", bytes(20 << 20)).status == 403
    assert rest.send("queue", bytes(1000 << 10)).status == 201


# -- the port, and queues that go


def test_the_port_takes_its_time_to_see_what_is_spoken(rest: RestClient) -> None:
    host, _, port = rest.host.partition(":")
    header = b"AMQP\x03\x01\x00\x00"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        for position in range(len(header)):
            connection.sendall(header[position : position + 1])
            rest.settle_down()
        assert connection.recv(8) == header


def test_a_connection_that_says_nothing_is_closed_with_the_service(rest: RestClient, service_bus: ServiceBus) -> None:
    host, _, port = rest.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as silent:
        rest.settle_down()
        service_bus.stop()
        assert silent.recv(1) == b""


def test_a_queue_that_nobody_uses_goes(rest: RestClient, client: ServiceBusClient, service_bus: ServiceBus) -> None:
    gone = threading.Event()
    service_bus.add_queue("temporary", idle_seconds=0.5, expired=gone.set)
    assert rest.receive("temporary", 1.5).status == 204  # who waits uses it
    assert rest.send("temporary", b"a").status == 201
    assert rest.receive("temporary", 0).status == 200
    assert gone.wait(30)
    assert rest.send("temporary", b"a").status == 404
    assert service_bus.counts("temporary") == {}
    with pytest.raises(MessagingEntityNotFoundError):
        client.get_queue_sender("temporary").send_messages(ServiceBusMessage("a"))
    assert rest.send("queue", b"a").status == 201


def test_a_namespace_tells_that_an_idle_queue_has_gone() -> None:
    async def life_of_a_queue() -> None:
        namespaces, gone = ServiceBusNamespaces(), asyncio.Event()
        await namespaces.open("mine", None)
        try:
            namespaces.put_queue("Mine", Queue("queue", max_delivery=1, lock_seconds=1, idle_seconds=0.2), gone.set)
            assert namespaces.counts("mine", "queue") == {"active": 0, "scheduled": 0, "dead_letter": 0}
            await asyncio.wait_for(gone.wait(), 30)
            assert namespaces.counts("mine", "queue") == {}
        finally:
            await namespaces.close()

    asyncio.run(life_of_a_queue())


def test_those_that_are_attached_learn_that_the_queue_has_gone(
    rest: RestClient, client: ServiceBusClient, service_bus: ServiceBus
) -> None:
    with client.get_queue_sender("queue") as sender, client.get_queue_receiver("queue") as receiver:
        sender.send_messages(ServiceBusMessage("a"))
        receiver.complete_message(receiver.receive_messages(1, max_wait_time=30)[0])
        service_bus.delete_queue("queue")
        rest.settle_down()
        with pytest.raises(MessagingEntityNotFoundError):
            receiver.receive_messages(1, max_wait_time=30)
        with pytest.raises(MessagingEntityNotFoundError):
            sender.send_messages(ServiceBusMessage("b"))
