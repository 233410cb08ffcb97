"""Microsoft Graph, as far as az asks it who a principal is: ``az role assignment`` does.

There are service principals only, and neither users nor groups. Source: Microsoft Graph docs, "List servicePrincipals",
"directoryObject: getByIds", "Microsoft Graph error responses"; what az asks: azure-cli, command_modules/role.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from aiohttp import web

from local_azure.directory import Directory, Principal

HOST = "graph.microsoft.com"
_NAMED = re.compile(r"servicePrincipalNames/any\((\w+):\1 eq '([^']*)'\)", re.IGNORECASE)
_log = logging.getLogger(__name__)


def answer(request: web.Request, body: bytes, directory: Directory) -> web.Response:
    """Answer one request.

    Args:
        request: of a client that is signed in.
        body: of the request.
        directory: whom there is.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or directory.principal(token) is None:
        return _error(401, "InvalidAuthenticationToken", "Access token is empty.")
    method, path = request.method, request.path.lower()
    known = {each.id: _describe(each) for each in directory.principals()}
    if (method, path) == ("GET", "/v1.0/serviceprincipals"):
        named = _NAMED.fullmatch(request.query.get("$filter", ""))
        return _list([each for each in known.values() if named is None or named[2] in each["servicePrincipalNames"]])
    if method == "GET" and path in ("/v1.0/users", "/v1.0/groups"):
        return _list([])
    if (method, path) == ("POST", "/v1.0/directoryobjects/getbyids"):
        try:
            wanted = list(json.loads(body)["ids"])
        except (ValueError, KeyError, TypeError):
            return _error(400, "BadRequest", "Unable to read JSON request payload.")
        return _list([known[each] for each in wanted if each in known])
    _log.warning("no operation for %s %s of Microsoft Graph", method, request.path)
    text = f"Resource not found for the segment '{request.path.rsplit('/', 1)[-1]}'."
    return _error(404, "BadRequest", text)


def _describe(principal: Principal) -> dict[str, Any]:
    return {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": principal.id,
        "appId": principal.application,
        "displayName": principal.name,
        "servicePrincipalNames": [principal.application],
        "servicePrincipalType": "ManagedIdentity",
    }


def _list(found: list[dict[str, Any]]) -> web.Response:
    return web.json_response({"value": found})


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
