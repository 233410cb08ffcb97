"""Answers to a test of a Service Bus trigger: which message gets one, and how it is sent."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.sending import KEY, RULE, Service

Runtime = Callable[[str], Any]
QUEUE = "mlfunc-test-0123456789abcdef"
KEYS = f"SharedAccessKeyName={RULE};SharedAccessKey={KEY}"
REMOTE = f"Endpoint=sb://nowhere.servicebus.windows.net/;{KEYS}"


@pytest.fixture(autouse=True)
def no_proxies(runtime: Runtime) -> None:
    """None but those of the test; `runtime` puts the environment right again."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.fixture
def send(runtime: Runtime) -> Callable[..., None]:
    """Sends a reply to the namespace of a connection string."""
    reply = runtime("reply")

    def send_reply(connection_string: str, body: bytes = b"[1]", correlation_id: str | None = "c\u00f61") -> None:
        connection = reply.find_connection({"Trigger": connection_string}, "Trigger")
        reply.send(connection, reply.Reply(QUEUE, correlation_id, "application/json", body))

    return send_reply


# -- whose messages


@pytest.mark.parametrize("queue", ["mlfunc-test-0", QUEUE])
def test_a_tests_queue(runtime: Runtime, queue: str) -> None:
    assert runtime("reply").is_for_a_test(queue)


@pytest.mark.parametrize(
    "queue",
    [None, "", "answers", "mlfunc-test-", "mlfunc-test-/../outqueue", "mlfunc-test-0/x", "x-mlfunc-test-0",
     "mlfunc-test-0?a", "mlfunc-test-0\n", "mlfunc-test-xyz", "http://evil.example/mlfunc-test-0",
     f"mlfunc-test-{'0' * 65}"],
)  # fmt: skip
def test_anybody_elses_queue(runtime: Runtime, queue: str | None) -> None:
    assert not runtime("reply").is_for_a_test(queue)


# -- with what


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (REMOTE, "https://nowhere.servicebus.windows.net"),
        (f"{REMOTE};EntityPath=inqueue", "https://nowhere.servicebus.windows.net"),
        (f" endpoint = sb://a.example:5671/ ; {KEYS.lower()} ", "https://a.example:5671"),
        (f"Endpoint=sb://localhost:5672;{KEYS};UseDevelopmentEmulator=true", "http://localhost:5672"),
        (f"Endpoint=sb://localhost:5672/;{KEYS};UseDevelopmentEmulator=False;", "https://localhost:5672"),
    ],
)
def test_where_a_connection_leads(runtime: Runtime, text: str, url: str) -> None:
    connection = runtime("reply").find_connection({"Trigger": text}, "Trigger")
    assert connection.url == url
    assert (connection.key_name.lower(), connection.key.lower()) == (RULE.lower(), KEY.lower())
    assert KEY not in repr(connection)


def test_a_setting_of_the_webjobs_sdk_comes_first(runtime: Runtime) -> None:
    settings = {"Trigger": REMOTE, "AzureWebJobsTrigger": REMOTE.replace("nowhere", "first")}
    assert "first" in runtime("reply").find_connection(settings, "Trigger").url


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"Trigger": ""},
        {"Trigger": "no connection string"},
        {"Trigger__fullyQualifiedNamespace": "nowhere.servicebus.windows.net"},
        {"Trigger": "Endpoint=sb://nowhere.servicebus.windows.net/;SharedAccessSignature=SharedAccessSignature sr=x"},
        {"Trigger": f"{KEYS}"},
        {"Other": REMOTE},
    ],
)
def test_a_connection_without_a_key(runtime: Runtime, settings: dict[str, str]) -> None:
    assert runtime("reply").find_connection(settings, "Trigger") is None
    assert runtime("reply").find_connection(settings, None) is None


# -- the request


def test_what_is_sent(send: Callable[..., None], service: Service) -> None:
    body = bytes(range(256))
    send(service.connection_string, body)
    sent = service.sent[0]
    assert (sent.method, sent.target, sent.body) == ("POST", f"/{QUEUE}/messages", body)
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["brokerproperties"].isascii()
    assert sent.broker["CorrelationId"] == "c\u00f61"
    assert sent.broker["MessageId"]
    custom = set(sent.headers) - {"authorization", "brokerproperties", "content-type", "content-length", "host",
                                  "user-agent", "accept-encoding", "connection"}  # fmt: skip
    assert custom == set()  # any other header would be a property of the message


def test_without_a_correlation(send: Callable[..., None], service: Service) -> None:
    send(service.connection_string, correlation_id=None)
    assert "CorrelationId" not in service.sent[0].broker


@pytest.mark.parametrize("fault", [503, "drop"])
def test_a_passing_fault_is_tried_again_as_the_same_message(
    send: Callable[..., None], service: Service, fault: int | str
) -> None:
    service.answers.append(fault)
    send(service.connection_string)
    first, second = service.sent
    assert first == second


@pytest.mark.parametrize(
    ("answers", "tries", "reason"),
    [
        ([503, 503], 2, "status 503"),
        (["drop", "drop"], 2, "without response"),
        ([401], 1, "status 401 .*must be allowed to send"),
        ([403], 1, "status 403 .*too large"),
        ([404], 1, "status 404 .*not there"),
        ([410], 1, "status 410 .*not there"),
        ([302], 1, "status 302"),
        ([307], 1, "status 307"),
    ],
)
def test_what_stays_a_fault_says_why_and_no_secrets(
    runtime: Runtime, send: Callable[..., None], service: Service, answers: list[int | str], tries: int, reason: str
) -> None:
    service.answers += answers
    with pytest.raises(runtime("reply").ReplyFailed, match=reason) as failure:
        send(service.connection_string)
    assert len(service.sent) == tries
    assert f"{service.url}/{QUEUE}" in str(failure.value)
    assert failure.value.__cause__ is failure.value.__context__ is None
    for secret in (KEY, "sig=", "SharedAccess"):
        assert secret not in str(failure.value)


def test_nobody_listens(runtime: Runtime, send: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(runtime("reply").ReplyFailed, match="refused"):
        send(f"Endpoint=sb://127.0.0.1:{port};{KEYS};UseDevelopmentEmulator=true")


def test_a_wrong_key(runtime: Runtime, send: Callable[..., None], service: Service) -> None:
    with pytest.raises(runtime("reply").ReplyFailed, match="401"):
        send(service.connection_string.replace(KEY, "another"))


# -- proxies


def test_it_goes_through_the_proxy_to_the_namespace_over_tls(
    runtime: Runtime, send: Callable[..., None], service: Service
) -> None:
    os.environ["HTTPS_PROXY"] = service.url
    service.answers += [502, 502]
    with pytest.raises(runtime("reply").ReplyFailed, match="502"):
        send(REMOTE)
    assert {(sent.method, sent.target) for sent in service.sent} == {("CONNECT", "nowhere.servicebus.windows.net:443")}
    assert "authorization" not in service.sent[0].headers


def test_plain_http_goes_through_its_proxy(send: Callable[..., None], service: Service) -> None:
    os.environ["http_proxy"] = service.url
    send(f"Endpoint=sb://nowhere.invalid:5300/;{KEYS};UseDevelopmentEmulator=true")
    assert service.sent[0].target == f"http://nowhere.invalid:5300/{QUEUE}/messages"


def test_hosts_without_a_proxy(send: Callable[..., None], service: Service) -> None:
    os.environ |= {"http_proxy": "http://127.0.0.1:1", "no_proxy": "localhost,127.0.0.1"}
    send(service.connection_string)
    assert service.sent[0].target == f"/{QUEUE}/messages"


# -- the function


class Output:
    """What the worker hands in for an output binding."""

    value: Any = None

    def set(self, value: Any) -> None:
        self.value = value


@pytest.fixture
def score(runtime: Runtime, start: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Gives a message to a script, and returns what the output was set to."""

    def score_message(script: str, data: bytes, setting: str | None, **properties: Any) -> Any:
        from azure.functions.servicebus import ServiceBusMessage

        trigger = {"type": "service-bus-queue", "connection": "Trigger"}
        manifest = {"schemaVersion": 1, "trigger": trigger, "entryScript": script}
        (tmp_path / "wwwroot" / "mlfunc.json").write_text(json.dumps(manifest), encoding="utf-8")
        start(script, **({} if setting is None else {"Trigger": setting}))
        known = {"message_id": "m1", "application_properties": {}, "user_properties": {}}
        output = Output()
        try:
            runtime("event").score(ServiceBusMessage(body=data, **known, **properties), output)
        except Exception:
            assert output.value is None
            raise
        return output.value

    return score_message


def test_a_test_gets_the_bytes_that_the_output_would_get(score: Callable[..., Any], service: Service) -> None:
    given = {"reply_to": QUEUE, "correlation_id": "c1"}
    expected = b'{"type": "str", "data": "text"}'
    assert score("plain.py", b"text", service.connection_string, reply_to=None) == expected
    assert service.sent == []
    assert score("plain.py", b"text", service.connection_string, **given) is None
    sent = service.sent[0]
    assert (sent.body, sent.broker["CorrelationId"]) == (expected, "c1")
    assert sent.headers["content-type"] == "application/json"


def test_bytes_are_sent_as_bytes(score: Callable[..., Any], service: Service) -> None:
    assert score("raw_image.py", b"\x00\xff", service.connection_string, reply_to=QUEUE) is None
    sent = service.sent[0]
    assert (sent.body, sent.headers["content-type"]) == (b"\xff\x00", "application/octet-stream")
    assert sent.broker["CorrelationId"] == "m1"  # what the message is called, where it names nothing else


@pytest.mark.parametrize("reply_to", ["answers", "mlfunc-test-/../outqueue"])
def test_other_messages_go_to_the_output(score: Callable[..., Any], service: Service, reply_to: str) -> None:
    assert score("plain.py", b"x", service.connection_string, reply_to=reply_to) is not None
    assert service.sent == []


def test_without_a_key_a_test_finds_its_answer_in_the_output(
    score: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert score("plain.py", b"x", None, reply_to=QUEUE) == b'{"type": "str", "data": "x"}'
    assert "no shared access key" in caplog.text


@pytest.mark.parametrize(("script", "data"), [("failing.py", b"ValueError"), ("responses.py", b"'x', 400")])
def test_a_run_that_fails_answers_nothing(
    score: Callable[..., Any], service: Service, script: str, data: bytes
) -> None:
    with pytest.raises(Exception, match=r"run\(\)"):
        score(script, data, service.connection_string, reply_to=QUEUE)
    assert service.sent == []


def test_an_answer_that_cannot_be_sent_fails_the_invocation(
    runtime: Runtime, score: Callable[..., Any], service: Service
) -> None:
    service.answers.append(404)
    with pytest.raises(Exception, match="where a test waits for it: status 404") as failure:
        score("plain.py", b"x", service.connection_string, reply_to=QUEUE)
    assert type(failure.value) is runtime("reply").ReplyFailed
