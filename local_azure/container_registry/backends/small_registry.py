"""A small registry as a backend, where there is no docker-registry: in this process, with files for images.

Source: OCI Distribution Specification 1.1, without referrers. It also takes the types of Docker's Image Manifest V2,
Schema 2.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from local_azure.container_registry import paths
from local_azure.container_registry.answers import Refused, answer, guarded, name_unknown, page_not_found, unsupported
from local_azure.container_registry.backends.small_storage import SmallStorage
from local_azure.container_registry.backends.small_uploads import SmallUploads, address
from local_azure.container_registry.oci import INDEXES, MANIFESTS, digest_of
from local_azure.container_registry.pages import page
from local_azure.container_registry.proxy import read_manifest

_GRACE = 1.0  # seconds for requests that are being answered when it stops


class SmallRegistry:
    """See :class:`.Backend`.

    Args:
        folder: its images.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._storage = SmallStorage(folder)
        self._uploads = SmallUploads(self._storage)
        self._runner: web.AppRunner | None = None
        self._url = ""
        self._answers: dict[paths.Kind, Callable[[web.Request, paths.Call], Awaitable[web.StreamResponse]]] = {
            paths.BASE: self._base,
            paths.CATALOG_LIST: self._catalog,
            paths.TAG_LIST: self._tags,
            paths.MANIFEST: self._manifest,
            paths.BLOB: self._blob,
            paths.UPLOADS: self._uploads.begin,
            paths.UPLOAD: self._uploads.go_on,
        }

    @property
    def url(self) -> str:
        return self._url

    async def start(self) -> None:
        await asyncio.to_thread(self._storage.open)
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_GRACE)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._url = "http://{}:{}".format(*self._runner.addresses[0])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def untag(self, repository: str, tag: str) -> None:
        await asyncio.to_thread(self._storage.untag, repository, tag)

    async def forget(self, repository: str) -> None:
        await asyncio.to_thread(self._storage.forget, repository)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        return await guarded(self._answer(request))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        call = paths.take_apart(request)
        if call is None or call.kind not in self._answers:
            return page_not_found()
        if not call.supported:
            raise unsupported()
        return await self._answers[call.kind](request, call)

    async def _base(self, request: web.Request, call: paths.Call) -> web.StreamResponse:
        return answer({})

    async def _catalog(self, request: web.Request, call: paths.Call) -> web.StreamResponse:
        names, link = page(await asyncio.to_thread(self._storage.repositories), str, request.path, request.query)
        return answer({"repositories": names}, more=link)

    async def _tags(self, request: web.Request, call: paths.Call) -> web.StreamResponse:
        if call.repository not in await asyncio.to_thread(self._storage.repositories):
            raise name_unknown(call.repository)
        tags, link = page(
            await asyncio.to_thread(self._storage.tags, call.repository), str, request.path, request.query
        )
        return answer({"name": call.repository, "tags": tags}, more=link)

    async def _manifest(self, request: web.Request, call: paths.Call) -> web.StreamResponse:
        if request.method == "PUT":
            return await self._put_manifest(request, call)
        if request.method == "DELETE":
            delete = self._storage.delete_manifest if ":" in call.reference else self._storage.untag
            if not await asyncio.to_thread(delete, call.repository, call.reference):
                raise Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return answer(None, 202)
        found = await asyncio.to_thread(self._storage.manifest, call.repository, call.reference)
        if found is None:
            raise Refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
        digest, media_type, content = found
        return web.Response(body=content, headers={"Content-Type": media_type, "Docker-Content-Digest": digest})

    async def _put_manifest(self, request: web.Request, call: paths.Call) -> web.StreamResponse:
        content = await read_manifest(request)
        media_type = request.content_type
        await asyncio.to_thread(self._check, call.repository, content, media_type)
        tag = None if ":" in call.reference else call.reference
        if tag is None and call.reference != digest_of(content):
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        digest = await asyncio.to_thread(self._storage.put_manifest, call.repository, content, media_type, tag)
        location = address(request, f"{call.repository}/manifests/{digest}")
        return answer(None, 201, {"Location": location, "Docker-Content-Digest": digest})

    def _check(self, repository: str, content: bytes, media_type: str) -> None:
        """See that a manifest is one, and that all that it is made of is there."""
        try:
            document = json.loads(content)
            if media_type in MANIFESTS:
                layers = [each for each in document["layers"] if not each.get("urls")]
                parts = [str(each["digest"]) for each in (document["config"], *layers)]
                missing = [digest for digest in parts if self._storage.blob(repository, digest) is None]
            elif media_type in INDEXES:
                parts = [str(each["digest"]) for each in document["manifests"]]
                missing = [digest for digest in parts if not self._storage.has_manifest(repository, digest)]
            else:
                raise Refused(400, "MANIFEST_INVALID", f"manifests of type {media_type} are not known")
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise Refused(400, "MANIFEST_INVALID", "manifest invalid", detail=str(problem)) from None
        if missing:
            raise Refused(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", detail={"digest": missing[0]})

    async def _blob(self, request: web.Request, call: paths.Call) -> web.StreamResponse:
        found = await asyncio.to_thread(self._storage.blob, call.repository, call.reference)
        if found is None:
            raise Refused(404, "BLOB_UNKNOWN", "blob unknown to registry", detail=call.reference)
        if request.method == "DELETE":
            await asyncio.to_thread(self._storage.delete_blob, call.repository, call.reference)
            return answer(None, 202)
        # It also answers requests for a range.
        headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": call.reference}
        return web.FileResponse(found, headers=headers)
