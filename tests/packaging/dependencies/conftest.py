"""A folder of wheels and sources that stands in for an index, and layers made of it by the real pip."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from azext_mlfunc.packaging.dependencies import DependencyLayer, LayerCache, make_layer
from fakes import RecordingProgress

SITE_PACKAGES = "home/site/wwwroot/.python_packages/lib/site-packages/"


class Wheelhouse:
    """What pip finds with --find-links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def wheel(
        self,
        name: str,
        version: str = "1.0",
        files: Mapping[str, bytes | str] | None = None,
        requires: Sequence[str] = (),
        tag: str = "py3-none-any",
        executable: Sequence[str] = (),
        metadata: str = "",
        compression: int = zipfile.ZIP_DEFLATED,
    ) -> Path:
        """Add a wheel. `files` may hold `{info}/…` and `{data}/…` for its two folders."""
        info, data = f"{name}-{version}.dist-info", f"{name}-{version}.data"
        content = {f"{name}.py": "", **(files or {})}
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
        content["{info}/METADATA"] = "\n".join(["Metadata-Version: 2.1", *lines]) + f"\n{metadata}"
        content["{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
        path = self.folder / f"{name}-{version}-{tag}.whl"
        record = ""
        with zipfile.ZipFile(path, "w", compression) as archive:
            for key, value in content.items():
                target, raw = key.format(info=info, data=data), value.encode() if isinstance(value, str) else value
                member = zipfile.ZipInfo(target, (2020, 2, 2, 2, 2, 2))
                member.compress_type = compression
                member.external_attr = (0o100755 if key in executable else 0o100644) << 16
                archive.writestr(member, raw)
                digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
                record += f"{target},sha256={digest},{len(raw)}\n"
            archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
        return path

    def source(self, name: str, version: str = "1.0", setup: str = "") -> Path:
        """Add a source distribution; `setup` is its setup.py."""
        path = self.folder / f"{name}-{version}.tar.gz"
        files = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "setup.py": setup}
        with tarfile.open(path, "w:gz") as archive:
            for file, text in files.items():
                member = tarfile.TarInfo(f"{name}-{version}/{file}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        return path

    def text(self, *lines: str) -> str:
        """Requirements that are looked for here and nowhere else."""
        return "\n".join(["--no-index", f"--find-links {self.folder}", *lines, ""])


@pytest.fixture
def house(tmp_path: Path) -> Wheelhouse:
    return Wheelhouse(tmp_path / "house")


class Making:
    """`make_layer` with a cache in this test's folder; `steps` is what was said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[str] = []

    def __call__(
        self, text: str, python: str = "3.13", lock: str | None = None, cache: str = "cache", use_cache: bool = True
    ) -> DependencyLayer:
        progress = RecordingProgress()
        try:
            return make_layer(text, python, LayerCache(self.folder / cache), progress, lock, use_cache)
        finally:
            self.steps = progress.steps


@pytest.fixture
def make(tmp_path: Path) -> Making:
    return Making(tmp_path)


def packages(layer: DependencyLayer) -> list[str]:
    """`name==version` of what a layer has, by its lock."""
    return [line.split(" --hash")[0] for line in layer.lock.splitlines() if not line.startswith(("#", "-"))]


def members(path: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """A layer's files below site-packages, by Python's own tar."""
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile():
                member.name = member.name.removeprefix(SITE_PACKAGES)
                opened = archive.extractfile(member)
                assert opened
                yield member, opened.read()


def contents(path: Path) -> dict[str, bytes]:
    return {member.name: data for member, data in members(path)}
