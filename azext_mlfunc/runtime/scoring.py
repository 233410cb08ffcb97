"""The scoring core: one request in, one answer out, whatever the trigger.

Sources: azureml-inference-server-http, server/routes.py and server/user_script.py.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Response

from .aml_request import AMLRequest
from .aml_response import RUN_FAILED
from .user_script import UserScript, describe_error

logger = logging.getLogger("mlfunc")


# What a script may raise. SystemExit too: it would end the worker process, and with it the requests of others.
SCRIPT_ERRORS = (Exception, SystemExit)


class RunFailed(Exception):
    """run() raised, or the stream that it returned did; that exception is the cause of this one."""


@dataclass(frozen=True)
class Answer:
    """What a scoring request is answered with.

    :param status: the HTTP status.
    :param headers: the headers, repeated ones one by one.
    :param body: the body.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Scorer:
    """Calls run(), never more often at once than it is allowed to.

    :param script: the loaded script.
    :param concurrent_runs: how many calls may be under way at once; Azure ML's server makes one at a time in
        a process.
    """

    def __init__(self, script: UserScript, concurrent_runs: int) -> None:
        self.script = script
        self._turns = threading.BoundedSemaphore(concurrent_runs)

    def score(self, request: AMLRequest) -> Answer:
        """Score one request.

        :raises inputs.BadInput: it holds no input for run().
        :raises inputs.MethodNotAllowed: its method carries none.
        :raises RunFailed: run() raised, or the stream that it returned did.
        :raises Exception: what run() returned cannot be made into an answer.
        """
        arguments = self.script.input.read(request)
        if self.script.wants_headers:
            arguments["request_headers"] = dict(request.headers)
        with self._turns:
            started = time.perf_counter()
            try:
                result = self.script.run(**arguments)
            except SCRIPT_ERRORS as error:
                raise _failed(error) from error
            elapsed_ms = (time.perf_counter() - started) * 1000
            # Within the turn, because the body of a streaming response is the script's code too.
            answer = _answer(result, request)
        answer.headers.append(("x-ms-run-fn-exec-ms", f"{elapsed_ms:.3f}"))
        return answer


def json_answer(status: int, value: Any, *, run_failed: bool = False) -> Answer:
    """An answer whose body is `value` as JSON.

    :raises TypeError, ValueError: JSON cannot write it.
    """
    headers = [("Content-Type", "application/json"), (RUN_FAILED, str(run_failed))]
    return Answer(status, headers, json.dumps(value).encode())


def _answer(result: Any, request: AMLRequest) -> Answer:
    """The answer that run()'s result stands for: a response is one itself, all else is written as JSON."""
    if not isinstance(result, Response):
        return json_answer(200, {} if result is None else result)
    if result.status_code >= 500:
        result.headers[RUN_FAILED] = "True"
    # As a WSGI server would take it: streams are read to their end, closed, and left unread where there is no body.
    chunks, _, headers = result.get_wsgi_response(request.environ)
    try:
        body = b"".join(chunks)
    except SCRIPT_ERRORS as error:
        raise _failed(error) from error
    finally:
        close = getattr(chunks, "close", None)
        if close:
            close()
    return Answer(result.status_code, headers, body)


def _failed(error: BaseException) -> RunFailed:
    logger.error("run() failed.", exc_info=error)
    return RunFailed(f"run() raised {describe_error(error)}")
