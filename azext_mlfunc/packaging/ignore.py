"""Which files of the source directory stay out: `.amlignore`, else `.gitignore`, after our own defaults.

Patterns are gitignore's. Source: git documentation, gitignore(5), "PATTERN FORMAT"; that `.amlignore` wins over
`.gitignore`: Azure ML documentation, "how-to-save-write-experiment-files". Only the file at the top of the source
directory counts, as in Azure ML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

IGNORE_FILES = (".amlignore", ".gitignore")
# What nobody means to pack. A pattern of the user's own file comes later and may take one back with '!'.
DEFAULTS = (
    ".git/",
    ".hg/",
    ".svn/",
    "__pycache__/",
    "*.py[cod]",
    ".venv/",
    "venv/",
    ".ipynb_checkpoints/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".tox/",
    "node_modules/",
    ".DS_Store",
    *IGNORE_FILES,
)


@dataclass(frozen=True)
class _Rule:
    regex: re.Pattern[str]
    is_negated: bool
    only_folders: bool


@dataclass(frozen=True)
class IgnoreRules:
    """The rules that hold for one source directory.

    :param origin: the user's file that they come from, or None where only the defaults hold.
    :param rules: in order; the last one that matches decides.
    """

    origin: Path | None
    rules: tuple[_Rule, ...]

    def ignores(self, path: str, is_folder: bool) -> bool:
        """Whether `path` (relative, with forward slashes) stays out. What lies below an ignored folder stays out, too:
        the caller does not go into it."""
        verdict = False
        for rule in self.rules:
            if (is_folder or not rule.only_folders) and rule.regex.fullmatch(path):
                verdict = not rule.is_negated
        return verdict


def load_rules(directory: Path) -> IgnoreRules:
    """The rules for a source directory.

    :raises OSError, UnicodeDecodeError: its ignore file cannot be read.
    """
    origin = next((file for name in IGNORE_FILES if (file := directory / name).is_file()), None)
    own = origin.read_text(encoding="utf-8-sig").splitlines() if origin else []
    rules = [_parse(line) for line in (*DEFAULTS, *own)]
    return IgnoreRules(origin, tuple(rule for rule in rules if rule))


def _parse(line: str) -> _Rule | None:
    if line.startswith("#"):
        return None
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    is_negated = line.startswith("!")
    line = line[is_negated:]
    only_folders = line.endswith("/")
    line = line.rstrip("/") if only_folders else line
    if not line:
        return None
    # A slash anywhere but at the end ties the pattern to the top.
    is_anchored = "/" in line
    regex = _translate(line.lstrip("/"))
    try:
        compiled = None if regex is None else re.compile(regex if is_anchored else f"(?:.*/)?{regex}")
    except re.error:  # a range such as [z-a] matches nothing
        compiled = None
    return _Rule(compiled, is_negated, only_folders) if compiled else None


def _translate(pattern: str) -> str | None:
    """The pattern as a regular expression, or None where it can match nothing."""
    out: list[str] = []
    i = 0
    while i < len(pattern):
        at_start = i == 0 or pattern[i - 1] == "/"
        if at_start and pattern.startswith("**/", i):
            out.append("(?:.*/)?")
            i += 3
        elif at_start and pattern[i:] == "**":
            out.append(".+")
            i += 2
        elif pattern[i] == "*":
            out.append("[^/]*")
            i += 1
        elif pattern[i] == "?":
            out.append("[^/]")
            i += 1
        elif pattern[i] == "[":
            end = _end_of_class(pattern, i)
            if end < 0:
                return None
            negated = pattern[i + 1] in "!^"
            members = re.sub(r"\\(.)", r"\1", pattern[i + 1 + negated : end])
            escaped = re.sub(r"([][^\\&~|])", r"\\\1", members)
            out.append(f"(?!/)[{'^' if negated else ''}{escaped}]")
            i = end + 1
        elif pattern[i] == "\\":
            if i + 1 == len(pattern):
                return None
            out.append(re.escape(pattern[i + 1]))
            i += 2
        else:
            out.append(re.escape(pattern[i]))
            i += 1
    return "".join(out)


def _end_of_class(pattern: str, start: int) -> int:
    """Where the `]` of a `[…]` lies, or -1. One right after the opening is a member, not the end."""
    first = start + 1 + (pattern[start + 1 : start + 2] in ("!", "^"))
    return pattern.find("]", first + 1)
