"""Copying images between registries on the server side: what `importImage` of ARM does.

Source: Azure REST API, Microsoft.ContainerRegistry, "Registries - Import Image"; azure-cli, command_modules/acr,
import.py. The text for a tag that exists is quoted in public scripts ("… already exists in target registry"); the other
texts, and all codes, are general knowledge.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from local_azure.container_registry.images import Images
from local_azure.container_registry.oci import INDEXES
from local_azure.container_registry.paths import NAME, TAG


class ImportRefused(Exception):
    """An import that is refused, or failed.

    Args:
        code: of ARM's error.
        message: for people.
        status: of HTTP, as which it would be answered.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class ImportSource:
    """Where an image comes from, as ARM's request has it.

    Args:
        source_image: ``REPOSITORY[:TAG]`` or ``REPOSITORY@sha256:…``.
        registry_uri: the registry's host name; or
        resource_id: its resource ID in ARM, or its name.
        username: with a registry that wants a login.
        password: likewise.
    """

    source_image: str
    registry_uri: str | None = None
    resource_id: str | None = None
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True)
class Target:
    """Where an image goes: a repository, and a tag or none."""

    repository: str
    tag: str | None

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


def parse_source(image: str) -> tuple[str, str, str | None]:
    """Repository, reference, and the tag if it is one.

    Raises:
        ImportRefused: it is no name of an image.
    """
    repository, at, digest = image.partition("@")
    repository, _, tag = repository.partition(":")
    if not NAME.fullmatch(repository) or (tag and not TAG.fullmatch(tag)):
        raise ImportRefused("InvalidParameters", f"The source image '{image}' is not valid.")
    return (repository, digest, tag or None) if at else (repository, tag or "latest", tag or "latest")


def parse_targets(source_image: str, tags: Sequence[str], untagged: Sequence[str]) -> list[Target]:
    """Where an image goes. A target without a tag has the source's, else ``latest``; no target is the source's name.

    Raises:
        ImportRefused: a target is no name of an image.
    """
    source_repository, _, source_tag = parse_source(source_image)
    if not tags and not untagged:
        tags = [source_repository]
    targets = [Target(name, tag or source_tag or "latest") for name, _, tag in (each.partition(":") for each in tags)]
    targets += [Target(name, None) for name in untagged]
    for each in targets:
        if not NAME.fullmatch(each.repository) or (each.tag is not None and not TAG.fullmatch(each.tag)):
            raise ImportRefused("InvalidParameters", f"The target '{each}' is not valid.")
    return targets


async def copy_image(source: Images, source_image: str, target: Images, targets: Sequence[Target], force: bool) -> None:
    """Copy an image with all that it is made of.

    Args:
        source: the registry that has it.
        source_image: its name there.
        target: the registry that gets it.
        targets: under which names.
        force: replace tags that are there.

    Raises:
        ImportRefused: there is no such image; a tag is there already; a registry failed.
    """
    repository, reference, _ = parse_source(source_image)
    digest = source.resolve(repository, reference)
    if digest is None:
        found = f"manifest {reference}" if ":" in reference else f'manifest tagged by "{reference}"'
        raise ImportRefused("InvalidParameters", f"{found} is not found. Repository: {repository}")
    for each in targets:
        # Before anything is copied, as the REST API's documentation of the mode NoForce says.
        if not force and each.tag is not None and target.resolve(each.repository, each.tag):
            raise ImportRefused("Conflict", f"Tag {each} already exists in target registry.", 409)
    try:
        for each in targets:
            await _copy(source, repository, digest, target, each.repository, each.tag)
    except (aiohttp.ClientError, OSError) as problem:
        raise ImportRefused("InvalidParameters", f"Error copying blobs: {problem}") from problem


async def _copy(
    source: Images, source_name: str, digest: str, target: Images, target_name: str, tag: str | None
) -> None:
    content, media_type = await source.manifest(source_name, digest)
    document: dict[str, Any] = json.loads(content)
    if media_type in INDEXES:
        for each in document["manifests"]:
            # As in Azure, an index may name platforms that the source does not have.
            if source.resolve(source_name, each["digest"]):
                await _copy(source, source_name, each["digest"], target, target_name, None)
    else:
        for blob in (document["config"], *document["layers"]):
            if not blob.get("urls"):
                await _copy_blob(source, source_name, blob, target, target_name)
    stored = await target.put_manifest(target_name, tag or digest, content, media_type)
    if not stored.is_taken:
        raise ImportRefused("InvalidParameters", f"The image was not taken: {stored.body.decode(errors='replace')}")


async def _copy_blob(source: Images, source_name: str, blob: dict[str, Any], target: Images, target_name: str) -> None:
    digest = blob["digest"]
    async with target.making_blob(target_name, digest) as is_there:
        if is_there or (source is target and await target.mount_blob(target_name, digest, source_name)):
            return
        async with source.read_blob(source_name, digest) as response:
            await target.put_blob(target_name, digest, blob["size"], response.content)
