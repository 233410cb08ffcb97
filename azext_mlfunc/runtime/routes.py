"""The paths of Azure ML's scoring server: `/`, `/score`, `/swagger.json`, and its answers to everything else.

Sources: azureml-inference-server-http, server/routes.py and server/create_app.py; Azure ML documentation,
how-to-inference-server-http ("Request flow", "Server routes").
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from werkzeug import exceptions

from .aml_request import AMLRequest
from .aml_response import RUN_FAILED
from .inputs import BadInput, MethodNotAllowed, ObjectInput
from .scoring import Answer, RunFailed, Scorer, json_answer
from .settings import Settings
from .swagger import UnknownVersion, describe

_LONGEST_ID = 100
_HTML = "text/html; charset=utf-8"

logger = logging.getLogger("mlfunc")


@dataclass(frozen=True)
class _Page:
    """One path: what answers it, and the methods that it answers."""

    answer: Callable[[AMLRequest], Answer]
    methods: frozenset[str]


class Routes:
    """Answers HTTP requests.

    :param settings: for the API description.
    :param scorer: for `/score`.
    """

    def __init__(self, settings: Settings, scorer: Scorer) -> None:
        self._settings = settings
        self._scorer = scorer
        readable = frozenset({"GET", "HEAD", "OPTIONS"})
        self._pages = {
            "/": _Page(_health, readable),
            "/score": _Page(self._score, readable | {"POST"}),
            "/swagger.json": _Page(self._swagger, readable),
        }

    def respond(self, request: AMLRequest) -> Answer:
        """Answer one request; nothing is raised."""
        page = self._pages.get(request.path)
        if page is None:
            answer = _error(404, exceptions.NotFound.description)
        elif request.method not in page.methods:
            answer = _error(405, exceptions.MethodNotAllowed.description)
        else:
            answer = _answer_with_ids(page, request)
        return Answer(answer.status, answer.headers, b"") if request.method == "HEAD" else answer

    def _score(self, request: AMLRequest) -> Answer:
        is_object = isinstance(self._scorer.script.input, ObjectInput)
        if is_object and request.method == "POST" and not request.is_json:
            return _error(415, f"The content type is {request.mimetype!r}; expected application/json.")
        try:
            return self._scorer.score(request)
        except BadInput as error:
            return _error(400, str(error))
        except MethodNotAllowed:
            if request.method == "OPTIONS":
                return Answer(200, [("Content-Type", _HTML), (RUN_FAILED, "False")], b"")
            return _error(405, exceptions.MethodNotAllowed.description)
        except RunFailed:
            message = "An unexpected error occurred in scoring script. Check the logs for more info."
            return _error(500, message, run_failed=True)

    def _swagger(self, request: AMLRequest) -> Answer:
        if request.method == "OPTIONS":
            return _options()
        try:
            document = describe(request.args.get("version", "2"), self._scorer.script.run, self._settings)
        except UnknownVersion as error:
            return _error(404, str(error))
        return json_answer(200, document)


def _health(request: AMLRequest) -> Answer:
    if request.method == "OPTIONS":
        return _options()
    return Answer(200, [("Content-Type", _HTML)], b"Healthy")


def _options() -> Answer:
    return Answer(200, [("Content-Type", _HTML), ("Allow", "GET, HEAD, OPTIONS")], b"")


def _error(status: int, message: str | None, *, run_failed: bool = False) -> Answer:
    return json_answer(status, {"message": message}, run_failed=run_failed)


def _answer_with_ids(page: _Page, request: AMLRequest) -> Answer:
    """The page's answer with the request's ids on it; 431 instead where one is too long."""
    ids, refusal = _read_ids(request)
    if refusal:
        answer = _error(431, refusal)
    else:
        try:
            answer = page.answer(request)
        except Exception:
            logger.exception("%s %s could not be answered.", request.method, request.path)
            answer = _error(500, "An unexpected internal error occurred. Check the logs for more info.")
    headers = [(name, value) for name, value in answer.headers if name.lower() not in ids]
    headers += ids.items()
    trace_id = request.environ.get("HTTP_TRACEID")
    if trace_id is not None:
        headers.append(("TraceId", trace_id))
    return Answer(answer.status, headers, answer.body)


def _read_ids(request: AMLRequest) -> tuple[dict[str, str], str | None]:
    """The ids that the answer echoes, and why the request is refused if one is too long.

    `x-ms-request-id` is the older name of `x-ms-client-request-id`: each stands in for the other in its own way.
    """
    given = request.environ
    request_id = given.get("HTTP_X_REQUEST_ID")
    if request_id is None:
        request_id = str(uuid.uuid4())
    if len(request_id) > _LONGEST_ID:
        return {}, f"x-request-id is longer than {_LONGEST_ID} characters."
    older = given.get("HTTP_X_MS_REQUEST_ID", "")
    client = given.get("HTTP_X_MS_CLIENT_REQUEST_ID", "") or older
    older = older or client or request_id
    ids, refusal = {"x-request-id": request_id}, None
    if max(len(older), len(client)) > _LONGEST_ID:
        refusal = f"x-ms-request-id or x-ms-client-request-id is longer than {_LONGEST_ID} characters."
    else:
        ids |= {"x-ms-request-id": older, "x-ms-client-request-id": client}
    return {name: value for name, value in ids.items() if value}, refusal
