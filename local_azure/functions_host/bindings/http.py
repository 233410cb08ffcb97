"""The HTTP trigger: from a request to the function and back.

Sources: Azure/azure-functions-host, ``GrpcMessageConversionExtensions.ToRpcHttp`` (what the worker is given) and
``HttpBinding`` (how its answer becomes a response); Azure Functions docs: functions-bindings-http-webhook-trigger.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from local_azure.functions_host.bindings.base import Services, TriggerEvent, system_metadata
from local_azure.functions_host.configuration import HTTP_METHODS, FunctionDefinition
from local_azure.functions_host.errors import FunctionError
from local_azure.functions_host.keys import AUTH_LEVELS
from local_azure.functions_host.routes import compile_route
from local_azure.functions_host.worker.values import Value
from local_azure.functions_host.worker_supervisor import InvocationResult


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came; ``body`` is None when none was announced by a Content-Length above 0."""

    method: str
    target: str  # path and query, percent-encoded
    host: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def scheme(self) -> str:
        """What the client spoke to whoever forwarded the request (``AppServiceHeaderFixupMiddleware``)."""
        forwarded = next((value for name, value in self.headers if name.lower() == "x-forwarded-proto"), "")
        return forwarded.split(",")[0].strip() or "http"


@dataclass(frozen=True)
class HttpResponse:
    """An answer; header names may repeat (cookies)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class HttpTrigger:
    """Answers the requests of one function; the server asks it which ones those are."""

    binding_type: ClassVar[str] = "httpTrigger"

    def __init__(self, function: FunctionDefinition, services: Services) -> None:
        binding = function.trigger
        self.function = function
        self._services = services
        self._parameter = binding.name
        self.auth_level = str(binding.properties.get("authLevel") or "function").lower()
        if self.auth_level not in AUTH_LEVELS:
            raise FunctionError(f"'{self.auth_level}' is not an authLevel; expected one of {', '.join(AUTH_LEVELS)}.")
        self.methods = {method.upper() for method in binding.properties.get("methods") or HTTP_METHODS}
        template = binding.properties.get("route")
        self.route_template = function.name if template is None else str(template)
        prefix = services.configuration.route_prefix
        self.full_template = "/".join(part for part in (prefix, self.route_template) if part)
        self.route = compile_route(prefix, self.route_template)
        self._output = next((each.name for each in function.outputs if each.type.lower() == "http"), None)

    @property
    def binding_data_names(self) -> set[str]:
        return set(self.route.pattern.groupindex)

    def start(self) -> None:
        """The server listens for all HTTP functions."""

    def stop(self) -> None:
        """The server listens for all HTTP functions."""

    def run_manually(self, text: str) -> None:
        request = HttpRequest("POST", f"/{self.route_template}", "localhost", (), text.encode() or None)
        self.respond(request, {})

    def respond(self, request: HttpRequest, route_values: dict[str, str]) -> HttpResponse:
        """Call the function; an exception in it becomes a 500 with an empty body."""
        event = TriggerEvent(
            value=("http", self._to_worker(request, route_values)),
            metadata=system_metadata(self.function),
            binding_data=route_values,
            reason="This function was programmatically called via the host APIs.",
        )
        result = self._services.invoke(self.function, event)
        if not result.succeeded:
            return HttpResponse(500)
        return _response(self._answer(result))

    def _answer(self, result: InvocationResult) -> Value:
        if self._output is None or self._output == "$return":
            return result.returned
        return (result.outputs or {}).get(self._output)

    @staticmethod
    def _to_worker(request: HttpRequest, route_values: dict[str, str]) -> dict[str, Any]:
        headers: dict[str, str] = {}
        for name, text in request.headers:
            key = name.lower()
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        return {
            "method": request.method,
            "url": f"{request.scheme}://{request.host}{request.target}",
            "headers": headers,
            "query": _query(urlsplit(request.target).query),
            "params": route_values,
            "body": ("bytes", request.body) if request.body else None,
        }


def _query(text: str) -> dict[str, str]:
    """Query values by name (names are case-insensitive): repeated ones comma-joined, empty ones left out."""
    names: dict[str, str] = {}
    joined: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        name = names.setdefault(name.lower(), name)
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return {name: value for name, value in joined.items() if value}


def _response(answer: Value) -> HttpResponse:
    if answer is None:
        return HttpResponse(204)
    kind, content = answer
    if kind == "http":
        return _from_http(content)
    if kind == "string":
        return _from_text(content)
    if kind == "bytes":
        return HttpResponse(200, (("Content-Type", "application/octet-stream"),), content)
    return HttpResponse(200, (("Content-Type", "application/json; charset=utf-8"),), str(content).encode())


def _from_http(content: dict[str, Any]) -> HttpResponse:
    headers = [*content["headers"].items(), *(("Set-Cookie", _cookie(cookie)) for cookie in content["cookies"])]
    body = content["body"]
    return HttpResponse(int(content["status"]), tuple(headers), b"" if body is None else _body_bytes(body))


def _body_bytes(body: tuple[str, Any]) -> bytes:
    return body[1] if body[0] == "bytes" else str(body[1]).encode()


def _from_text(text: str) -> HttpResponse:
    """A bare text answer: a JSON object with a body or a status is taken for a response, as the host does."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return HttpResponse(200, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())
    known = {key.lower(): value for key, value in document.items()}
    if not known.keys() & {"body", "status", "statuscode", "headers"}:
        return HttpResponse(200, (("Content-Type", "application/json; charset=utf-8"),), text.encode())
    body = known.get("body", "")
    headers = {str(name): str(value) for name, value in (known.get("headers") or {}).items()}
    plain = isinstance(body, str)
    headers.setdefault("Content-Type", "text/plain; charset=utf-8" if plain else "application/json; charset=utf-8")
    status = int(known.get("status", known.get("statuscode", 200)))
    return HttpResponse(status, tuple(headers.items()), (body if plain else json.dumps(body)).encode())


def _cookie(cookie: dict[str, Any]) -> str:
    jar: SimpleCookie = SimpleCookie()
    jar[cookie["name"]] = cookie["value"]
    morsel: Morsel[str] = jar[cookie["name"]]
    expires = cookie["expires"]
    attributes = {
        "domain": cookie["domain"],
        "path": cookie["path"] or "/",
        "expires": expires and expires.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "max-age": None if cookie["max_age"] is None else int(cookie["max_age"]),
        "secure": cookie["secure"],
        "httponly": cookie["http_only"],
        "samesite": cookie["same_site"],
    }
    for name, value in attributes.items():
        if value not in (None, "", False):
            morsel[name] = value
    return morsel.OutputString()
