"""The lock: every package with its version and the checksum of its wheel, as a requirements file.

pip installs exactly that with `--no-deps --require-hashes`. Its text depends on nothing but the wheels, the target, and
the index options of the requirements.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.dependencies.target import Target
from azext_mlfunc.packaging.requirements import Line

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# Where pip looks. Source: pip documentation, "Requirements File Format", global options.
_INDEX_OPTION = re.compile(r"(-i|--index-url|--extra-index-url|-f|--find-links|--no-index|--trusted-host)\b")
_SECRET = re.compile(r"://(?!\$\{)[^/@\s]*@")


@dataclass(frozen=True)
class LockedWheel:
    """A wheel on this machine, and what the lock says of it.

    :param path: the file.
    :param sha256: its checksum, in hex.
    :param url: where it is from, if the requirements name a URL instead of a version.
    """

    path: Path
    sha256: str
    url: str | None = None

    @property
    def name(self) -> str:
        """The package's normalised name."""
        return self._parsed[0]

    @property
    def version(self) -> str:
        return self._parsed[1]

    @property
    def _parsed(self) -> tuple[str, str]:
        from packaging.utils import parse_wheel_filename

        name, version, _, _ = parse_wheel_filename(self.path.name)
        return str(name), str(version)


def lock_text(wheels: Iterable[LockedWheel], lines: Sequence[Line], target: Target) -> str:
    """The lock of these wheels.

    :param lines: what they were resolved from; its index options go into the lock, without passwords.
    """
    text = f"# {target}; made by az ml-func\n"
    text += "".join(f"{_SECRET.sub('://', line.text)}\n" for line in lines if _INDEX_OPTION.match(line.text))
    for wheel in sorted(wheels, key=lambda wheel: wheel.name):
        what = f"{wheel.name} @ {wheel.url}" if wheel.url else f"{wheel.name}=={wheel.version}"
        text += f"{what} --hash=sha256:{wheel.sha256}\n"
    return text


def is_lock_text(text: str) -> bool:
    """Whether a text is a whole lock that `lock_text` made, and no damaged one."""
    wheels = [line for line in text.splitlines() if not line.startswith(("#", "-"))]
    return text.startswith("# ") and text.endswith("\n") and len(wheels) == len(hashes(text))


def hashes(lock: str) -> list[str]:
    """The wheels' checksums in a lock that `lock_text` made."""
    return re.findall(r"--hash=sha256:([0-9a-f]{64})$", lock, re.MULTILINE)


def check_lock(lock: Sequence[Line], lines: Sequence[Line], target: Target) -> Iterator[Finding]:
    """Yield what the requirements ask for and the lock does not give."""
    held = [line for line in lock if (named := requirement_of(line)) and is_for(named, target)]
    locked = {line.name: line for line in held}
    versions = _versions(held)
    for line in lines:
        requirement = requirement_of(line)
        if requirement is None or not is_for(requirement, target):
            continue
        name = line.name
        version = versions.get(name or "")
        if name not in locked:
            found = "nothing"
        elif version and not requirement.specifier.contains(version, prereleases=True):
            found = f"{name}=={version}"
        else:
            continue
        yield Finding(
            "--lock",
            f"{found}, but the requirements ask for {requirement}",
            "a lock of these requirements",
            "leave --lock out once to get a new one",
        )


def requirement_of(line: Line) -> Requirement | None:
    """The line as a `packaging.requirements.Requirement`, None where it is an option or not in that form."""
    from packaging.requirements import InvalidRequirement, Requirement

    if line.text.startswith("-"):
        return None
    try:
        return Requirement(re.split(r"\s--", line.text)[0])
    except InvalidRequirement:
        return None


def is_for(requirement: Requirement, target: Target) -> bool:
    """Whether the requirement's marker, if any, holds for the target."""
    return requirement.marker is None or requirement.marker.evaluate({**target.markers(), "extra": ""})


def _versions(lock: Sequence[Line]) -> Mapping[str, str]:
    found = {}
    for line in lock:
        requirement = requirement_of(line)
        for part in requirement.specifier if requirement else ():
            if part.operator in ("==", "===") and line.name:
                found[line.name] = part.version
    return found
