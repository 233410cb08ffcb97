"""YAML and JSON files as values that know their key and line, within bounds, whatever the file holds.

JSON is read as YAML, which holds it, but for tabs; its positions come for free that way. Source: YAML 1.2, "1.3
Relation to JSON"; PyYAML's composer and its YAML 1.1 types, which `az ml` reads its files with, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from azext_mlfunc.findings import Finding

Kind = Literal["text", "number", "boolean", "null", "list", "mapping"]
IN_WORDS: dict[Kind, str] = {
    "text": "a text",
    "number": "a number",
    "boolean": "a boolean",
    "null": "no value",
    "list": "a list",
    "mapping": "a mapping",
}
MAX_BYTES = 256 * 1024
MAX_VALUES = 20_000
"""What a file's aliases may unfold to."""
MAX_DEPTH = 40
_BRACKETS = "look at the brackets and colons; a placeholder such as {{NAME}} has to be filled in first"
_KINDS: dict[str, Kind] = {"int": "number", "float": "number", "bool": "boolean", "null": "null"}


@dataclass(frozen=True)
class Value:
    """A value of the file, with where it stands.

    :param key: its dotted path: `code_configuration.scoring_script`, `models[0]`; '' for the whole file.
    :param line: the line of its key, counted from 1.
    :param text: a scalar as it is written, without quotes.
    :param items: what a list holds.
    :param fields: what a mapping holds.
    """

    key: str
    line: int
    kind: Kind
    text: str = ""
    items: tuple[Value, ...] = ()
    fields: Mapping[str, Value] = field(default_factory=dict)
    written: tuple[Any, Any] | None = field(default=None, repr=False, compare=False)
    """PyYAML's marks of its begin and end."""

    def plain(self) -> Any:
        """What YAML makes of it: dict, list, str, number, bool or None."""
        if self.kind == "mapping":
            return {name: value.plain() for name, value in self.fields.items()}
        if self.kind == "list":
            return [item.plain() for item in self.items]
        return self.text if self.kind == "text" else _scalar(self.text)

    def as_yaml(self) -> str:
        """YAML of this value alone, with each line at the number that it has in the file where that can be."""
        import yaml

        plain = self.plain()
        if self.written is not None:
            begin, end = self.written
            text = "\n" * begin.line + " " * begin.column + begin.buffer[begin.pointer : end.pointer].rstrip("\0 \n\r")
            try:
                if yaml.safe_load(text) == plain:
                    return f"{text}\n"
            except (yaml.YAMLError, ValueError):
                pass  # it holds aliases of what stands elsewhere
        return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def read_document(path: Path, findings: list[Finding]) -> Value | None:
    """The mapping that a file holds; None where findings say why there is none.

    :param findings: gets what is wrong with the file as such: encoding, syntax, size, keys that stand there twice.
    """
    text = _read_text(path, findings)
    root = _compose(path, text, findings) if text is not None else None
    before = len(findings)
    if root is None:
        return None
    try:
        value = _Reader(path, findings).value(root, "", root.start_mark.line + 1, 0)
    except _TooMuchError as problem:
        findings.append(_wrong(path, str(problem), problem.line))
        return None
    if value.kind != "mapping":
        findings.append(_wrong(path, f"it holds {IN_WORDS[value.kind]}", value.line))
        return None
    return value if value.fields or len(findings) == before else None


def shortened(text: str) -> str:
    """A text of the file as messages show it: in one line, not endless, and without what a terminal would obey."""
    line = "".join(character if character.isprintable() else "�" for character in " ".join(text.split()))
    return line if len(line) <= 200 else f"{line[:200]}…"


def _wrong(path: Path, found: str, line: int | None = None, remedy: str = "mend it, or name another file") -> Finding:
    return Finding(path, found, "one mapping of keys and values, in YAML or JSON", remedy, line)


def _read_text(path: Path, findings: list[Finding]) -> str | None:
    try:
        if not path.is_file():  # a pipe would be waited for
            what = "it is a folder" if path.is_dir() else "it is no file" if path.exists() else "there is no such file"
            findings.append(_wrong(path, what, remedy="check --file"))
            return None
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as problem:
        findings.append(_wrong(path, f"it cannot be read: {problem.strerror}", remedy="check --file"))
        return None
    if len(content) > MAX_BYTES:
        findings.append(_wrong(path, f"it is longer than {MAX_BYTES // 1024} KiB", remedy="check --file"))
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        encoding = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "not UTF-8"
        line = None if encoding == "UTF-16" else content[: problem.start].count(b"\n") + 1
        findings.append(_wrong(path, f"its encoding is {encoding}", line, "save it as UTF-8"))
        return None
    # In JSON a tab stands between tokens only, where a blank does the same; YAML has no tabs there.
    return text.replace("\t", " ") if path.suffix.lower() == ".json" or text.lstrip().startswith("{") else text


def _compose(path: Path, text: str, findings: list[Finding]) -> Any:
    """The root node of the only document in the text."""
    import yaml

    try:
        composed = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if not _is_null(node)]
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        position = getattr(problem, "position", None)  # of a character that YAML has no place for
        line = mark.line + 1 if mark else text.count("\n", 0, position) + 1 if position is not None else None
        what = getattr(problem, "problem", None) or "it has a character that is not allowed"
        remedy = "look at the line and the one above it: indentation, quotes, colons, commas"
        if "escape" in what:
            remedy = "write paths with '/', or in single quotes"
        elif "tab" in what or "'\\t'" in what:
            remedy = "indent with blanks: YAML has no tabs there"
        findings.append(_wrong(path, f"it is neither YAML nor JSON: {what}", line, remedy))
        return None
    except RecursionError:
        findings.append(_wrong(path, f"its values lie deeper than {MAX_DEPTH} levels"))
        return None
    if not composed:
        findings.append(_wrong(path, "it is empty"))
        return None
    if len(composed) > 1:
        line = composed[1].start_mark.line + 1
        remedy = "put each document into a file of its own, and name that of the deployment"
        findings.append(_wrong(path, f"a second document begins here, of {len(composed)}", line, remedy))
        return None
    return composed[0]


class _TooMuchError(Exception):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class _Reader:
    """Unfolds YAML's graph of nodes into values, as far as the bounds go."""

    path: Path
    findings: list[Finding]
    count: int = 0

    def value(self, node: Any, key: str, line: int, depth: int) -> Value:
        import yaml

        self.count += 1
        if self.count > MAX_VALUES:
            raise _TooMuchError(f"it holds more than {MAX_VALUES} values, aliases unfolded", line)
        if depth > MAX_DEPTH:
            raise _TooMuchError(f"its values lie deeper than {MAX_DEPTH} levels", line)
        if isinstance(node, yaml.ScalarNode):
            kind: Kind = _KINDS.get(node.tag.removeprefix("tag:yaml.org,2002:"), "text")
            # JSON writes what is beyond 16 bits as two escapes, which YAML leaves apart.
            text = node.value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            return Value(key, line, kind, text)
        if isinstance(node, yaml.SequenceNode):
            items = [
                self.value(item, f"{key}[{number}]", item.start_mark.line + 1, depth + 1)
                for number, item in enumerate(node.value)
            ]
            return Value(key, line, "list", items=tuple(items))
        return Value(
            key, line, "mapping", fields=self.fields(node, key, depth), written=(node.start_mark, node.end_mark)
        )

    def fields(self, node: Any, key: str, depth: int) -> dict[str, Value]:
        """A mapping's values by their names; what it takes over with `<<` comes after its own."""
        import yaml

        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        repeated: set[str] = set()
        for name, value in node.value:
            line = name.start_mark.line + 1
            if not isinstance(name, yaml.ScalarNode) or _is_null(name):
                found = "a key that is no text" + (f", in {shortened(key)}" if key else "")
                self.findings.append(_wrong(self.path, found, line, _BRACKETS))
            elif name.tag.endswith(":merge"):
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in sources:
                    taken = self.value(source, key, line, depth + 1)
                    merged = {**taken.fields, **merged}
            elif name.value in own:
                if name.value not in repeated:
                    full = shortened(_join(key, name.value))
                    found = f"{full}: it stands there a second time, after line {own[name.value].line}"
                    self.findings.append(_wrong(self.path, found, line, "remove one of the two"))
                repeated.add(name.value)
            else:
                own[name.value] = self.value(value, _join(key, name.value), line, depth + 1)
        return {**own, **{name: value for name, value in merged.items() if name not in own}}


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _is_null(node: Any) -> bool:
    return str(node.tag).endswith(":null") and node.value in ("", "~", "null", "Null", "NULL")


def _scalar(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except ValueError:  # a number beyond what Python reads
        return text
