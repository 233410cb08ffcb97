"""What a request is about: its path taken apart, and the access that it needs.

Sources: OCI Distribution Specification 1.1, "Endpoints"; azure-cli, command_modules/acr, repository.py and manifest.py;
the scopes as recorded challenges name them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from local_azure.container_registry.access import (
    CATALOG,
    DELETE,
    METADATA_READ,
    METADATA_WRITE,
    PULL,
    PUSH,
    Access,
    repository,
)

_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = rf"(?P<repository>{_PART}(?:/{_PART})*)"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
NAME = re.compile(rf"(?=.{{1,255}}$){_NAME}")
_TAG, _DIGEST = rf"(?P<reference>{TAG.pattern})", rf"(?P<reference>{DIGEST.pattern})"
_TAG_OR_DIGEST = rf"(?P<reference>{TAG.pattern}|{DIGEST.pattern})"
_UPLOAD = r"(?P<reference>[A-Za-z0-9_.=-]+)"
_READ = ("GET", "HEAD")


@dataclass(frozen=True, eq=False)
class Kind:
    """A sort of path.

    Args:
        path: which paths are of this sort.
        needs: the actions on the repository that a method needs; the catalog's where there is no repository. A method
            that is not listed is not supported.
    """

    path: re.Pattern[str]
    needs: dict[str, tuple[str, ...]]


def _kind(path: str, *needs: tuple[tuple[str, ...], tuple[str, ...]]) -> Kind:
    return Kind(re.compile(path), {method: actions for methods, actions in needs for method in methods})


_STARTING, _PUSHING = (("POST",), (PULL, PUSH)), (("PATCH", "PUT"), (PULL, PUSH))
BASE = _kind(r"/v2/?", (_READ, ()))
CATALOG_LIST = _kind(r"/v2/_catalog", (_READ, ()))
TAG_LIST = _kind(rf"/v2/{_NAME}/tags/list", (_READ, (METADATA_READ,)))
MANIFEST = _kind(
    *(rf"/v2/{_NAME}/manifests/{_TAG_OR_DIGEST}", (_READ, (PULL,)), (("PUT",), (PULL, PUSH)), (("DELETE",), (DELETE,)))
)
UPLOADS = _kind(rf"/v2/{_NAME}/blobs/uploads/?", _STARTING)
UPLOAD = _kind(rf"/v2/{_NAME}/blobs/uploads/{_UPLOAD}", _PUSHING, (_READ, (PULL,)), (("DELETE",), (DELETE,)))
BLOB = _kind(rf"/v2/{_NAME}/blobs/{_DIGEST}", (_READ, (PULL,)), (("DELETE",), (DELETE,)))
ACR_CATALOG = _kind(r"/acr/v1/_catalog", (("GET",), ()))
ACR_TAGS = _kind(rf"/acr/v1/{_NAME}/_tags", (("GET",), (METADATA_READ,)))
ACR_TAG = _kind(rf"/acr/v1/{_NAME}/_tags/{_TAG}", (("GET",), (METADATA_READ,)), (("DELETE",), (DELETE,)))
ACR_MANIFESTS = _kind(rf"/acr/v1/{_NAME}/_manifests", (("GET",), (METADATA_READ,)))
ACR_MANIFEST = _kind(rf"/acr/v1/{_NAME}/_manifests/{_DIGEST}", (("GET",), (METADATA_READ,)))
ACR_REPOSITORY = _kind(rf"/acr/v1/{_NAME}", (("GET",), (METADATA_READ,)), (("DELETE",), (DELETE,)))
_KINDS = (
    *(BASE, CATALOG_LIST, TAG_LIST, MANIFEST, UPLOADS, UPLOAD, BLOB),
    *(ACR_CATALOG, ACR_TAGS, ACR_TAG, ACR_MANIFESTS, ACR_MANIFEST, ACR_REPOSITORY),
)
_LISTS_ALL = (CATALOG_LIST, ACR_CATALOG)


@dataclass(frozen=True)
class Call:
    """A request to the registry.

    Args:
        kind: which sort.
        repository: which repository; empty where it is about none.
        reference: which tag, digest or upload; empty where it is about none.
        supported: whether the kind has this method.
        wanted: the access that it needs.
    """

    kind: Kind
    repository: str
    reference: str
    supported: bool
    wanted: tuple[Access, ...]

    @property
    def is_acr(self) -> bool:
        """Whether it is Azure's own API, not Docker's."""
        return self.kind.path.pattern.startswith("/acr/")


def take_apart(request: web.Request) -> Call | None:
    """What a request is about; None: there is no such path."""
    for kind in _KINDS:
        match = kind.path.fullmatch(request.path)
        if match is None:
            continue
        parts = match.groupdict()
        call_repository, reference = parts.get("repository", ""), parts.get("reference", "")
        actions = kind.needs.get(request.method)
        wanted: list[Access] = []
        if kind in _LISTS_ALL:
            wanted = [CATALOG]
        elif call_repository:
            wanted = [repository(call_repository, *(actions or (METADATA_WRITE,)))]
        source = request.query.get("from")
        if kind is UPLOADS and source and "mount" in request.query:
            # As distribution, on which Azure's registry is built, does it: to mount is to pull there.
            wanted.append(repository(source, PULL))
        return Call(kind, call_repository, reference, actions is not None, tuple(wanted))
    return None
