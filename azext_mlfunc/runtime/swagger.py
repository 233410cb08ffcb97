"""The description of the API at `/swagger.json`: the user's own file, else one made from run()'s schema.

Paths, operation ids and schemas are those of Azure ML's server, so that clients generated from either fit
both (source: azureml-inference-server-http, server/swagger.py). The keys are those of Azure Functions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .settings import Settings
from .user_script import is_schema_decorated

_HEALTH = "Tells whether the service is up: the answer is 'Healthy'."
_SCORE = "Runs the model on the input and answers with its prediction."
_SPECIFICATION = "Gets this description of the service."
_FAILURE = "The request failed; the message says why."
_KEY = {"Key": {"type": "apiKey", "name": "x-functions-key", "in": "header", "description": "A function key."}}
_ERROR_SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}}

_Schema = Mapping[str, Any]


class UnknownVersion(LookupError):
    """There is no description of that version; the message lists those there are."""


@dataclass(frozen=True)
class _Version:
    """One version of the specification.

    :param names: what it is asked for by.
    :param files: the user's own descriptions, below the app's root; the first that there is counts.
    :param build: makes one from settings, input schema and output schema.
    """

    names: tuple[str, ...]
    files: tuple[str, ...]
    build: Callable[[Settings, _Schema, _Schema], dict[str, Any]]


def describe(version: str, run: Callable[..., Any], settings: Settings) -> dict[str, Any]:
    """The description of the API.

    :param version: of the specification: 2, 2.0, 3, 3.0 or 3.1.
    :param run: the script's function.
    :param settings: name, version and path prefix of the service; the app's root.
    :raises UnknownVersion: there is none of that version, or run()'s types cannot be described in it.
    :raises ValueError: the user's own file is not JSON.
    """
    wanted = next((each for each in _VERSIONS if version in each.names), None)
    if wanted is None or not _supports(wanted, run, settings):
        known = [name for each in _VERSIONS if _supports(each, run, settings) for name in each.names]
        raise UnknownVersion(
            f"There is no version {version!r} of this description; there is: {', '.join(known) or 'none'}."
        )
    return _users_own(wanted, settings.app_root) or wanted.build(settings, *_schemas(run))


def _supports(version: _Version, run: Callable[..., Any], settings: Settings) -> bool:
    """Whether there is a file, or run()'s types can be described: version 2 has no lists of mixed types."""
    if _users_own(version, settings.app_root):
        return True
    if not is_schema_decorated(run):
        return True
    return not set(version.names).isdisjoint(_inference_schema().get_supported_versions(run))


def _users_own(version: _Version, app_root: Path) -> dict[str, Any] | None:
    for path in (app_root / name for name in version.files):
        if path.is_file():
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if document:
                return document
    return None


def _schemas(run: Callable[..., Any]) -> tuple[_Schema, _Schema]:
    """The schemas of run()'s input and output."""
    if is_schema_decorated(run):
        return _inference_schema().get_input_schema(run), _inference_schema().get_output_schema(run)
    return {"type": "object", "example": {}}, {"type": "object", "example": {}}


def _inference_schema() -> Any:
    """The script's own copy of that package's schema_util; it is there, or run() would not be decorated."""
    return sys.modules["inference_schema.schema_util"]


def _info(settings: Settings) -> dict[str, Any]:
    return {
        "title": settings.service_name,
        "description": f"Scores with the model of {settings.service_name}.",
        "version": settings.service_version,
    }


def _build_2(settings: Settings, service_input: _Schema, service_output: _Schema) -> dict[str, Any]:
    """Swagger 2.0."""

    def responses(schema: _Schema, **more: Any) -> dict[str, Any]:
        failure = {"description": _FAILURE, "schema": {"$ref": "#/definitions/ErrorResponse"}}
        return {"200": {"description": "The answer.", "schema": schema, **more}, "default": failure}

    prefix, is_open = settings.service_path_prefix, settings.auth_level == "anonymous"
    security: dict[str, Any] = {} if is_open else {"security": [{"Key": []}]}
    version = {"name": "version", "in": "query", "required": False, "type": "integer", "enum": [2, 3]}
    payload = {
        "name": "serviceInputPayload",
        "in": "body",
        "description": "The input of the model.",
        "schema": {"$ref": "#/definitions/ServiceInput"},
    }
    return {
        "swagger": "2.0",
        "info": _info(settings),
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        **({} if is_open else {"securityDefinitions": _KEY}),
        "paths": {
            f"{prefix}/": {
                "get": {
                    "operationId": "ServiceHealthCheck",
                    "description": _HEALTH,
                    **security,
                    "responses": responses({"type": "string"}, examples={"application/json": "Healthy"}),
                }
            },
            f"{prefix}/score": {
                "post": {
                    "operationId": "RunMLService",
                    "description": _SCORE,
                    **security,
                    "parameters": [payload],
                    "responses": responses({"$ref": "#/definitions/ServiceOutput"}),
                }
            },
            f"{prefix}/swagger.json": {
                "get": {
                    "operationId": "GetSwaggerSpec",
                    "description": _SPECIFICATION,
                    **security,
                    "parameters": [version],
                    "responses": responses({"type": "string"}),
                }
            },
        },
        "definitions": {
            "ServiceInput": service_input,
            "ServiceOutput": service_output,
            "ErrorResponse": _ERROR_SCHEMA,
        },
    }


def _build_3(settings: Settings, service_input: _Schema, service_output: _Schema) -> dict[str, Any]:
    """OpenAPI 3.0."""

    def content(kind: str, schema: _Schema) -> dict[str, Any]:
        return {kind: {"schema": schema}}

    def responses(kind: str, schema: _Schema) -> dict[str, Any]:
        error = content("application/json", {"$ref": "#/components/schemas/ErrorResponse"})
        return {
            "200": {"description": "The answer.", "content": content(kind, schema)},
            "default": {"description": _FAILURE, "content": error},
        }

    def schema(name: str) -> _Schema:
        return {"$ref": f"#/components/schemas/{name}"}

    prefix, is_open = settings.service_path_prefix, settings.auth_level == "anonymous"
    version = {
        "name": "version",
        "in": "query",
        "required": False,
        "schema": {"type": "integer", "enum": [2, 3]},
    }
    payload = {
        "description": "The input of the model.",
        "content": content("application/json", schema("ServiceInput")),
    }
    return {
        "openapi": "3.0.3",
        "info": _info(settings),
        **({} if is_open else {"security": [{"Key": []}]}),
        "paths": {
            f"{prefix}/": {
                "get": {
                    "operationId": "ServiceHealthCheck",
                    "description": _HEALTH,
                    "responses": responses("text/plain", {"type": "string", "example": "Healthy"}),
                }
            },
            f"{prefix}/score": {
                "post": {
                    "operationId": "RunMLService",
                    "description": _SCORE,
                    "requestBody": payload,
                    "responses": responses("application/json", schema("ServiceOutput")),
                }
            },
            f"{prefix}/swagger.json": {
                "get": {
                    "operationId": "GetSwaggerSpec",
                    "description": _SPECIFICATION,
                    "parameters": [version],
                    "responses": responses("text/plain", {"type": "string"}),
                }
            },
        },
        "components": {
            "schemas": {
                "ServiceInput": service_input,
                "ServiceOutput": service_output,
                "ErrorResponse": _ERROR_SCHEMA,
            },
            **({} if is_open else {"securitySchemes": _KEY}),
        },
    }


def _build_3_1(settings: Settings, service_input: _Schema, service_output: _Schema) -> dict[str, Any]:
    """OpenAPI 3.1: the same document."""
    return {**_build_3(settings, service_input, service_output), "openapi": "3.1.0"}


_VERSIONS = (
    _Version(("2", "2.0"), ("swagger.json", "swagger2.json"), _build_2),
    _Version(("3", "3.0"), ("swagger3.json",), _build_3),
    _Version(("3.1",), ("swagger3.1.json",), _build_3_1),
)
