"""What a registry's refusals and silences become: az errors that say what was found and what to do.

None holds a secret: what the registry said is shortened and blanked, and what the HTTP library says is never quoted, as
it quotes addresses, and those of redirected downloads are signed.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_MAX_SAID = 300
_PULL, _PUSH = "pull", "push"


class Transient(Exception):
    """Something failed that may succeed when it is tried again.

    :param error: what to raise when it did not.
    :param wait: how long the registry asks to wait, in seconds.
    """

    def __init__(self, error: Exception, wait: float = 0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait


@dataclass(frozen=True)
class Place:
    """Which repository it is about, and with whose credentials.

    :param host: the registry.
    :param repository: the repository.
    :param origin: where the credentials came from, or None when there are none.
    :param secrets: what must not be repeated.
    """

    host: str
    repository: str
    origin: str | None = None
    secrets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.host}/{self.repository}"

    @property
    def login(self) -> str:
        """The command that signs in."""
        name, dot, rest = self.host.partition(".")
        return f"az acr login --name {name}" if dot and rest.startswith("azurecr.") else f"docker login {self.host}"

    def blank(self, text: str) -> str:
        """The text without secrets, on one line and short."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        text = " ".join(text.split())
        return text if len(text) <= _MAX_SAID else f"{text[:_MAX_SAID]}…"


def codes(response: Any) -> set[str]:
    """The error codes in a registry's answer (OCI Distribution Specification 1.1, "Error Codes")."""
    return {str(error.get("code", "")) for error in _errors(response)}


def unauthorized(place: Place, doing: str, said: str = "") -> Exception:
    """The registry does not know us."""
    from azure.cli.core.azclierror import UnauthorizedError

    answer = f" It said: {place.blank(said)}" if said else ""
    if place.origin is None:
        found = f"{place.host} wants a login for {doing}, and no credentials for it were found.{answer}"
    else:
        found = f"{place.host} refused the credentials {place.origin}, for {doing}.{answer}"
    return _made(
        UnauthorizedError(
            found,
            recommendation=[
                f"Sign in with `{place.login}`, and run the same command again.",
                "Its credentials are looked for in your own identity (`az login`, Azure Container Registry only), "
                "then in Docker's configuration.",
            ],
        )
    )


def denied(place: Place, doing: str, action: str, said: str = "") -> Exception:
    """The registry knows us, and does not let us.

    :param action: the right that is missing, `pull` or `push`.
    """
    from azure.cli.core.azclierror import ForbiddenError

    answer = f" It said: {place.blank(said)}" if said else ""
    whose = f"the credentials {place.origin}" if place.origin else "nobody who has not signed in"
    verb = "do not allow" if place.origin else "is allowed"
    roles = {_PULL: "AcrPull", _PUSH: "AcrPush"}
    return _made(
        ForbiddenError(
            f"{place.host} denied {doing}: {whose} {verb} to {action} in {place.repository}.{answer}",
            recommendation=[
                f"Get the right to {action} (in Azure Container Registry the role {roles[action]}),"
                f" or sign in as somebody who has it: `{place.login}`."
            ],
        )
    )


def refused(place: Place, doing: str, action: str, response: Any) -> Exception:
    """The error for an answer that is none of those expected."""
    from azure.cli.core import azclierror

    status, said = response.status_code, place.blank(_said(response))
    if status == 401:
        return unauthorized(place, doing, said)
    if status == 403:
        return denied(place, doing, action, said)
    if status == 404:
        return _made(
            azclierror.ResourceNotFoundError(
                f"{place.host} has not what was asked for, {doing}: {said}",
                recommendation=f"Check the name {place}, its tag or digest, and that you may read it: registries also "
                f"answer so where a login is missing (`{place.login}`).",
            )
        )
    if status in (413, 507) or "no space left" in said.lower():
        return _made(
            azclierror.AzureResponseError(
                f"{place.host} has no room for it, {doing}: HTTP {status}, {said}",
                recommendation="Delete images there that nobody needs, raise its quota or the size limit of the proxy "
                "before it, and run the same command again: what it already has is not sent again.",
            )
        )
    return _made(
        azclierror.AzureResponseError(
            f"{place.host} failed, {doing}: HTTP {status}, {said}",
            recommendation="Run the same command again later: what the registry already has is not sent again. If it "
            "goes on, ask who runs the registry.",
        )
    )


def unexpected(place: Place, found: str, expected: str) -> Exception:
    """The registry's answer is not what the specification promises."""
    from azure.cli.core.azclierror import AzureResponseError

    return _made(
        AzureResponseError(
            f"{place.host} answered wrongly for {place.repository}: {found}; expected {expected}.",
            recommendation="Run the same command again. If it goes on, ask who runs the registry, or the proxy before "
            "it, which may change answers.",
        )
    )


def unreachable(place: Place, doing: str, problem: BaseException) -> Exception:
    """No answer: the name is not known, nobody listens, the connection broke, or its certificate is not trusted."""
    from azure.cli.core.azclierror import AzureConnectionError

    return _made(
        AzureConnectionError(
            f"{place.host} could not be reached, or did not go on answering, {doing}: {reason(problem)}.",
            recommendation=[
                f"Check the name {place.host}, the network, and the proxy (HTTPS_PROXY, NO_PROXY).",
                "For a certificate of your own authority, name its file in REQUESTS_CA_BUNDLE.",
            ],
        )
    )


def changed(place: Place, digest: str, found: str, expected: str) -> Exception:
    """What we sent is not what it should be: something changed while it was sent."""
    from azure.cli.core.azclierror import FileOperationError

    return _made(
        FileOperationError(
            f"The layer {digest} for {place} changed while it was sent: {found}; expected {expected}.",
            recommendation="Wait until nothing writes to the packed files, and run the same command again.",
        )
    )


def _made(error: Any) -> Exception:
    made: Exception = error
    return made


def _errors(response: Any) -> list[dict[str, Any]]:
    try:
        listed = response.json()["errors"]
    except (ValueError, KeyError, TypeError):
        return []
    return [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []


def _said(response: Any) -> str:
    """A registry's own words for its error; an empty page or one of a proxy is named by its status."""
    return "; ".join(map(_words, _errors(response))) or str(response.reason or "no reason given")


def _words(error: dict[str, Any]) -> str:
    detail = error.get("detail")
    more = f" ({detail if isinstance(detail, str) else json.dumps(detail)})" if detail else ""
    return f"{error.get('code', '')}: {error.get('message', '')}{more}"


def reason(problem: BaseException) -> str:
    """The operating system's word for it, found behind the HTTP library's exceptions."""
    seen: list[BaseException] = []
    waiting: list[object] = [problem]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in seen:
            continue
        seen.append(one)
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    late = any("Timeout" in type(one).__name__ for one in seen)
    return _first(_word(one) for one in seen) or ("no answer in time" if late else "the connection broke")


def _word(problem: BaseException) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({problem.verify_message})"
    if isinstance(problem, OSError) and problem.errno is not None and problem.strerror:
        return problem.strerror
    return ""


def _first(words: Iterable[str]) -> str:
    return next(filter(None, words), "")
