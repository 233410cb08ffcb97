"""Faults that are put into answers on purpose, on the nth request that matches."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from local_azure.latency import wait


class FaultRefused(ValueError):
    """A fault that makes no sense; the text says why."""


@dataclass
class Fault:
    """One fault.

    Attributes:
        method: of HTTP; empty for any.
        path: regular expression that is searched in the path, whatever the case.
        host: likewise in the host name; empty for any.
        nth: the first matching request that it hits, counted from 1.
        count: how many it hits from there on.
        status: answer this instead; None: the real answer.
        body: JSON of that answer.
        headers: of that answer.
        delay: seconds before the answer.
        drop: close the connection instead of answering.
        after: with ``status`` or ``drop``: carry the request out first.
    """

    method: str = ""
    path: str = ""
    host: str = ""
    nth: int = 1
    count: int = 1
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    after: bool = False
    seen: int = 0

    def hits(self, method: str, host: str, path: str) -> bool:
        """Whether this request is to suffer; counts it."""
        if self.method and self.method.upper() != method:
            return False
        if not re.search(self.path, path, re.IGNORECASE) or not re.search(self.host, host, re.IGNORECASE):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.count


def parse(document: Mapping[str, Any]) -> Fault:
    """A fault from JSON.

    Raises:
        FaultRefused: a field is unknown, or has no meaning.
    """
    known = {each.name for each in fields(Fault)} - {"seen"}
    unknown = sorted(set(document) - known)
    if unknown:
        raise FaultRefused(f"A fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}.")
    fault = Fault(**document)
    if fault.status is None and not fault.drop and not fault.delay:
        raise FaultRefused("A fault needs a status, a delay or drop.")
    try:
        re.compile(fault.path), re.compile(fault.host)
    except re.error as error:
        raise FaultRefused(f"Not a regular expression: {error}") from error
    return fault


def read(file: Path) -> list[Fault]:
    """The faults in a file: a JSON list.

    Raises:
        FaultRefused: it is not one.
    """
    try:
        documents = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise FaultRefused(f"{file}: {error}") from error
    if not isinstance(documents, list):
        raise FaultRefused(f"{file}: a JSON list of faults is expected.")
    return [parse(document) for document in documents]


class Faults:
    """The faults that are set.

    Args:
        faults: those from the start.
    """

    def __init__(self, faults: list[Fault]) -> None:
        self.all = faults

    async def hit(self, method: str, host: str, path: str) -> Fault | None:
        """The fault that this request meets, if any, its delay already over."""
        found = [fault for fault in self.all if fault.hits(method, host, path)]
        for fault in found:
            await wait(fault.delay)
        return next((fault for fault in found if fault.drop or fault.status is not None), None)
