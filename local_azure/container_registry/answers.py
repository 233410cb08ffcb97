"""Answers as a registry of Azure gives them: JSON with a line end, and the one envelope of errors.

Headers and texts of errors: recorded, test_container_registry_client…test_delete_*_does_not_exist.json,
…test_get_manifest_properties_does_not_exist.json, test_acr_login_expose_token.yaml.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import aiohttp
from aiohttp import web

from local_azure.container_registry.access import Access

JSON = "application/json; charset=utf-8"
_CLIENT_GONE = 499  # nobody reads it; nginx logs such requests so


def headers() -> dict[str, str]:
    """What every answer of the registry carries."""
    return {
        "Access-Control-Expose-Headers": "Docker-Content-Digest, WWW-Authenticate, Link, X-Ms-Correlation-Request-Id",
        "Docker-Distribution-Api-Version": "registry/2.0",
        "Server": "openresty",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-Ms-Correlation-Request-Id": str(uuid.uuid4()),
    }


def answer(document: Any, status: int = 200, more: Mapping[str, str] | None = None) -> web.Response:
    """A document in JSON; None for an empty answer."""
    all_headers = {**headers(), **(more or {})}
    if document is None:
        return web.Response(status=status, headers=all_headers)
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    return web.Response(body=body, status=status, headers={"Content-Type": JSON, **all_headers})


def page_not_found() -> web.Response:
    """For a path that is no path of the API. Recorded: …test_get_tag_properties_does_not_exist.json."""
    return web.Response(
        text="404 page not found\n", status=404, headers=headers(), content_type="text/plain", charset="utf-8"
    )


class Refused(Exception):
    """A request that the registry refuses.

    Args:
        status: of HTTP.
        code: of the OCI Distribution Specification 1.1, "Error Codes".
        message: for people.
        detail: left out if it is not given; may be None.
        more: headers.
    """

    def __init__(
        self, status: int, code: str, message: str, more: Mapping[str, str] | None = None, **detail: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"code": code, "message": message, **detail}
        self.headers = dict(more or {})

    def response(self) -> web.Response:
        """The answer that says so."""
        return answer({"errors": [self.error]}, self.status, self.headers)


async def guarded(answering: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    """An answer, also where it is a refusal, the backend does not answer, or nobody waits for it any longer."""
    try:
        return await answering
    except Refused as problem:
        return problem.response()
    except aiohttp.ClientError:
        # General knowledge.
        return Refused(503, "UNAVAILABLE", "The registry is not available. Try again later.").response()
    except ConnectionError:
        return web.Response(status=_CLIENT_GONE)


def unauthorized(host: str, wanted: Sequence[Access], error: str = "") -> Refused:
    """The challenge: who are you, for what is wanted?

    Args:
        host: the registry, as the client calls it.
        wanted: what the request needs; nothing at ``/v2/``.
        error: ``invalid_token`` or ``insufficient_scope``, of a token that was not enough.
    """
    challenge = f'Bearer realm="https://{host}/oauth2/token",service="{host}"'
    if wanted:
        challenge += f',scope="{" ".join(map(str, wanted))}"'
    if error:
        challenge += f',error="{error}"'
    detail = [
        {"Type": each.type, "Name": each.name, "Action": action} for each in wanted for action in each.actions
    ] or None
    message = "authentication required, visit https://aka.ms/acr/authorization for more information."
    return Refused(401, "UNAUTHORIZED", message, {"WWW-Authenticate": challenge}, detail=detail)


def name_unknown(repository: str) -> Refused:
    return Refused(404, "NAME_UNKNOWN", "repository name not known to registry", detail={"name": repository})


def tag_unknown() -> Refused:
    """Where Azure's own API is asked for a tag."""
    return Refused(404, "TAG_UNKNOWN", "the specified tag does not exist")


def manifest_unknown() -> Refused:
    """Where Azure's own API is asked for a manifest."""
    return Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")


def manifest_not_found(reference: str) -> Refused:
    """Where the Docker API is asked for a manifest, by digest (recorded) or tag (quoted in many public texts)."""
    if ":" in reference:
        return Refused(404, "MANIFEST_UNKNOWN", f"manifest {reference} is not found")
    message = f'manifest tagged by "{reference}" is not found'
    return Refused(404, "MANIFEST_UNKNOWN", message, detail={"Tag": reference})


def unsupported() -> Refused:
    """For a method that a path has none of. General knowledge: az reads a 405 as "not supported"."""
    return Refused(405, "UNSUPPORTED", "The operation is unsupported.")
