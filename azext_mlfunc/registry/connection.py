"""Requests to one repository: dxf sends them and answers challenges; here are addresses, time limits and failures.

dxf does not sign in without TLS, nor for more than one repository, so its hook for that is ours (authorization.py).
Its `_base_request`, which is what all of its own methods call, sends what dxf has no method for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from azure.cli.core.util import get_az_user_agent, should_disable_connection_verify
from dxf import DXF
from dxf.exceptions import DXFUnauthorizedError

from azext_mlfunc.registry import errors
from azext_mlfunc.registry.authorization import Authorizer
from azext_mlfunc.registry.credentials import CredentialSource
from azext_mlfunc.registry.loopback import is_loopback
from azext_mlfunc.registry.reference import DOCKER_HUB

_HUB_API = "registry-1.docker.io"
# Seconds to connect, which also is what one block of a body may take to be sent; and to wait for an answer: a
# registry reads a big blob once more before it says that it has it.
_TIMEOUT = (30, 600)
_PROBE_TIMEOUT = 5
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"


class Wire:
    """One repository over HTTP, from any number of threads: each has an HTTP session of its own.

    :param host: the registry; `docker.io` for Docker Hub.
    :param repository: the repository in it.
    :param source: where credentials are found once the registry asks for them.
    """

    def __init__(self, host: str, repository: str, source: CredentialSource) -> None:
        self.host = host
        self.repository = repository
        self._api = _HUB_API if host == DOCKER_HUB else host
        self._authorizer = Authorizer(host, repository, source)
        self._lock = threading.Lock()
        self._scheme = ""
        self._has_answered = False
        self._mine = threading.local()
        self._sessions: list[requests.Session] = []

    @property
    def place(self) -> errors.Place:
        """What errors say of it."""
        return self._authorizer.place

    def scopes(self, action: str, *others: str) -> tuple[str, ...]:
        """What a token must allow: `pull` or `push` here, and to pull from other repositories of the registry."""
        actions = "pull,push" if action == "push" else "pull"
        return (f"repository:{self.repository}:{actions}", *(f"repository:{other}:pull" for other in others))

    def address(self, path: str) -> str:
        """The address of `manifests/…` or `blobs/…` in this repository."""
        return f"{self._base()}/v2/{self.repository}/{path}"

    def location(self, response: requests.Response) -> str:
        """Where an answer's Location header points to, absolute.

        A registry behind a proxy that ends TLS often believes that it has none: the scheme stays the one that we use.

        :raises azure.cli.core.azclierror.AzureResponseError: there is none, or it is another server's without TLS.
        """
        given = response.headers.get("Location")
        if not given:
            raise errors.unexpected(self.place, "an upload without a Location", "a Location header")
        parts = urlsplit(urljoin(response.url, given))
        if parts.netloc == self._api:
            parts = parts._replace(scheme=urlsplit(self._base()).scheme)
        if parts.scheme != "https" and not is_loopback(parts.netloc):
            raise errors.unexpected(self.place, f"an upload to {parts.netloc}, without TLS", "https")
        return urlunsplit(parts)

    def request(
        self,
        doing: str,
        method: str,
        address: str,
        *,
        expect: tuple[int, ...],
        action: str = "pull",
        scopes: tuple[str, ...] | None = None,
        **more: Any,
    ) -> requests.Response:
        """Send a request, and sign in first or again where the registry wants it.

        :param doing: what for, as an error says it: `to push layer sha256:…`.
        :param expect: the answers' status codes that are returned; any other raises.
        :param action: `pull` or `push`.
        :param scopes: what a token must allow, where it is more than that action.
        :param more: as `requests` takes it.
        :raises Transient: no answer, or one that may be another the next time.
        :raises azure.cli.core.azclierror.AzCLIError: the registry refuses.
        """

        def send(connection: Any) -> Any:
            if urlsplit(address).netloc != self._api:
                # Another server's upload address: our credentials are none of its business.
                return connection.session.request(method, address, **connection.options, **more)
            return connection._base_request(method, address, **more)

        scopes = scopes or self.scopes(action)
        response: requests.Response = self.guarded(doing, send, action=action, scopes=scopes, expect=expect)
        if response.status_code not in expect:
            raise self._failure(doing, action, response)
        return response

    def guarded(
        self,
        doing: str,
        send: Callable[[Any], Any],
        *,
        action: str,
        scopes: tuple[str, ...],
        expect: tuple[int, ...] = (),
    ) -> Any:
        """Let `send` use this thread's dxf client, and turn its failures into ours; the parameters are as above.

        :returns: what `send` does, or the answer whose status code is expected, if that is why it failed.
        """
        connection = self._connection(scopes)
        try:
            result = send(connection)
        except requests.HTTPError as problem:
            result = problem.response
            if result.status_code not in expect:
                raise self._failure(doing, action, result) from None
        except DXFUnauthorizedError:
            # Not `from` it: nothing in it, or in what the HTTP library raises, is fit for a user's eyes.
            if self._authorizer.has_token:
                raise errors.denied(self.place, doing, action) from None
            raise errors.unauthorized(self.place, doing) from None
        except requests.RequestException as problem:
            error = errors.unreachable(self.place, doing, problem)
            # A name that never answered is wrong more often than it is slow.
            raise (errors.Transient(error) if self._has_answered else error) from None
        self._has_answered = True
        return result

    def close(self) -> None:
        """Close all threads' connections; they open again when they are used."""
        with self._lock:
            for session in self._sessions:
                session.close()

    def _failure(self, doing: str, action: str, response: requests.Response) -> Exception:
        self._has_answered = True
        error = errors.refused(self.place, doing, action, response)
        response.close()
        if response.status_code == 429 or (response.status_code >= 500 and response.status_code != 507):
            return errors.Transient(error, _seconds(response.headers.get("Retry-After", "")))
        return error

    def _base(self) -> str:
        with self._lock:
            self._scheme = self._scheme or _scheme(self._api)
        return f"{self._scheme}://{self._api}"

    def _connection(self, scopes: tuple[str, ...]) -> _Connection:
        known: dict[tuple[str, ...], _Connection] = self._mine.__dict__.setdefault("connections", {})
        if scopes not in known:
            session: requests.Session = self._mine.__dict__.setdefault("session", _session())
            with self._lock:
                if session not in self._sessions:
                    self._sessions.append(session)
            known[scopes] = _Connection(self._base(), self.repository, session, self._authorizer, scopes)
        return known[scopes]


class _Connection(DXF):  # type: ignore[misc]  # dxf is only partly typed: it is Any here
    """dxf's client of one repository, with a session, and with the shared answers to challenges."""

    def __init__(
        self, base: str, repository: str, session: requests.Session, authorizer: Authorizer, scopes: tuple[str, ...]
    ) -> None:
        scheme, host = base.split("://")
        verify = not should_disable_connection_verify()
        super().__init__(host, repository, auth=_answer, insecure=scheme == "http", tlsverify=verify, timeout=None)
        self.session = session
        self.proxies = {"no_proxy": urlsplit(base).hostname or ""} if is_loopback(host) else {}
        self.options = {"timeout": _TIMEOUT, "verify": verify, "proxies": self.proxies}
        self.authorizer = authorizer
        self.scopes = scopes
        self._timeout: Any = _TIMEOUT
        self._sessions.insert(0, session)

    def _base_request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        # What another thread has learnt since.
        header = self.authorizer.header(self.scopes)
        self._headers = {"Authorization": header} if header else {}
        response: requests.Response = super()._base_request(method, path, proxies=self.proxies, **kwargs)
        return response


def _answer(connection: Any, response: requests.Response) -> None:
    """dxf's hook for a 401: it sends the request again when the headers have changed."""
    rejected = connection._headers.get("Authorization")
    response.close()
    header = connection.authorizer.answer(connection.scopes, rejected, response, connection.session, connection.options)
    connection._headers = {"Authorization": header}


def _session() -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = get_az_user_agent()
    # Without any, requests would put what it finds in ~/.netrc in place of our header.
    session.auth = lambda request: request
    return session


def _scheme(host: str) -> str:
    """`https`, but `http` for a registry on this machine that does not speak TLS."""
    if not is_loopback(host):
        return "https"
    try:
        requests.get(
            f"https://{host}/v2/",
            timeout=_PROBE_TIMEOUT,
            allow_redirects=False,
            verify=not should_disable_connection_verify(),
            proxies={"no_proxy": urlsplit(f"//{host}").hostname or ""},
        ).close()
    except requests.exceptions.SSLError as problem:
        # It speaks TLS, with a certificate that is not trusted: the first request will say so.
        return "https" if _UNTRUSTED in str(problem) else "http"
    except requests.RequestException:
        return "http"
    return "https"


def _seconds(retry_after: str) -> float:
    """The Retry-After header in seconds, not more than a minute; its form as a date is not used by registries."""
    return min(float(retry_after), 60.0) if retry_after.isdecimal() else 0.0
