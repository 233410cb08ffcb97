"""HTTP functions under the real worker: routing, keys, what goes in, what comes out."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from function_apps import FunctionApp, StartHost, call, http_trigger

from local_azure.functions_host import FunctionsHost, HostFailed

ECHO = """
    import json

    def main(request: func.HttpRequest) -> func.HttpResponse:
        seen = {
            "method": request.method, "url": request.url, "headers": dict(request.headers),
            "query": dict(request.params), "route": dict(request.route_params), "body": request.get_body().decode(),
        }
        return func.HttpResponse(json.dumps(seen), mimetype="application/json")
"""
NAME = """
    def main(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(__name__)
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, worker_python: str) -> Iterator[FunctionsHost]:
    folder = tmp_path_factory.mktemp("http")
    app = FunctionApp(folder / "wwwroot")
    app.add("echo", http_trigger("echo/{name}/{number:int?}"), ECHO)
    app.add("default", http_trigger(), NAME)
    app.add("posted", http_trigger("posted", methods=["post"]), NAME)
    app.add("literal", http_trigger("files/list"), NAME)
    app.add("composite", http_trigger("files/{stem}.{extension}"), ECHO)
    app.add("everything", http_trigger("files/{*path}"), ECHO)
    app.add("closed", http_trigger("closed", authLevel="function"), NAME)
    app.add("admins", http_trigger("admins", authLevel="admin"), NAME)
    app.add("raises", http_trigger("raises"), "def main(request):\n    raise ValueError('no')\n")
    app.add(
        "answers",
        http_trigger("answers"),
        """
        def main(request: func.HttpRequest) -> func.HttpResponse:
            response = func.HttpResponse("made", status_code=201, mimetype="text/plain")
            for name, value in (("X-Twice", "first"), ("X-Twice", "last"),
                                ("Set-Cookie", "a=1; Path=/x; HttpOnly"), ("Set-Cookie", "b=2; SameSite=Lax")):
                response.headers.add(name, value)
            return response
        """,
    )
    app.add("sniffed", http_trigger("sniffed"), """def main(request) -> str: return '{"status": 418, "body": "tea"}'""")
    app.add("bare", http_trigger("bare"), "def main(request) -> str: return 'just text'")
    app.add("nothing", http_trigger("nothing"), "def main(request): return None")
    app.add(
        "together",
        http_trigger("together"),
        """
        import threading
        barrier = threading.Barrier(2)

        def main(request: func.HttpRequest) -> func.HttpResponse:
            barrier.wait(30)
            return func.HttpResponse("met")
        """,
    )
    settings = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000"}
    with FunctionsHost(app.folder, worker_python, settings, folder / "state") as host:
        yield host.wait_until_running(60)


def test_the_request_reaches_the_function(host: FunctionsHost) -> None:
    headers = {"X-Mixed-Case": "kept", "Host": "example.org:81", "Content-Type": "text/plain"}
    seen = call(host, "/echo/ann%20lee/7?q=a+b&q=c&empty=", "POST", "b\u00f6dy".encode(), headers).json()
    assert seen["method"] == "POST"
    assert seen["url"] == "http://example.org:81/echo/ann%20lee/7?q=a+b&q=c&empty="
    assert seen["query"] == {"q": "a b,c"}
    assert seen["route"] == {"name": "ann lee", "number": "7"}
    assert seen["body"] == "b\u00f6dy"
    assert seen["headers"]["x-mixed-case"] == "kept"


@pytest.mark.parametrize(
    ("target", "function"),
    [
        ("/default", "default"),
        ("/DEFAULT/", "default"),
        ("/files/list", "literal"),
    ],
)
def test_the_most_specific_route_answers(host: FunctionsHost, target: str, function: str) -> None:
    assert call(host, target).body.decode().endswith(function)


@pytest.mark.parametrize(
    ("target", "values"),
    [
        ("/files/a.b.txt", {"stem": "a.b", "extension": "txt"}),
        ("/files/deep/er", {"path": "deep/er"}),
        ("/files", {}),
        ("/echo/ann", {"name": "ann"}),
    ],
)
def test_route_values(host: FunctionsHost, target: str, values: dict[str, str]) -> None:
    assert call(host, target).json()["route"] == values


@pytest.mark.parametrize("target", ["/nowhere", "/echo", "/echo/ann/seven", "/defaults"])
def test_what_no_route_matches_is_not_found(host: FunctionsHost, target: str) -> None:
    assert call(host, target).status == 404


def test_a_method_that_is_not_listed_is_not_found(host: FunctionsHost) -> None:
    assert call(host, "/posted", "POST").status == 200
    assert call(host, "/posted", "GET").status == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"])
def test_every_method_is_served_by_default(host: FunctionsHost, method: str) -> None:
    answer = call(host, "/default", method)
    assert answer.status == 200
    assert answer.all("Content-Length") == [str(len("__app__.default"))]
    assert answer.body == (b"" if method == "HEAD" else b"__app__.default")


def test_keys(host: FunctionsHost) -> None:
    keys = host.keys
    own, other = keys.functions["closed"]["default"], keys.functions["echo"]["default"]
    for key, closed, admins in (
        (None, 401, 401),
        ("wrong", 401, 401),
        (other, 401, 401),
        (own, 200, 401),
        (keys.host["default"], 200, 401),
        (keys.master, 200, 200),
    ):
        headers = {} if key is None else {"X-Functions-Key": key}
        query = "" if key is None else f"?code={key}"
        assert call(host, "/closed", headers=headers).status == closed
        assert call(host, f"/closed{query}").status == closed
        assert call(host, "/admins", headers=headers).status == admins


def test_a_refusal_says_nothing(host: FunctionsHost) -> None:
    assert call(host, "/closed").body == b""


def test_keys_are_kept_for_the_user_alone(host: FunctionsHost) -> None:
    files = list(Path(host.log_file.parent, "secrets").iterdir())
    assert {"host.json", "closed.json"} <= {file.name for file in files}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_chunked_body_arrives_empty_and_the_connection_goes_on(host: FunctionsHost) -> None:
    connection = http.client.HTTPConnection(urlsplit(host.url).netloc, timeout=30)
    connection.request("POST", "/echo/ann", body=iter([b"some", b"body"]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    assert call_json(connection)["body"] == ""
    connection.request("POST", "/echo/ann", body=b"next")
    assert call_json(connection)["body"] == "next"
    connection.close()


def call_json(connection: http.client.HTTPConnection) -> dict[str, str]:
    read: dict[str, str] = json.loads(connection.getresponse().read())
    return read


def test_a_body_over_the_limit_is_refused(host: FunctionsHost) -> None:
    assert call(host, "/echo/ann", "POST", b"x" * 1000).status == 200
    assert call(host, "/echo/ann", "POST", b"x" * 1001).status == 413


def test_an_exception_becomes_an_empty_500_and_is_logged(host: FunctionsHost) -> None:
    answer = call(host, "/raises")
    assert (answer.status, answer.body) == (500, b"")
    assert "ValueError: no" in host.logs()
    assert "Executed 'Functions.raises' (Failed" in host.logs()


def test_the_response_as_the_host_makes_it(host: FunctionsHost) -> None:
    answer = call(host, "/answers")
    assert (answer.status, answer.body) == (201, b"made")
    assert answer.all("Content-Type") == ["text/plain; charset=utf-8"]
    assert answer.all("X-Twice") == ["last"]
    cookies = answer.all("Set-Cookie")
    assert len(cookies) == 2
    assert {"a=1", "HttpOnly", "Path=/x"} <= {part.strip() for part in cookies[0].split(";")}
    assert {"b=2", "SameSite=Lax"} <= {part.strip() for part in cookies[1].split(";")}


def test_a_bare_text_is_looked_at_for_json(host: FunctionsHost) -> None:
    tea = call(host, "/sniffed")
    assert (tea.status, tea.body) == (418, b"tea")
    bare = call(host, "/bare")
    assert (bare.status, bare.body) == (200, b"just text")


def test_no_answer_fails_the_invocation(host: FunctionsHost) -> None:
    assert call(host, "/nothing").status == 500


def test_invocations_run_at_the_same_time(host: FunctionsHost) -> None:
    bodies: list[bytes] = []
    threads = [threading.Thread(target=lambda: bodies.append(call(host, "/together").body)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [b"met", b"met"]


def test_the_home_page(host: FunctionsHost) -> None:
    answer = call(host, "/")
    assert answer.status == 200
    assert answer.all("Content-Type") == ["text/html"]


def test_the_home_page_can_be_turned_off(app: FunctionApp, start_host: StartHost) -> None:
    app.add("named", http_trigger("named"), NAME)
    host = start_host(app, {"AzureWebJobsDisableHomepage": "true"})
    answer = call(host, "/")
    assert (answer.status, answer.body) == (204, b"")


def test_a_catch_all_answers_the_root(app: FunctionApp, start_host: StartHost) -> None:
    host = start_host(app.add("all", http_trigger("{*path}"), ECHO))
    assert call(host, "/").json()["route"] == {}
    assert call(host, "/any/where").json()["route"] == {"path": "any/where"}


def test_the_route_prefix(tmp_path: Path, start_host: StartHost) -> None:
    app = FunctionApp(tmp_path / "prefixed", {"extensions": {}}).add("named", http_trigger(), NAME)
    host = start_host(app)
    assert call(host, "/api/named").status == 200
    assert call(host, "/named").status == 404


def test_requests_wait_for_the_app_to_load(app: FunctionApp, start_host: StartHost, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = f"""
        import pathlib, time
        while not pathlib.Path({str(gate)!r}).exists():
            time.sleep(0.02)

        def main(request: func.HttpRequest) -> func.HttpResponse:
            return func.HttpResponse("loaded")
    """
    host = start_host(app.add("slow", http_trigger("slow"), code), running=False)
    answers: list[bytes] = []
    thread = threading.Thread(target=lambda: answers.append(call(host, "/slow").body))
    thread.start()
    assert host.status()["state"] == "Starting"
    assert not answers
    gate.touch()
    thread.join(60)
    assert answers == [b"loaded"]


def test_a_host_in_error_answers_503(app: FunctionApp, start_host: StartHost) -> None:
    (app.folder / "host.json").write_text("{}")
    host = start_host(app, running=False)
    assert call(host, "/anything").status == 503
    with pytest.raises(HostFailed, match="'version'"):
        host.wait_until_running(30)
