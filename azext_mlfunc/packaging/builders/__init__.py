"""Every way of making an image: one file each, and this tuple of all of them, in the order that `auto` tries them."""

from __future__ import annotations

from azext_mlfunc.packaging.builders.base import Builder
from azext_mlfunc.packaging.builders.docker import DockerBuilder
from azext_mlfunc.packaging.image import Image

BUILDERS: tuple[type[Builder], ...] = (DockerBuilder,)
AUTO = "auto"
NAMES: tuple[str, ...] = (AUTO, *(builder.name for builder in BUILDERS))


def choose_builder(name: str, image: Image, network: str | None) -> Builder:
    """The builder called `name`; with `auto`, the first that can build the image. It was asked whether it can.

    :param network: the network of the RUN steps of a build by an engine.
    :raises azure.cli.core.azclierror.AzCLIError: it cannot; the last one's reason where none can.
    """
    from azure.cli.core.azclierror import AzCLIError

    builders: tuple[Builder, ...] = (DockerBuilder(network),)
    *others, last = [builder for builder in builders if name in (AUTO, builder.name)]
    for builder in others:
        try:
            builder.check(image)
            return builder
        except AzCLIError:
            continue
    last.check(image)
    return last
