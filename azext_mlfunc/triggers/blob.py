"""The blob trigger: a blob that appears under one path is scored into a blob under another.

Sources: Azure Functions documentation, functions-bindings-storage-blob-trigger ("Blob name patterns") and
functions-bindings-expressions-patterns; container names: "Naming and referencing containers, blobs, and metadata".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from azext_mlfunc.findings import Finding
from azext_mlfunc.triggers.base import Emulated, ServiceOption, Trigger, option

if TYPE_CHECKING:
    from azext_mlfunc.deploying.blueprint import Service, Surroundings
    from azext_mlfunc.probing.prober import ProbeOptions, Prober
    from azext_mlfunc.probing.target import Target
    from azext_mlfunc.probing.test import Tools

_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What a path may name beyond the input's own values: binding expressions that the host fills in.
_SYSTEM_NAMES = re.compile(r"(?i)rand-guid|sys\.(methodname|utcnow|randguid)|datetime(:.+)?|blobtrigger|uri")
_MAX_BLOB_NAME = 1024
# Tokens of a pattern that is only asked what it can match: any one character, and any number of characters.
_ANY, _MANY = "any", "many"


@dataclass(frozen=True)
class BlobTrigger(Trigger):
    """A blob at `input_path` becomes a blob at `output_path`, in the same storage account."""

    name = "blob"
    script = "event.py"
    service_option = ServiceOption(
        "trigger_storage_account",
        "Blob trigger: name or ID of the storage account of both paths. One that is not there is made. Default: an "
        "account of its own, with a name derived from the app's.",
    )

    input_path: str = option(
        default="input/{blobname}.{blobextension}",
        help="Blob trigger: container and name pattern of the blobs to score.",
    )
    output_path: str = option(
        default="output/{blobname}.out",
        help="Blob trigger: container and name pattern of the predictions; it may use the names of --input-path.",
    )

    def check(self) -> Iterator[Finding]:
        is_sound = True
        for flag, path in (("--input-path", self.input_path), ("--output-path", self.output_path)):
            for finding in _check_path(flag, path):
                is_sound = False
                yield finding
        if not is_sound:
            return
        names = _names(self.input_path)
        known = set(names)
        filled_in = [name for name in names if _SYSTEM_NAMES.fullmatch(name)]
        if filled_in:
            yield Finding(
                "--input-path",
                f"{{{filled_in[0]}}} in '{self.input_path}' is a value that Functions makes, for outputs",
                "names of your own for the parts of an input's name",
                "write for example input/{blobname}.json",
            )
        repeated = sorted(name for name in known if names.count(name) > 1)
        if repeated:
            yield Finding(
                "--input-path",
                f"'{self.input_path}' holds {{{repeated[0]}}} more than once",
                "each name once",
                "give each part a name of its own",
                severity="warning",
            )
        lower = {name.lower() for name in known}  # Functions takes names in any case
        unknown = [n for n in _names(self.output_path) if n.lower() not in lower and not _SYSTEM_NAMES.fullmatch(n)]
        if unknown:
            yield Finding(
                "--output-path",
                f"{{{unknown[0]}}} is not a name of --input-path '{self.input_path}'",
                "only names of the input path, {rand-guid}, {DateTime} or {sys.…}",
                "use " + (" or ".join(f"{{{name}}}" for name in sorted(known)) or "{rand-guid}"),
            )
        elif not _names(self.output_path):
            yield Finding(
                "--output-path",
                f"'{self.output_path}' is the same blob for every input",
                "a pattern, so that each input has an output of its own",
                "use a name of the input path, for example output/{blobname}.out",
                severity="warning",
            )
        if _overlap(self.output_path, self.input_path):
            yield Finding(
                "--output-path",
                f"an output at '{self.output_path}' matches --input-path '{self.input_path}'",
                "outputs that never trigger the function again: it would score its own predictions for ever",
                "choose another container, or another folder or ending within it",
            )

    def service(self, around: Surroundings) -> Service:
        from azext_mlfunc.deploying.blueprint import Service
        from azext_mlfunc.deploying.resources.blob_container import BlobContainer

        named = around.request.services.get(self.service_option.name)
        account = around.storage_account("trigger-storage", "of the trigger", "--trigger-storage-account", named, "tr")
        return Service(
            (account, *(BlobContainer(account, container) for container in self.containers)),
            lambda known: account.setting(known, named is not None),
        )

    @property
    def containers(self) -> tuple[str, ...]:
        """Those of both paths, each once."""
        return tuple(dict.fromkeys(path.partition("/")[0] for path in (self.input_path, self.output_path)))

    def emulated(self) -> Emulated:
        return Emulated(containers=self.containers)

    def prober(self, target: Target, options: ProbeOptions, tools: Tools) -> Prober:
        from azext_mlfunc.probing.blob import BlobProber

        return BlobProber(target, self, options, tools.open_blobs, tools.open_queues)

    def bindings(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "blobTrigger",
                "direction": "in",
                "name": "input",
                "dataType": "binary",
                "path": self.input_path,
                "connection": self.connection,
            },
            {
                "type": "blob",
                "direction": "out",
                "name": "output",
                "path": self.output_path,
                "connection": self.connection,
            },
        ]

    def input_name(self, stem: str, extension: str) -> str:
        """The name of a blob that fits the input path: the stem for its first name, the extension for its last."""
        _, _, blob = self.input_path.partition("/")
        parts = _parts(blob)
        last = max((number for number, (kind, _) in enumerate(parts) if kind == "name"), default=-1)
        filled, first = "", True
        for number, (kind, value) in enumerate(parts):
            if kind == "text":
                filled += value
            elif first:
                filled, first = filled + stem, False
            else:
                filled += extension if number == last and filled.endswith(".") else "x"
        return filled

    def values_of(self, name: str) -> dict[str, str] | None:
        """What the names of the input path stand for in a blob's name, by lower-case name; None: it does not fit.

        Every name takes as much as it can, and of a repeated one the last counts, as in Functions. Source:
        azure-webjobs-sdk, BindingTemplateSource.
        """
        _, _, blob = self.input_path.partition("/")
        found = re.fullmatch(_expression(_parts(blob), {}), name, re.DOTALL)
        return None if found is None else dict(zip((n.lower() for n in _names(blob)), found.groups(), strict=True))

    def output_name(self, name: str) -> str | None:
        """The name of the output that belongs to an input; None where Functions makes a part of it up."""
        _, _, blob = self.output_path.partition("/")
        values = self.values_of(name) or {}
        parts = _parts(blob)
        if any(kind == "name" and value.lower() not in values for kind, value in parts):
            return None
        return "".join(value if kind == "text" else values[value.lower()] for kind, value in parts)

    def output_pattern(self, name: str) -> tuple[str, str]:
        """What the output's name begins with, and a regular expression for it, where it is not known exactly."""
        _, _, blob = self.output_path.partition("/")
        values, prefix = self.values_of(name) or {}, ""
        for kind, value in _parts(blob):
            if kind == "name" and value.lower() not in values:
                break
            prefix += value if kind == "text" else values[value.lower()]
        return prefix, _expression(_parts(blob), values)


def _check_path(flag: str, path: str) -> Iterator[Finding]:
    """What is wrong with one path, seen alone."""
    container, _, blob = path.partition("/")
    if "{" in container or "}" in container:
        yield Finding(
            flag,
            f"'{path}' has a pattern in the container's name",
            "a fixed container: Functions watches one container, patterns are for the blob's name",
            "write the container's name out, for example input/{blobname}.json",
        )
    elif not _CONTAINER.fullmatch(container):
        yield Finding(
            flag,
            f"'{container}' is no container name",
            "3 to 63 lower-case letters, digits and single hyphens, with a letter or digit at both ends",
            "choose a name like input",
        )
    if not blob:
        yield Finding(
            flag,
            f"'{path}' names no blob",
            "CONTAINER/PATTERN",
            f"write for example {container or 'input'}/{{blobname}}.json",
        )
        return
    if re.search(r"[\x00-\x1f\x7f\\]|(^|/)\.{1,2}(/|$)|[./]$", blob):
        yield Finding(
            flag,
            f"{path!r} holds a control character, a backslash or a part '.' or '..', or ends in '.' or '/'",
            "a blob name that Azure Storage keeps as it is",
            "leave that out",
        )
    if len(blob) > _MAX_BLOB_NAME:
        yield Finding(
            flag, f"a blob name of {len(blob)} characters", f"at most {_MAX_BLOB_NAME}", "choose a shorter pattern"
        )
    try:
        kinds = [kind for kind, _ in _parts(path)]
    except ValueError as problem:
        yield Finding(
            flag,
            f"'{path}': {problem}",
            "braces in pairs around a name; {{ and }} for literal braces",
            "mend the pattern",
        )
        return
    if ("name", "name") in pairwise(kinds):
        yield Finding(
            flag,
            f"'{path}' has two patterns with nothing between them",
            "a separator between two patterns, or it is open where one ends",
            "write for example {name}-{number} or {name}.{extension}",
            severity="warning",
        )


def _parts(path: str) -> list[tuple[str, str]]:
    """Split a path into ('text', …) and ('name', …) parts; doubled braces are text.

    :raises ValueError: a brace has no partner, or holds no name.
    """
    parts: list[tuple[str, str]] = []
    position = 0
    while position < len(path):
        two, one = path[position : position + 2], path[position]
        if two in ("{{", "}}"):
            parts.append(("text", one))
            position += 2
        elif one == "{":
            end = path.find("}", position)
            name = path[position + 1 : end] if end > 0 else ""
            if end < 0 or "{" in name:
                raise ValueError("a '{' is not closed")
            if not _NAME.fullmatch(name) and not _SYSTEM_NAMES.fullmatch(name):
                raise ValueError(f"'{{{name}}}' holds no name")
            parts.append(("name", name))
            position = end + 1
        elif one == "}":
            raise ValueError("a '}' closes nothing")
        else:
            parts.append(("text", one))
            position += 1
    return parts


def _names(path: str) -> list[str]:
    return [value for kind, value in _parts(path) if kind == "name"]


def _expression(parts: list[tuple[str, str]], values: Mapping[str, str]) -> str:
    """A regular expression for a path: names that have a value are that value, each other one is a group."""
    pieces = []
    for kind, value in parts:
        text = value if kind == "text" else values.get(value.lower())
        pieces.append("(.*)" if text is None else re.escape(text))
    return "".join(pieces)


def _overlap(left_path: str, right_path: str) -> bool:
    """Whether any one path matches both patterns; a `{name}` stands for one character or more."""
    left, right = _glob(left_path), _glob(right_path)
    todo, seen = [(0, 0)], set()
    while todo:
        i, j = state = todo.pop()
        if state in seen or i > len(left) or j > len(right):
            continue
        seen.add(state)
        one = left[i] if i < len(left) else ""
        other = right[j] if j < len(right) else ""
        if not one and not other:
            return True
        if one == _MANY:
            todo += [(i + 1, j), (i, j + 1)]
        elif other == _MANY:
            todo += [(i, j + 1), (i + 1, j)]
        elif one and other and (one == other or _ANY in (one, other)):
            todo.append((i + 1, j + 1))
    return False


def _glob(path: str) -> list[str]:
    """The path as single characters, with `_ANY` and `_MANY` for each name."""
    tokens: list[str] = []
    for kind, value in _parts(path):
        tokens += [value] if kind == "text" else [_ANY, _MANY]
    return tokens
