"""The images that mcr.microsoft.com has in the local Azure: stand-ins of the Functions base images for Python.

One can be run by a Docker engine, as :mod:`local_azure.base_image` makes it. A hollow one has the same environment and
command, and of the file system only folders: enough to build on without an engine, and for apps that run as processes.
Which Pythons there are: Azure/azure-functions-docker, host/4.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local_azure import base_image
from local_azure.base_image import CONFIG, PYTHON_VERSION, ImageConfig
from local_azure.container_registry.oci import OCI_CONFIG, OCI_MANIFEST, OCI_TAR, digest_of

REPOSITORY = "azure-functions/python"
PYTHON_VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
_FOLDERS = (
    *("azure-functions-host", "etc", "home/LogFiles", "home/data", "home/site/wwwroot", "opt/startup", "root", "run"),
    *("tmp", "usr/bin", "usr/lib", "usr/local/bin", "var"),
)
_CREATED = "1980-01-01T00:00:00Z"


@dataclass(frozen=True)
class Blob:
    """Bytes that can be read again and again."""

    digest: str
    size: int
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class BaseImage:
    """An image of one layer.

    Args:
        python_version: the Python that it is for.
        is_runnable: whether it is more than folders.
    """

    python_version: str
    is_runnable: bool
    config: Blob
    layer: Blob
    manifest: bytes
    media_type: str = OCI_MANIFEST

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def tags(python_version: str) -> tuple[str, str]:
    """The tags of an image; the real ones differ by an SSH server that Docker on a machine has no use for."""
    return f"4-python{python_version}", f"4-python{python_version}-appservice"


async def make(cache: Path, runnable: bool) -> list[BaseImage]:
    """All images; the same inputs give the same digests.

    Args:
        cache: keeps the file system of the one that can be run.
        runnable: make that one, where this machine can.

    Raises:
        subprocess.CalledProcessError: mmdebstrap failed; it has said why on stderr.
    """
    images = {version: hollow(version) for version in PYTHON_VERSIONS}
    if runnable and shutil.which("mmdebstrap") and os.geteuid() == 0:
        images[PYTHON_VERSION] = await asyncio.to_thread(_runnable, cache)
    return list(images.values())


def hollow(python_version: str) -> BaseImage:
    """An image of folders."""
    worker = f"azure-functions-host/workers/python/{python_version}/LINUX/X64"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(_with_parents(*_FOLDERS, worker, f"opt/python/{python_version}/bin")):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
            archive.addfile(entry)
    return _image(python_version, False, _blob(content.getvalue()))


def _runnable(cache: Path) -> BaseImage:
    tar = base_image.rootfs_tar(cache)
    with tar.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    return _image(PYTHON_VERSION, True, Blob(digest, tar.stat().st_size, lambda: tar.open("rb")))


def _image(python_version: str, is_runnable: bool, layer: Blob) -> BaseImage:
    env = {**CONFIG.env, "FUNCTIONS_WORKER_RUNTIME_VERSION": python_version}
    config = _blob(_json(_config(dataclasses.replace(CONFIG, env=env), layer.digest)))
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config.digest, "size": config.size},
        # Not compressed: the layer's digest is that of the file, and loopback is quick.
        "layers": [{"mediaType": OCI_TAR, "digest": layer.digest, "size": layer.size}],
    }
    return BaseImage(python_version, is_runnable, config, layer, _json(manifest))


def _config(image: ImageConfig, diff_id: str) -> dict[str, Any]:
    return {
        "created": _CREATED,
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [f"{name}={value}" for name, value in image.env.items()], "Cmd": list(image.cmd)},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": _CREATED, "created_by": "local_azure"}],
    }


def _with_parents(*paths: str) -> set[str]:
    return {str(each) for path in paths for each in (Path(path), *Path(path).parents) if each != Path(".")}


def _blob(content: bytes) -> Blob:
    return Blob(digest_of(content), len(content), lambda: io.BytesIO(content))


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
