"""One event: what is sent, and what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JSON_TYPE, BYTES_TYPE = "application/json", "application/octet-stream"


@dataclass(frozen=True)
class Event:
    """What is sent.

    :param name: of the file that it comes from, for the names of blobs; `event` without one.
    :param data: its bytes.
    """

    name: str
    data: bytes = field(repr=False)

    @property
    def extension(self) -> str:
        """The extension of its name, without the dot; `json` or `bin` by its content where there is none."""
        suffix = Path(self.name).suffix.lstrip(".")
        return suffix or ("json" if is_json(self.data) else "bin")

    @property
    def content_type(self) -> str:
        return JSON_TYPE if is_json(self.data) else BYTES_TYPE


@dataclass(frozen=True)
class Output:
    """What came back.

    :param data: the prediction's bytes.
    :param latency: seconds from sending to receiving.
    :param details: what else is worth telling: a status, headers, names of blobs.
    """

    data: bytes = field(repr=False)
    latency: float
    details: Mapping[str, Any] = field(default_factory=dict)


class ProbeFailed(Exception):
    """The app answered, and the answer is a failure: the text says what it is.

    :param output: what it answered, if anything.
    """

    def __init__(self, text: str, output: Output | None = None) -> None:
        super().__init__(text)
        self.output = output


class NoAnswer(Exception):
    """Nothing came back in time; the text says what was waited for."""


def is_json(data: bytes) -> bool:
    """Whether the bytes are one JSON document."""
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def shown(data: bytes) -> Any:
    """Bytes as a result shows them: the JSON that they are, else the text, else how many there are."""
    try:
        return json.loads(data)
    except ValueError:
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"({len(data)} bytes that are no text; --output-file writes them)"


def read_event(data: str) -> Event:
    """The event that `--data` names: `@FILE`, `-` for stdin, else the text itself.

    :raises azure.cli.core.azclierror.FileOperationError: the file cannot be read.
    """
    from azure.cli.core.azclierror import FileOperationError

    if data == "-":
        return Event("event", sys.stdin.buffer.read())
    if not data.startswith("@"):
        return Event("event", data.encode("utf-8", "surrogateescape"))
    file = Path(data[1:]).expanduser()
    try:
        return Event(file.name, file.read_bytes())
    except OSError as problem:
        raise FileOperationError(
            f"--data {data}: {problem.strerror or problem}.", recommendation="Name a file that can be read."
        ) from problem
