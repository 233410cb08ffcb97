"""What a registry has: repositories, their manifests and tags, and since when. docker-registry knows no times, lists no
manifests and forgets no repository.

Names of attributes: recorded, test_container_registry_client…test_get_repository_properties.json,
…test_delete_tag.json, …test_get_manifest_properties_does_not_exist.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any


def now() -> str:
    """The time as Azure writes it: UTC, seven digits of the second."""
    return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}0Z"


@dataclass
class Times:
    """When something was made and last changed."""

    created: str
    updated: str


@dataclass
class Manifest(Times):
    """A manifest, and the attributes that were read from it when it came."""

    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def media_type(self) -> str:
        return str(self.attributes["mediaType"])


@dataclass
class Tag(Times):
    """A tag, and the digest of its manifest."""

    digest: str = ""


@dataclass
class Repository(Times):
    """Manifests by digest, and tags by name."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)

    def resolve(self, reference: str) -> str | None:
        """The digest that a tag or digest stands for; None: there is no such manifest."""
        if reference in self.tags:
            return self.tags[reference].digest
        return reference if reference in self.manifests else None

    def tags_of(self, digest: str) -> list[str]:
        """The tags of a manifest, in order."""
        return sorted(name for name, tag in self.tags.items() if tag.digest == digest)


class Index:
    """The repositories of a registry; each change is written to its file at once.

    Args:
        file: need not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.repositories: dict[str, Repository] = {}

    def load(self) -> None:
        """Read the file, if there is one.

        Raises:
            OSError: it cannot be read.
        """
        if self._file.exists():
            document = json.loads(self._file.read_text("utf-8"))
            self.repositories = {name: _repository(each) for name, each in document.items()}

    def names(self) -> list[str]:
        """The repositories, in order."""
        return sorted(self.repositories)

    def put(self, name: str, digest: str, attributes: Mapping[str, Any], tag: str | None) -> None:
        """A manifest came, under a tag if one is given."""
        time = now()
        repository = self.repositories.setdefault(name, Repository(time, time))
        manifest = repository.manifests.setdefault(digest, Manifest(time, time))
        manifest.attributes = dict(attributes)
        if tag is not None:
            found = repository.tags.setdefault(tag, Tag(time, time))
            found.digest, found.updated = digest, time
        manifest.updated = repository.updated = time
        self._save()

    def untag(self, name: str, tag: str) -> None:
        """A tag went."""
        repository = self.repositories.get(name)
        if repository is not None and repository.tags.pop(tag, None) is not None:
            repository.updated = now()
            self._save()

    def remove(self, name: str, digest: str) -> None:
        """A manifest went, and its tags; a repository that has no more goes too (general knowledge)."""
        repository = self.repositories.get(name)
        if repository is None or repository.manifests.pop(digest, None) is None:
            return
        for tag in repository.tags_of(digest):
            del repository.tags[tag]
        repository.updated = now()
        if not repository.manifests:
            del self.repositories[name]
        self._save()

    def forget(self, name: str) -> None:
        """A repository went."""
        if self.repositories.pop(name, None) is not None:
            self._save()

    def _save(self) -> None:
        draft = self._file.with_suffix(".new")
        document = {name: asdict(each) for name, each in self.repositories.items()}
        draft.write_text(json.dumps(document, indent=1), "utf-8")
        os.replace(draft, self._file)


def _repository(document: dict[str, Any]) -> Repository:
    manifests = {digest: Manifest(**each) for digest, each in document.pop("manifests").items()}
    tags = {name: Tag(**each) for name, each in document.pop("tags").items()}
    return Repository(**document, manifests=manifests, tags=tags)
