"""Every way of making an image: one file each, and this tuple of all of them, in the order that `auto` tries them."""

from __future__ import annotations

from collections.abc import Sequence

from azext_mlfunc.packaging.builders.base import Builder, CannotBeBuilt
from azext_mlfunc.packaging.builders.direct import DirectBuilder
from azext_mlfunc.packaging.builders.docker import DockerBuilder
from azext_mlfunc.packaging.image import Image
from azext_mlfunc.progress import Progress

BUILDERS: tuple[type[Builder], ...] = (DirectBuilder, DockerBuilder)
AUTO = "auto"
NAMES: tuple[str, ...] = (AUTO, *(builder.name for builder in BUILDERS))


def choose_builder(name: str, image: Image, builders: Sequence[Builder], progress: Progress) -> Builder:
    """The builder called `name`; with `auto`, the first that can build the image, and it is said why.

    :param builders: one of each of `BUILDERS`, in that order.
    :raises azure.cli.core.azclierror.AzCLIError: it cannot build the image; with `auto`, none can, and why not.
    """
    from azure.cli.core.azclierror import AzCLIError, ValidationError

    if name != AUTO:
        chosen = next(builder for builder in builders if builder.name == name)
        chosen.check(image, progress)
        return chosen
    reasons: list[str] = []
    ways_out: list[str] = []
    for builder in builders:
        try:
            builder.check(image, progress)
        except CannotBeBuilt:
            raise
        except AzCLIError as problem:
            reasons.append(f"{builder.name}: {problem.error_msg}")
            ways_out += problem.recommendations
            continue
        why = f", because {reasons[-1]}" if reasons else ""
        progress.step(f"Building with --build {builder.name}{why}")
        return builder
    raise ValidationError("No way of building can make this image.\n" + "\n".join(reasons), recommendation=ways_out)
