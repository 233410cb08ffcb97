"""Azure ML's own scoring server and our runtime get the same scripts and requests, and answer the same.

Azure ML's server is azureml-inference-server-http, through Flask's test client; our runtime runs under Microsoft's
worker. Each script is in a process of its own on both sides. Compared are the status, the body and every header. What
differs, and is meant to, is in `DIFFERENCES`; it is explained to users in docs/azure-ml-compatibility.md.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from runtime.cases import SCRIPTS, Script
from runtime.worker_app import Request, Response, WorkerApp, child_environment, lay_out, worker_python

ORACLE = Path(__file__).parent / "oracle.py"
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "azure-ml-compatibility.md"

# Written by the server that carries the response, not by the runtime; and a list whose order means nothing.
NOT_COMPARED = {"content-length", "allow"}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_MILLISECONDS = re.compile(r"\d+\.\d{3}")


@dataclass(frozen=True)
class Difference:
    """A difference that is meant to be.

    :param reason: as in the documentation.
    :param parts: what of the response differs: `status`, `body`, `message` (the text of an error), or a header's name.
    :param cases: patterns of the cases where it shows.
    """

    reason: str
    parts: frozenset[str]
    cases: tuple[str, ...]

    def covers(self, script: Script, name: str) -> bool:
        return any(fnmatchcase(f"{script.name}: {name}", pattern) for pattern in self.cases)


def difference(reason: str, parts: str, *cases: str) -> Difference:
    return Difference(reason, frozenset(parts.split()), cases)


SERVED_ONLY_BY_US = "status body content-type x-request-id x-ms-request-id x-ms-run-function-failed x-ms-run-fn-exec-ms"

DIFFERENCES = (
    difference(
        "error messages are our own, and say what was expected",
        "message",
        "plain: bad utf-8",
        "plain: truncated utf-8",
        "plain: latin-1",
        "plain: ids: long [!t]*",
        "plain: ids on bad input",
        "plain: long id on /",
        "plain: long id on OPTIONS",
        "schema_standard: missing field",
        "schema_standard: no fields",
        "schema_standard: list",
        "schema_standard: string",
        "schema_standard: number",
        "schema_standard: JSON null",
        "schema_standard: empty",
        "schema_standard: blank",
        "schema_standard: not JSON",
        "schema_standard: no content type",
        "schema_standard: text type",
        "schema_standard: form type",
        "schema_standard: jsonp type",
        "schema_standard: query, missing",
        "schema_standard: query, none",
        "schema_numpy: no data",
        "schema_nested: version 4",
        "schema_nested: swagger",
        "schema_nested: swagger 2",
        "schema_nested: swagger 2.0",
        "own swagger: swagger, empty version",
        "own swagger: swagger, unknown version",
        "own swagger: swagger, no number",
    ),
    difference(
        "the API's description names the keys of Azure Functions, and its texts are our own",
        "wording keys",
        "plain: GET /swagger.json",
        "plain: ids on swagger",
        "plain: swagger*",
        "raw: swagger",
        "schema_standard: swagger*",
        "schema_numpy: swagger*",
        "schema_pandas: swagger*",
        "schema_nested: swagger 3*",
        "driver: swagger",
        "named service: swagger*",
        "own swagger: swagger 3",
        "own swagger: swagger 3.0",
        "own swagger: swagger, two versions",
    ),
    difference(
        "a body that says it is a form reaches a plain run() as text",
        "body",
        "plain: form",
        "plain: JSON as form",
        "plain: multipart",
    ),
    difference("the Functions key in the query is not input", "body", "plain: code=key&a=1"),
    difference("a JSON body that is not UTF-8 is the caller's mistake", "status message", "schema_standard: bad utf-8"),
    difference(
        "run() has no time limit of its own, so a TimeoutError is like any other", "message", "failing: TimeoutError"
    ),
    difference(
        "sys.exit() in run() fails the request, not the process",
        "status body content-type x-request-id x-ms-request-id x-ms-run-function-failed",
        "failing: exit",
    ),
    difference("a script can pickle its own classes", SERVED_ONLY_BY_US, "pickling: POST"),
    difference(
        "werkzeug's own Response counts as a response",
        "status body content-type x-ms-run-function-failed x-ms-run-fn-exec-ms",
        "flask_responses: werkzeug",
    ),
    difference(
        "AMLResponse has one content type, the script's if it names one",
        "content-type",
        "responses: 'text', 200, {'content-type': 'text/csv'}",
        "responses: {'a': 1}, 200, {'Content-Type': 'application/vnd.api+json'}, True",
        "responses: None, 200, {'Content-Type': 'text/csv'}",
    ),
    difference(
        "AMLResponse takes header values that are no text",
        "status body content-type x-number x-ms-run-function-failed x-ms-run-fn-exec-ms",
        "responses: 'x', 200, {'X-Number': 1}",
    ),
    difference(
        "AMLResponse does not split a cookie at the comma of its date",
        "set-cookie",
        "responses: 'x', 200, {'Set-Cookie': 'a=1; Expires=*'}",
    ),
    difference(
        "the Functions host gives a cookie without a path the path /",
        "set-cookie",
        "responses: 'x', 200, {'Set-Cookie': 'a=1'}",
        "responses: 'x', 200, {'Set-Cookie': 'a=1,b=2; Path=/'}",
    ),
    difference(
        "the Functions worker sends no response without a content type",
        "content-type",
        "responses: 'body', 304",
        "flask_responses: no content type",
    ),
)

CASES = [(script, name) for script in SCRIPTS for name in script.requests or ("load",)]
Answers = dict[str, Response]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, runtime_folder: Path) -> Path:
    """An app without a manifest: as with Azure ML's server, the environment alone says what is served."""
    needed = "azureml_inference_server_http, azure_functions_runtime_v1, numpy, pandas"
    found = subprocess.run([worker_python(), "-c", f"import {needed}"], capture_output=True, text=True)
    assert found.returncode == 0, f"MLFUNC_WORKER_PYTHON must name a Python that has {needed}:\n{found.stderr}"
    folder = tmp_path_factory.mktemp("differential")
    lay_out(folder, runtime_folder, "http")
    return folder


@pytest.fixture(scope="session")
def answers(folder: Path) -> Callable[[Script], tuple[Answers, Answers]]:
    """Gives what Azure ML's server and our runtime answer to a script's requests; both are asked at once."""

    @cache
    def of_script(name: str) -> tuple[Answers, Answers]:
        script = next(script for script in SCRIPTS if script.name == name)
        with ThreadPoolExecutor(max_workers=1) as thread:
            theirs = thread.submit(_ask_azure_ml, folder, script)
            ours = _ask_ours(folder, script)
            return theirs.result(), ours

    return lambda script: of_script(script.name)


@pytest.mark.parametrize(
    ("script", "name"), [pytest.param(script, name, id=f"{script.name}: {name}") for script, name in CASES]
)
def test_answers_are_the_same(answers: Callable[[Script], tuple[Answers, Answers]], script: Script, name: str) -> None:
    theirs, ours = (side[name] for side in answers(script))
    entries = [entry for entry in DIFFERENCES if entry.covers(script, name)]
    expected: frozenset[str] = frozenset().union(*(entry.parts for entry in entries))
    assert differing_parts(theirs, ours) == expected, f"Azure ML: {theirs}\nOurs: {ours}"


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.reason) for entry in DIFFERENCES])
def test_every_difference_covers_a_case_in_each_of_its_patterns(entry: Difference) -> None:
    names = [f"{script.name}: {name}" for script, name in CASES]
    assert [pattern for pattern in entry.cases if not any(fnmatchcase(name, pattern) for name in names)] == []


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.reason) for entry in DIFFERENCES])
def test_every_difference_is_documented(entry: Difference) -> None:
    assert f"- **{entry.reason}** " in DOCUMENTATION.read_text(encoding="utf-8")


def _ask_azure_ml(folder: Path, script: Script) -> Answers:
    requests, responses = folder / f"{script.name}.requests.json", folder / f"{script.name}.responses.json"
    requests.write_text(json.dumps([_as_json(request) for request in script.requests.values()]))
    done = subprocess.run(
        [worker_python(), str(ORACLE), str(requests), str(responses)],
        env=child_environment(folder, script.entry_script, script.settings_in(folder / "app")),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    found = json.loads(responses.read_text())
    return _answers(script, None if found is None else [_from_json(response) for response in found])


def _ask_ours(folder: Path, script: Script) -> Answers:
    with WorkerApp(folder, script.entry_script, **script.settings_in(folder / "app")) as app:
        served = not app.load_errors
        return _answers(script, [app.send(request) for request in script.requests.values()] if served else None)


def _answers(script: Script, responses: list[Response] | None) -> Answers:
    """The responses by the names of their requests; None where the script could not be served."""
    if responses is None:
        return dict.fromkeys(script.requests or ("load",), Response("not served"))
    return dict(zip(script.requests, responses, strict=True)) or {"load": Response("served")}


def _as_json(request: Request) -> dict[str, Any]:
    body = base64.b64encode(request.body).decode()
    return {"method": request.method, "target": request.target, "headers": request.sent_headers(), "body": body}


def _from_json(found: dict[str, Any]) -> Response:
    headers = tuple((name, value) for name, value in found["headers"])
    return Response(found["status"], headers, base64.b64decode(found["body"]))


def differing_parts(theirs: Response, ours: Response) -> frozenset[str]:
    """The names of what differs between two responses."""
    parts = {"status"} if theirs.status != ours.status else set()
    names = {name.lower() for response in (theirs, ours) for name, _ in response.headers} - NOT_COMPARED
    parts |= {name for name in names if _header(theirs, name) != _header(ours, name)}
    return frozenset(parts | _differing_bodies(theirs.body, ours.body))


def _header(response: Response, name: str) -> object:
    """A header in a form that is equal where it means the same."""
    if name == "set-cookie":
        return sorted(_cookie(value) for key, value in response.headers if key.lower() == name)
    value = response.header(name)
    if value is None:
        return None
    value = _UUID.sub("(id)", ", ".join(part.strip() for part in value.split(",")))
    return _MILLISECONDS.sub("(time)", value) if name == "x-ms-run-fn-exec-ms" else value


def _cookie(text: str) -> list[str]:
    name, *attributes = text.split(";")
    return [name.strip().replace('"', ""), *sorted(attribute.strip().lower() for attribute in attributes)]


def _differing_bodies(theirs: bytes, ours: bytes) -> set[str]:
    if theirs == ours:
        return set()
    try:
        documents = json.loads(theirs), json.loads(ours)
    except ValueError:
        return {"body"}
    if all(isinstance(d, dict) and d.keys() == {"message"} and d["message"] for d in documents):
        return {"message"}
    if all(isinstance(d, dict) and d.keys() & {"swagger", "openapi"} for d in documents):
        return _differing_descriptions(*documents)
    return {"body"}


def _differing_descriptions(theirs: dict[str, Any], ours: dict[str, Any]) -> set[str]:
    """What differs between two descriptions of the API, apart from the order of their fields."""
    parts = set()
    for part, keys in {
        "wording": {"description"},
        "keys": {"security", "securityDefinitions", "securitySchemes"},
    }.items():
        theirs, their_part = _take_out(theirs, keys)
        ours, our_part = _take_out(ours, keys)
        parts |= {part} if their_part != our_part else set()
    return parts | ({"body"} if theirs != ours else set())


def _take_out(document: Any, keys: set[str]) -> tuple[Any, list[Any]]:
    """The document without these keys, and what stood there."""
    taken: list[Any] = []

    def rest(value: Any) -> Any:
        if isinstance(value, list):
            return [rest(item) for item in value]
        if not isinstance(value, dict):
            return value
        taken.extend(value[key] for key in sorted(keys & value.keys()))
        return {key: rest(item) for key, item in sorted(value.items()) if key not in keys}

    return rest(document), taken
