"""Who answers a request: a function, the home page or an admin page.

Sources: Azure/azure-functions-host, ``HomepageMiddleware``, ``HostAvailabilityCheckMiddleware``,
``FunctionInvocationMiddleware``.
"""

from __future__ import annotations

import traceback

from local_azure.functions_host.admin import AdminPages
from local_azure.functions_host.bindings.http import HttpRequest, HttpResponse, HttpTrigger
from local_azure.functions_host.errors import HostError
from local_azure.functions_host.host_view import NOT_RUNNING, HostView, offered_key

HOME_PAGE = b"<!DOCTYPE html><html><body><h1>Your Functions app is up and running</h1></body></html>"


class Router:
    """Decides who answers a request."""

    def __init__(self, host: HostView) -> None:
        self._host = host
        self._admin = AdminPages(host)

    def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to any request; a fault of the host itself is logged and becomes a 500."""
        try:
            return self._answer(request)
        except HostError:
            return NOT_RUNNING
        except Exception:
            self._host.log.error("Host.Http", f"{request.method} {request.path}\n{traceback.format_exc()}".rstrip())
            return HttpResponse(500)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.path.lower().startswith("/admin/"):
            return self._admin.answer(request)
        if not self._host.wait_until_available():
            return NOT_RUNNING
        routed = self._route(request)
        if routed is not None:
            trigger, values = routed
            return trigger.respond(request, values) if self._may_call(trigger, request) else HttpResponse(401)
        if request.path == "/":
            return (
                HttpResponse(200, (("Content-Type", "text/html"),), HOME_PAGE)
                if self._host.home_page
                else HttpResponse(204)
            )
        return HttpResponse(404)

    def _may_call(self, trigger: HttpTrigger, request: HttpRequest) -> bool:
        if trigger.auth_level != "anonymous" and self._host.key_store is None:
            return False  # without storage there are no keys
        return self._host.keys.opens(trigger.auth_level, trigger.function.name, offered_key(request))

    def _route(self, request: HttpRequest) -> tuple[HttpTrigger, dict[str, str]] | None:
        http = [trigger for trigger in self._host.triggers().values() if isinstance(trigger, HttpTrigger)]
        for trigger in sorted(http, key=lambda each: each.route.precedence):
            if request.method in trigger.methods:
                values = trigger.route.match(request.path)
                if values is not None:
                    return trigger, values
        return None
