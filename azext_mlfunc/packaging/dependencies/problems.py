"""Why packages cannot be had as wheels: pip's log, picked apart into findings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.dependencies.target import Target

# What pip logs, in versions 22.2 to 26.3.
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3} ", re.MULTILINE)
_LINK = re.compile(r"^\s*(?:Found link|Skipping link: (?P<reason>.*?):) (?P<url>(?:https?|file):[^\s,]+)", re.MULTILINE)
_NO_VERSION = re.compile(
    r"Could not find a version that satisfies the requirement (?P<what>.+?)(?: \(from (?!versions: )(?P<by>.+?)\))?"
    r" \(from versions: (?P<versions>.*)\)$",
    re.MULTILINE,
)
_CONFLICT = re.compile(r"^ERROR: (Cannot install .*?)\s*(?:To fix this you could|ERROR: Resolution)", re.M | re.DOTALL)
_DEPENDS = re.compile(r"^\s+(?P<by>\S+) \S+ depends on (?P<what>.+)$", re.MULTILINE)
_OTHER_HASH = re.compile(
    r"^\s+(?P<what>\S.*?) from (?P<url>\S+)[^\n]*\n(?P<hashes>(?:\s+(?:Expected|or|Got) .*\n?)+)", re.M
)
_UNREACHED = re.compile(
    r"^\s*(?:WARNING: )?"
    r"((?:Retrying \(|Could not fetch URL |ERROR: HTTP error |pip\._vendor\.requests\.exceptions\.)(?!.*\b404\b).*)$",
    re.MULTILINE,
)
_ERROR = re.compile(r"^ERROR: (.*(?:\n(?!Exception information|Traceback|[A-Z]+: ).*)*)", re.MULTILINE)
_MOST_VERSIONS = 8


class NoWheels(Exception):
    """Packages that cannot be had as wheels for the target.

    :param findings: what stands in the way, and the ways out.
    :param can_be_built: whether nothing lacks but wheels, so that an engine may still make the image.
    """

    def __init__(self, findings: Sequence[Finding], can_be_built: bool = False) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = tuple(findings)
        self.can_be_built = can_be_built


def masked(text: str) -> str:
    """The text without user names and passwords in its URLs, and without their queries and fragments."""
    text = re.sub(r"://[^/@\s]+@", "://****@", text)
    return re.sub(r"[?#][\w.%~-]+=[^\s,)]*", "", text)


def no_wheel(package: str, found: str, target: Target) -> Finding:
    """The finding for a package that would have to be built from its source."""
    return Finding(
        masked(package),
        masked(found),
        f"a wheel for {target}",
        "choose a version that has one, or build with an engine, which can build it from source: --build docker",
    )


def explain(log: str, said: str, target: Target) -> NoWheels:
    """What a run of pip failed of.

    :param log: the text of its `--log`.
    :param said: its last lines, for what came before there was a log.
    """
    log = _STAMP.sub("", log)
    if match := _NO_VERSION.search(log):
        return _no_version(match, log, target)
    if match := _CONFLICT.search(log):
        return _conflict(match[1], log, target)
    if "DO NOT MATCH THE HASHES" in log:
        others = {match["what"]: _other_hash(match) for match in _OTHER_HASH.finditer(log)}
        return NoWheels(list(others.values()) or [_words(_first_error(log))])
    return NoWheels([_unreached(f"{log}\n{said}") or _words(_first_error(log) or said.strip().rpartition("\n")[2])])


@dataclass(frozen=True)
class _File:
    """A file that an index has of a package, and what it is to the target."""

    name: str
    version: str
    kind: Literal["usable", "source", "wheel", "other Python"]


def _files(log: str, package: str) -> list[_File]:
    """What the indexes have of a package, by pip's own account."""
    from packaging.utils import canonicalize_name

    files = []
    for link in _LINK.finditer(log):
        name = unquote(urlsplit(link["url"]).path.rpartition("/")[2])
        found = _name_and_version(name)
        if found is None or found[0] != canonicalize_name(package):
            continue
        reason = link["reason"]
        kind: Literal["usable", "source", "wheel", "other Python"]
        if reason is None:
            kind = "usable"
        elif "Requires-Python" in reason:
            kind = "other Python"
        else:
            kind = "wheel" if name.endswith(".whl") else "source"
        files.append(_File(name, found[1], kind))
    return files


def _name_and_version(file: str) -> tuple[str, str] | None:
    from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

    try:
        if file.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(file)
        else:
            name, version = parse_sdist_filename(file)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return None
    return str(name), str(version)


def _missing(what: str, by: str | None, log: str, target: Target) -> tuple[Finding, bool] | None:
    """The finding for a requirement that no usable file meets, and whether a source does; None if some file does."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import Version

    try:
        requirement = Requirement(what)
    except InvalidRequirement:
        return None
    files = _files(log, requirement.name)
    meeting = [file for file in files if requirement.specifier.contains(file.version, prereleases=True)]
    kinds = {file.kind: file for file in sorted(meeting, key=lambda file: Version(file.version))}
    if "usable" in kinds:
        return None
    where = f"{what}, which {by} needs" if by else what
    if "source" in kinds:
        also = ", and wheels for other machines or Pythons" if "wheel" in kinds else ""
        return no_wheel(where, f"only its source ({kinds['source'].name}){also}", target), True
    if "wheel" in kinds:
        newest = kinds["wheel"].name
        return (
            Finding(
                where,
                f"only wheels for other machines or Pythons, such as {newest}",
                f"a wheel for {target}",
                "choose another version of it, or another --python-version",
            ),
            False,
        )
    if "other Python" in kinds:
        return (
            Finding(
                where,
                f"{kinds['other Python'].version} is not for Python {target.python_version}",
                f"a version for {target}",
                "choose another version of it, or another --python-version",
            ),
            False,
        )
    if not files:
        return _unreached(log) or _not_found(where), False
    versions = sorted({file.version for file in files if file.kind == "usable"}, key=Version)[-_MOST_VERSIONS:]
    return (
        Finding(
            where,
            f"no such version; the indexes have {', '.join(versions)}" if versions else "no such version",
            "a version that there is",
            "mend the version",
        ),
        False,
    )


def _not_found(where: str) -> Finding:
    return Finding(
        where,
        "no package of that name in any index that pip asks",
        "a package's name",
        "mend the name, or name its index with --extra-index-url in the requirements or in pip's configuration",
    )


def _no_version(match: re.Match[str], log: str, target: Target) -> NoWheels:
    found = _missing(match["what"], match["by"], log, target)
    if found is None:
        return NoWheels([_words(match[0])])
    return NoWheels([found[0]], can_be_built=found[1])


def _conflict(words: str, log: str, target: Target) -> NoWheels:
    """pip tells of a conflict, too, when all versions of one package need another that has no wheel."""
    found = [_missing(match["what"], match["by"], log, target) for match in _DEPENDS.finditer(words)]
    lacking = {str(item[0]): item[0] for item in found if item and item[1]}
    if lacking:
        return NoWheels(list(lacking.values()), can_be_built=True)
    return NoWheels(
        [
            Finding(
                "requirements",
                masked(re.sub(r"\n\s*", "\n    ", words.strip())),
                f"packages that go together on {target}",
                "loosen or change one of the versions",
            )
        ]
    )


def _other_hash(match: re.Match[str]) -> Finding:
    hashes = re.sub(r"\s+", " ", match["hashes"]).strip()
    return Finding(
        match["what"],
        f"another file than the one whose checksum is given: {masked(match['url'])}: {hashes}",
        "the file that was locked",
        "find out who changed it; if the change is meant, make a new lock",
    )


def _unreached(log: str) -> Finding | None:
    match = _UNREACHED.search(log)
    if match is None:
        return None
    return Finding(
        "package index",
        masked(match[1]),
        "an answer",
        "check the network, the proxy and pip's configuration (pip config list), and try again",
    )


def _first_error(log: str) -> str:
    match = _ERROR.search(log)
    # pip says no more than this of what it did not foresee, and shows where it was.
    return match[1].strip() if match and match[1].strip() != "Exception:" else ""


def _words(words: str) -> Finding:
    return Finding("pip", masked(words.strip()), "packages that pip can download", "mend what pip says")
