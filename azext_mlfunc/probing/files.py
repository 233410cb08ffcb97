"""The files of a batch: which events there are, and where their outputs go, always inside the output folder."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
_FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f]')
_LONGEST = 200  # bytes of one part of a path; file systems take 255, and a temporary ending has to fit


def input_files(folder: Path) -> list[Path]:
    """All files below a folder, in the order of their names; links are not followed out of it.

    :raises azure.cli.core.azclierror.FileOperationError: it is no folder, or has no files.
    """
    from azure.cli.core.azclierror import FileOperationError

    if not folder.is_dir():
        raise FileOperationError(
            f"--input-directory {folder}: there is no such folder.",
            recommendation="Name a folder with a file per event.",
        )
    files = sorted(path for path in _walk(folder) if path.is_file())
    if not files:
        raise FileOperationError(
            f"--input-directory {folder}: it has no files.", recommendation="Put a file for each event into it."
        )
    return files


def _walk(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in names:
            yield Path(root, name)


def output_path(folder: Path, name: str) -> Path:
    """Where the output for an event goes: the event's own path below the folder, made harmless.

    Parts that lead elsewhere (`..`, absolute paths), that Windows reserves, or that are too long become others; two
    different names never become the same.

    :param name: the event's path, with `/` or the system's separator.
    """
    parts = [part for part in PurePosixPath(name.replace(os.sep, "/")).parts if part not in ("/", "")]
    return folder.joinpath(*map(_harmless, parts or ["event"]))


def _harmless(part: str) -> str:
    plain = part.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    safe = _FORBIDDEN.sub("_", plain)
    if set(safe) <= {"."} or _RESERVED.fullmatch(safe):
        safe = f"_{safe}"
    safe = safe.rstrip(" .") or "_"
    if safe == part and len(safe.encode()) <= _LONGEST:
        return safe
    mark = hashlib.sha256(part.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    stem, dot, suffix = safe.rpartition(".")
    kept = (stem or safe).encode()[: _LONGEST - 30].decode("utf-8", "ignore")
    return f"{kept}-{mark}{dot}{suffix[:16]}" if stem else f"{kept}-{mark}"
