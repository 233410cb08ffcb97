"""Small helpers that several tests share."""

from __future__ import annotations

from collections.abc import Iterable

from azext_mlfunc.packaging.context import Entry


def read_all(entries: Iterable[Entry]) -> dict[str, bytes]:
    """The files among entries, with their bytes, taken one after the other as a builder does."""
    return {entry.path: b"".join(entry.chunks()) for entry in entries if entry.chunks is not None}
