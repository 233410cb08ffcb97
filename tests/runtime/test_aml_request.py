"""The request that a raw run() gets, and the response that it may return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def make(runtime: Callable[[str], Any]) -> Callable[..., Any]:
    return runtime("aml_request").make_request  # type: ignore[no-any-return]


@pytest.fixture
def response(runtime: Callable[[str], Any]) -> Callable[..., Any]:
    return runtime("aml_response").AMLResponse  # type: ignore[no-any-return]


def test_headers_read_in_title_case_and_in_any_case(make: Callable[..., Any]) -> None:
    request = make("POST", "https://app/score", {"x-custom": "1", "CONTENT-type": "text/plain", "host": "app"}, b"ab")
    assert dict(request.headers) == {
        "X-Custom": "1",
        "Content-Type": "text/plain",
        "Host": "app",
        "Content-Length": "2",
    }
    assert request.headers["X-CUSTOM"] == "1"


@pytest.mark.parametrize(
    ("url", "path", "query", "full"),
    [
        ("http://app/score?a=1&a=2", "/score", {"a": ["1", "2"]}, "http://app/score?a=1&a=2"),
        ("http://app/gr%C3%BC%C3%9F?%C3%A4=%C3%B6", "/grüß", {"ä": ["ö"]}, "http://app/gr%C3%BC%C3%9F?%C3%A4=%C3%B6"),
        ("https://app:8443", "/", {}, "https://app:8443/"),
        ("http://app/a%2Fb", "/a/b", {}, "http://app/a/b"),
        ("http://app/score?ä=1", "/score", {"ä": ["1"]}, "http://app/score?%C3%A4=1"),
    ],
)
def test_the_url_is_taken_apart(
    make: Callable[..., Any], url: str, path: str, query: dict[str, list[str]], full: str
) -> None:
    request = make("GET", url, {}, b"")
    assert (request.path, request.args.to_dict(flat=False)) == (path, query)
    assert request.url.replace("ä", "%C3%A4").replace("ü", "%C3%BC").replace("ß", "%C3%9F") in (
        full.replace("ö", "%C3%B6"),
        full.replace("%C3%B6", "ö"),
    )


def test_the_body_is_there_however_it_is_read(make: Callable[..., Any]) -> None:
    body = b"a=1&b=2"
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert make("POST", "http://app/", {}, body).get_data() == body
    assert make("POST", "http://app/", {}, body).stream.read() == body
    assert make("POST", "http://app/", form, body).form.to_dict() == {"a": "1", "b": "2"}
    request = make("POST", "http://app/", form, body)
    assert (request.form["a"], request.body) == ("1", body)


def test_the_length_is_that_of_the_body(make: Callable[..., Any]) -> None:
    assert make("POST", "http://app/", {"content-length": "99"}, b"abc").content_length == 3
    assert make("GET", "http://app/", {}, b"").content_length is None
    assert make("POST", "http://app/", {"content-length": "0"}, b"").content_length == 0


def test_the_request_is_a_werkzeug_request(make: Callable[..., Any], runtime: Callable[[str], Any]) -> None:
    from werkzeug.wrappers import Request

    request = make("GET", "http://app/", {}, b"")
    assert isinstance(request, runtime("aml_request").AMLRequest)
    assert isinstance(request, Request)


@pytest.mark.parametrize(
    ("arguments", "body", "content_type"),
    [
        (("text", 200), b"text", "text/html; charset=utf-8"),
        ((b"\xff", 200), b"\xff", "text/html; charset=utf-8"),
        ((None, 200), b"{}", "application/json"),
        (({"a": 1}, 200, {}, True), b'{"a": 1}', "application/json"),
        ((b"x", 200, {"Content-Type": "image/png"}), b"x", "image/png"),
        ((b"x", 200, {"content-TYPE": "image/png"}), b"x", "image/png"),
        (({}, 200, {"Content-Type": "application/ld+json"}, True), b"{}", "application/ld+json"),
    ],
)
def test_a_responses_body_and_type(
    response: Callable[..., Any], arguments: tuple[Any, ...], body: bytes, content_type: str
) -> None:
    made = response(*arguments)
    assert made.get_data() == body
    assert made.headers.getlist("Content-Type") == [content_type]
    assert made.headers["x-ms-run-function-failed"] == "False"


def test_a_response_can_say_that_run_failed(response: Callable[..., Any]) -> None:
    made = response("x", 500, run_function_failed=True)
    assert (made.status_code, made.headers["x-ms-run-function-failed"]) == (500, "True")


@pytest.mark.parametrize(
    ("value", "cookies"),
    [
        ("a=1", ["a=1"]),
        ("a=1,b=2", ["a=1", "b=2"]),
        ("a=1; Path=/,  b=2", ["a=1; Path=/", "b=2"]),
        ("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"]),
        ("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT,b=2", ["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"]),
    ],
)
def test_cookies_are_told_apart(response: Callable[..., Any], value: str, cookies: list[str]) -> None:
    assert response("x", 200, {"set-cookie": value}).headers.getlist("Set-Cookie") == cookies


def test_other_headers_stay_as_they_are(response: Callable[..., Any]) -> None:
    headers = response("x", 200, {"Content-Disposition": 'attachment; filename="a,b.csv"', "X-Number": 1}).headers
    assert headers.getlist("Content-Disposition") == ['attachment; filename="a,b.csv"']
    assert headers["X-Number"] == "1"
