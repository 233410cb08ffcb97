"""The one small interface behind which images are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from azure.cli.core.azclierror import ValidationError

from azext_mlfunc.packaging.image import Image, Tally
from azext_mlfunc.progress import Progress


@dataclass(frozen=True)
class Built:
    """An image that was made.

    :param location: the name that it can be pulled by, with its digest; by its tag where no registry has it.
    :param tag: its name with its tag, or None where there is no image yet.
    :param digest: `sha256:…` of its manifest in the registry, or None where no registry has it.
    :param size: its size in bytes, or None where the builder cannot tell.
    """

    location: str
    tag: str | None
    digest: str | None
    size: int | None


class CannotBeBuilt(ValidationError):
    """What was asked for cannot be built in any way: there is no use in trying another builder."""


class Builder(Protocol):
    """Makes an image from data, and pushes it where the request names a registry."""

    name: ClassVar[str]

    def check(self, image: Image, progress: Progress) -> None:
        """Raise if the image cannot be built this way: nothing has been built or pushed by then.

        :raises CannotBeBuilt: nor can it be in another way.
        :raises azure.cli.core.azclierror.AzCLIError: what stands in the way, and the way out.
        """

    def build(self, image: Image, tally: Tally, progress: Progress) -> Built:
        """Build and push.

        :raises azure.cli.core.azclierror.AzCLIError: what failed, and what to do next.
        """
