"""Events as messages: one in the input queue, and its own answer in a queue that is there for the test only.

The message asks for its answer in that queue (ReplyTo), which the runtime in the image honours for queues of a test:
the output queue and whoever reads it see nothing of it. Everything goes over Service Bus's REST API.
Source: Service Bus REST API, "Send Message", "Receive and Delete Message", "Peek-Lock Message".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

from azext_mlfunc.probing.event import Event, NoAnswer, Output, ProbeFailed
from azext_mlfunc.probing.prober import Cause, ProbeOptions, Prober
from azext_mlfunc.probing.target import Queues, Target

if TYPE_CHECKING:
    from azext_mlfunc.triggers.service_bus import ServiceBusQueueTrigger

PREFIX = "mlfunc-test-"
"""What the queues of a test begin with: the runtime in the image knows them by it."""
_POLL = 5  # seconds that one look for a message may take
_TOKEN_LIFE = 3600  # seconds
_DEAD = "/$DeadLetterQueue"
_DEAD_PAUSE = 10.0  # seconds between two looks into the dead-letter queue
_SPARE = 60.0  # seconds
_LOOKED_AT = 200  # dead messages


@dataclass(frozen=True)
class Connection:
    """A connection string, taken apart.

    :param url: where REST is spoken.
    :param namespace: the namespace's name.
    :param rule: name of the access rule.
    :param key: its key.
    """

    url: str
    namespace: str
    rule: str
    key: str

    def token(self) -> str:
        """A shared access signature for the whole namespace. Source: docs, "Service Bus access control with SAS"."""
        resource, expiry = quote_plus(self.url.lower()), str(int(time.time()) + _TOKEN_LIFE)
        signed = hmac.new(self.key.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
        signature = quote_plus(base64.b64encode(signed))
        return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={self.rule}"


def parse_connection(text: str) -> Connection:
    """Take a connection string apart; Microsoft's emulator (UseDevelopmentEmulator) speaks without TLS.

    :raises ValueError: it is none.
    """
    fields = dict(part.partition("=")[::2] for part in text.split(";") if "=" in part)
    host = fields.get("Endpoint", "").removeprefix("sb://").rstrip("/")
    if not host or "SharedAccessKey" not in fields or "SharedAccessKeyName" not in fields:
        raise ValueError("not a connection string of Service Bus")
    local = fields.get("UseDevelopmentEmulator", "").lower() == "true"
    url = f"{'http' if local else 'https'}://{host}"
    return Connection(url, host.split(".")[0].split(":")[0], fields["SharedAccessKeyName"], fields["SharedAccessKey"])


class ServiceBusProber(Prober):
    """Messages to the input queue of an app.

    :param target: the app.
    :param trigger: its trigger.
    :param options: the content type.
    """

    waits_for = "the answer in a queue of the test's own"

    def __init__(self, target: Target, trigger: ServiceBusQueueTrigger, options: ProbeOptions) -> None:
        self._target = target
        self._trigger = trigger
        self._options = options
        self._reply_queue = f"{PREFIX}{uuid.uuid4().hex}"
        self._queues: Queues | None = None
        self._outputs: int | None = None  # messages in the output queue before the test
        self._answers: dict[str, tuple[bytes, float]] = {}
        self._arrived = threading.Condition()
        self._closing = threading.Event()
        self._receiver: threading.Thread | None = None
        self._session: Any = None
        self._connection: Connection | None = None

    def open(self) -> None:
        import requests
        from azure.cli.core.azclierror import ValidationError
        from azure.cli.core.util import should_disable_connection_verify
        from requests.adapters import HTTPAdapter

        advice = "Deploy it again with az ml-func deploy, or set it: az functionapp config appsettings set."
        setting = self._trigger.connection
        if not self._target.connection:
            raise ValidationError(
                f"The app '{self._target.name}' has no setting {setting}, which is the connection string of its "
                "trigger's Service Bus namespace.",
                recommendation=advice,
            )
        try:
            self._connection = parse_connection(self._target.connection)
        except ValueError as problem:
            raise ValidationError(
                f"The setting {setting} of the app '{self._target.name}' is no connection string of Service Bus.",
                recommendation=advice,
            ) from problem
        self._session = requests.Session()
        self._session.verify = not should_disable_connection_verify() and self._session.verify
        self._session.auth = lambda request: request
        self._session.mount("https://", HTTPAdapter(pool_maxsize=self._options.concurrency + 10))
        self._session.mount("http://", HTTPAdapter(pool_maxsize=self._options.concurrency + 10))
        self._queues = self._target.place.queues(self._target)
        self._outputs = self._queues.count(self._trigger.output_queue)
        self._queues.make(self._reply_queue)
        self._receiver = threading.Thread(target=self._receive, name="answers", daemon=True)
        self._receiver.start()

    def probe(self, event: Event, timeout: float) -> Output:
        import requests

        correlation = uuid.uuid4().hex
        properties = {
            "MessageId": correlation,
            "CorrelationId": correlation,
            "ReplyTo": self._reply_queue,
            "TimeToLive": timeout + _SPARE,  # a test that was given up leaves nothing to fail on
        }
        headers = {
            "BrokerProperties": json.dumps(properties),
            "Content-Type": self._options.content_type or event.content_type,
        }
        started = time.monotonic()
        try:
            answer = self._call("POST", f"/{quote(self._trigger.input_queue)}/messages", headers, event.data)
        except requests.RequestException as problem:
            raise NoAnswer(f"the Service Bus namespace could not be reached ({type(problem).__name__})") from problem
        if answer.status_code == 404:
            raise NoAnswer(f"the queue '{self._trigger.input_queue}' is not there")
        if answer.status_code >= 400:
            raise NoAnswer(
                f"Service Bus refused the message of {len(event.data)} bytes with {answer.status_code} {answer.reason}"
            )
        data, at = self._await_answer(correlation, started, timeout)
        return Output(data, at - started, {"correlationId": correlation})

    def _await_answer(self, correlation: str, started: float, timeout: float) -> tuple[bytes, float]:
        """The answer, and when it came; now and then it is looked whether Service Bus has given the message up."""
        while True:
            left = timeout - (time.monotonic() - started)
            with self._arrived:
                if self._arrived.wait_for(lambda: correlation in self._answers, max(0.0, min(left, _DEAD_PAUSE))):
                    return self._answers.pop(correlation)
            reason = self._dead_letter(correlation)
            if reason is not None:
                raise ProbeFailed(f"the function failed until Service Bus gave the message up: {reason}")
            if left <= 0:
                raise NoAnswer(f"no answer came within {timeout:g} s")

    def _receive(self) -> None:
        """Take the answers out of the queue of the test, as long as it is open."""
        import requests

        path = f"/{self._reply_queue}/messages/head?timeout={_POLL}"
        while not self._closing.is_set():
            try:
                answer = self._call("DELETE", path)
            except requests.RequestException:
                self._closing.wait(1)
                continue
            if answer.status_code == 200:
                properties = json.loads(answer.headers.get("BrokerProperties", "{}"))
                with self._arrived:
                    self._answers[str(properties.get("CorrelationId"))] = (answer.content, time.monotonic())
                    self._arrived.notify_all()
            elif answer.status_code != 204:
                self._closing.wait(1)

    def _dead_letter(self, message_id: str) -> str | None:
        """Why our message is in the dead-letter queue, from which it is taken; None: it is not there.

        Others are looked at and put back: that counts as a delivery, which means nothing in a dead-letter queue.
        """
        import requests

        path = f"/{quote(self._trigger.input_queue)}{_DEAD}/messages"
        reason: str | None = None
        others: list[str] = []
        with contextlib.suppress(requests.RequestException):
            while reason is None and len(others) < _LOOKED_AT:
                answer = self._call("POST", f"{path}/head?timeout=0")
                if answer.status_code != 201:
                    break
                properties = json.loads(answer.headers.get("BrokerProperties", "{}"))
                lock = urlsplit(answer.headers["Location"]).path
                if properties.get("MessageId") != message_id:
                    others.append(lock)
                    continue
                texts = [json.loads(answer.headers.get(name, '""')) for name in _DEAD_LETTER_HEADERS]
                reason = ": ".join(text for text in texts if text) or "no reason was given"
                self._call("DELETE", lock)
            for lock in others:
                self._call("PUT", lock)
        return reason

    def causes(self, event: Event) -> Iterator[Cause]:
        assert self._queues is not None and self._connection is not None
        counts = {name: self._queues.count(name) for name in (self._trigger.input_queue, self._trigger.output_queue)}
        for name in (each for each, count in counts.items() if count is None):
            yield Cause(
                f"the queue '{name}' is not in the Service Bus namespace '{self._connection.namespace}'",
                "deploy the app again: az ml-func deploy makes it",
            )
        now = counts[self._trigger.output_queue]
        if now is not None and self._outputs is not None and now > self._outputs:
            yield Cause(
                f"the output went elsewhere: the queue '{self._trigger.output_queue}' has {now - self._outputs} more "
                "messages than before the test",
                "package the model again: the image's runtime is too old to answer a test in a queue of its own",
            )

    def close(self) -> None:
        self._closing.set()
        if self._queues is not None:
            self._queues.delete(self._reply_queue)
        if self._receiver is not None:
            self._receiver.join(_POLL + 1)
        if self._session is not None:
            self._session.close()

    def _call(self, method: str, path: str, headers: dict[str, str] | None = None, data: bytes = b"") -> Any:
        assert self._connection is not None
        own = {"Authorization": self._connection.token(), **(headers or {})}
        url = f"{self._connection.url}{path}"
        return self._session.request(method, url, headers=own, data=data, timeout=_POLL + 30)


_DEAD_LETTER_HEADERS = ("DeadLetterReason", "DeadLetterErrorDescription")
