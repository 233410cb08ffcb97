"""How blobs come into the small registry: at once, in one stream, in chunks, or from another repository.

Source: OCI Distribution Specification 1.1, "Pushing blobs". What has arrived of a chunk that broke is kept, and said.
"""

from __future__ import annotations

import asyncio
import re

from aiohttp import web

from local_azure.container_registry.answers import Refused, answer
from local_azure.container_registry.backends.small_storage import SmallStorage, Upload
from local_azure.container_registry.paths import DIGEST, Call

_PIECE = 1 << 20  # what is written at once, in bytes
_RANGE = re.compile(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?")


class SmallUploads:
    """The uploads that are going on.

    Args:
        storage: where they go.
    """

    def __init__(self, storage: SmallStorage) -> None:
        self._storage = storage
        self._uploads: dict[str, Upload] = {}

    async def begin(self, request: web.Request, call: Call) -> web.StreamResponse:
        """POST: begin an upload, or do all of it if the request has all."""
        mount, source = request.query.get("mount"), request.query.get("from")
        if mount and source:
            mounted = await asyncio.to_thread(self._storage.mount, mount, source, call.repository)
            if mounted:
                return _created(request, call.repository, mount)
        name, upload = await asyncio.to_thread(self._storage.new_upload, call.repository)
        self._uploads[name] = upload
        if "digest" in request.query:
            return await self._finish(request, name, upload)
        return _accepted(request, name, upload, 202)

    async def go_on(self, request: web.Request, call: Call) -> web.StreamResponse:
        """GET, PATCH, PUT, DELETE: how much has arrived; the next chunk; the last one; no more."""
        name, upload = call.reference, self._uploads.get(call.reference)
        if upload is None or upload.repository != call.repository:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        if request.method in ("GET", "HEAD"):
            return _accepted(request, name, upload, 204)
        if request.method == "DELETE":
            await self._drop(name, upload)
            return answer(None, 204)
        start = _RANGE.fullmatch(request.headers.get("Content-Range", ""))
        if start and int(start[1]) != upload.size:
            return _accepted(request, name, upload, 416)
        if request.method == "PUT":
            return await self._finish(request, name, upload)
        await _append(request, upload)
        return _accepted(request, name, upload, 202)

    async def _finish(self, request: web.Request, name: str, upload: Upload) -> web.StreamResponse:
        await _append(request, upload)
        digest = request.query.get("digest", "")
        if not DIGEST.fullmatch(digest) or digest != upload.digest:
            await self._drop(name, upload)
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        del self._uploads[name]
        await asyncio.to_thread(self._storage.finish, upload)
        return _created(request, upload.repository, digest)

    async def _drop(self, name: str, upload: Upload) -> None:
        del self._uploads[name]
        await asyncio.to_thread(self._storage.abandon, upload)


async def _append(request: web.Request, upload: Upload) -> None:
    """Write the request's body, piece by piece; of a body that breaks, what has arrived."""
    piece = bytearray()
    try:
        async for data in request.content.iter_any():
            piece += data
            if len(piece) >= _PIECE:
                full, piece = bytes(piece), bytearray()
                await asyncio.to_thread(upload.append, full)
    finally:
        if piece:
            await asyncio.to_thread(upload.append, bytes(piece))


def address(request: web.Request, path: str) -> str:
    """A path of this registry, as clients call it: the proxy before it says how."""
    return f"{request.headers.get('X-Forwarded-Proto', request.scheme)}://{request.host}/v2/{path}"


def _accepted(request: web.Request, name: str, upload: Upload, status: int) -> web.Response:
    more = {
        "Location": address(request, f"{upload.repository}/blobs/uploads/{name}"),
        "Docker-Upload-UUID": name,
        "Range": f"0-{max(upload.size - 1, 0)}",
    }
    return answer(None, status, more)


def _created(request: web.Request, repository: str, digest: str) -> web.Response:
    more = {"Location": address(request, f"{repository}/blobs/{digest}"), "Docker-Content-Digest": digest}
    return answer(None, 201, more)
