"""The HTTP trigger: the paths of Azure ML's own scoring server, at the root of the function app.

Sources: Azure Functions documentation, functions-bindings-http-webhook-trigger (authLevel, route, methods).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azext_mlfunc.findings import Finding
from azext_mlfunc.triggers.base import Trigger, option

if TYPE_CHECKING:
    from azext_mlfunc.probing.prober import ProbeOptions, Prober
    from azext_mlfunc.probing.target import Target
    from azext_mlfunc.probing.test import Tools

AUTH_LEVELS = ("anonymous", "function", "admin")
# All of them reach the runtime, so that it answers 405 to what Azure ML answers 405 to.
_METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


@dataclass(frozen=True)
class HttpTrigger(Trigger):
    """One function that answers every path, as Azure ML's scoring server does: `/`, `/score`, `/swagger.json`."""

    name = "http"
    script = "http.py"
    connection = None

    auth_level: str = option(
        default="function",
        choices=AUTH_LEVELS,
        help="HTTP trigger: the key that a caller needs; with 'anonymous', none.",
    )

    def check(self) -> Iterator[Finding]:
        if self.auth_level not in AUTH_LEVELS:
            yield Finding(
                "--auth-level",
                f"'{self.auth_level}'",
                f"one of {', '.join(AUTH_LEVELS)}",
                "choose one of them",
            )

    def prober(self, target: Target, options: ProbeOptions, tools: Tools) -> Prober:
        from azext_mlfunc.probing.http import HttpProber

        return HttpProber(target, self, options)

    def bindings(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "httpTrigger",
                "direction": "in",
                "name": "request",
                "authLevel": self.auth_level,
                "methods": list(_METHODS),
                "route": "{*path}",
            },
            {"type": "http", "direction": "out", "name": "$return"},
        ]
