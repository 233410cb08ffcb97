"""What the host's pages ask of the host."""

from __future__ import annotations

import json
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from local_azure.functions_host.bindings.base import Trigger
from local_azure.functions_host.bindings.http import HttpRequest, HttpResponse
from local_azure.functions_host.keys import Keys, KeyStore
from local_azure.functions_host.log import HostLog

KEY_HEADER = "x-functions-key"
KEY_QUERY = "code"
NOT_RUNNING = HttpResponse(503, (("Content-Type", "text/plain"),), b"Function host is not running.")


class HostView(Protocol):
    """The host as its pages see it."""

    home_page: bool

    @property
    def log(self) -> HostLog: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def key_store(self) -> KeyStore | None:
        """Where the keys can be changed; None: the app has no storage for its keys."""
        ...

    def wait_until_available(self) -> bool:
        """Wait while the host starts; False when it cannot serve functions."""
        ...

    def triggers(self) -> dict[str, Trigger]:
        """By function name."""
        ...

    def has_function(self, name: str) -> bool:
        """Whether the app has files of a function of that name, of which it may be able to use none."""
        ...

    def status(self) -> dict[str, Any]: ...

    def describe_functions(self, base_url: str) -> list[dict[str, Any]]: ...

    def function_errors(self, name: str) -> list[str]: ...


def offered_key(request: HttpRequest) -> str | None:
    """The key that comes with a request."""
    header = next((value for name, value in request.headers if name.lower() == KEY_HEADER), None)
    if header is not None:
        return header
    return parse_qs(urlsplit(request.target).query).get(KEY_QUERY, [None])[0]


def json_response(document: Any, status: int = 200) -> HttpResponse:
    """A document as an answer."""
    return HttpResponse(status, (("Content-Type", "application/json; charset=utf-8"),), json.dumps(document).encode())
