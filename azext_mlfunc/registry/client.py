"""One repository of a container registry: what is read from it, and what is pushed to it.

Source: OCI Distribution Specification 1.1; Docker Image Manifest V2, Schema 2, for Docker's own media types.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from azext_mlfunc.registry import errors
from azext_mlfunc.registry.credentials import Anonymous, CredentialSource
from azext_mlfunc.registry.upload import PAUSES, Upload

if TYPE_CHECKING:
    import requests

    from azext_mlfunc.registry.connection import Wire

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
_INDEXES = (OCI_INDEX, DOCKER_INDEX)
# What has arrived of a piece is lost when the connection breaks within it.
_PIECE = 64 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-.*")

Result = TypeVar("Result")


@dataclass(frozen=True)
class Manifest:
    """The manifest of one image for one platform.

    :param document: what it says.
    :param raw: the bytes that it was read from.
    :param digest: `sha256:…` of those.
    :param media_type: which kind of manifest it is.
    """

    document: dict[str, Any]
    raw: bytes
    digest: str
    media_type: str


class Registry:
    """A repository. Nothing is sent before the first call; all methods may be called from many threads at once.

    All of them raise errors of azure.cli.core.azclierror: AzureConnectionError where nobody answers, UnauthorizedError
    for a login that is missing or refused, ForbiddenError for a missing right, ResourceNotFoundError for what is not
    there, AzureResponseError for any other refusal. What may pass is tried again, after pauses, first.

    :param host: `host` or `host:port`; `docker.io` is Docker Hub. TLS, except on this machine.
    :param repository: the name in the registry.
    :param credentials: is asked when the registry wants a login.
    :param pause: waits that many seconds.
    """

    def __init__(
        self,
        host: str,
        repository: str,
        credentials: CredentialSource | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = host
        self.repository = repository
        self._credentials = credentials or Anonymous()
        self._pause = pause
        self._lock = threading.Lock()
        self._opened: Wire | None = None

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            self._opened.close()

    def manifest(self, reference: str, platform: tuple[str, str] = ("linux", "amd64")) -> Manifest:
        """An image's manifest; of an image for many platforms the one for `platform`.

        :param reference: a tag, or `sha256:…`.
        :param platform: operating system and architecture.
        :raises azure.cli.core.azclierror.ResourceNotFoundError: there is no such image, or not for that platform.
        :raises azure.cli.core.azclierror.AzureResponseError: it is no image, or its digest is wrong.
        """
        found = self._get_manifest(reference)
        if found.media_type in _INDEXES:
            return self.manifest(self._choose(found, reference, platform), platform)
        if found.media_type not in _MANIFESTS:
            raise errors.unexpected(
                self._wire.place,
                f"{reference} is of type {found.media_type or 'unknown'}",
                f"an image: {', '.join((*_MANIFESTS, *_INDEXES))}",
            )
        return found

    def config(self, manifest: Manifest) -> dict[str, Any]:
        """The configuration of an image: its environment, entry point, layers' digests before compression…"""
        digest = str(manifest.document["config"]["digest"])
        return self._parsed(b"".join(self.read_blob(digest)), f"the configuration {digest}")

    def has_blob(self, digest: str) -> bool:
        """Whether the repository has a blob. That a registry cannot say is an error, not a no."""
        doing = f"to look for {digest} in {self.repository}"
        address = self._wire.address(f"blobs/{digest}")
        return self._patiently(lambda: self._wire.request(doing, "head", address, expect=(200, 404))).status_code == 200

    def mount_blob(self, digest: str, from_repository: str) -> bool:
        """Let the registry take a blob from another of its repositories, without sending it.

        :returns: whether it did; not if it does not have it there, cannot, or does not let us read there.
        """
        from azure.cli.core.azclierror import ForbiddenError, UnauthorizedError
        from dxf.exceptions import DXFMountFailed

        wire = self._wire
        doing = f"to mount {digest} from {from_repository}"
        scopes = wire.scopes("push", from_repository)

        def mount(dxf: Any) -> Any:
            return dxf.mount_blob(from_repository, digest)

        try:
            self._patiently(lambda: wire.guarded(doing, mount, action="push", scopes=scopes))
        except (DXFMountFailed, ForbiddenError, UnauthorizedError):
            # To be refused there is no reason not to push here: if that is refused too, the upload will say so.
            return False
        return True

    def read_blob(self, digest: str) -> Iterator[bytes]:
        """A blob's bytes, piece by piece; a broken connection is taken up again where it broke.

        :raises azure.cli.core.azclierror.AzureResponseError: at its end, if the bytes have another digest.
        """
        import requests

        doing = f"to read {digest} from {self.repository}"
        address = self._wire.address(f"blobs/{digest}")
        hashed, position, failures = hashlib.sha256(), 0, 0
        while True:
            # What a server packs for the way would come out as other bytes.
            headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={position}-"} if position else {})}
            try:
                response = self._wire.request(
                    doing, "get", address, expect=(200, 206, 416), headers=headers, stream=True
                )
                try:
                    for piece in self._from(response, position):
                        position += len(piece)
                        failures = 0
                        hashed.update(piece)
                        yield piece
                except requests.RequestException as problem:
                    raise errors.Transient(errors.unreachable(self._wire.place, doing, problem)) from None
                finally:
                    response.close()
                break
            except errors.Transient as problem:
                failures += 1
                if failures > len(PAUSES):
                    raise problem.error from None
                self._pause(max(PAUSES[failures - 1], problem.wait))
        if f"sha256:{hashed.hexdigest()}" != digest:
            raise errors.unexpected(self._wire.place, f"a blob with digest sha256:{hashed.hexdigest()}", digest)

    def upload_blob(
        self,
        digest: str,
        size: int,
        chunks: Callable[[], Iterable[bytes]],
        on_bytes: Callable[[int], None] = lambda count: None,
    ) -> None:
        """Push a blob in chunks of 8 MiB, of which one is held in memory.

        After a break the registry is asked how much it has, and is sent the rest; where it has forgotten the upload,
        all of it is sent anew.

        :param digest: `sha256:…`.
        :param size: its length in bytes.
        :param chunks: gives its bytes from the start; is called again when the upload starts anew.
        :param on_bytes: is told how many more bytes the registry has; less than 0 when the upload starts anew.
        :raises azure.cli.core.azclierror.FileOperationError: the bytes are not those of `digest` and `size`.
        :raises OSError: whatever `chunks` raises.
        """
        Upload(self._wire, digest, size, chunks, on_bytes, self.has_blob, self._pause).run()

    def put_manifest(self, tag: str, raw: bytes, media_type: str) -> str:
        """Push a manifest, whose blobs the repository has, under a tag.

        :returns: its digest.
        """
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        doing = f"to push {self.repository}:{tag}"
        address, headers = self._wire.address(f"manifests/{tag}"), {"Content-Type": media_type}
        response = self._patiently(
            lambda: self._wire.request(
                doing, "put", address, expect=(200, 201), action="push", headers=headers, data=raw
            )
        )
        confirmed = response.headers.get("Docker-Content-Digest", digest)
        if confirmed != digest:
            raise errors.unexpected(self._wire.place, f"it took {tag} as {confirmed}", digest)
        return digest

    @property
    def _wire(self) -> Wire:
        # dxf and requests are only loaded by those who use them.
        from azext_mlfunc.registry.connection import Wire

        with self._lock:
            if self._opened is None:
                self._opened = Wire(self.host, self.repository, self._credentials)
            return self._opened

    def _patiently(self, action: Callable[[], Result]) -> Result:
        for pause in PAUSES:
            try:
                return action()
            except errors.Transient as problem:
                self._pause(max(pause, problem.wait))
        try:
            return action()
        except errors.Transient as problem:
            raise problem.error from None

    def _get_manifest(self, reference: str) -> Manifest:
        wire = self._wire
        doing = f"to read the manifest of {self.repository}, {reference}"

        def get(dxf: Any) -> Any:
            return dxf.get_manifest_and_response(reference)[1]

        response = self._patiently(lambda: wire.guarded(doing, get, action="pull", scopes=wire.scopes("pull")))
        raw = response.content
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        promised = reference if ":" in reference else response.headers.get("Docker-Content-Digest", digest)
        if promised.startswith("sha256:") and promised != digest:
            raise errors.unexpected(wire.place, f"a manifest with digest {digest}", promised)
        document = self._parsed(raw, f"the manifest of {reference}")
        media_type = document.get("mediaType") or response.headers.get("Content-Type", "").partition(";")[0].strip()
        return Manifest(document, raw, digest, str(media_type))

    def _choose(self, index: Manifest, reference: str, platform: tuple[str, str]) -> str:
        from azure.cli.core.azclierror import ResourceNotFoundError

        entries = [(entry.get("platform") or {}, entry["digest"]) for entry in index.document.get("manifests", [])]
        fitting = [entry for entry in entries if (entry[0].get("os"), entry[0].get("architecture")) == platform]
        if fitting:
            # One without a variant runs on all of them.
            return str(min(fitting, key=lambda entry: "variant" in entry[0])[1])
        there = sorted({_name(one) for one, _ in entries if one.get("os") not in (None, "unknown")})
        raise ResourceNotFoundError(
            f"{self.host}/{self.repository}, {reference}, is not there for {'/'.join(platform)}; "
            f"it is for {', '.join(there) or 'no platform'}.",
            recommendation=f"Choose an image that is made for {'/'.join(platform)}.",
        )

    def _parsed(self, raw: bytes, what: str) -> dict[str, Any]:
        try:
            document = json.loads(raw)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise errors.unexpected(self._wire.place, f"{what} is no JSON object", "a JSON object")
        return document

    def _from(self, response: requests.Response, position: int) -> Iterator[bytes]:
        """The bytes of an answer that come after the first `position` of the blob."""
        if response.status_code == 416:
            if not position:
                raise errors.refused(self._wire.place, "to read a blob", "pull", response)
            return  # it broke after the last byte
        surplus = position
        if response.status_code == 206:
            given = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if given is None or int(given[1]) != position:
                found = response.headers.get("Content-Range") or "no Content-Range"
                raise errors.unexpected(self._wire.place, found, f"bytes {position}-")
            surplus = 0
        for piece in response.iter_content(_PIECE):
            dropped = min(surplus, len(piece))
            surplus -= dropped
            if len(piece) > dropped:
                yield piece[dropped:]


def _name(platform: dict[str, Any]) -> str:
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(str(part) for part in parts if part)
