"""The host's admin pages, all but ``ping`` for the master key only.

Sources: Azure/azure-functions-host, ``HostController``, ``FunctionsController``, ``KeysController``. That names of keys
are compared without regard to case is general knowledge.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from urllib.parse import unquote

from local_azure.functions_host.bindings.http import HttpRequest, HttpResponse
from local_azure.functions_host.host_view import NOT_RUNNING, HostView, json_response, offered_key
from local_azure.functions_host.keys import EVERY_FUNCTION, EXTENSIONS, Scope, one_function

_HOST_SCOPES = {"keys": EVERY_FUNCTION, "functionkeys": EVERY_FUNCTION, "systemkeys": EXTENSIONS}
_MASTER = "_master"


class AdminPages:
    """Everything below ``/admin/``."""

    def __init__(self, host: HostView) -> None:
        self._host = host

    def answer(self, request: HttpRequest) -> HttpResponse:
        base_url = f"{request.scheme}://{request.host}"
        pages: dict[tuple[str, ...], Callable[[], HttpResponse]] = {
            ("GET", "host", "ping"): lambda: HttpResponse(200),
            ("POST", "host", "ping"): lambda: HttpResponse(200),
            ("GET", "host", "status"): lambda: json_response(self._host.status()),
            ("POST", "host", "synctriggers"): lambda: json_response({"status": "success"}),
            ("GET", "functions"): lambda: json_response(self._host.describe_functions(base_url)),
        }
        steps = [unquote(step) for step in request.path.split("/")[2:] if step]
        lower = [step.lower() for step in steps]
        if lower[:2] != ["host", "ping"] and not self._host.keys.opens("admin", None, offered_key(request)):
            return HttpResponse(401)
        page = pages.get((request.method, *lower))
        if page is not None:
            return page()
        match lower:
            case ["host", scope, *_] if scope in _HOST_SCOPES:
                return self._keys(request, _HOST_SCOPES[scope], steps[2:])
            case ["functions", _, "keys", *_]:
                return self._function_keys(request, steps[1], steps[3:])
            case ["functions", _, *_]:
                return self._function(request, base_url, steps[1], lower[2:])
        return HttpResponse(404)

    # -- functions

    def _function(self, request: HttpRequest, base_url: str, name: str, rest: list[str]) -> HttpResponse:
        described = {each["name"].lower(): each for each in self._host.describe_functions(base_url)}
        if name.lower() not in described:
            return HttpResponse(404)
        if request.method == "GET" and not rest:
            return json_response(described[name.lower()])
        if request.method == "GET" and rest == ["status"]:
            errors = self._host.function_errors(name)
            return json_response({"errors": errors} if errors else {})
        if request.method == "POST" and not rest:
            return self._run_manually(request, name)
        return HttpResponse(404)

    def _run_manually(self, request: HttpRequest, name: str) -> HttpResponse:
        try:
            document = json.loads(request.body or b"{}")
        except ValueError:
            return HttpResponse(400)
        if not self._host.wait_until_available():
            return NOT_RUNNING
        trigger = next((each for key, each in self._host.triggers().items() if key.lower() == name.lower()), None)
        if trigger is None:
            return HttpResponse(404)
        text = document.get("input") or "" if isinstance(document, dict) else ""
        threading.Thread(target=trigger.run_manually, args=(str(text),), daemon=True).start()
        return HttpResponse(202)

    # -- keys

    def _function_keys(self, request: HttpRequest, function: str, rest: list[str]) -> HttpResponse:
        if not self._host.has_function(function):
            return HttpResponse(404)
        return self._keys(request, one_function(function), rest)

    def _keys(self, request: HttpRequest, scope: Scope, rest: list[str]) -> HttpResponse:
        if self._host.key_store is None:
            return HttpResponse(500)  # the real host throws as it looks for the storage of its keys
        if len(rest) > 1:
            return HttpResponse(404)
        if not rest:
            if request.method != "GET":
                return HttpResponse(405)
            listed = [{"name": name, "value": value} for name, value in self._host.keys.of(scope).items()]
            return json_response({"keys": listed, "links": _links(request)})
        change = {"GET": self._get, "PUT": self._put, "POST": self._post, "DELETE": self._delete}.get(request.method)
        return HttpResponse(405) if change is None else change(request, scope, rest[0])

    def _get(self, request: HttpRequest, scope: Scope, name: str) -> HttpResponse:
        keys = dict(self._host.keys.of(scope))
        if scope == EXTENSIONS:
            keys[_MASTER] = self._host.keys.master
        found = next((each for each in keys if each.lower() == name.lower()), None)
        return HttpResponse(404) if found is None else _key(request, 200, found, keys[found])

    def _put(self, request: HttpRequest, scope: Scope, name: str) -> HttpResponse:
        try:
            document = json.loads(request.body or b"{}")
        except ValueError:
            document = None
        value = document.get("value") if isinstance(document, dict) else None
        if not isinstance(value, str):
            return _bad_request("Invalid key value")
        return self._set(request, scope, name, value)

    def _post(self, request: HttpRequest, scope: Scope, name: str) -> HttpResponse:
        return self._set(request, scope, name, None)

    def _set(self, request: HttpRequest, scope: Scope, name: str, value: str | None) -> HttpResponse:
        store = self._host.key_store
        assert store is not None
        if name.lower() == _MASTER and scope in _HOST_SCOPES.values():
            kept, created = store.put_master(value), value is None
        else:
            kept, created = store.put(scope, name, value)
        self._host.log.hide([kept])
        return _key(request, 201 if created else 200, name, kept)

    def _delete(self, _request: HttpRequest, scope: Scope, name: str) -> HttpResponse:
        store = self._host.key_store
        assert store is not None
        if name.startswith("_"):
            return _bad_request("Invalid key name.")
        return HttpResponse(204 if store.delete(scope, name) else 404)


def _key(request: HttpRequest, status: int, name: str, value: str) -> HttpResponse:
    return json_response({"name": name, "value": value, "links": _links(request)}, status)


def _links(request: HttpRequest) -> list[dict[str, str]]:
    return [{"rel": "self", "href": f"{request.scheme}://{request.host}{request.path}"}]


def _bad_request(text: str) -> HttpResponse:
    return HttpResponse(400, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())
