"""pip requirements: read with their lines, checked, and freed of what the image brings itself.

The format is pip's own. Source: pip documentation, "Requirements File Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from azext_mlfunc.findings import Finding

# What the Functions Python worker is made of and loads before the user's code: another version in the app fails at
# start or crashes the process (azure-functions-python-worker issues 1797, 1858).
WORKER_PACKAGES = frozenset(
    {
        "azure-functions",
        "azure-functions-runtime",
        "azure-functions-runtime-base",
        "azure-functions-runtime-v1",
        "azure-functions-worker",
        "grpcio",
        "grpcio-tools",
        "protobuf",
    }
)
# Azure ML's own web server and what pulls it in: hundreds of megabytes that the runtime in the image stands in for.
SERVER_PACKAGES = frozenset(
    {
        "azureml-contrib-functions",
        "azureml-contrib-services",
        "azureml-defaults",
        "azureml-inference-server-http",
    }
)
# What a script may still need of them: the module it imports, and the package that has it.
_PARTS_OF_SERVER = {"inference_schema": "inference-schema", "azureml.core": "azureml-core"}

# A user before the host of a URL: a password or a token, but for the one user of git over ssh.
# Or a port that is none, and a signature in the query.
_PASSWORD = re.compile(
    r"(?<!ssh)://[^/@\s]+@|://[^/@\s]*:[^/@\s]+@|://[^/@\s:\[]+:[^/@\s]*[^/@\s\d]"
    r"|\?\S*\b(sig|signature|token|key|password|secret)=",
    re.IGNORECASE,
)
_INCLUDE = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s+|=)?(?P<path>\S+)")
_LOCAL = re.compile(
    r"(-e|--editable)\b|\.{0,2}/|file:|[A-Za-z]:\\|.*@\s*file:|(-f|--find-links)(\s+|=)(?!\w+://)", re.IGNORECASE
)
_BARE_URL = re.compile(r"(\w+\+)?\w+://\S+")
# What a requirements file may hold beside requirements. Source: pip documentation, "Requirements File Format".
_OPTIONS = re.compile(
    r"(-i|--index-url|--extra-index-url|--no-index|-f|--find-links|--no-binary|--only-binary|--prefer-binary"
    r"|--require-hashes|--pre|--trusted-host|--use-feature)(\s|=|$)"
)
_MAX_DEPTH = 10


@dataclass(frozen=True)
class Line:
    """One logical line: a requirement or an option of pip.

    :param text: the line, without comment and continuation marks.
    :param where: the file it stands in.
    :param number: its line, counted from 1.
    """

    text: str
    where: Path
    number: int

    @property
    def name(self) -> str | None:
        """The package's normalised name, or None where the line names none."""
        match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.text)
        return re.sub(r"[-_.]+", "-", match[0]).lower() if match else None


def read(path: Path, depth: int = 0) -> list[Line]:
    """The logical lines of a requirements file, those of included files in their place.

    :raises OSError, UnicodeDecodeError: a file cannot be read.
    :raises ValueError: files include each other without end.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("requirements files include each other without end")
    lines: list[Line] = []
    pending, start = "", 0
    for number, raw in enumerate([*path.read_text(encoding="utf-8-sig").splitlines(), ""], start=1):
        text = re.sub(r"(^|\s)#.*$", "", raw)
        start = start if pending else number
        if text.endswith("\\"):
            pending += text[:-1]
            continue
        text, pending = (pending + text).strip(), ""
        include = _INCLUDE.fullmatch(text)
        if include and include[1] in ("-r", "--requirement"):
            lines += read(path.parent / include["path"], depth + 1)
        elif text:
            lines.append(Line(text, path, start))
    return lines


def check(lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield what would fail in the image, or leak into it."""
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        if _PASSWORD.search(line.text):
            yield Finding(
                line.where,
                "a URL with a user name and password, which would stay readable in the image",
                "URLs without credentials",
                "take them out of the URL, and use --base-image with the packages in it for private indexes",
                line=line.number,
            )
            continue
        if _INCLUDE.fullmatch(line.text) or _LOCAL.match(line.text):
            yield Finding(
                line.where,
                f"'{line.text}' is a path on this machine",
                "packages that can be installed in the image",
                "put the code into the source directory, and constraints into the requirements themselves",
                line=line.number,
            )
            continue
        if _OPTIONS.match(line.text):
            continue
        if line.text.startswith("-"):
            yield Finding(
                line.where,
                f"'{line.text.split()[0]}' is no option of a requirements file",
                "requirements, and options that pip knows there",
                "remove the line",
                line=line.number,
            )
            continue
        if _BARE_URL.fullmatch(line.text):
            yield Finding(
                line.where,
                f"'{line.text}' does not say which package it is",
                "a name before the URL",
                f"write NAME @ {line.text}",
                line=line.number,
            )
            continue
        bare = re.split(r"\s--", line.text)[0]
        try:
            requirement = Requirement(bare)
        except InvalidRequirement as problem:
            yield Finding(
                line.where,
                f"'{bare}' is no requirement: {str(problem).splitlines()[0]}",
                "a line such as scikit-learn==1.7.2",
                "mend the line",
                line=line.number,
            )
            continue
        pins = [str(part) for part in requirement.specifier if part.operator in ("==", "===")]
        if line.name in WORKER_PACKAGES and (pins or requirement.url or line.name == "azure-functions-worker"):
            yield Finding(
                line.where,
                f"'{bare}' pins a package that belongs to the Functions worker",
                f"the version that the image brings, so no pin of {line.name}",
                f"remove the line, or write {line.name} without a version"
                if line.name != "azure-functions-worker"
                else "remove the line",
                line=line.number,
            )


def without_server(lines: Sequence[Line], imported: frozenset[str]) -> tuple[list[str], list[str], list[str]]:
    """Leave out Azure ML's own server; put back the parts of it that the code imports.

    :param imported: dotted names of all modules that the app's code imports.
    :returns: the lines to install, the packages left out, and the packages put in for them.
    """
    kept = [line.text for line in lines if line.name not in SERVER_PACKAGES]
    left_out = sorted({line.name for line in lines if line.name in SERVER_PACKAGES and line.name})
    if not left_out:
        return kept, [], []
    present = {line.name for line in lines}
    put_in = [
        package
        for module, package in _PARTS_OF_SERVER.items()
        if package not in present and any(f"{name}.".startswith(f"{module}.") for name in imported)
    ]
    return kept + put_in, left_out, put_in
