"""The files of the small registry: blobs by digest, and what each repository has of them.

blobs/HEX                                 a blob or a manifest, whichever repositories have it
repositories/NAME/_blobs/HEX              empty: the repository has the blob
repositories/NAME/_manifests/HEX          the media type: the repository has the manifest
repositories/NAME/_tags/TAG               a digest
uploads/ID                                what has arrived of a blob; gone with the next start

All methods block; no part of a repository's name starts with an underscore.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_azure.container_registry.oci import digest_of


@dataclass
class Upload:
    """A blob that is arriving.

    Args:
        repository: where it is for.
        file: what has arrived.
    """

    repository: str
    file: Path
    size: int = 0
    _hashed: Any = field(default_factory=hashlib.sha256, repr=False)

    def append(self, data: bytes) -> None:
        """Add what has arrived next."""
        with self.file.open("ab") as file:
            file.write(data)
        self._hashed.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hashed.hexdigest()}"


class SmallStorage:
    """The files.

    Args:
        folder: its own.
    """

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"
        self._repositories = folder / "repositories"
        self._uploads = folder / "uploads"

    def open(self) -> None:
        """Make the folders; uploads of an earlier run are given up."""
        shutil.rmtree(self._uploads, True)
        for each in (self._blobs, self._repositories, self._uploads):
            each.mkdir(parents=True, exist_ok=True)

    def new_upload(self, repository: str) -> tuple[str, Upload]:
        """Begin an upload; returns its name, and itself."""
        name = str(uuid.uuid4())
        upload = Upload(repository, self._uploads / name)
        upload.file.touch()
        return name, upload

    def finish(self, upload: Upload) -> None:
        """Make a blob of an upload that is whole."""
        upload.file.replace(self._blob(upload.digest))
        self._link(upload.repository, "_blobs", upload.digest, "")

    def abandon(self, upload: Upload) -> None:
        """Give an upload up."""
        upload.file.unlink(missing_ok=True)

    def blob(self, repository: str, digest: str) -> Path | None:
        """A blob that the repository has."""
        return self._blob(digest) if self._has(repository, "_blobs", digest) else None

    def mount(self, digest: str, source: str, target: str) -> bool:
        """Let a repository have a blob of another; False: that one has it not."""
        if not self._has(source, "_blobs", digest):
            return False
        self._link(target, "_blobs", digest, "")
        return True

    def delete_blob(self, repository: str, digest: str) -> bool:
        """Take a blob from a repository; False: it has it not. Its bytes stay, as others may have them."""
        return self._unlink(repository, "_blobs", digest)

    def put_manifest(self, repository: str, content: bytes, media_type: str, tag: str | None) -> str:
        """Keep a manifest, under a tag if one is given; returns its digest."""
        digest = digest_of(content)
        self._write(self._blob(digest), content)
        self._link(repository, "_manifests", digest, media_type)
        if tag is not None:
            self._link(repository, "_tags", tag, digest)
        return digest

    def manifest(self, repository: str, reference: str) -> tuple[str, str, bytes] | None:
        """Digest, media type and content of a manifest, by tag or digest."""
        digest = reference if ":" in reference else self._read(repository, "_tags", reference)
        media_type = digest and self._read(repository, "_manifests", digest)
        return (digest, media_type, self._blob(digest).read_bytes()) if digest and media_type else None

    def delete_manifest(self, repository: str, digest: str) -> bool:
        """Take a manifest from a repository, and its tags; False: it has it not."""
        for tag in self.tags(repository):
            if self._read(repository, "_tags", tag) == digest:
                self.untag(repository, tag)
        return self._unlink(repository, "_manifests", digest)

    def untag(self, repository: str, tag: str) -> bool:
        """Take a tag away; False: there is none."""
        return self._unlink(repository, "_tags", tag)

    def forget(self, repository: str) -> None:
        """Take all that a repository has, not what repositories below its name have."""
        for kind in ("_blobs", "_manifests", "_tags"):
            shutil.rmtree(self._repositories / repository / kind, True)

    def tags(self, repository: str) -> list[str]:
        """The tags, in order."""
        folder = self._repositories / repository / "_tags"
        return sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []

    def repositories(self) -> list[str]:
        """The repositories that have manifests, in order."""
        found = {each.parent.parent for each in self._repositories.glob("**/_manifests/*")}
        return sorted(str(each.relative_to(self._repositories)) for each in found)

    def has_manifest(self, repository: str, digest: str) -> bool:
        """Whether a repository has a manifest."""
        return self._has(repository, "_manifests", digest)

    def _blob(self, digest: str) -> Path:
        return self._blobs / _file(digest)

    def _has(self, repository: str, kind: str, name: str) -> bool:
        return (self._repositories / repository / kind / _file(name)).is_file()

    def _read(self, repository: str, kind: str, name: str) -> str | None:
        try:
            return (self._repositories / repository / kind / _file(name)).read_text("utf-8")
        except FileNotFoundError:
            return None

    def _link(self, repository: str, kind: str, name: str, content: str) -> None:
        folder = self._repositories / repository / kind
        folder.mkdir(parents=True, exist_ok=True)
        self._write(folder / _file(name), content.encode())

    def _unlink(self, repository: str, kind: str, name: str) -> bool:
        try:
            (self._repositories / repository / kind / _file(name)).unlink()
        except FileNotFoundError:
            return False
        return True

    def _write(self, file: Path, content: bytes) -> None:
        """Write a file at once, so that nobody reads half of it."""
        draft = self._uploads / str(uuid.uuid4())
        draft.write_bytes(content)
        draft.replace(file)


def _file(name: str) -> str:
    return name.removeprefix("sha256:")
