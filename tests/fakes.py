"""Fakes with the contract of what they stand for."""

from __future__ import annotations

from azext_mlfunc.packaging.builders.base import Built
from azext_mlfunc.packaging.context import tar_stream
from azext_mlfunc.packaging.image import Image, Tally
from azext_mlfunc.progress import Progress


class RecordingProgress:
    """A `Progress` that remembers what was said."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, message: str) -> None:
        self.steps.append(message)

    def live(self, message: str, fraction: float | None = None) -> None:
        assert fraction is None or 0 <= fraction <= 1

    def done(self) -> None:
        pass


class MemoryBuilder:
    """A `Builder` that keeps the context's tar in memory and says that it was pushed."""

    name = "memory"
    digest = "sha256:" + "0" * 64

    def __init__(self) -> None:
        self.context = b""

    def check(self, image: Image, progress: Progress) -> None:
        pass

    def build(self, image: Image, tally: Tally, progress: Progress) -> Built:
        self.context = b"".join(tar_stream(image.entries(tally)))
        request = image.request
        return Built(f"{request.repository}@{self.digest}", request.reference, self.digest, len(self.context))
