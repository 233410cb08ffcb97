"""Where tokens are given: ``/oauth2/exchange`` and ``/oauth2/token``.

Source: Azure/acr, docs/AAD-OAuth.md and docs/Token-BasicAuth.md; recorded, test_acr_login_expose_token.yaml and
test_container_registry_client…test_get_repository_properties.json. Refusals were not recorded. That they are 401 is a
message of az ("Access to registry … was denied. Response code: 401", Azure/acr#164); their body, and the 400 for a form
that makes no sense, are general knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from aiohttp import web

from local_azure.container_registry.access import parse
from local_azure.container_registry.answers import Refused, answer, unauthorized, unsupported
from local_azure.container_registry.callers import Caller, Callers, basic
from local_azure.container_registry.tokens import Tokens

_LARGEST_FORM = 1 << 20
Form = Mapping[str, Sequence[str]]


class TokenEndpoint:
    """Gives tokens to callers.

    Args:
        callers: finds out who asks.
        tokens: makes the tokens.
    """

    def __init__(self, callers: Callers, tokens: Tokens) -> None:
        self._callers = callers
        self._tokens = tokens

    async def handle(self, registry: str, request: web.Request) -> web.Response | None:
        """Answer a request; None: it is not for here.

        Raises:
            Refused: no token is given.
        """
        if request.path not in ("/oauth2/exchange", "/oauth2/token"):
            return None
        if request.method == "POST":
            form = await _form(request)
            if request.path == "/oauth2/exchange":
                return answer({"refresh_token": self._exchange(registry, request, form)})
            caller = self._of_form(registry, form)
        elif request.method == "GET" and request.path == "/oauth2/token":
            form = {"scope": request.query.getall("scope", [])}
            caller = self._of_header(registry, request)
        else:
            raise unsupported()
        if caller is None:
            raise unauthorized(request.host, ())
        return answer({"access_token": self._access_token(registry, caller, form)})

    def _exchange(self, registry: str, request: web.Request, form: Form) -> str:
        """A refresh token for whoever has an access token of Microsoft Entra ID, and any right here."""
        if _one(form, "grant_type") != "access_token":
            raise _senseless("grant_type must be access_token")
        principal = self._callers.with_aad_token(registry, _one(form, "access_token"))
        if principal is None or not principal.has_any_right():
            raise unauthorized(request.host, ())
        return self._tokens.refresh(registry, principal.name)

    def _of_form(self, registry: str, form: Form) -> Caller | None:
        kind = _one(form, "grant_type")
        if kind == "refresh_token":
            return self._callers.with_refresh_token(registry, _one(form, "refresh_token"))
        if kind != "password":
            raise _senseless("grant_type must be refresh_token or password")
        user = _one(form, "username")
        if not user:
            return self._callers.anonymous(registry)
        return self._callers.with_password(registry, user, _one(form, "password"))

    def _of_header(self, registry: str, request: web.Request) -> Caller | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return self._callers.anonymous(registry)
        credentials = basic(header)
        return self._callers.with_password(registry, *credentials) if credentials else None

    def _access_token(self, registry: str, caller: Caller, form: Form) -> str:
        """A token for what the caller may do of the scopes that are asked for; the rest is left out."""
        granted = [caller.granted(scope) for scope in parse(form.get("scope", ()))]
        return self._tokens.access(registry, caller.name, [each for each in granted if each.actions], caller.lifetime)


async def _form(request: web.Request) -> Form:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise _senseless("the form is too large")
    return parse_qs(body.decode(errors="replace"))


def _one(form: Form, name: str) -> str:
    return (form.get(name) or ("",))[0]


def _senseless(reason: str) -> Refused:
    return Refused(400, "UNSUPPORTED", reason)
