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
        self._connections: Any = None
        self._sent_to = ""
        self._headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Where events go."""
        return f"{self._target.url}/{self._options.path.lstrip('/')}"

    def open(self) -> None:
        import requests
        from azure.cli.core.util import should_disable_connection_verify
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.auth = lambda request: request  # nothing of ~/.netrc
        request = session.prepare_request(
            requests.Request(self._options.method, self.url, headers=dict(self._options.headers))
        )
        verify = False if should_disable_connection_verify() else None  # None: as the environment says
        settings = session.merge_environment_settings(self.url, {}, False, verify, None)
        # What requests works out for a URL is the same for all events, and takes as long as one: it is asked once.
        adapter = HTTPAdapter(pool_maxsize=max(10, self._options.concurrency))
        self._connections = adapter.get_connection_with_tls_context(request, settings["verify"], settings["proxies"])
        self._sent_to = adapter.request_url(request, settings["proxies"])
        self._headers = {name: str(text) for name, text in request.headers.items() if name != "Content-Length"}
        if self._trigger.auth_level != "anonymous":
            key = self._target.place.key(self._trigger.auth_level)
            if key and not any(name.lower() == _KEY_HEADER for name in self._headers):
                self._headers[_KEY_HEADER] = key

    def probe(self, event: Event, timeout: float) -> Output:
        from urllib3.exceptions import ConnectTimeoutError, HTTPError, ReadTimeoutError

        kind = self._options.content_type or event.content_type
        started = time.monotonic()
        try:
            answer = self._connections.urlopen(
                self._options.method,
                self._sent_to,
                body=event.data,
                headers={"Content-Type": kind, **self._headers},
                timeout=timeout,
                retries=False,
                redirect=False,
                assert_same_host=False,
            )
        except (ConnectTimeoutError, ReadTimeoutError) as problem:
            raise NoAnswer(f"{self.url} did not answer within {timeout:g} s") from problem
        except HTTPError as problem:
            raise NoAnswer(f"{self.url} could not be reached ({type(problem).__name__})") from problem
        headers = {name: answer.headers[name] for name in _TOLD if name in answer.headers}
        output = Output(answer.data, time.monotonic() - started, {"status": answer.status, "headers": headers})
        if answer.status >= 400:
            raise ProbeFailed(f"{self.url} answered {answer.status}: {_brief(answer.data)}", output)
        return output

    def close(self) -> None:
        if self._connections is not None:
            self._connections.close()


def _brief(data: bytes) -> str:
    text = str(shown(data))
    return text if len(text) <= 500 else f"{text[:500]}…"
