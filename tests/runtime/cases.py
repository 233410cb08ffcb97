"""The scripts and requests that both servers get in the differential test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runtime.worker_app import Request

JSON = ("Content-Type", "application/json")
TEXT = ("Content-Type", "text/plain")
LONG = "x" * 101
LONGEST = "y" * 100
FORM = "application/x-www-form-urlencoded"
MULTIPART = (
    b'--edge\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncontent\r\n--edge--\r\n'
)


@dataclass(frozen=True)
class Script:
    """A script and what it is sent.

    :param name: of the cases; the entry script's path too, unless `entry` says another.
    :param requests: by name. Without any, the script is expected not to load.
    :param entry: the entry script, "" for none.
    :param settings: more environment variables; `{app}` stands for the app's folder.
    """

    name: str
    requests: Mapping[str, Request] = field(default_factory=dict)
    entry: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def entry_script(self) -> str | None:
        return (f"{self.name}.py" if self.entry is None else self.entry) or None

    def settings_in(self, app: Path) -> dict[str, str]:
        """The settings for an app whose code is in the folder `app`."""
        return {name: value.replace("{app}", str(app)) for name, value in self.settings.items()}


def post(body: bytes | str = b"", *headers: tuple[str, str], target: str = "/score") -> Request:
    return Request("POST", target, headers, body.encode() if isinstance(body, str) else body)


def get(target: str, *headers: tuple[str, str], method: str = "GET") -> Request:
    return Request(method, target, headers)


def texts(*bodies: str) -> dict[str, Request]:
    return {body: post(body) for body in bodies}


def fields(value: object, *headers: tuple[str, str]) -> Request:
    return post(json.dumps(value), *(headers or (JSON,)))


METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
VERSIONS = {
    "swagger": "/swagger.json",
    **{f"swagger {version}": f"/swagger.json?version={version}" for version in ("2", "2.0", "3", "3.0", "3.1")},
}

ROUTES = {
    f"{method} {path}": get(path, method=method)
    for path in ("/", "/score", "/swagger.json", "/nope")
    for method in METHODS
}
PATHS = {
    path: get(path)
    for path in (
        "/?a=b",
        "/score/",
        "/%73core?a=1",
        "/score%2F",
        "/score%20",
        "/SCORE",
        "/score/more",
        "/swagger.json/",
        "/gr%C3%BC%C3%9Fe",
        "/%ff",
    )
}
BODIES = {
    "empty": post(),
    "ascii": post("some text"),
    "utf-8": post("Grüße, 世界 🎉"),
    "bad utf-8": post(b"abc\xff\xfe"),
    "truncated utf-8": post("ß".encode()[:1]),
    "byte order mark": post(b"\xef\xbb\xbf{}"),
    "null byte": post(b"a\x00b"),
    "line ends": post("a\r\nb\n"),
    "JSON": post('{"data": [1, 2]}', JSON),
    "JSON list": post("[1, 2]", JSON),
    "JSON as text": post('{"a": 1}', TEXT),
    "not JSON as JSON": post("{", JSON),
    "JSON without type": post('{"a": 1}'),
    "latin-1": post("é".encode("latin-1"), ("Content-Type", "text/plain; charset=latin-1")),
    "form": post("a=1&b=2", ("Content-Type", FORM)),
    "JSON as form": post('{"data": [1]}', ("Content-Type", FORM)),
    "multipart": post(MULTIPART, ("Content-Type", "multipart/form-data; boundary=edge")),
    "large": post("0123456789" * 200_000),
    "body and query": post("text", target="/score?a=1"),
}
QUERIES = {
    query or "no query": get(f"/score?{query}" if query else "/score")
    for query in (
        "",
        "a=1",
        "a=1&b=[1,2]&c=text&d=null",
        "a=1&a=2&a=x",
        "a=",
        "a",
        "=1",
        "a=1&A=2",
        "a+b=c+d",
        "a%20b=%7B%22c%22%3A%201%7D",
        "gr%C3%BC%C3%9Fe=%E4%B8%96",
        "bad=%ff",
        "bad=%zz",
        "a=NaN&b=Infinity&c=1e999",
        "a=%22quoted%22",
        "a=1;b=2",
        "a=1#fragment",
        "code=key&a=1",
        "x=" + "9" * 400,
    )
}
IDS = {
    "request id": (("x-request-id", "r"),),
    "older id": (("x-ms-request-id", "m"),),
    "client id": (("x-ms-client-request-id", "c"),),
    "request and older": (("x-request-id", "r"), ("x-ms-request-id", "m")),
    "request and client": (("x-request-id", "r"), ("x-ms-client-request-id", "c")),
    "older and client": (("x-ms-request-id", "m"), ("x-ms-client-request-id", "c")),
    "all": (("x-request-id", "r"), ("x-ms-request-id", "m"), ("x-ms-client-request-id", "c")),
    "other case": (("X-Request-ID", "r"), ("X-MS-Client-Request-Id", "c"), ("traceid", "t")),
    "empty request id": (("x-request-id", ""),),
    "empty others": (("x-ms-request-id", ""), ("x-ms-client-request-id", "")),
    "trace id": (("TraceId", "t"),),
    "empty trace id": (("TraceId", ""),),
    "longest": (("x-request-id", LONGEST), ("x-ms-request-id", LONGEST), ("x-ms-client-request-id", LONGEST)),
    "long request id": (("x-request-id", LONG), ("x-ms-client-request-id", "c"), ("TraceId", "t")),
    "long older id": (("x-ms-request-id", LONG), ("TraceId", "t")),
    "long client id": (("x-request-id", "r"), ("x-ms-client-request-id", LONG)),
    "long older, short client": (("x-ms-request-id", LONG), ("x-ms-client-request-id", "c")),
    "long trace id": (("TraceId", LONG),),
}
IDS_SENT = {
    **{f"ids: {name}": post("x", *headers) for name, headers in IDS.items()},
    "ids on /": get("/", *IDS["all"], *IDS["trace id"]),
    "ids on swagger": get("/swagger.json", *IDS["all"], *IDS["trace id"]),
    "ids on 404": get("/nope", *IDS["all"], *IDS["trace id"]),
    "ids on 405": get("/score", *IDS["all"], *IDS["trace id"], method="PUT"),
    "ids on bad input": post(b"\xff", *IDS["all"], *IDS["trace id"]),
    "ids on OPTIONS": get("/score", *IDS["all"], method="OPTIONS"),
    "long id on /": get("/", *IDS["long request id"]),
    "long id on OPTIONS": get("/score", *IDS["long request id"], method="OPTIONS"),
    "long id on HEAD": get("/score", *IDS["long request id"], method="HEAD"),
    "long id on 404": get("/nope", *IDS["long request id"]),
}

OBJECT = {"name": "ab", "count": 2}
STANDARD = {
    "object": fields(OBJECT),
    "with optional": fields({**OBJECT, "options": {"loud": False}}),
    "with null optional": fields({**OBJECT, "options": None}),
    "with unknown field": fields({**OBJECT, "unknown": 1}),
    "missing field": fields({"name": "ab"}),
    "no fields": fields({}),
    "wrong type": fields({"name": 1, "count": 2}),
    "null": fields({"name": None, "count": None}),
    "list": fields([1]),
    "string": fields("text"),
    "number": fields(1),
    "JSON null": fields(None),
    "repeated field": post('{"name": "a", "name": "b", "count": 1}', JSON),
    "empty": post("", JSON),
    "blank": post("  ", JSON),
    "not JSON": post("{", JSON),
    "NaN": post('{"name": "a", "count": NaN}', JSON),
    "bad utf-8": post(b'{"name": "\xff", "count": 1}', JSON),
    "utf-16": post('{"name": "ä", "count": 1}'.encode("utf-16"), JSON),
    "with byte order mark": post(b"\xef\xbb\xbf" + json.dumps(OBJECT).encode(), JSON),
    "charset": fields(OBJECT, ("Content-Type", "application/json; charset=utf-8")),
    "upper case type": fields(OBJECT, ("Content-Type", "Application/JSON")),
    "json suffix": fields(OBJECT, ("Content-Type", "application/ld+json")),
    "no content type": post(json.dumps(OBJECT)),
    "text type": fields(OBJECT, TEXT),
    "form type": fields(OBJECT, ("Content-Type", FORM)),
    "jsonp type": fields(OBJECT, ("Content-Type", "application/jsonp")),
    "query": get("/score?name=ab&count=2"),
    "query with JSON text": get("/score?name=%22ab%22&count=2&options={%22loud%22:true}"),
    "query, missing": get("/score?name=ab"),
    "query, none": get("/score"),
    "query, repeated": get("/score?name=a&name=b&count=1"),
    "query, text for a number": get("/score?name=a&count=b"),
    "HEAD": get("/score?name=ab&count=2", method="HEAD"),
    "OPTIONS": get("/score", method="OPTIONS"),
    "PUT": Request("PUT", "/score", (JSON,), b"{}"),
    **{name: get(target) for name, target in VERSIONS.items()},
}
RAW = {
    "POST": post("some text", TEXT),
    "POST empty": post(),
    "POST binary": post(bytes(range(256)), ("Content-Type", "application/octet-stream")),
    "POST JSON": post('{"a": [1]}', JSON),
    "POST bad JSON": post("{", JSON),
    "POST form": post("a=1&b=x+y&a=2", ("Content-Type", FORM)),
    "POST multipart": post(MULTIPART, ("Content-Type", "multipart/form-data; boundary=edge")),
    "POST without type": post("x"),
    "POST with query": post("x", TEXT, target="/score?a=1&b=%C3%A4&a=2"),
    "GET": get("/score?a=1&b=", ("X-Custom", "c")),
    "HEAD": get("/score", method="HEAD"),
    "OPTIONS": get("/score", method="OPTIONS"),
    "PUT": get("/score", method="PUT"),
    "cookies": get("/score", ("Cookie", 'a=1; b="x y"')),
    "authorization": get("/score", ("Authorization", "Bearer t"), ("Accept", "application/json")),
    "custom headers": get("/score", ("x-custom", "1"), ("X-UPPER", "2"), ("x-Mixed-case", "3")),
    "encoded path": get("/%73core?a=%2F"),
    "swagger": get("/swagger.json"),
}
RESPONSES = texts(
    "'text', 200",
    "b'\\x00\\xff', 200",
    "'', 200",
    "None, 200",
    "None, 404",
    "'made', 201, {'Location': '/score/1'}",
    "'accepted', '202 ACCEPTED'",
    "'', 204",
    "'body', 204",
    "'body', 304",
    "'moved', 302, {'Location': 'https://example.com/ä'}",
    "'no', 400",
    "'no', 499",
    "'down', 500",
    "'down', 503, {'Retry-After': '5'}",
    "{'a': [1, None]}, 200, {}, True",
    "'text', 200, {}, True",
    "{'a': 1}, 200, json_str=True, run_function_failed=True",
    "'text', 200, {}, False, True",
    "'text', 500, {}, False, False",
    "'text', 200, {'Content-Type': 'text/csv'}",
    "'text', 200, {'Content-Type': 'text/csv; charset=latin-1'}",
    "'text', 200, {'content-type': 'text/csv'}",
    "{'a': 1}, 200, {'Content-Type': 'application/vnd.api+json'}, True",
    "None, 200, {'Content-Type': 'text/csv'}",
    "'x', 200, {'X-One': '1'}",
    "'x', 200, {'X-Many': '1, 2,3'}",
    "'x', 200, {'X-Empty': ''}",
    "'x', 200, {'Expires': 'Wed, 21 Oct 2026 07:28:00 GMT'}",
    "'x', 200, {'Content-Disposition': 'attachment; filename=\"a,b.csv\"'}",
    "'x', 200, {'X-Number': 1}",
    "'x', 200, {'Set-Cookie': 'a=1'}",
    "'x', 200, {'Set-Cookie': 'a=1,b=2; Path=/'}",
    "'x', 200, {'Set-Cookie': 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT'}",
    "'x', 200, {'x-request-id': 'mine', 'x-ms-request-id': 'mine'}",
    "'x', 200, {'x-ms-run-function-failed': 'maybe'}",
    "'x', 500, {'x-ms-run-function-failed': 'maybe'}",
    "{1: {2}}, 200, {}, True",
    "['a', b'b'], 200",
)
VALUE_NAMES = (
    "none", "text", "json text", "empty text", "non-ascii", "lone surrogate", "nan", "true", "zero", "float",
    "empty list", "nested", "integer keys", "bytes", "set", "date", "object", "tuple keys", "endless", "generator",
    "coroutine", "http-like", "pair",
)  # fmt: skip
FLASK_NAMES = (
    "text", "bytes", "status", "json", "stream", "pieces", "empty", "error", "client error", "redirect", "cookies",
    "repeated", "own ids", "own trace", "own time", "werkzeug", "no content type",
)  # fmt: skip
FAILURES = ("ValueError", "KeyError", "TimeoutError", "chained", "strange", "recursion", "exit", "fine")

SCRIPTS = (
    Script("plain", {**ROUTES, **PATHS, **BODIES, **QUERIES, **IDS_SENT, **{n: get(t) for n, t in VERSIONS.items()}}),
    Script(
        "sums",
        {
            "rows": post('{"data": [[1, 2], [3, 4]]}', JSON),
            "no JSON": post("text"),
            "no data": post("{}"),
            "empty": post(),
            "query": get("/score?data=[[1,2]]"),
        },
    ),
    Script("values", texts(*VALUE_NAMES)),
    Script("responses", RESPONSES),
    Script("server_responses", texts("'text', 200", "None, 200", "'x', 200, {'X-Repeated': 'zero'}")),
    Script(
        "flask_responses",
        {
            **texts(*FLASK_NAMES),
            "own ids, sent": post("own ids", *IDS["all"]),
            "trace": post("own trace", ("TraceId", "t")),
        },
    ),
    Script("raw", RAW),
    Script(
        "raw_image",
        {
            "image": post(bytes(range(256)), ("Content-Type", "image/png")),
            "value": post("json"),
            "raise": post("raise"),
            "GET": get("/score?a=1"),
            "GET without query": get("/score"),
            "HEAD": get("/score", method="HEAD"),
            "OPTIONS": get("/score", method="OPTIONS"),
            "form": post("a=1", ("Content-Type", FORM)),
        },
    ),
    Script("raw_elsewhere", {"POST": post("x"), "GET": get("/score")}),
    Script("schema_standard", STANDARD),
    Script(
        "schema_numpy",
        {
            "rows": fields({"data": [[1, 2], [3, 4]]}, JSON, ("X-Custom", "c")),
            "wrong shape": fields({"data": [1]}),
            "wrong type": fields({"data": [["a", "b"]]}),
            "no data": fields({}),
            "query": get("/score?data=[[1,2]]"),
            **{name: get(target) for name, target in VERSIONS.items()},
        },
    ),
    Script(
        "schema_pandas",
        {
            "records": fields({"table": [{"a": 1, "b": "x"}]}),
            "wrong": fields({"table": 1}),
            **{name: get(target) for name, target in VERSIONS.items()},
        },
    ),
    Script(
        "schema_nested",
        {
            "mixed": fields({"data": {"mixed": [1, "two", 3.0]}}),
            "version 4": get("/swagger.json?version=4"),
            **{name: get(target) for name, target in VERSIONS.items()},
        },
    ),
    Script(
        "headers",
        {
            "some": post("x", JSON, ("X-Custom", "1"), ("x-lower", "2"), ("accept", "*/*")),
            "ids": post("x", *IDS["all"], ("TraceId", "t")),
            "GET": get("/score?a=1", ("X-Custom", "1")),
        },
    ),
    Script("keyword_only", {"POST": post("x"), "GET": get("/score?text=1")}),
    Script("driver", {"POST": post("x"), "swagger": get("/swagger.json")}),
    Script("driver_without_run", {"POST": post("x")}),
    Script("failing", {**texts(*FAILURES), "GET": get("/score?a=1"), "ids": post("ValueError", *IDS["all"])}),
    Script("model_dir", {"POST": post("x")}),
    Script("siblings", {"POST": post("x")}, settings={"AZUREML_SOURCE_DIRECTORY": "packages_here"}),
    Script("nested entry", {"POST": post("x")}, entry="packages_here/nested_entry.py"),
    Script("as main", {"POST": post("x")}, entry="", settings={"AML_APP_ROOT": "{app}/as_main"}),
    Script(
        "own swagger",
        {
            **{name: get(target) for name, target in VERSIONS.items()},
            "swagger, empty version": get("/swagger.json?version="),
            "swagger, unknown version": get("/swagger.json?version=1.2"),
            "swagger, no number": get("/swagger.json?version=abc"),
            "swagger, two versions": get("/swagger.json?version=3&version=2"),
        },
        entry="score.py",
        settings={"AML_APP_ROOT": "{app}/own_swagger"},
    ),
    Script(
        "named service",
        {name: get(target) for name, target in VERSIONS.items()},
        entry="plain.py",
        settings={"SERVICE_NAME": "Mine", "SERVICE_VERSION": "2.1", "SERVICE_PATH_PREFIX": "/api/v1/mine/"},
    ),
    Script("asyncio_init", {"POST": post("x")}),
    Script("pickling", {"POST": post("x")}),
    Script("missing", entry="nowhere.py"),
    Script("no main", entry=""),
    *(
        Script(f"bad_{what}")
        for what in (
            "no_init",
            "no_run",
            "syntax",
            "import",
            "exit_on_import",
            "init",
            "init_exits",
            "args",
            "kwargs",
            "positional_only",
            "no_parameter",
            "only_headers",
            "raw_and_schema",
        )
    ),
)
