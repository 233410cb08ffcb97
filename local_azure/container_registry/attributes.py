"""What Azure says of a manifest, read from it and from the configuration of its image.

Recorded: test_container_registry_client…test_list_registry_artifacts_by_page.json (an image),
…test_get_manifest_properties_does_not_exist.json (one for many platforms). ``configMediaType`` is documented (az acr
manifest list-metadata); what is counted in ``imageSize`` is general knowledge: configuration and layers.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from local_azure.container_registry.index import Manifest
from local_azure.container_registry.oci import INDEXES


async def read(
    content: bytes, media_type: str, known: Mapping[str, Manifest], blob: Callable[[str], Awaitable[bytes]]
) -> dict[str, Any]:
    """The attributes of a manifest that a registry took.

    Args:
        content: the manifest.
        media_type: its type.
        known: the repository's manifests.
        blob: reads one of the repository's blobs.
    """
    document = json.loads(content)
    if media_type in INDEXES:
        return _of_index(document, media_type, known)
    config, layers = document.get("config") or {}, document.get("layers") or []
    attributes: dict[str, Any] = {
        "imageSize": sum(int(each.get("size", 0)) for each in (config, *layers)),
        "mediaType": media_type,
    }
    if "digest" in config:
        attributes["configMediaType"] = config.get("mediaType", "")
        attributes |= _platform(await blob(config["digest"]))
    return attributes


def _of_index(document: dict[str, Any], media_type: str, known: Mapping[str, Manifest]) -> dict[str, Any]:
    entries = document.get("manifests") or []
    sizes = [known[each["digest"]].attributes["imageSize"] for each in entries if each["digest"] in known]
    references = [{"digest": each["digest"], **_named(each.get("platform") or {})} for each in entries]
    return {"imageSize": sum(sizes), "mediaType": media_type, "references": references}


def _platform(config: bytes) -> dict[str, str]:
    try:
        document = json.loads(config)
    except ValueError:
        return {}  # of what is no image
    return _named(document) if isinstance(document, dict) else {}


def _named(document: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(document[name]) for name in ("architecture", "os") if document.get(name)}
