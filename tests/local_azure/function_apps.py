"""Small function apps for the tests, and a plain HTTP client."""

from __future__ import annotations

import http.client
import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_azure.functions_host import FunctionsHost

Binding = dict[str, Any]
StartHost = Callable[..., FunctionsHost]  # (app, settings=None, **options): started, and stopped after the test


def http_trigger(route: str | None = None, **more: Any) -> list[Binding]:
    """The bindings of an HTTP function; the parameter is called `request`."""
    trigger = {"type": "httpTrigger", "direction": "in", "name": "request", "authLevel": "anonymous", **more}
    if route is not None:
        trigger["route"] = route
    return [trigger, {"type": "http", "direction": "out", "name": "$return"}]


def blob_trigger(path: str = "input/{name}.{extension}", output: str | None = "output/{name}.out") -> list[Binding]:
    """The bindings of a blob function; its parameters are `input` and `output`."""
    connection = {"connection": "Trigger"}
    trigger: Binding = {"type": "blobTrigger", "direction": "in", "name": "input", "dataType": "binary", "path": path}
    written: Binding = {"type": "blob", "direction": "out", "name": "output", "path": output}
    return [trigger | connection, *([written | connection] if output else [])]


def queue_trigger(queue: str = "inqueue", output: str | None = "outqueue") -> list[Binding]:
    """The bindings of a Service Bus function; its parameters are `input` and `output`."""
    connection = {"connection": "Trigger"}
    trigger: Binding = {"type": "serviceBusTrigger", "direction": "in", "name": "input", "dataType": "binary"}
    written: Binding = {"type": "serviceBus", "direction": "out", "name": "output", "queueName": output}
    return [trigger | connection | {"queueName": queue}, *([written | connection] if output else [])]


@dataclass
class FunctionApp:
    """A function app in a folder."""

    folder: Path
    host: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}, **self.host}
        (self.folder / "host.json").write_text(json.dumps(document))

    def add(self, name: str, bindings: Iterable[Binding], code: str) -> FunctionApp:
        """Add a function whose entry point is `main` of `code`."""
        directory = self.folder / name
        directory.mkdir()
        (directory / "function.json").write_text(json.dumps({"bindings": list(bindings)}))
        imports = "import azure.functions as func\n"
        (directory / "__init__.py").write_text(imports + textwrap.dedent(code))
        return self


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    host: FunctionsHost | str,
    target: str = "/",
    method: str = "GET",
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60,
    **options: Any,
) -> Answer:
    """One request, to a host or its URL, on a connection of its own; no status raises."""
    url = host if isinstance(host, str) else host.url
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=dict(headers or {}), **options)
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()
