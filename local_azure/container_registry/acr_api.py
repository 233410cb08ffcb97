"""Azure's own API of a registry: ``/acr/v1/``, which `az acr repository` and `az acr manifest` use.

Source: azure-cli, command_modules/acr, repository.py and manifest.py; recorded,
test_container_registry_client…test_get_repository_properties.json, …test_delete_tag.json, …test_delete_repository.json,
…test_list_registry_artifacts_by_page.json, …test_delete_tag_does_not_exist.json. A tag list without any tag is general
knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from local_azure.container_registry import paths
from local_azure.container_registry.answers import answer, manifest_unknown, name_unknown, tag_unknown
from local_azure.container_registry.images import Images
from local_azure.container_registry.index import Manifest, Repository, Tag, Times
from local_azure.container_registry.pages import page
from local_azure.container_registry.paths import Call

_UNLOCKED = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}


async def acr_api(request: web.Request, call: Call, images: Images) -> web.Response:
    """Answer a request that is allowed.

    Raises:
        Refused: it asks for what is not there.
        aiohttp.ClientError: the backend did not answer.
    """
    if call.kind is paths.ACR_CATALOG:
        names, link = page(images.names(), str, request.path, request.query)
        return answer({"repositories": names}, more=link)
    repository = images.repository(call.repository)
    if request.method == "DELETE":
        return await _delete(call, repository, images)
    if repository is None:
        raise name_unknown(call.repository)
    shown = {"registry": request.host, "imageName": call.repository}
    if call.kind is paths.ACR_REPOSITORY:
        counts = {"manifestCount": len(repository.manifests), "tagCount": len(repository.tags)}
        return answer({**shown, **_times(repository), **counts, "changeableAttributes": _UNLOCKED})
    if call.kind is paths.ACR_TAG:
        if call.reference not in repository.tags:
            raise tag_unknown()
        return answer({**shown, "tag": _tag(call.reference, repository.tags[call.reference])})
    if call.kind is paths.ACR_MANIFEST:
        if call.reference not in repository.manifests:
            raise manifest_unknown()
        return answer({**shown, "manifest": _manifest(call.reference, repository)})
    if call.kind is paths.ACR_TAGS:
        wanted = request.query.get("digest")
        tags = {name: tag for name, tag in repository.tags.items() if wanted in (None, "", tag.digest)}
        found, link = _page(request, tags)
        return answer({**shown, "tags": [_tag(name, tags[name]) for name in found]}, more=link)
    found, link = _page(request, repository.manifests)
    return answer({**shown, "manifests": [_manifest(digest, repository) for digest in found]}, more=link)


async def _delete(call: Call, repository: Repository | None, images: Images) -> web.Response:
    if call.kind is paths.ACR_TAG:
        if repository is None or call.reference not in repository.tags:
            raise tag_unknown()
        digest = repository.tags[call.reference].digest
        await images.untag(call.repository, call.reference)
        return answer(None, 202, {"X-Ms-Int-Docker-Content-Digest": digest})
    if repository is None:
        raise name_unknown(call.repository)
    gone = {"manifestsDeleted": sorted(repository.manifests), "tagsDeleted": sorted(repository.tags)}
    await images.forget(call.repository)
    return answer(gone, 202)


def _page(request: web.Request, things: dict[str, Tag] | dict[str, Manifest]) -> tuple[Sequence[str], dict[str, str]]:
    """The names on a page, in the order that is asked for: by name, or by the time of the last change."""
    by_time: Callable[[str], tuple[str, str]] = lambda name: (things[name].updated, name)  # noqa: E731
    order = request.query.get("orderby", "")
    names = sorted(things, key=by_time, reverse=order == "timedesc") if order.startswith("time") else sorted(things)
    return page(names, str, request.path, request.query)


def _tag(name: str, tag: Tag) -> dict[str, Any]:
    return {"name": name, "digest": tag.digest, **_times(tag), "signed": False, "changeableAttributes": _UNLOCKED}


def _manifest(digest: str, repository: Repository) -> dict[str, Any]:
    manifest = repository.manifests[digest]
    attributes = dict(manifest.attributes)
    references = {name: attributes.pop(name) for name in ("references",) if name in attributes}
    tags = repository.tags_of(digest)
    return {
        "digest": digest,
        **_times(manifest),
        **attributes,
        **({"tags": tags} if tags else {}),
        "changeableAttributes": _UNLOCKED,
        **references,
    }


def _times(thing: Times) -> dict[str, str]:
    return {"createdTime": thing.created, "lastUpdateTime": thing.updated}
