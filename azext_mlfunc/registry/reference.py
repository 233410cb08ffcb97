"""The name of an image, taken apart as Docker does.

Source: distribution/reference, "Grammar" and its rules for docker.io; OCI Distribution Specification 1.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
_DEFAULT_TAG = "latest"
_PORT = r"(:[0-9]{1,5})?"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"({_LABEL}(\.{_LABEL})*|\[[0-9A-Fa-f:]+\]){_PORT}")
_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(/{_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_REPOSITORY = 255


@dataclass(frozen=True)
class Reference:
    """Which image, in which registry.

    :param host: the registry, `host` or `host:port`; `docker.io` for Docker Hub.
    :param repository: the name in the registry.
    :param tag: the tag, or None where only a digest is given.
    :param digest: `sha256:…`, or None.
    """

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def identifier(self) -> str:
        """What a registry is asked for: the digest where there is one, as a tag may have moved; else the tag."""
        return self.digest or self.tag or _DEFAULT_TAG

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.repository}{tag}{digest}"


def parse_reference(text: str) -> Reference:
    """Take `host[:port]/repository[:tag][@sha256:…]` apart.

    Without a host it is Docker Hub's, and there a name of one part is in `library/`. Without tag and digest the tag
    is `latest`.

    :raises azure.cli.core.azclierror.InvalidArgumentValueError: it is no image name.
    """
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise _invalid(text, f"'{digest}' is no digest", "'sha256:' and 64 hexadecimal digits in lower case")
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        host, path = head, rest
    else:
        host, path = DOCKER_HUB, name
    if not _HOST.fullmatch(host):
        raise _invalid(text, f"'{host}' is no registry", "a host name, and a port after ':' where it needs one")
    if host == f"index.{DOCKER_HUB}":
        host = DOCKER_HUB
    repository, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, f"'{tag}' is no tag", "at most 128 letters, digits, '_', '.' and '-', no '.' or '-' first")
    if not _REPOSITORY.fullmatch(repository):
        raise _invalid(
            text,
            f"'{repository}' is no repository",
            "lower-case letters and digits, joined by '.', '_', '__' or '-', in parts that '/' separates",
        )
    if len(repository) > _MAX_REPOSITORY:
        raise _invalid(text, f"its repository has {len(repository)} characters", f"at most {_MAX_REPOSITORY}")
    if host == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(host, repository, tag or (None if digest else _DEFAULT_TAG), digest or None)


def _invalid(text: str, found: str, expected: str) -> Exception:
    from azure.cli.core.azclierror import InvalidArgumentValueError

    error: Exception = InvalidArgumentValueError(
        f"'{text}' names no image: {found}; expected {expected}.",
        recommendation="Write it as REGISTRY/REPOSITORY:TAG or REGISTRY/REPOSITORY@sha256:DIGEST.",
    )
    return error
