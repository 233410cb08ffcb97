"""How a registry learns who is asking: its challenge is answered with a password, or with a token for the right scope.

Source: Docker Registry, "Token Authentication Specification" and "OAuth2 Token Authentication"; RFC 7617 for basic.
The challenge is read by www_authenticate, which dxf brings.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from azext_mlfunc.registry import errors
from azext_mlfunc.registry.credentials import Credentials, CredentialSource
from azext_mlfunc.registry.loopback import is_loopback

_CLIENT = "az-ml-func"


class Authorizer:
    """The `Authorization` headers for one repository, shared by all threads; a token is fetched once for all.

    :param host: the registry as the user calls it: `docker.io`, not where its API is.
    :param repository: the repository, for errors.
    :param source: is asked for credentials when the registry first wants some.
    """

    def __init__(self, host: str, repository: str, source: CredentialSource) -> None:
        self._host = host
        self._repository = repository
        self._source = source
        self._lock = threading.Lock()
        self._headers: dict[tuple[str, ...], str] = {}
        self._found: Credentials | None = None
        self._is_searched = False
        self.has_token = False
        """Whether a token endpoint took our credentials: then a 401 says that they do not reach far enough."""

    @property
    def place(self) -> errors.Place:
        """The repository, and what must not be said about it."""
        found, secrets = self._found, [header.partition(" ")[2] for header in self._headers.values()]
        if found is None:
            return errors.Place(self._host, self._repository, None, tuple(secrets))
        return errors.Place(self._host, self._repository, found.origin, (found.secret.reveal(), *secrets))

    def header(self, scopes: tuple[str, ...]) -> str | None:
        """The header that was last good for these scopes."""
        return self._headers.get(scopes)

    def answer(self, scopes: tuple[str, ...], rejected: str | None, response: Any, session: Any, options: Any) -> str:
        """The header to try after a 401.

        :param scopes: what it is for, each `repository:NAME:ACTIONS`; the challenge's own are added.
        :param rejected: the header that the registry did not take, if there was one.
        :param response: the 401.
        :param session: where to ask for a token.
        :param options: for each request: its time limits, certificates and proxies.
        :raises azure.cli.core.azclierror.AzCLIError: the credentials are refused.
        :raises Transient: the token's server did not answer.
        """
        with self._lock:
            known = self._headers.get(scopes)
            if known is None or known == rejected:
                self._headers[scopes] = known = self._fetch(scopes, response, session, options)
            return known

    def _fetch(self, scopes: tuple[str, ...], response: Any, session: Any, options: Any) -> str:
        import www_authenticate

        # From earlier, credentials may have expired: then the source is asked once more.
        may_be_stale = self._is_searched
        if not self._is_searched:
            self._search()
        try:
            challenges = www_authenticate.parse(response.headers.get("WWW-Authenticate", ""))
        except ValueError:
            challenges = {}
        bearer = challenges.get("bearer")
        if isinstance(bearer, dict) and "realm" in bearer:
            token = self._token(scopes, bearer, session, options, may_be_stale)
            self.has_token = self._found is not None
            return f"Bearer {token}"
        found = self._found
        if "basic" in challenges and (found is None or found.username is not None):
            if found is None:
                raise errors.unauthorized(self.place, "a login")
            return f"Basic {_basic(found)}"
        wanted = ", ".join(challenges) or "nothing that could be read"
        raise errors.unexpected(
            self.place, f"it asks for a login by {wanted}", "Bearer, or Basic with a user's name and password"
        )

    def _search(self) -> None:
        self._found = self._source.find(self._host)
        self._is_searched = True

    def _token(
        self, scopes: tuple[str, ...], challenge: dict[str, str], session: Any, options: Any, may_be_stale: bool
    ) -> str:
        realm = challenge["realm"]
        address = urlsplit(realm)
        if address.scheme != "https" and not (
            address.scheme == "http" and is_loopback(address.netloc) and is_loopback(self._host)
        ):
            raise errors.unexpected(self.place, f"it asks for a login at {realm}, which has no TLS", "https://…")
        response = self._ask(realm, challenge, scopes, session, options)
        if response.status_code == 401 and may_be_stale:
            self._search()
            response = self._ask(realm, challenge, scopes, session, options)
        doing = f"a token for {', '.join(scopes)}"
        if response.status_code == 429 or response.status_code >= 500:
            raise errors.Transient(errors.refused(self.place, doing, "pull", response))
        if response.status_code != 200:
            action = "push" if any("push" in scope for scope in scopes) else "pull"
            raise errors.refused(self.place, doing, action, response)
        try:
            answer = response.json()
            token = answer.get("access_token") or answer["token"]
        except (ValueError, KeyError, AttributeError):
            raise errors.unexpected(self.place, "an answer without a token", "a token in JSON") from None
        return str(token)

    def _ask(
        self, realm: str, challenge: dict[str, str], scopes: tuple[str, ...], session: Any, options: dict[str, Any]
    ) -> Any:
        import requests

        service = challenge.get("service", "")
        wanted = merged_scopes([*scopes, *challenge.get("scope", "").split()])
        found = self._found
        try:
            if found is not None and found.username is None:
                form = {
                    "grant_type": "refresh_token",
                    "client_id": _CLIENT,
                    "service": service,
                    "scope": " ".join(wanted),
                    "refresh_token": found.secret.reveal(),
                }
                return session.post(realm, data=form, **options)
            headers = {"Authorization": f"Basic {_basic(found)}"} if found else {}
            query = [("service", service), *(("scope", scope) for scope in wanted)]
            return session.get(realm, params=query, headers=headers, **options)
        except requests.RequestException as problem:
            raise errors.Transient(errors.unreachable(self.place, "a login", problem)) from None


def merged_scopes(scopes: Iterable[str]) -> list[str]:
    """One scope for each resource, with all actions that any of them has, always in the same order."""
    actions: dict[str, set[str]] = {}
    for scope in scopes:
        resource, _, listed = scope.rpartition(":")
        actions.setdefault(resource, set()).update(listed.split(","))
    return [f"{resource}:{','.join(sorted(listed))}" for resource, listed in sorted(actions.items())]


def _basic(credentials: Credentials) -> str:
    return base64.b64encode(f"{credentials.username}:{credentials.secret.reveal()}".encode()).decode()
