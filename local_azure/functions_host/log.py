"""The host's log: one line per event, in the manner of the Functions host's console, with secrets taken out."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import TextIO

REDACTED = "[Hidden Credential]"  # the Functions host's own replacement (Sanitizer.cs)
_SECRET_PART = re.compile(r"(?:AccountKey|SharedAccessKey|SharedAccessSignature|sig)=([^;&\s]+)", re.IGNORECASE)


def secrets_in(settings: Mapping[str, str]) -> set[str]:
    """The texts of ``settings`` that must never be logged: connection strings and the keys inside them."""
    found: set[str] = set()
    for value in settings.values():
        parts = _SECRET_PART.findall(value)
        if parts:
            found.update([value, *parts])
    return found


class HostLog:
    """Writes lines ``[time] [level] category: text``; safe to use from any thread.

    Args:
        stream: where the lines go; flushed after each.
        secrets: texts that are replaced wherever they occur.
    """

    def __init__(self, stream: TextIO, secrets: Iterable[str] = ()) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._secrets: list[str] = []
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Also replace these texts from now on, longest first."""
        self._secrets = sorted({*self._secrets, *filter(None, secrets)}, key=len, reverse=True)

    def write(self, level: str, category: str, text: str) -> None:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        line = f"[{now}Z] [{level}] {category}: {text}"
        for secret in self._secrets:
            line = line.replace(secret, REDACTED)
        with self._lock:
            self._stream.write(line + "\n")
            self._stream.flush()

    def information(self, category: str, text: str) -> None:
        self.write("Information", category, text)

    def warning(self, category: str, text: str) -> None:
        self.write("Warning", category, text)

    def error(self, category: str, text: str) -> None:
        self.write("Error", category, text)
