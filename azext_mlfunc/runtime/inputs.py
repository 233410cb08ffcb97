"""The three ways from a request to the arguments of run(); `user_script.py` finds out which one to take.

Source: azureml-inference-server-http, server/input_parsers.py; Azure ML documentation,
how-to-deploy-advanced-entry-script.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from .aml_request import AMLRequest


class BadInput(ValueError):
    """The request holds no input for run(); the message says why. HTTP: 400."""


class MethodNotAllowed(ValueError):
    """Only GET and POST carry input. HTTP: 405, and 200 for OPTIONS."""


class Input(Protocol):
    """One way to read a request."""

    def read(self, request: AMLRequest) -> dict[str, Any]:
        """The arguments for run(), by name, without `request_headers`.

        :raises BadInput: there is no input in it.
        :raises MethodNotAllowed: its method carries none.
        """


@dataclass(frozen=True)
class TextInput:
    """For an undecorated run(): its first parameter gets the body as text, or the query as JSON text.

    :param parameter: the parameter's name.
    :param key_in_query: whether a caller may give the Functions key in the query; see `read_query`.
    """

    parameter: str
    key_in_query: bool = True

    def read(self, request: AMLRequest) -> dict[str, Any]:
        if request.method == "POST":
            try:
                return {self.parameter: request.body.decode("utf-8")}
            except UnicodeDecodeError as error:
                raise BadInput(f"The body is not UTF-8 text: {error}.") from None
        if request.method == "GET":
            return {self.parameter: json.dumps(read_query(request, self.key_in_query))}
        raise MethodNotAllowed(request.method)


@dataclass(frozen=True)
class ObjectInput:
    """For a run() with @input_schema: each parameter gets the field of its name, of a JSON object or a query.

    :param parameters: those of run(), with their defaults.
    :param key_in_query: as for `TextInput`.
    """

    parameters: Sequence[inspect.Parameter]
    key_in_query: bool = True

    def read(self, request: AMLRequest) -> dict[str, Any]:
        if request.method == "POST":
            fields = _read_object(request.body)
        elif request.method == "GET":
            fields = read_query(request, self.key_in_query)
        else:
            raise MethodNotAllowed(request.method)
        arguments = {p.name: fields.get(p.name, p.default) for p in self.parameters}
        missing = [name for name, value in arguments.items() if value is inspect.Parameter.empty]
        if missing:
            raise BadInput(f"The input has no value for: {', '.join(missing)}.")
        return arguments


@dataclass(frozen=True)
class RawInput:
    """For a run() with @rawhttp: its first parameter gets the request, whatever the method.

    :param parameter: the parameter's name.
    """

    parameter: str

    def read(self, request: AMLRequest) -> dict[str, Any]:
        return {self.parameter: request}


def read_query(request: AMLRequest, key_in_query: bool) -> dict[str, Any]:
    """The query's values: read as JSON where they are JSON, else as text; several of one name are a list.

    :param key_in_query: leave out `code`, which is the Functions key and not the script's, unless the caller
        gave that key in the header `x-functions-key` (Azure Functions documentation,
        functions-bindings-http-webhook-trigger, "Authorization scopes").
    """
    values = {
        name: [_json_or_text(value) for value in request.args.getlist(name)]
        for name in request.args
        if not (name == "code" and key_in_query and "x-functions-key" not in request.headers)
    }
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read_object(body: bytes) -> dict[str, Any]:
    if not body:
        raise BadInput("The body is empty; expected a JSON object.")
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BadInput(f"The body is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise BadInput("The body is JSON, but not a JSON object.")
    return value
