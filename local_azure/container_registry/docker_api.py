"""The Docker API of a registry: ``/v2/``.

Source: OCI Distribution Specification 1.1. Lists come from the index, as docker-registry 2.8 lists tags in one page and
never forgets a repository; everything else is the backend's answer.
"""

from __future__ import annotations

from aiohttp import web

from local_azure.container_registry import paths
from local_azure.container_registry.answers import (
    Refused,
    answer,
    headers,
    manifest_not_found,
    name_unknown,
    unsupported,
)
from local_azure.container_registry.images import Images
from local_azure.container_registry.oci import OCI_INDEX, OCI_MANIFEST
from local_azure.container_registry.pages import page
from local_azure.container_registry.paths import Call
from local_azure.container_registry.proxy import forward, outside, read_manifest

# Azure's registry wants to be told that the client knows OCI: Azure/acr#764 and Azure/azure-cli#25280 quote it.
_MUST_BE_ACCEPTED = {
    OCI_MANIFEST: "OCI manifest found, but accept header does not support OCI manifests",
    OCI_INDEX: "OCI index found, but accept header does not support OCI indexes",
}


async def docker_api(request: web.Request, call: Call, images: Images) -> web.StreamResponse:
    """Answer a request that is allowed.

    Raises:
        Refused: it asks for what is not there, or cannot be.
        aiohttp.ClientError: the backend did not answer.
    """
    if call.kind is paths.BASE:
        return answer({})
    if call.kind is paths.CATALOG_LIST:
        names, link = page(images.names(), str, request.path, request.query)
        return answer({"repositories": names}, more=link)
    if call.kind is paths.TAG_LIST:
        repository = images.repository(call.repository)
        if repository is None:
            raise name_unknown(call.repository)
        tags, link = page(sorted(repository.tags), str, request.path, request.query)
        return answer({"name": call.repository, "tags": tags}, more=link)
    if call.kind in (paths.UPLOADS, paths.UPLOAD):
        return await _upload(request, call, images)
    if call.kind is paths.BLOB:
        return await forward(request, images.session, images.url)
    if request.method == "PUT":
        return await _put_manifest(request, call, images)
    if request.method == "DELETE":
        if ":" not in call.reference:
            raise unsupported()  # as distribution 2.8 has it
        if images.resolve(call.repository, call.reference) is None:
            raise manifest_not_found(call.reference)
        await images.delete_manifest(call.repository, call.reference)
        return answer(None, 202)
    return await _get_manifest(request, call, images)


async def _get_manifest(request: web.Request, call: Call, images: Images) -> web.StreamResponse:
    repository = images.repository(call.repository)
    digest = repository.resolve(call.reference) if repository else None
    if repository is None or digest is None:
        raise manifest_not_found(call.reference)
    media_type = repository.manifests[digest].media_type
    accepted = ",".join(request.headers.getall("Accept", []))
    if media_type in _MUST_BE_ACCEPTED and media_type not in accepted:
        raise Refused(404, "MANIFEST_UNKNOWN", _MUST_BE_ACCEPTED[media_type])
    content, _ = await images.manifest(call.repository, digest)
    return web.Response(
        body=content, headers={**headers(), "Content-Type": media_type, "Docker-Content-Digest": digest}
    )


async def _upload(request: web.Request, call: Call, images: Images) -> web.StreamResponse:
    """An upload; where it would make a blob that is there already, that is the answer."""
    digest = request.query.get("digest" if request.method == "PUT" else "mount", "")
    if request.method not in ("PUT", "POST") or not paths.DIGEST.fullmatch(digest):
        return await forward(request, images.session, images.url)
    async with images.making_blob(call.repository, digest) as is_there:
        if not is_there:
            return await forward(request, images.session, images.url)
    if request.method == "PUT":
        async for _ in request.content.iter_any():
            pass
        await images.abandon_upload(request.rel_url.raw_path_qs)
    location = f"https://{request.host}/v2/{call.repository}/blobs/{digest}"
    return answer(None, 201, {"Location": location, "Docker-Content-Digest": digest})


async def _put_manifest(request: web.Request, call: Call, images: Images) -> web.StreamResponse:
    content = await read_manifest(request)
    stored = await images.put_manifest(
        call.repository, call.reference, content, request.content_type, headers=outside(request)
    )
    names = ("Content-Type", "Location", "Docker-Content-Digest")
    kept = {name: value for name, value in stored.headers.items() if name in names}
    response = answer(None, stored.status, kept)
    response.body = stored.body
    return response
