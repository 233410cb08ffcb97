"""What deployment files come to, and what a format is: its table of keys, and the function that takes their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.deployment_files.document import Kind, shortened

if TYPE_CHECKING:
    from azext_mlfunc.packaging.deployment_files.draft import Draft

VARIABLE = "environment_variables."
"""What the names of variables begin with, among those of options."""
_MOST_NAMED = 40


@dataclass(frozen=True)
class Place:
    """Where a value stood.

    :param file: the file, as it was named.
    :param line: its line, counted from 1.
    :param key: its dotted key.
    """

    file: Path
    line: int
    key: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} ({self.key})"


@dataclass(frozen=True)
class FileOptions:
    """What deployment files say of the options of `az ml-func package`; None and empty where they say nothing.

    :param models: local paths, and names of registered models as they were given.
    :param entry_script: the script's path, within `source_directory` where there is one.
    :param source_directory: the folder with the code.
    :param conda_file: the path of a conda file, or as str the text of one that stood in the file itself, with each
        line at the number that it has there (but where YAML's aliases make that impossible).
    :param environment: the name of a registered environment as it was given.
    :param base_image: the image to build on.
    :param environment_variables: by name. They may hold secrets, as the conda text may.
    :param trigger: one of `azext_mlfunc.triggers.NAMES`.
    :param trigger_options: by the name of the trigger's field, `input_path`.
    :param ignored: keys that mean nothing for a function app, or nothing at all.
    :param places: where each option stood, by its name: `models`, `input_path`, `environment_variables.NAME`.
    """

    models: tuple[str, ...] = ()
    entry_script: Path | None = None
    source_directory: Path | None = None
    conda_file: Path | str | None = field(default=None, repr=False)
    environment: str | None = None
    base_image: str | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    trigger: str | None = None
    trigger_options: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[Place, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each file with ignored keys, which names them."""
        notes = []
        for file in dict.fromkeys(place.file for place in self.ignored):
            keys = [shortened(place.key) for place in self.ignored if place.file == file]
            more = f" and {len(keys) - _MOST_NAMED} more" if len(keys) > _MOST_NAMED else ""
            named = ", ".join(keys[:_MOST_NAMED])
            notes.append(f"{file}: ignored, as a function app has no use for them: {named}{more}")
        return tuple(notes)

    def placed(self, finding: Finding) -> Finding:
        """A finding about an option (`--input-path`), with file, line and key where a file gave that option."""
        name = str(finding.where).removeprefix("--").replace("-", "_")
        place = self.places.get("models" if name == "model" else name)
        if place is None:
            return finding
        found = f"{place.key}: {finding.found}"
        return Finding(place.file, found, finding.expected, finding.remedy, place.line, finding.severity)


@dataclass(frozen=True)
class Key:
    """What may stand under a key.

    :param option: the option that it becomes, or decides on; None: it is ignored.
    :param expected: what should stand there, in words.
    :param kinds: what may stand there.
    :param keys: those of a mapping; None: any.
    """

    option: str | None = None
    expected: str = ""
    kinds: tuple[Kind, ...] = ("text",)
    keys: Mapping[str, Key] | None = None


def ignored(names: str) -> dict[str, Key]:
    """Keys that mean nothing for a function app.

    :param names: with blanks between them.
    """
    return {name: Key() for name in names.split()}


@dataclass(frozen=True)
class Format:
    """One kind of file.

    :param name: what it is, in words.
    :param marks: keys that tell it from the others.
    :param keys: the keys that it may have.
    :param take: gives the draft the options that its values stand for.
    :param is_null_absent: whether null stands for a key that is not there; else it is a value that was forgotten.
    """

    name: str
    marks: tuple[str, ...]
    keys: Mapping[str, Key]
    take: Callable[[Draft], None]
    is_null_absent: bool = True
