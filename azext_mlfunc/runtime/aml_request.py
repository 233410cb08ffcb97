"""The request that a raw entry script gets, and the decorator with which it asks for it.

Entry scripts import both from `azureml.contrib.services.aml_request` or from
`azureml_inference_server_http.api.aml_request`; `aliases.py` leads those names here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from werkzeug.wrappers import Request

_Function = TypeVar("_Function", bound=Callable[..., Any])

_raw_requested = False


def rawhttp(function: _Function) -> _Function:
    """Ask for the whole request: decorates run(), which then gets an `AMLRequest` as its first argument.

    The function itself stays as it is. As in Azure ML, the decorator counts wherever it is used, so that a
    driver module may carry it.
    """
    global _raw_requested
    _raw_requested = True
    return function


def raw_requested() -> bool:
    """Whether `rawhttp` was used in this process."""
    return _raw_requested


class AMLRequest(Request):
    """A request as run() sees it: werkzeug's `Request`, of which Flask's (that of Azure ML) is a subclass."""

    body: bytes
    """The whole body, whatever its content type and however much of the stream was read."""


def make_request(method: str, url: str, headers: Mapping[str, str], body: bytes) -> AMLRequest:
    """Make the request out of its parts, by way of a WSGI environment (PEP 3333).

    That way header names read in title case ("Content-Type"), as they do under Azure ML's server, although
    the Functions host sends them in lower case.

    :param method: in upper case.
    :param url: absolute and percent-encoded, as the host gives it.
    :param headers: by name, in any case.
    :param body: the whole body.
    """
    parts = urlsplit(url)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
        "QUERY_STRING": parts.query.encode().decode("latin-1"),
        "SERVER_NAME": parts.hostname or "localhost",
        "SERVER_PORT": str(parts.port or (443 if parts.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": parts.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    if body or "CONTENT_LENGTH" in environ:
        environ["CONTENT_LENGTH"] = str(len(body))
    request = AMLRequest(environ)
    request.body = body
    return request
