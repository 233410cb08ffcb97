"""Taking folders out of an image's layers, as they lie on top of each other.

A layer is a tar file of what is new, in which ``.wh.NAME`` takes NAME of the layers below away, and ``.wh..wh..opq``
all that they have in that folder. Source: OCI Image Format Specification 1.1, layer.md.

Layers come from whoever pushed them, and are trusted with nothing: a name or a link that leads out of the image, and a
name below a link, are refused. A link to a part of the image that is not taken out is left out.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import posixpath
import shutil
import tarfile
import threading
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # what files of these kinds begin with


class LayerRefused(Exception):
    """A layer is damaged, hostile, or of a kind that cannot be read here; the text says which and why."""


class Extraction:
    """What is taken out of one image.

    Args:
        root: stands for the image's root; everything is written below it.
        parts: the folders to take, absolute as in the image.
        stop: ends it, when set, by :class:`LayerRefused`.
    """

    def __init__(self, root: Path, parts: Iterable[str], stop: threading.Event | None = None) -> None:
        self._root = root
        self._parts = [PurePosixPath(part.lstrip("/")) for part in parts]
        self._stop = stop or threading.Event()

    def make_folders(self) -> None:
        """Make the folders that are wanted, for images that have nothing there."""
        for part in self._parts:
            (self._root / part).mkdir(parents=True, exist_ok=True)

    def add(self, digest: str, path: Path) -> bool:
        """Lay a layer over what there is.

        Args:
            digest: what the manifest says of it.
            path: where it is.

        Returns:
            Whether that made a difference: most layers of a base bring nothing to the parts that are taken.

        Raises:
            LayerRefused: it is damaged, hostile, or compressed in a way that is not known here.
        """
        with path.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
            if found != digest:
                raise LayerRefused(f"The layer {digest} is damaged: it has the digest {found}.")
            file.seek(0)
            beginning = file.read(4)
            if beginning == _ZSTD:
                raise LayerRefused(f"The layer {digest} is compressed with zstd, which is not known here.")
            file.seek(0)
            content = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if beginning.startswith(_GZIP) else file
            try:
                with tarfile.open(fileobj=content, mode="r|") as archive:
                    return self._lay(archive)
            except (tarfile.TarError, EOFError, gzip.BadGzipFile, OSError) as error:
                raise LayerRefused(f"The layer {digest} cannot be read: {error}") from error
            except LayerRefused as refused:
                raise LayerRefused(f"The layer {digest} is refused: {refused}") from None

    def _lay(self, archive: tarfile.TarFile) -> bool:
        ours: set[PurePosixPath] = set()  # of this layer: its whiteouts are for the layers below only
        difference = False
        for member in archive:
            if self._stop.is_set():
                raise LayerRefused("nobody waits for it any more")
            name = _safe_name(member.name)
            if name.name == _OPAQUE:
                difference = True
                self._clear(name.parent, ours)
            elif name.name.startswith(_WHITEOUT):
                difference = True
                self._remove(name.with_name(name.name[len(_WHITEOUT) :]))
            elif self._wanted(name):
                difference = difference or name not in self._parts or not member.isdir()
                self._extract(archive, member, name)
                ours.update([name, *name.parents])
        return difference

    def _wanted(self, name: PurePosixPath) -> bool:
        return any(name.is_relative_to(part) for part in self._parts)

    def _extract(self, archive: tarfile.TarFile, member: tarfile.TarInfo, name: PurePosixPath) -> None:
        target = self._root / name
        self._make_parents(name)
        if member.isdir():
            if not target.is_dir() or target.is_symlink():
                self._remove(name)
                target.mkdir()
            target.chmod(0o700 | (member.mode & 0o777))
            return
        self._remove(name)
        if member.issym():
            self._link(name, _link_target(name, member.linkname))
        elif member.islnk():
            self._hard_link(name, _safe_name(member.linkname))
        elif member.isreg():
            source = archive.extractfile(member)
            assert source is not None
            with target.open("xb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            target.chmod(0o600 | (member.mode & 0o777))
        else:
            raise LayerRefused(f"{name} is a device or a pipe")

    def _make_parents(self, name: PurePosixPath) -> None:
        folder = self._root
        for step in name.parts[:-1]:
            folder = folder / step
            if folder.is_symlink():
                raise LayerRefused(f"{name} lies below a link")
            if folder.exists() and not folder.is_dir():
                folder.unlink()  # a file of a lower layer is a folder now
            folder.mkdir(exist_ok=True)

    def _link(self, name: PurePosixPath, leads_to: PurePosixPath) -> None:
        if self._wanted(leads_to):
            os.symlink(posixpath.relpath(leads_to, name.parent), self._root / name)

    def _hard_link(self, name: PurePosixPath, leads_to: PurePosixPath) -> None:
        if not self._wanted(leads_to):
            raise LayerRefused(f"{name} is a hard link to {leads_to}")
        source = self._root / leads_to
        below_link = any((self._root / parent).is_symlink() for parent in leads_to.parents)
        if below_link or source.is_symlink() or not source.is_file():
            raise LayerRefused(f"{name} is a hard link to {leads_to}, which is no file")
        os.link(source, self._root / name)

    def _clear(self, folder: PurePosixPath, ours: set[PurePosixPath]) -> None:
        target = self._root / folder
        if self._below_a_link(folder) or target.is_symlink() or not target.is_dir():
            return
        for child in list(target.iterdir()):
            inside = folder / child.name
            if inside not in ours:
                self._remove(inside)
            elif child.is_dir() and not child.is_symlink():
                self._clear(inside, ours)

    def _remove(self, name: PurePosixPath) -> None:
        target = self._root / name
        if not name.parts or self._below_a_link(name):
            return
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def _below_a_link(self, name: PurePosixPath) -> bool:
        return any((self._root / parent).is_symlink() for parent in name.parents if parent.parts)


class LayersWithoutApp:
    """Remembers layers that bring nothing to an app, such as those of a base: they need not be read again.

    Args:
        file: has their digests, a line each; it may be shared with other processes.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __contains__(self, digest: str) -> bool:
        return self._file.exists() and digest in self._file.read_text("ascii").split()

    def add(self, digest: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="ascii") as file:
            file.write(f"{digest}\n")


def _safe_name(name: str) -> PurePosixPath:
    """A member's name below the image's root.

    Raises:
        LayerRefused: it is absolute, or climbs.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise LayerRefused(f"{name!r} leads out of the image")
    return path


def _link_target(name: PurePosixPath, target: str) -> PurePosixPath:
    """Where a symbolic link leads to, below the image's root; an absolute one is meant to begin there.

    Raises:
        LayerRefused: it climbs above the root.
    """
    joined = posixpath.normpath(target.lstrip("/") if target.startswith("/") else posixpath.join(name.parent, target))
    if joined == ".." or joined.startswith("../"):
        raise LayerRefused(f"{name} is a link to {target!r}, which leads out of the image")
    return PurePosixPath(joined)
