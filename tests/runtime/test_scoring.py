"""The scoring core: what run() is given, what its result becomes, and how many runs are under way at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

import pytest
from werkzeug.wrappers import Response

Start = Callable[..., Any]
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def score(start: Start, runtime: Callable[[str], Any]) -> Callable[..., Any]:
    """Scores one request with a script: `score("plain.py", "POST", "/score", body, headers)`."""
    started: dict[str, Any] = {}

    def score_request(
        script: str,
        method: str = "POST",
        target: str = "/score",
        body: bytes = b"",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Any:
        if script not in started:
            started[script] = start(script).scorer
        request = runtime("aml_request").make_request(method, f"http://app{target}", headers, body)
        return started[script].score(request)

    return score_request


@pytest.mark.parametrize(
    ("method", "target", "body", "given"),
    [
        ("POST", "/score", b"text", "text"),
        ("POST", "/score", "Grüße".encode(), "Grüße"),
        ("POST", "/score", b"", ""),
        ("POST", "/score?a=1", b"text", "text"),
        ("GET", "/score", b"", "{}"),
        ("GET", "/score?a=1&b=text&a=null", b"", '{"a": [1, null], "b": "text"}'),
        ("GET", "/score?code=key&a=1", b"", '{"a": 1}'),
    ],
)
def test_a_plain_run_gets_text(score: Callable[..., Any], method: str, target: str, body: bytes, given: str) -> None:
    assert json.loads(score("plain.py", method, target, body).body) == {"type": "str", "data": given}


def test_the_content_type_of_text_does_not_matter(score: Callable[..., Any]) -> None:
    for content_type in ("application/json", "application/x-www-form-urlencoded", "image/png"):
        assert b'"data": "a=1"' in score("plain.py", body=b"a=1", headers={"content-type": content_type}).body


def test_the_key_is_input_where_it_cannot_be_the_functions_key(score: Callable[..., Any]) -> None:
    with_key = score("plain.py", "GET", "/score?code=mine", headers={"x-functions-key": "key"})
    assert b"mine" in with_key.body


def test_code_is_input_where_no_key_is_asked_for(start: Start, runtime: Callable[[str], Any]) -> None:
    request = runtime("aml_request").make_request("GET", "http://app/score?code=mine", {}, b"")
    assert runtime("inputs").TextInput("data", key_in_query=False).read(request) == {"data": '{"code": "mine"}'}
    assert runtime("inputs").TextInput("data", key_in_query=True).read(request) == {"data": "{}"}


def test_headers_are_a_dict_in_title_case(score: Callable[..., Any]) -> None:
    answer = score("headers.py", body=b"x", headers={"x-custom": "1", "content-type": "text/plain"})
    assert b'"type": "dict"' in answer.body
    assert b'{"Content-Length": "1", "Content-Type": "text/plain", "X-Custom": "1"}' in answer.body


def test_a_schema_gets_fields_and_defaults(score: Callable[..., Any]) -> None:
    pytest.importorskip("inference_schema")
    answer = score("schema_standard.py", body=b'{"count": 2, "name": "ab", "more": 1}')
    assert answer.body == b'{"text": "abab", "options": null}'


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"1", b"null", b"{}", b"\xff", b'{"name": "a"}'])
def test_a_schema_refuses_what_is_no_object_with_its_fields(
    score: Callable[..., Any], runtime: Callable[[str], Any], body: bytes
) -> None:
    pytest.importorskip("inference_schema")
    with pytest.raises(runtime("inputs").BadInput):
        score("schema_standard.py", body=body)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS"])
def test_only_get_and_post_carry_input(score: Callable[..., Any], runtime: Callable[[str], Any], method: str) -> None:
    with pytest.raises(runtime("inputs").MethodNotAllowed):
        score("plain.py", method)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "GET"])
def test_a_raw_run_gets_any_method(score: Callable[..., Any], method: str) -> None:
    assert f'"method": "{method}"'.encode() in score("raw.py", method).body


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("none", b"{}"),
        ("text", b'"text"'),
        ("json text", b'"{\\"a\\": 1}"'),
        ("nan", b"[NaN, Infinity, -Infinity]"),
        ("empty list", b"[]"),
        ("zero", b"0"),
        ("http-like", b'{"status": 418, "body": "not a response", "headers": {"X-A": "1"}}'),
    ],
)
def test_values_are_answered_as_json(score: Callable[..., Any], name: str, body: bytes) -> None:
    answer = score("values.py", body=name.encode())
    assert (answer.status, answer.body) == (200, body)
    headers = dict(answer.headers)
    assert headers["Content-Type"] == "application/json"
    assert headers["x-ms-run-function-failed"] == "False"
    assert float(headers["x-ms-run-fn-exec-ms"]) >= 0


@pytest.mark.parametrize("name", ["bytes", "set", "object", "endless", "generator", "coroutine", "tuple keys"])
@pytest.mark.filterwarnings("ignore:coroutine")
def test_what_json_cannot_write_is_an_error(score: Callable[..., Any], name: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        score("values.py", body=name.encode())


@pytest.mark.parametrize("name", ["ValueError", "KeyError", "TimeoutError", "strange", "recursion", "exit"])
def test_what_run_raises_is_the_cause_of_the_failure(
    score: Callable[..., Any], runtime: Callable[[str], Any], name: str
) -> None:
    with pytest.raises(runtime("scoring").RunFailed, match=r"^run\(\) raised ") as raised:
        score("failing.py", body=name.encode())
    assert raised.value.__cause__ is not None


def test_a_failure_frees_its_turn(score: Callable[..., Any], runtime: Callable[[str], Any]) -> None:
    for body in (b"ValueError", b"exit"):
        with pytest.raises(runtime("scoring").RunFailed):
            score("failing.py", body=body)
    assert score("failing.py", body=b"fine").body == b'"fine"'


@pytest.mark.parametrize(
    ("arguments", "status", "failed"),
    [
        ("'x', 200", 200, "False"),
        ("'x', 499", 499, "False"),
        ("'x', 500", 500, "True"),
        ("'x', 200, {}, False, True", 200, "True"),
    ],
)
def test_a_response_is_the_answer(score: Callable[..., Any], arguments: str, status: int, failed: str) -> None:
    answer = score("responses.py", body=arguments.encode())
    assert (answer.status, answer.body) == (status, b"x")
    assert [value for name, value in answer.headers if name == "x-ms-run-function-failed"] == [failed]


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(score: Callable[..., Any], status: int) -> None:
    assert score("responses.py", body=f"'x', {status}".encode()).body == b""


def test_a_stream_is_read_and_closed(runtime: Callable[[str], Any]) -> None:
    closed = threading.Event()

    def run(data: str) -> Response:
        response = Response(iter([b"a", b"b"]))
        response.call_on_close(closed.set)
        return response

    assert _scorer(runtime, run, concurrent_runs=1).score(_post(runtime)).body == b"ab"
    assert closed.is_set()


@pytest.mark.parametrize("error", [ValueError("in the stream"), SystemExit(1)], ids=repr)
def test_what_a_stream_raises_is_a_failure_of_run(runtime: Callable[[str], Any], error: BaseException) -> None:
    def run(data: str) -> Response:
        def chunks() -> Iterator[bytes]:
            yield b"a"
            raise error

        return Response(chunks())

    scorer = _scorer(runtime, run, concurrent_runs=1)
    for _ in range(2):  # the turn is free again
        with pytest.raises(runtime("scoring").RunFailed) as raised:
            scorer.score(_post(runtime))
        assert raised.value.__cause__ is error


@pytest.mark.parametrize(("concurrent_runs", "meet"), [(1, False), (2, True)])
@pytest.mark.parametrize("in_stream", [False, True], ids=["in run", "in its stream"])
def test_as_many_runs_at_once_as_allowed_and_no_more(
    runtime: Callable[[str], Any], concurrent_runs: int, meet: bool, in_stream: bool
) -> None:
    """Two runs meet at a barrier, or each gives up waiting for the other."""
    place = threading.Barrier(2)

    def wait_for_the_other() -> str:
        try:
            place.wait(timeout=60 if meet else 0.3)
        except threading.BrokenBarrierError:
            place.reset()
            return "alone"
        return "met"

    def run(data: str) -> Response:
        return Response(wait_for_the_other() for _ in range(1)) if in_stream else Response(wait_for_the_other())

    scorer = _scorer(runtime, run, concurrent_runs)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(scorer.score, [_post(runtime), _post(runtime)]))
    assert [answer.body for answer in answers] == [b"met" if meet else b"alone"] * 2


def _scorer(runtime: Callable[[str], Any], run: Callable[..., Any], concurrent_runs: int) -> Any:
    script = runtime("user_script").UserScript(run, runtime("inputs").TextInput("data"), wants_headers=False)
    return runtime("scoring").Scorer(script, concurrent_runs)


def _post(runtime: Callable[[str], Any]) -> Any:
    return runtime("aml_request").make_request("POST", "http://app/score", {}, b"")
