"""What the user asked `az ml-func package` for, as one frozen object that every check and builder reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from azext_mlfunc.triggers.base import Trigger

if TYPE_CHECKING:
    from azext_mlfunc.packaging.models import ModelSource


@dataclass(frozen=True)
class PackageRequest:
    """The wish, not yet checked: paths are as given and may not exist.

    :param models: where the models come from.
    :param entry_script: the script with `init()` and `run()`.
    :param source_directory: the folder that is packed as the app's code; it holds the entry script.
    :param trigger: the trigger with its options.
    :param image_name: the repository's name in the registry.
    :param image_tag: the tag.
    :param conda_file: a conda environment file, or None.
    :param requirements: a pip requirements file, or None.
    :param lock: a lock file to install from, or None.
    :param python_version: `3.X` where the user chose one.
    :param base_image: the image to build on where the user chose one.
    :param registry: the registry's login server (`host` or `host:port`), or None to keep the image local.
    :param variables: environment variables that the user wants in the image.
    :param deployment_files: the files that options came from; they stay out of the image, as they may hold secrets.
    :param environment_source: where the environment is registered; empty where it is not.
    """

    models: tuple[ModelSource, ...]
    entry_script: Path
    source_directory: Path
    trigger: Trigger
    image_name: str
    image_tag: str
    conda_file: Path | None = None
    requirements: Path | None = None
    lock: Path | None = None
    python_version: str | None = None
    base_image: str | None = None
    registry: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    deployment_files: tuple[Path, ...] = ()
    environment_source: Mapping[str, str] = field(default_factory=dict)

    @property
    def repository(self) -> str:
        """The image's name with its registry: `host/name`, or `name` where there is no registry."""
        return f"{self.registry}/{self.image_name}" if self.registry else self.image_name

    @property
    def reference(self) -> str:
        """The image's name with its registry and tag."""
        return f"{self.repository}:{self.image_tag}"
