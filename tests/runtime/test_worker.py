"""Our runtime under Microsoft's own worker, in a process of its own: events, loading, and how many runs at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from runtime.worker_app import InvocationFailed, LoadFailed, Request, WorkerApp, lay_out

EventSender = Callable[[WorkerApp, bytes], bytes]
SENDERS: dict[str, EventSender] = {"blob": WorkerApp.score_blob, "service-bus-queue": WorkerApp.score_message}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, runtime_folder: Path) -> dict[str, Path]:
    """An app for each trigger, its manifest naming plain.py."""
    folders = {trigger: tmp_path_factory.mktemp(trigger) for trigger in ("http", *SENDERS)}
    for trigger, folder in folders.items():
        lay_out(folder, runtime_folder, trigger, entry_script="plain.py")
    return folders


@pytest.mark.parametrize("trigger", SENDERS)
class TestEvents:
    """What blob and Service Bus events have in common."""

    def test_a_plain_run_gets_the_text_and_its_result_is_the_output(
        self, folders: dict[str, Path], trigger: str
    ) -> None:
        with WorkerApp(folders[trigger]) as app:
            output = SENDERS[trigger](app, "Grüße\n".encode())
        assert output == b'{"type": "str", "data": "Gr\\u00fc\\u00dfe\\n"}'

    def test_the_output_is_the_body_that_http_answers(self, folders: dict[str, Path], trigger: str) -> None:
        names = ("none", "text", "nan", "nested", "http-like")
        with WorkerApp(folders[trigger], "values.py") as app:
            outputs = [SENDERS[trigger](app, name.encode()) for name in names]
        with WorkerApp(folders["http"], "values.py") as app:
            answers = [app.send(Request(body=name.encode())).body for name in names]
        assert outputs == answers
        assert outputs[:2] == [b"{}", b'"text"']

    def test_a_raw_run_gets_the_bytes_and_answers_bytes(self, folders: dict[str, Path], trigger: str) -> None:
        with WorkerApp(folders[trigger], "raw_image.py") as app:
            assert SENDERS[trigger](app, bytes(range(256))) == bytes(reversed(range(256)))
            assert SENDERS[trigger](app, b"json") == b'{"size": 4}'

    def test_a_schema_takes_a_json_object_whatever_its_type_is_said_to_be(
        self, folders: dict[str, Path], trigger: str
    ) -> None:
        with WorkerApp(folders[trigger], "schema_standard.py") as app:
            assert SENDERS[trigger](app, b'{"name": "ab", "count": 2}') == b'{"text": "abab", "options": null}'

    @pytest.mark.parametrize(
        ("script", "data", "reason"),
        [
            pytest.param("failing.py", b"ValueError", "ValueError: a secret detail", id="run raises"),
            pytest.param("failing.py", b"exit", "SystemExit", id="run exits"),
            pytest.param("failing.py", b"strange", "Strange", id="run raises what cannot be printed"),
            pytest.param("plain.py", b"\xff", "not UTF-8", id="no UTF-8"),
            pytest.param("values.py", b"object", "not JSON serializable", id="result is no JSON"),
            pytest.param("responses.py", b"'no', 400", "status 400", id="response 400"),
            pytest.param("responses.py", b"'down', 503", "status 503", id="response 503"),
            pytest.param("schema_standard.py", b"{", "not JSON", id="schema, no JSON"),
            pytest.param("schema_standard.py", b"[]", "not a JSON object", id="schema, no object"),
            pytest.param("schema_standard.py", b'{"name": "a"}', "no value for: count", id="schema, field missing"),
            pytest.param(
                "schema_standard.py", b'{"name": 1, "count": 1}', "Invalid input data type", id="schema, type"
            ),
        ],
    )
    def test_what_cannot_be_scored_fails_the_invocation(
        self, folders: dict[str, Path], trigger: str, script: str, data: bytes, reason: str
    ) -> None:
        with WorkerApp(folders[trigger], script) as app:
            with pytest.raises(InvocationFailed, match=reason):
                SENDERS[trigger](app, data)
            assert app.load_errors == {}

    def test_the_process_serves_on_after_a_failure(self, folders: dict[str, Path], trigger: str) -> None:
        with WorkerApp(folders[trigger], "failing.py") as app:
            for name in (b"ValueError", b"exit"):
                with pytest.raises(InvocationFailed):
                    SENDERS[trigger](app, name)
            assert SENDERS[trigger](app, b"fine") == b'"fine"'
            assert app.log.count("init() of") == 1


def test_a_response_below_400_is_an_output(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["blob"], "responses.py") as app:
        assert app.score_blob(b"b'\\x00\\xff', 201, {'Content-Type': 'image/png'}") == b"\x00\xff"


def test_what_is_known_of_a_blob_is_in_the_headers(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["blob"], "headers.py") as app:
        output = app.score_blob(b"x", "text/csv", {"author": "Ada"})
    assert output == (
        b'{"data": "x", "type": "dict", "headers": {'
        b'"Content-Length": "1", "Content-Location": "https://account.blob.core.windows.net/input/a.json", '
        b'"Content-Type": "text/csv", "X-Ms-Meta-Author": "Ada"}}'
    )


def test_what_is_known_of_a_message_is_in_the_headers(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["service-bus-queue"], "headers.py") as app:
        output = app.score_message(b"x", "text/csv", {"Priority": 1, "x-request-id": "not the message's"})
    assert output == (
        b'{"data": "x", "type": "dict", "headers": {'
        b'"Content-Length": "1", "Content-Type": "text/csv", "Priority": "1", '
        b'"X-Ms-Client-Request-Id": "correlation-1", "X-Request-Id": "message-1"}}'
    )


def test_a_raw_run_sees_the_type_of_an_event(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["blob"], "raw.py") as app:
        output = app.score_blob(b'{"a": 1}', "application/json")
    assert b'"method": "POST", "path": "/score"' in output
    assert b'"json": {"a": 1}' in output


@pytest.mark.parametrize("trigger", SENDERS)
def test_an_empty_event_is_empty_text(folders: dict[str, Path], trigger: str) -> None:
    with WorkerApp(folders[trigger]) as app:
        assert SENDERS[trigger](app, b"") == b'{"type": "str", "data": ""}'


def test_a_message_without_body_is_empty_text(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["service-bus-queue"]) as app:
        assert app.score_message(None) == b'{"type": "str", "data": ""}'


def test_the_manifest_names_the_script_where_the_environment_does_not(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["http"]) as app:
        assert app.send(Request(body=b"x")).body == b'{"type": "str", "data": "x"}'


def test_one_run_at_a_time(folders: dict[str, Path]) -> None:
    assert _two_at_once(folders["http"], "0.5") == [b'"alone"', b'"alone"']


def test_as_many_runs_as_the_setting_allows(folders: dict[str, Path]) -> None:
    assert _two_at_once(folders["http"], "60", MLFUNC_CONCURRENT_RUNS="2") == [b'"met"', b'"met"']


def _two_at_once(folder: Path, seconds: str, **settings: str) -> list[bytes]:
    """Two requests at once to a run() that waits these seconds to meet another."""
    with WorkerApp(folder, "meeting.py", **settings) as app, ThreadPoolExecutor(max_workers=2) as threads:
        requests = [threads.submit(app.send, Request(body=seconds.encode())) for _ in range(2)]
        return [request.result().body for request in requests]


def test_init_runs_once_for_all_requests(folders: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "inits"
    with (
        WorkerApp(folders["http"], "counting.py", INIT_LOG=str(log)) as app,
        ThreadPoolExecutor(max_workers=8) as threads,
    ):
        answers = list(threads.map(app.send, [Request(body=b"x")] * 16))
    assert {answer.body for answer in answers} == {b"1"}
    assert log.read_text() == "init\n"


def test_an_init_that_fails_fails_the_load_and_is_not_run_again(tmp_path: Path, runtime_folder: Path) -> None:
    lay_out(tmp_path, runtime_folder, "http")
    shutil.copytree(tmp_path / "wwwroot" / "score", tmp_path / "wwwroot" / "score2")
    log = tmp_path / "inits"
    with WorkerApp(tmp_path, "counting.py", INIT_LOG=str(log), INIT_FAILS="yes") as app:
        assert set(app.load_errors) == {"score", "score2"}
        for error in app.load_errors.values():
            assert "counting.py raised ValueError: init() fails as asked" in error
        with pytest.raises(LoadFailed):
            app.send(Request(body=b"x"))
        assert "AZUREML_MODEL_DIR is" in app.log
        assert "model.txt" in app.log
    assert log.read_text() == "init\n"


def test_a_script_that_exits_fails_the_load_and_not_the_worker(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["http"], "bad_init_exits.py") as app:
        assert "raised SystemExit: 0" in app.load_errors["score"]
        assert "exited" not in app.log


def test_what_a_script_prints_and_logs_is_in_the_workers_log(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["http"], "printing.py") as app:
        app.send(Request(body=b"aloud"))
        app.wait_for_log("printed by init()")
        app.wait_for_log("printed by run()")
        app.wait_for_log("logged by run(): aloud")


def test_failures_are_logged_with_their_traceback(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["http"], "failing.py") as app:
        app.send(Request(body=b"chained"))
        assert "KeyError: 'missing'" in app.log
        assert "RuntimeError: outer" in app.log
        assert 'failing.py", line' in app.log


def test_settings_without_effect_are_named_in_the_log(folders: dict[str, Path]) -> None:
    with WorkerApp(folders["http"], SCORING_TIMEOUT_MS="1000") as app:
        assert "SCORING_TIMEOUT_MS has no effect: a thread cannot be interrupted; functionTimeout" in app.log
        assert "AML_CORS_ORIGINS" not in app.log


def test_requests_are_not_logged_by_us(folders: dict[str, Path]) -> None:
    """What callers send, the key in the query too, is theirs."""
    with WorkerApp(folders["http"]) as app:
        app.send(Request("GET", "/score?code=secret-key&a=private"))
        app.send(Request(body=b"\xffprivate"))
        app.send(Request("GET", "/nope?code=secret-key"))
        assert "secret-key" not in app.log
        assert "private" not in app.log
