"""The image that is made without an engine, held against the one that an engine builds from the Dockerfile.

Their file systems, settings, labels and entry points must be the same. What differs is listed here with its reason, and
an entry that no longer differs fails the test.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker

from azext_mlfunc.manifest import LABEL

from .conftest import Registry

SITE_PACKAGES = "home/site/wwwroot/.python_packages/lib/site-packages"


@dataclass(frozen=True)
class Difference:
    """Paths that differ, and why that is right."""

    reason: str
    paths: str


DIFFERENCES = (
    Difference(
        "pip compiles what it installs; without an engine there is no Python of the image that could",
        rf"{SITE_PACKAGES}/(.+/)?__pycache__(/.*)?",
    ),
    Difference(
        "INSTALLER names who installed, REQUESTED marks what was asked for by name, and RECORD lists both and the .pyc",
        rf"{SITE_PACKAGES}/[^/]+\.dist-info/(INSTALLER|REQUESTED|RECORD)",
    ),
    Difference(
        "the commands that packages bring start with `env python`, as where Python lies in the base is not known",
        rf"{SITE_PACKAGES}/bin/[^/]+",
    ),
    Difference("an engine needs the requirements in the image to install them", r"opt/mlfunc(/requirements\.txt)?"),
    Difference("what was resolved here is in the manifest (environment.lock)", r"home/site/wwwroot/mlfunc\.json"),
)


def test_the_two_ways_make_the_same_image(engine, registry: Registry, package, direct):
    built = {}
    for name, way in (("docker", package), ("direct", direct)):
        location = way("--image-name", f"same-{name}", "--image-tag", "v1").result["location"]
        built[name] = engine.images.pull(location, auth_config=registry.credentials)

    trees = {name: dict(tree(engine, image)) for name, image in built.items()}
    paths = trees["docker"].keys() | trees["direct"].keys()
    differing = {path for path in paths if trees["docker"].get(path) != trees["direct"].get(path)}
    explained = {entry: {path for path in differing if re.fullmatch(entry.paths, path)} for entry in DIFFERENCES}
    unexplained = sorted(differing - set().union(*explained.values()))
    assert not unexplained, [(path, trees["docker"].get(path), trees["direct"].get(path)) for path in unexplained]
    assert all(explained.values()), [entry.reason for entry, found in explained.items() if not found]
    assert len(paths) > 5000

    configs = {name: dict(image.attrs["Config"]) for name, image in built.items()}
    manifests = {}
    for name, config in configs.items():
        del config["Image"]  # the engine's own note of what it built on
        manifests[name] = json.loads(config["Labels"].pop(LABEL))
    assert configs["docker"] == configs["direct"]
    lock = manifests["direct"]["environment"].pop("lock")
    assert manifests["docker"] == manifests["direct"]
    assert [line.partition("==")[0] for line in lock] == ["joblib", "numpy", "scikit-learn", "scipy", "threadpoolctl"]
    for name, image in built.items():
        assert (image.attrs["Os"], image.attrs["Architecture"]) == ("linux", "amd64"), name


def tree(engine: docker.DockerClient, image: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Every path of an image's file system with type, mode, owner and content."""
    container = engine.containers.create(image, ["true"])
    try:
        with tarfile.open(fileobj=_Readable(container.export()), mode="r|") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                digest = hashlib.sha256(file.read()).hexdigest()[:12] if file else ""
                yield member.name, (member.type, oct(member.mode), member.uid, member.gid, member.linkname, digest)
    finally:
        container.remove()


class _Readable:
    """An iterator of bytes as a file, for tarfile."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
