"""Where the credentials for a registry come from.

In this order, the first that has some: what the caller gives; for an Azure Container Registry the identity that `az`
is signed in with; Docker's configuration and credential helpers; none. The own identity goes before Docker's
configuration, as what `az acr login` leaves there expires after three hours, and would hide a good sign-in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from azext_mlfunc.registry.acr import acr_suffix, is_acr


class Secret:
    """A text that shows itself only when asked to."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True)
class Credentials:
    """What proves to a registry who is asking.

    :param secret: a password, or the refresh token of an OAuth2 token endpoint.
    :param username: the user whose password it is; None with a refresh token.
    :param origin: where they came from, as an error calls them: `given`, `in Docker's configuration`…
    """

    secret: Secret
    username: str | None
    origin: str


class CredentialSource(Protocol):
    """Knows the credentials of some registries."""

    def find(self, host: str) -> Credentials | None:
        """The credentials for a registry, or None where there are none.

        Is called when the registry has asked for a login, and again when it no longer takes the former ones.

        :param host: `host` or `host:port`; `docker.io` for Docker Hub.
        """


class Anonymous:
    """No credentials for anybody."""

    def find(self, host: str) -> Credentials | None:
        return None


class Given:
    """A user's name and password that the caller names for one registry."""

    def __init__(self, host: str, username: str, password: Secret) -> None:
        self._host = host
        self._credentials = Credentials(password, username, "that were given")

    def find(self, host: str) -> Credentials | None:
        return self._credentials if host == self._host else None


class DockerConfiguration:
    """What `docker login` left: in the file that DOCKER_CONFIG or the home folder has, or with a credential helper.

    Source: Docker documentation, "docker login", "Configure the credential store"; read by the `docker` SDK.
    """

    def find(self, host: str) -> Credentials | None:
        from docker.auth import load_config
        from docker.errors import DockerException
        from knack.log import get_logger

        try:
            entry = load_config().resolve_authconfig(host) or {}
        except DockerException:
            # Its text is what a credential helper printed: it may hold anything.
            get_logger(__name__).warning(
                "The credentials of %s could not be read from Docker's configuration or its credential helper.", host
            )
            return None
        return _of_docker({name.lower(): value for name, value in entry.items()})


class AzureIdentity:
    """The identity that `az` is signed in with, for registries of its cloud, as `az acr login` exchanges it.

    Source: Azure Container Registry, "AAD-OAuth" (POST /oauth2/exchange); azure-cli, command module acr.
    """

    def __init__(self, cli_ctx: Any) -> None:
        self._cli_ctx = cli_ctx

    def find(self, host: str) -> Credentials | None:
        if not is_acr(host, acr_suffix(self._cli_ctx)):
            return None
        # Only now: it takes a quarter of a second to import.
        from azure.cli.command_modules.acr import _docker_utils as acr
        from knack.log import get_logger
        from knack.util import CLIError
        from requests import RequestException

        try:
            # get_login_credentials would look the registry up in Azure first, and ask on the terminal in the end.
            token = acr._get_aad_token(self._cli_ctx, host, only_refresh_token=True)
        except (CLIError, RequestException) as problem:
            reason = str(problem) if isinstance(problem, CLIError) else f"{host} did not answer"
            get_logger(__name__).warning("Your own identity was not taken for %s: %s", host, reason)
            return None
        return Credentials(Secret(token), None, "of your own identity (az login)")


class FirstOf:
    """The first source that has credentials for a registry."""

    def __init__(self, sources: Sequence[CredentialSource]) -> None:
        self._sources = tuple(sources)

    def find(self, host: str) -> Credentials | None:
        return next(filter(None, (source.find(host) for source in self._sources)), None)


def credential_sources(cli_ctx: Any, given: Given | None = None) -> CredentialSource:
    """All sources in their order: given, own identity, Docker's configuration; a registry may also want none."""
    rest: list[CredentialSource] = [AzureIdentity(cli_ctx), DockerConfiguration()]
    return FirstOf([given, *rest] if given else rest)


def _of_docker(entry: dict[str, Any]) -> Credentials | None:
    origin = "in Docker's configuration"
    if entry.get("identitytoken"):
        return Credentials(Secret(entry["identitytoken"]), None, origin)
    if not entry.get("username") or not entry.get("password"):
        return None
    return Credentials(Secret(entry["password"]), entry["username"], origin)
