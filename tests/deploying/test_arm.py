"""The client of Azure Resource Manager, with the pipeline that deploy uses, against a real server.

Its clock is the transport's `sleep`, as azure-core has it: what would be waited for is noted instead.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from azure.cli.core.azclierror import AzureConnectionError
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import RequestsTransport

from azext_mlfunc.deploying.apply import explain
from azext_mlfunc.deploying.arm import Arm, make_client

from .arm_server import ArmServer, Reply

PATH = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Kind/things/it"
API = "2024-04-01"
TOKEN = "eyJ0b2tlbg.the-token.signature"
THERE = Reply(200, {"name": "it", "properties": {"provisioningState": "Succeeded"}})
ATTEMPTS = 4
"""How often a request is sent that fails every time."""


def error(status: int, code: str, message: str = "It cannot be had.", **headers: str) -> Reply:
    return Reply(status, {"error": {"code": code, "message": message}}, headers)


class Credential:
    """Gives the same token for ever."""

    def __init__(self) -> None:
        self.scopes: list[tuple[str, ...]] = []

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes.append(scopes)
        return AccessToken(TOKEN, int(time.time()) + 3600)


class Timeless(RequestsTransport):
    """The real transport, but for its clock."""

    def __init__(self, **options: Any) -> None:
        super().__init__(use_env_settings=False, **options)
        self.slept: list[float] = []

    def sleep(self, duration: float) -> None:
        self.slept.append(duration)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The file that says who is to be trusted."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return str(tmp_path / "authority.pem")


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[ArmServer]:
    with ArmServer(authority) as server:
        yield server


@pytest.fixture
def transport(bundle: str) -> Timeless:
    return Timeless(connection_verify=bundle)


@pytest.fixture
def credential() -> Credential:
    return Credential()


@pytest.fixture
def arm(server: ArmServer, transport: Timeless, credential: Credential) -> Arm:
    client = make_client(f"{server.url}/", credential, ["https://arm/.default"], "az/1", transport=transport)
    return Arm(client, "s", transport.sleep)


def status_of(caught: pytest.ExceptionInfo[HttpResponseError]) -> int | None:
    return caught.value.status_code


# -- reading


def test_a_resource_as_it_is(arm: Arm, server: ArmServer, credential: Credential):
    server.on("GET", PATH, THERE)
    assert arm.get(PATH, API) == THERE.body
    [request] = server.requests
    assert request.query == {"api-version": [API]}
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["User-Agent"] == "az/1"
    assert credential.scopes == [("https://arm/.default",)]


def test_only_a_404_means_that_there_is_none(arm: Arm, server: ArmServer):
    server.on("GET", PATH, error(404, "ResourceNotFound"))
    assert arm.get(PATH, API) is None


@pytest.mark.parametrize("status", [400, 401, 403, 405, 409, 410, 412, 500, 501, 503])
def test_any_other_failure_to_read_raises(arm: Arm, server: ArmServer, status: int):
    server.on("GET", PATH, error(status, "SomeCode", "In ARM's words."))
    with pytest.raises(HttpResponseError, match="In ARM's words") as caught:
        arm.get(PATH, API)
    assert status_of(caught) == status


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_lists_and_actions_have_no_none(arm: Arm, server: ArmServer, status: int):
    for method in ("GET", "POST"):
        server.on(method, PATH, error(status, "SomeCode"))
    for call in (arm.list, arm.post, arm.text):
        with pytest.raises(HttpResponseError) as caught:
            call(PATH, API)
        assert status_of(caught) == status


def test_all_pages_of_a_list(arm: Arm, server: ArmServer):
    """The address of the next one is taken as it is, with the version and the place in it."""
    following = Reply(200, {"value": [3], "nextLink": f"{{url}}{PATH}/third?api-version=2020-01-01&$skipToken=a%2Fb"})
    server.on("GET", PATH, Reply(200, {"value": [1, 2], "nextLink": f"{{url}}{PATH}/second?api-version={API}"}))
    server.on("GET", f"{PATH}/second", following)
    server.on("GET", f"{PATH}/third", Reply(200, {"value": None}))
    assert arm.list(PATH, API) == [1, 2, 3]
    assert [each.query for each in server.requests] == [
        {"api-version": [API]},
        {"api-version": [API]},
        {"api-version": ["2020-01-01"], "$skipToken": ["a/b"]},
    ]


def test_a_page_that_fails_is_no_short_list(arm: Arm, server: ArmServer):
    server.on("GET", PATH, Reply(200, {"value": [1], "nextLink": f"{{url}}{PATH}/second"}))
    server.on("GET", f"{PATH}/second", error(403, "AuthorizationFailed"))
    with pytest.raises(HttpResponseError) as caught:
        arm.list(PATH, API)
    assert status_of(caught) == 403


def test_an_action_with_and_without_a_body(arm: Arm, server: ArmServer):
    server.on("POST", PATH, Reply(200, {"keys": []}), Reply(200))
    assert arm.post(PATH, API, {"name": "it"}) == {"keys": []}
    assert arm.post(PATH, API) is None
    assert [each.body for each in server.requests] == [{"name": "it"}, None]


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}], ids=["as text", "as JSON"])
def test_an_action_that_answers_text(arm: Arm, server: ArmServer, headers: dict[str, str]):
    """Whatever it says that it is."""
    server.on("POST", PATH, Reply(200, "one\ntwo\n", headers))
    assert arm.text(PATH, API) == "one\ntwo\n"


def test_a_path_with_a_query_keeps_it(arm: Arm, server: ArmServer):
    server.on("GET", PATH, THERE)
    arm.get(f"{PATH}?$expand=all", API)
    assert server.requests[0].query == {"$expand": ["all"], "api-version": [API]}


# -- trying again


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        (error(429, "TooManyRequests", **{"Retry-After": "17"}), [17]),
        (error(429, "TooManyRequests"), []),
        (error(500, "InternalServerError"), []),
        (error(502, "BadGateway"), []),
        (error(503, "ServiceUnavailable", **{"Retry-After": "2"}), [2]),
        (error(504, "GatewayTimeout"), []),
        (Reply(drop=True), []),
    ],
    ids=["429, later", "429", "500", "502", "503, later", "504", "dropped"],
)
def test_what_may_pass_is_tried_again(
    arm: Arm, server: ArmServer, transport: Timeless, method: str, fault: Reply, waited: list[float]
):
    server.on(method, PATH, fault, THERE)
    match method:
        case "GET":
            assert arm.get(PATH, API) == THERE.body
        case "POST":
            assert arm.post(PATH, API, {"a": 1}) == THERE.body
        case "PUT":
            arm.put(PATH, API, {"a": 1})
    first, second = server.sent(method, PATH)
    assert (first.body, first.query) == (second.body, second.query)
    assert transport.slept == waited


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (error(500, "InternalServerError"), HttpResponseError),
        (error(429, "TooManyRequests", **{"Retry-After": "3"}), HttpResponseError),
        (Reply(drop=True), AzureConnectionError),
    ],
    ids=["500", "429", "dropped"],
)
def test_what_does_not_pass_is_told_in_the_end(arm: Arm, server: ArmServer, fault: Reply, raised: type[Exception]):
    for method, call in (("GET", arm.get), ("POST", arm.post), ("PUT", lambda path, api: arm.put(path, api, {}))):
        server.on(method, PATH, fault)
        with pytest.raises(raised):
            call(PATH, API)
        assert len(server.sent(method, PATH)) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
def test_what_does_not_pass_by_itself_is_not_tried_again(arm: Arm, server: ArmServer, status: int):
    server.on("PUT", PATH, error(status, "SomeCode"))
    with pytest.raises(HttpResponseError):
        arm.put(PATH, API, {})
    assert len(server.requests) == 1


# -- what is still being made


@pytest.mark.parametrize(
    ("busy", "sent"),
    [
        (error(409, "StorageAccountOperationInProgress", "An operation is currently performing on this account."), 3),
        (Reply(409, {"Code": "Conflict", "Message": "Another operation is in progress. Please try again."}), 3),
        (error(409, "AnotherOperationInProgress"), 3),
        (error(429, "429", "Namespace provisioning in transition"), 3),
    ],
    ids=["storage", "web", "network", "service bus"],
)
def test_what_is_being_made_is_waited_for(arm: Arm, server: ArmServer, transport: Timeless, busy: Reply, sent: int):
    """A 429 is tried again soon before that, as any is."""
    replies = [busy] * (2 * ATTEMPTS if busy.status == 429 else 2)
    server.on("PUT", PATH, *replies, THERE)
    arm.put(PATH, API, {"a": 1})
    assert transport.slept.count(5.0) == 2
    assert [each.body for each in server.requests] == [{"a": 1}] * (len(replies) + 1)


def test_what_is_never_made_is_not_waited_for_for_ever(arm: Arm, server: ArmServer, transport: Timeless):
    server.on("PUT", PATH, error(409, "StorageAccountOperationInProgress"))
    with pytest.raises(HttpResponseError) as caught:
        arm.put(PATH, API, {})
    assert status_of(caught) == 409
    assert sum(transport.slept) == 300


# -- operations that take their time

SOON = {"retry-after-ms": "40"}
CREATING = {"name": "it", "properties": {"provisioningState": "Creating"}}
RUNNING = Reply(200, {"status": "Creating"}, SOON)
OPERATION, RESULT = "/subscriptions/s/operations/1", "/subscriptions/s/results/1"
OF_OPERATION = {"Azure-AsyncOperation": f"{{url}}{OPERATION}?api-version={API}", **SOON}
OF_RESULT = {"Location": f"{{url}}{RESULT}?monitor=true&api-version={API}", **SOON}


@pytest.mark.parametrize("status", [200, 201])
def test_one_that_is_done_at_once(arm: Arm, server: ArmServer, status: int):
    server.on("PUT", PATH, Reply(status, THERE.body))
    arm.put(PATH, API, {"location": "westeurope"})
    assert [(each.method, each.body) for each in server.requests] == [("PUT", {"location": "westeurope"})]


def test_one_that_is_done_at_once_without_a_state(arm: Arm, server: ArmServer):
    server.on("PUT", PATH, Reply(200, {"name": "it"}))
    arm.put(PATH, API, {})
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", [200, 201, 202])
def test_one_with_the_address_of_its_status(arm: Arm, server: ArmServer, transport: Timeless, first: int):
    """As Microsoft.ContainerRegistry has it."""
    server.on("PUT", PATH, Reply(first, CREATING, OF_OPERATION))
    server.on("GET", OPERATION, RUNNING, RUNNING, Reply(200, {"status": "Succeeded"}))
    server.on("GET", PATH, THERE)
    arm.put(PATH, API, {})
    assert len(server.sent("GET", OPERATION)) == 3
    assert transport.slept == [0.04] * 2


def test_one_with_the_address_of_its_result(arm: Arm, server: ArmServer, transport: Timeless):
    """As Microsoft.Storage has it."""
    pending = Reply(202, None, OF_RESULT)
    server.on("PUT", PATH, pending)
    server.on("GET", RESULT, pending, pending, THERE)
    arm.put(PATH, API, {})
    polls = server.sent("GET", RESULT)
    assert [each.query for each in polls] == [{"monitor": ["true"], "api-version": [API]}] * 3
    assert transport.slept == [0.04] * 2


def test_one_whose_resource_alone_tells(arm: Arm, server: ArmServer, transport: Timeless):
    """As Microsoft.ServiceBus has it: 200, and nobody says how often to ask."""
    created = Reply(200, {"properties": {"provisioningState": "Created"}})
    server.on("PUT", PATH, created)
    server.on("GET", PATH, created, created, THERE)
    arm.put(PATH, API, {})
    assert [each.query for each in server.sent("GET", PATH)] == [{"api-version": [API]}] * 3
    assert transport.slept == [5.0] * 2


@pytest.mark.parametrize("fault", [error(429, "TooManyRequests"), error(500, "InternalServerError"), Reply(drop=True)])
def test_a_fault_while_it_is_asked_about_does_not_end_it(arm: Arm, server: ArmServer, fault: Reply):
    server.on("PUT", PATH, Reply(201, CREATING, OF_OPERATION))
    server.on("GET", OPERATION, fault, RUNNING, fault, Reply(200, {"status": "Succeeded"}))
    server.on("GET", PATH, fault, THERE)
    arm.put(PATH, API, {})
    assert len(server.sent("PUT", PATH)) == 1


FAILED = {"status": "Failed", "error": {"code": "SkuNotAvailable", "message": "Not in this region."}}


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_one_that_fails_as_its_status_says(arm: Arm, server: ArmServer, status: str):
    server.on("PUT", PATH, Reply(201, CREATING, OF_OPERATION))
    server.on("GET", OPERATION, RUNNING, Reply(200, {**FAILED, "status": status}))
    with pytest.raises(HttpResponseError) as caught:
        arm.put(PATH, API, {})
    assert explain(caught.value) == "(SkuNotAvailable) Not in this region."


@pytest.mark.parametrize("status", [400, 404, 409])
def test_one_that_fails_instead_of_a_result(arm: Arm, server: ArmServer, status: int):
    server.on("PUT", PATH, Reply(202, None, OF_RESULT))
    server.on("GET", RESULT, Reply(202, None, OF_RESULT), error(status, "StorageAccountAlreadyTaken", "Taken."))
    with pytest.raises(HttpResponseError) as caught:
        arm.put(PATH, API, {})
    assert explain(caught.value) == "(StorageAccountAlreadyTaken) Taken."


def test_one_of_which_nothing_is_heard_any_more(arm: Arm, server: ArmServer):
    server.on("PUT", PATH, Reply(202, None, OF_RESULT))
    server.on("GET", RESULT, Reply(202, None, OF_RESULT), Reply(drop=True))
    with pytest.raises(AzureConnectionError):
        arm.put(PATH, API, {})


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_one_that_fails_as_its_resource_says(arm: Arm, server: ArmServer, state: str):
    server.on("PUT", PATH, Reply(201, CREATING))
    server.on("GET", PATH, Reply(200, {"properties": {"provisioningState": state}}))
    with pytest.raises(HttpResponseError) as caught:
        arm.put(PATH, API, {})
    assert explain(caught.value) == f"it could not be made (provisioning state {state})"


# -- explaining


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (error(403, "AuthorizationFailed", "You may not."), "(AuthorizationFailed) You may not."),
        (Reply(409, {"Code": "Conflict", "Message": "It is taken."}), "(Conflict) It is taken."),
        (Reply(400, {"error": {"message": "No code."}}), "No code."),
        (Reply(400, {"error": "a text"}), "HTTP 400 Bad Request"),
        (Reply(502, "<html>a page</html>"), "HTTP 502 Bad Gateway"),
        (Reply(500), "HTTP 500 Internal Server Error"),
        (Reply(500, [1]), "HTTP 500 Internal Server Error"),
        (Reply(500, {"error": None}), "HTTP 500 Internal Server Error"),
        (Reply(500, {"properties": None}), "HTTP 500 Internal Server Error"),
    ],
    ids=["arm", "web", "no code", "text", "html", "empty", "list", "null", "nothing"],
)
def test_both_envelopes_are_explained_and_anything_else_somehow(arm: Arm, server: ArmServer, reply: Reply, text: str):
    server.on("PUT", PATH, reply)
    with pytest.raises(HttpResponseError) as caught:
        arm.put(PATH, API, {})
    assert explain(caught.value) == text


def test_errors_that_are_not_azures_are_explained():
    assert explain(OSError("no\n  network")) == "no network"
    assert explain(ValueError()) == "ValueError"


def test_deleting(arm: Arm, server: ArmServer):
    """What is not there is gone, too."""
    server.on("DELETE", PATH, Reply(drop=True), Reply(204), error(404, "ResourceNotFound"))
    arm.delete(PATH, API)
    arm.delete(PATH, API)
    assert len(server.requests) == 3
    server.on("DELETE", PATH, error(403, "AuthorizationFailed"))
    with pytest.raises(HttpResponseError) as caught:
        arm.delete(PATH, API)
    assert status_of(caught) == 403


# -- nobody answers


def slow(server: ArmServer, bundle: str) -> Arm:
    """A client with the real clock, that does not wait long for an answer."""
    options = {"connection_verify": bundle, "read_timeout": 0.1, "retry_backoff_factor": 0, "use_env_settings": False}
    return Arm(make_client(server.url, Credential(), ["s"], **options), "s")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_server_that_says_nothing(server: ArmServer, bundle: str, method: str):
    arm = slow(server, bundle)
    server.on(method, PATH, Reply(silent=True), THERE)
    if method == "PUT":
        arm.put(PATH, API, {})
    else:
        assert (arm.get if method == "GET" else arm.post)(PATH, API) == THERE.body
    assert len(server.requests) == 2

    server.on(method, PATH, Reply(silent=True))
    with pytest.raises(AzureConnectionError, match="no answer in time"):
        arm.put(PATH, API, {}) if method == "PUT" else (arm.get if method == "GET" else arm.post)(PATH, API)


def test_nobody_is_there(authority: trustme.CA, transport: Timeless):
    with ArmServer(authority) as server:
        pass
    arm = Arm(make_client(server.url, Credential(), ["s"], transport=transport), "s")
    with pytest.raises(AzureConnectionError, match="Connection refused") as caught:
        arm.get(PATH, API)
    assert "HTTPS_PROXY" in caught.value.recommendations[0]
    assert transport.slept == [1.6, 3.2]


def test_a_certificate_that_nobody_vouches_for(server: ArmServer, bundle: str):
    """It is refused, unless az is told to take any."""
    server.on("GET", PATH, THERE)
    options = {"use_env_settings": False, "retry_backoff_factor": 0}
    with pytest.raises(AzureConnectionError, match="certificate is not trusted"):
        Arm(make_client(server.url, Credential(), ["s"], **options), "s").get(PATH, API)
    assert server.requests == []
    anyone = make_client(server.url, Credential(), ["s"], **options, connection_verify=False)
    with pytest.warns(match="Unverified HTTPS request"):
        assert Arm(anyone, "s").get(PATH, API) == THERE.body


# -- what is said of it


def test_no_secret_is_logged_at_any_level(arm: Arm, server: ArmServer, caplog: pytest.LogCaptureFixture):
    key, password, setting = (
        "a2V5LW9mLXRoZS1hY2NvdW50",
        "password-of-the-registry",
        "Endpoint=sb://x;SharedAccessKey=c2Vj",
    )
    server.on("POST", PATH, Reply(drop=True), Reply(200, {"keys": [{"value": key}]}))
    server.on(
        "PUT", PATH, error(500, "InternalServerError"), Reply(201, {"properties": {"password": password}}, OF_OPERATION)
    )
    server.on("GET", OPERATION, Reply(200, {"status": "Succeeded", "properties": {"password": password}}))
    server.on("GET", PATH, Reply(200, {"properties": {"password": password}}))
    with caplog.at_level(logging.DEBUG):
        arm.post(PATH, API, {"secret": setting})
        arm.put(PATH, API, {"properties": {"siteConfig": {"appSettings": [{"name": "A", "value": setting}]}}})
        arm.get(PATH, API)
    said = "\n".join(f"{record.name} {record.getMessage()} {record.exc_text}" for record in caplog.records)
    assert PATH in said, "nothing was logged at all"
    for secret in (key, password, setting, TOKEN):
        assert secret not in said


def test_many_threads_at_once(arm: Arm, server: ArmServer):
    together = threading.Barrier(20)
    found: dict[int, Any] = {}

    def ask(number: int) -> None:
        together.wait(30)
        found[number] = arm.get(f"{PATH}{number}", API)

    for number in range(20):
        server.on("GET", f"{PATH}{number}", Reply(200, {"number": number}))
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: {"number": number} for number in range(20)}
