"""An image as OCI has it: layers, a config and a manifest, made as data.

Source: OCI Image Format Specification 1.1 (layer.md, config.md, manifest.md). Everything that could differ from one
build to the next is fixed, so that the same inputs give the same digests.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.packaging.context import Entry, tar_stream

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
# What Docker calls the same thing, in bases that Docker pushed.
_DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": TAR,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": f"{TAR}+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": f"{TAR}+zstd",
}
_TIME = "1980-01-01T00:00:00Z"
# The fields of a config that say what the image is; the rest says how and where it was built.
_CONFIG_FIELDS = ("architecture", "os", "os.version", "os.features", "variant")


@dataclass(frozen=True)
class Blob:
    """Bytes that a registry keeps.

    :param name: what it is, for people.
    :param digest: `sha256:…` of its bytes.
    :param size: their number.
    :param chunks: gives the bytes, as often as it is called; None for what only another registry has.
    """

    name: str
    digest: str
    size: int
    chunks: Callable[[], Iterable[bytes]] | None = None


@dataclass(frozen=True)
class Layer:
    """A layer: a blob, and the digest of the tar file that it holds."""

    blob: Blob
    media_type: str
    diff_id: str


def blob_of(name: str, data: bytes) -> Blob:
    """A blob of bytes that are at hand."""
    return Blob(name, digest_of(data), len(data), lambda: (data,))


def digest_of(data: bytes) -> str:
    """The digest of bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar_layer(name: str, entries: Callable[[], Iterable[Entry]], folder: str, destination: str) -> Layer:
    """A layer of a context's folder, uncompressed: read once now for its digest, and again when it is sent.

    Models hardly compress, and the rest is small: docs/direct-builder.md has the measurement.

    :param entries: the folder's entries, as often as it is called; the first call's are read at once.
    :param folder: the folder's name in the context.
    :param destination: where the folder's content lies in the image, absolute.
    """
    top = destination.lstrip("/")

    def chunks() -> Iterable[bytes]:
        moved = (dataclasses.replace(entry, path=top + entry.path.removeprefix(folder)) for entry in entries())
        return tar_stream(moved, top)

    digest, size = hashlib.sha256(), 0
    for chunk in chunks():
        digest.update(chunk)
        size += len(chunk)
    named = f"sha256:{digest.hexdigest()}"
    return Layer(Blob(name, named, size, chunks), TAR, named)


def image_config(
    base: Mapping[str, Any], layers: Sequence[Layer], env: Mapping[str, str], labels: Mapping[str, str]
) -> bytes:
    """The config of an image that is a base with more layers, environment variables and labels.

    :param base: the base's config.
    """
    settings = dict(base.get("config") or {})
    settings["Env"] = _merged(settings.get("Env") or [], env)
    settings["Labels"] = {**(settings.get("Labels") or {}), **labels}
    for builder_s in ("Image", "Hostname", "Domainname", "OnBuild"):
        settings.pop(builder_s, None)
    config = {field: base[field] for field in _CONFIG_FIELDS if field in base}
    config["created"] = _TIME
    config["config"] = settings
    diff_ids = [*base["rootfs"]["diff_ids"], *(layer.diff_id for layer in layers)]
    config["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    made = [{"created": _TIME, "created_by": f"az ml-func package: {layer.blob.name}"} for layer in layers]
    config["history"] = [*(base.get("history") or []), *made]
    return _canonical(config)


def image_manifest(base: Mapping[str, Any], config: Blob, layers: Sequence[Layer]) -> bytes:
    """The OCI manifest of an image that is a base with more layers.

    :param base: the base's manifest, of OCI or of Docker.
    """
    below = [{**_described(layer), "mediaType": _as_oci(layer["mediaType"])} for layer in base["layers"]]
    above = [{"mediaType": layer.media_type, "digest": layer.blob.digest, "size": layer.blob.size} for layer in layers]
    return _canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": config.digest, "size": config.size},
            "layers": [*below, *above],
        }
    )


def _described(layer: Mapping[str, Any]) -> dict[str, Any]:
    return {field: layer[field] for field in ("mediaType", "digest", "size", "urls", "annotations") if field in layer}


def _as_oci(media_type: str) -> str:
    return _DOCKER_LAYERS.get(media_type, media_type)


def _merged(env: Sequence[str], more: Mapping[str, str]) -> list[str]:
    """The base's variables with ours: in place where they have the same name, else behind."""
    values = dict(line.partition("=")[::2] for line in env) | dict(more)
    return [f"{name}={value}" for name, value in values.items()]


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
