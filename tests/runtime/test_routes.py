"""The paths, ids and errors of the HTTP trigger, through the function that the worker calls."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

Start = Callable[..., Any]
NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def send(start: Start, runtime: Callable[[str], Any]) -> Callable[..., Any]:
    """Sends requests to one script: `send("plain.py", "GET", "/", headers, body)` gives azure-functions' response."""
    from azure.functions.http import HttpRequest

    def send_request(
        script: str,
        method: str = "POST",
        target: str = "/score",
        headers: Mapping[str, str] = NOTHING,
        body: bytes = b"",
        settings: Mapping[str, str] = NOTHING,
    ) -> Any:
        start(script, **settings)
        request = HttpRequest(
            method,
            f"http://app{target}",
            headers=headers,
            params={},
            route_params={},
            body_type="bytes",
            body=body,
        )
        return runtime("http").score(request)

    return send_request


def test_the_service_says_that_it_is_healthy(send: Callable[..., Any]) -> None:
    response = send("plain.py", "GET", "/")
    assert (response.status_code, response.get_body()) == (200, b"Healthy")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("OPTIONS", "/", 200),
        ("POST", "/", 405),
        ("POST", "/score", 200),
        ("GET", "/score", 200),
        ("HEAD", "/score", 405),
        ("OPTIONS", "/score", 200),
        ("PUT", "/score", 405),
        ("DELETE", "/score", 405),
        ("GET", "/swagger.json", 200),
        ("POST", "/swagger.json", 405),
        ("GET", "/nope", 404),
        ("PUT", "/nope", 404),
        ("GET", "/score/", 404),
        ("GET", "/%73core", 200),
    ],
)
def test_paths_and_methods(send: Callable[..., Any], method: str, target: str, status: int) -> None:
    response = send("plain.py", method, target)
    assert response.status_code == status
    if status >= 400 and method != "HEAD":
        assert list(json.loads(response.get_body())) == ["message"]
        assert response.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("target", ["/", "/score", "/swagger.json", "/nope"])
def test_head_has_no_body(send: Callable[..., Any], target: str) -> None:
    assert send("plain.py", "HEAD", target).get_body() == b""


def test_ids_are_made_where_none_are_given(send: Callable[..., Any]) -> None:
    headers = send("plain.py").headers
    assert uuid.UUID(headers["x-request-id"]).version == 4
    assert headers["x-ms-request-id"] == headers["x-request-id"]
    assert "x-ms-client-request-id" not in headers
    assert "TraceId" not in headers


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ({"x-request-id": "r"}, {"x-request-id": "r", "x-ms-request-id": "r"}),
        ({"x-ms-request-id": "m"}, {"x-ms-request-id": "m", "x-ms-client-request-id": "m"}),
        ({"x-ms-client-request-id": "c"}, {"x-ms-request-id": "c", "x-ms-client-request-id": "c"}),
        (
            {"x-request-id": "r", "x-ms-request-id": "m", "x-ms-client-request-id": "c"},
            {"x-request-id": "r", "x-ms-request-id": "m", "x-ms-client-request-id": "c"},
        ),
        ({"traceid": "t"}, {"TraceId": "t"}),
        ({"x-request-id": "x" * 100}, {"x-request-id": "x" * 100}),
    ],
)
def test_ids_are_echoed(send: Callable[..., Any], given: dict[str, str], answered: dict[str, str]) -> None:
    headers = send("plain.py", headers=given).headers
    assert {name: headers[name] for name in answered} == answered


@pytest.mark.parametrize("name", ["x-request-id", "x-ms-request-id", "x-ms-client-request-id"])
@pytest.mark.parametrize("target", ["/", "/score", "/swagger.json"])
def test_ids_that_are_too_long_are_refused(send: Callable[..., Any], name: str, target: str) -> None:
    response = send("plain.py", "GET", target, {name: "x" * 101, "TraceId": "t"})
    assert response.status_code == 431
    assert name in json.loads(response.get_body())["message"]
    assert name not in response.headers
    assert response.headers["TraceId"] == "t"


@pytest.mark.parametrize(
    ("script", "body", "status", "message", "failed"),
    [
        ("failing.py", b"ValueError", 500, "An unexpected error occurred in scoring script.", "True"),
        ("failing.py", b"exit", 500, "An unexpected error occurred in scoring script.", "True"),
        ("failing.py", b"\xff", 400, "The body is not UTF-8 text", "False"),
        ("values.py", b"object", 500, "An unexpected internal error occurred.", "False"),
    ],
)
def test_errors(send: Callable[..., Any], script: str, body: bytes, status: int, message: str, failed: str) -> None:
    response = send(script, body=body)
    assert response.status_code == status
    assert json.loads(response.get_body())["message"].startswith(message)
    assert response.headers["x-ms-run-function-failed"] == failed
    assert "x-ms-run-fn-exec-ms" not in response.headers


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/ld+json", 200),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_a_schema_wants_json(send: Callable[..., Any], content_type: str, status: int) -> None:
    pytest.importorskip("inference_schema")
    body = b'{"name": "a", "count": 1}'
    assert send("schema_standard.py", headers={"content-type": content_type}, body=body).status_code == status


def test_repeated_headers_are_joined_and_cookies_are_not(send: Callable[..., Any]) -> None:
    headers = send("server_responses.py", body=b"'x', 200, {'Set-Cookie': 'a=1,b=2'}").headers
    assert headers.getlist("X-Repeated") == ["one, two, three, four"]
    assert headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_what_the_host_writes_itself_is_left_to_it(send: Callable[..., Any]) -> None:
    response = send("responses.py", body=b"'four', 200, {'Content-Length': '99', 'Transfer-Encoding': 'chunked'}")
    assert "Content-Length" not in response.headers
    assert "Transfer-Encoding" not in response.headers
    assert response.get_body() == b"four"


def test_a_description_that_is_not_json_does_not_hinder_scoring(send: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "swagger.json").write_text("{", encoding="utf-8")
    (tmp_path / "score.py").write_text("def init(): pass\ndef run(data): return data\n", encoding="utf-8")
    settings = {"AML_APP_ROOT": str(tmp_path)}
    assert send("score.py", "GET", "/swagger.json", settings=settings).status_code == 500
    assert send("score.py", "GET", "/swagger.json?version=3", settings=settings).status_code == 200
    assert send("score.py", body=b"x", settings=settings).get_body() == b'"x"'


def test_our_names_do_not_hide_the_standard_librarys(runtime: Callable[[str], Any]) -> None:
    import http

    assert http.HTTPStatus(200).phrase == "OK"
    assert runtime("routes").uuid is uuid
