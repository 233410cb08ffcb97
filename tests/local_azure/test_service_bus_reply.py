"""How the image's runtime answers a test of its Service Bus trigger: in the Functions host, under Microsoft's worker.

The test's side is the REST API alone, as in `az ml-func test`; everybody else uses the SDK.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from function_apps import StartHost
from service_bus_rest import DEAD_LETTERS, Answer, RestClient

from azext_mlfunc.emulators.service_bus import ServiceBus
from local_azure.functions_host import FunctionsHost

CONNECTION = "TriggerConnectionString"
REPLIES = "mlfunc-test-00c0ffee"
BINDING = {"name": "input", "direction": "in", "connection": CONNECTION}
BINDINGS = [
    {**BINDING, "type": "serviceBusTrigger", "dataType": "binary", "queueName": "inqueue"},
    {**BINDING, "type": "serviceBus", "direction": "out", "name": "output", "queueName": "outqueue"},
]
SCRIPT = """
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    if request.body == b"fails":
        raise ValueError("cannot be scored")
    if request.body == b"bytes":
        return AMLResponse(b"\\x00\\xff", 200)
    return {"length": len(request.body), "data": request.body.decode("latin-1")}
"""


class App:
    """An app as `az ml-func package` lays it out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "wwwroot"
        code = folder / "app"
        runtime = importlib.util.find_spec("azext_mlfunc")
        assert runtime is not None and runtime.origin is not None
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(runtime.origin).parent / "runtime", self.folder / "mlfunc_runtime", ignore=ignored)
        trigger = {"type": "service-bus-queue", "inputQueue": "inqueue", "outputQueue": "outqueue"}
        self._write("mlfunc.json", {"schemaVersion": 1, "trigger": {**trigger, "connection": CONNECTION},
                                    "entryScript": "score.py"})  # fmt: skip
        self._write("host.json", {"version": "2.0"})
        function = {"scriptFile": "../mlfunc_runtime/event.py", "entryPoint": "score", "bindings": BINDINGS}
        self._write("score/function.json", function)
        code.mkdir()
        (code / "score.py").write_text(SCRIPT, encoding="utf-8")
        self.settings = {"AML_APP_ROOT": str(code)}

    def _write(self, name: str, document: object) -> None:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture
def bus(service_bus: ServiceBus) -> ServiceBus:
    service_bus.add_queue("inqueue", max_delivery=2)
    service_bus.add_queue("outqueue")
    service_bus.add_queue(REPLIES)
    return service_bus


@pytest.fixture
def rest(bus: ServiceBus) -> RestClient:
    return RestClient(bus.connection_string)


@pytest.fixture
def start(tmp_path: Path, bus: ServiceBus, start_host: StartHost) -> Callable[..., FunctionsHost]:
    """Starts the app, with the connection that it shall have."""

    def start_app(connection: str | None = None) -> FunctionsHost:
        app = App(tmp_path)
        return start_host(app, {**app.settings, CONNECTION: connection or bus.connection_string})

    return start_app


@pytest.fixture
def client(bus: ServiceBus) -> Iterator[ServiceBusClient]:
    with ServiceBusClient.from_connection_string(bus.connection_string) as client:
        yield client


def send_as_others_do(client: ServiceBusClient, body: bytes, reply_to: str | None) -> None:
    with client.get_queue_sender("inqueue") as sender:
        sender.send_messages(ServiceBusMessage(body, message_id="theirs", reply_to=reply_to))


def ask(rest: RestClient, body: bytes, name: str = "1") -> None:
    sent = rest.send("inqueue", body, MessageId=f"m{name}", CorrelationId=f"c{name}", ReplyTo=REPLIES)
    assert sent.status == 201


def dead_letter(rest: RestClient) -> Answer:
    dead = rest.receive(f"inqueue{DEAD_LETTERS}", 60)
    assert dead.status == 200
    return dead


def test_a_test_is_answered_and_the_output_queue_gets_nothing(
    start: Callable[..., FunctionsHost], rest: RestClient, bus: ServiceBus
) -> None:
    host = start()
    ask(rest, b"text")
    answer = rest.receive(REPLIES, 60)
    assert answer.status == 200
    assert answer.body == b'{"length": 4, "data": "text"}'
    assert answer.broker["CorrelationId"] == "c1"
    assert answer.headers["Content-Type"] == "application/json"
    ask(rest, b"bytes", "2")
    answer = rest.receive(REPLIES, 60)
    assert (answer.body, answer.broker["CorrelationId"]) == (b"\x00\xff", "c2")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    host.stop()  # what it was doing is done
    assert bus.counts("outqueue")["active"] == 0
    assert bus.counts("inqueue") == {"active": 0, "scheduled": 0, "dead_letter": 0}


@pytest.mark.parametrize("reply_to", [None, "answers", "mlfunc-test-/../outqueue"])
def test_other_messages_are_scored_into_the_output_queue(
    start: Callable[..., FunctionsHost],
    rest: RestClient,
    client: ServiceBusClient,
    bus: ServiceBus,
    reply_to: str | None,
) -> None:
    start()
    send_as_others_do(client, b"text", reply_to)
    answer = rest.receive("outqueue", 60)
    assert (answer.status, answer.body) == (200, b'{"length": 4, "data": "text"}')
    assert bus.counts(REPLIES)["active"] == 0


def test_a_run_that_fails_leaves_the_event_in_the_dead_letter_queue(
    start: Callable[..., FunctionsHost], rest: RestClient, bus: ServiceBus
) -> None:
    host = start()
    ask(rest, b"fails")
    dead = dead_letter(rest)
    assert (dead.body, dead.broker["MessageId"], dead.broker["CorrelationId"]) == (b"fails", "m1", "c1")
    assert dead.broker["ReplyTo"] == REPLIES
    assert dead.headers["DeadLetterReason"] == '"MaxDeliveryCountExceeded"'
    assert "cannot be scored" in host.logs()
    assert bus.counts(REPLIES)["active"] == bus.counts("outqueue")["active"] == 0


def test_a_test_that_has_gone_leaves_its_event_in_the_dead_letter_queue(
    start: Callable[..., FunctionsHost], rest: RestClient, bus: ServiceBus
) -> None:
    host = start()
    bus.delete_queue(REPLIES)
    ask(rest, b"text")
    assert dead_letter(rest).body == b"text"
    assert f"could not be sent to http://{rest.host}/{REPLIES}, where a test waits for it: status 404" in host.logs()
    assert bus.counts("outqueue")["active"] == 0
    for secret in (rest.key, "sig=", "SharedAccessSignature"):
        assert secret not in host.logs()


def test_a_connection_for_the_input_queue_answers_as_well(
    start: Callable[..., FunctionsHost], rest: RestClient, bus: ServiceBus
) -> None:
    """EntityPath names what the connection was made for; the answer goes to the test's queue all the same."""
    start(f"{bus.connection_string}EntityPath=inqueue")
    ask(rest, b"text")
    assert rest.receive(REPLIES, 60).status == 200


def test_200_tests_at_once_among_messages_of_others(
    start: Callable[..., FunctionsHost], rest: RestClient, client: ServiceBusClient, bus: ServiceBus
) -> None:
    host = start()
    with client.get_queue_sender("inqueue") as sender:
        sender.send_messages([ServiceBusMessage(f"theirs {number}") for number in range(20)])
    with ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda number: ask(rest, b"ours %d" % number, str(number)), range(200)))
        answers = list(threads.map(lambda _: rest.receive(REPLIES, 60), range(200)))
    assert {answer.broker["CorrelationId"]: json.loads(answer.body)["data"] for answer in answers} == {
        f"c{number}": f"ours {number}" for number in range(200)
    }
    theirs = [json.loads(rest.receive("outqueue", 60).body)["data"] for _ in range(20)]
    assert sorted(theirs) == sorted(f"theirs {number}" for number in range(20))
    host.stop()
    assert bus.counts("outqueue")["active"] == bus.counts(REPLIES)["active"] == 0
    assert bus.counts("inqueue") == {"active": 0, "scheduled": 0, "dead_letter": 0}
