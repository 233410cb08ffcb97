"""Events over HTTP: a request to the scoring URI with a key of the app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from azext_mlfunc.probing.event import Event, NoAnswer, Output, ProbeFailed, shown
from azext_mlfunc.probing.prober import ProbeOptions, Prober
from azext_mlfunc.probing.target import Target

if TYPE_CHECKING:
    from azext_mlfunc.triggers.http import HttpTrigger

_KEY_HEADER = "x-functions-key"
_TOLD = ("content-type", "x-ms-run-function-failed", "x-ms-run-fn-exec-ms", "x-request-id", "x-ms-request-id")
"""The headers of an answer that are worth telling: Azure ML's own. Source: azureml-inference-server-http."""


class HttpProber(Prober):
    """Requests to an app.

    :param target: the app.
    :param trigger: its trigger.
    :param options: path, method, headers.
    """

    waits_for = "the answer to the request"

    def __init__(self, target: Target, trigger: HttpTrigger, options: ProbeOptions) -> None:
        self._target = target
        self._trigger = trigger
        self._options = options
        self._session: Any = None
        self._request: Any = None
        self._sending: dict[str, Any] = {}
        self._key: str | None = None

    @property
    def url(self) -> str:
        """Where events go."""
        return f"{self._target.url}/{self._options.path.lstrip('/')}"

    def open(self) -> None:
        import requests
        from azure.cli.core.util import should_disable_connection_verify
        from requests.adapters import HTTPAdapter

        self._session = requests.Session()
        self._session.mount(self._target.url, HTTPAdapter(pool_maxsize=max(10, self._options.concurrency)))
        self._session.auth = lambda request: request  # nothing of ~/.netrc
        verify = False if should_disable_connection_verify() else None  # None: as the environment says
        # Asked once, and not for each request: that takes as long as a request itself.
        self._sending = self._session.merge_environment_settings(self.url, {}, False, verify, None)
        self._request = self._session.prepare_request(
            requests.Request(self._options.method, self.url, headers=dict(self._options.headers))
        )
        if self._trigger.auth_level != "anonymous":
            self._key = self._target.place.key(self._trigger.auth_level)

    def probe(self, event: Event, timeout: float) -> Output:
        import requests

        request = self._request.copy()
        request.prepare_body(event.data, None)
        request.headers.setdefault("Content-Type", self._options.content_type or event.content_type)
        if self._key:
            request.headers.setdefault(_KEY_HEADER, self._key)
        started = time.monotonic()
        try:
            answer = self._session.send(request, timeout=timeout, allow_redirects=False, **self._sending)
        except requests.Timeout as problem:
            raise NoAnswer(f"{self.url} did not answer within {timeout:g} s") from problem
        except requests.RequestException as problem:
            raise NoAnswer(f"{self.url} could not be reached ({type(problem).__name__})") from problem
        details = {
            "status": answer.status_code,
            "headers": {name: answer.headers[name] for name in _TOLD if name in answer.headers},
        }
        output = Output(answer.content, time.monotonic() - started, details)
        if answer.status_code >= 400:
            raise ProbeFailed(f"{self.url} answered {answer.status_code}: {_brief(answer.content)}", output)
        return output

    def close(self) -> None:
        if self._session is not None:
            self._session.close()


def _brief(data: bytes) -> str:
    text = str(shown(data))
    return text if len(text) <= 500 else f"{text[:500]}…"
