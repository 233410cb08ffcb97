"""A folder of finished things with a bounded size: what was not used for longest goes first.

An entry is a folder. It is filled under another name and appears at once, by a rename, so that a process that is
killed leaves no half entry, and two processes may use one cache at the same time.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEFAULT_LIMIT = 5 << 30
"""How much the cache may hold, in bytes, where nobody says otherwise."""
_ABANDONED = 24 * 3600  # seconds after which a work folder can only be left from a process that died


class LayerCache:
    """Finished layers and resolutions on disk.

    :param folder: its place; made when something is first put there.
    :param limit: the size in bytes that it is brought down to after each new entry; the newest one always stays.
    :param ignore: find nothing that was there before; new entries replace the old ones.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT, ignore: bool = False) -> None:
        self.folder = folder
        self._limit = limit
        self._ignore = ignore

    def ignoring(self) -> LayerCache:
        """The same cache, in which nothing is found and into which everything is put anew."""
        return LayerCache(self.folder, self._limit, ignore=True)

    def find(self, kind: str, key: str) -> Path | None:
        """The entry's folder, now the last used one; None where there is none."""
        entry = self.folder / kind / key
        if self._ignore:
            return None
        try:
            os.utime(entry)
        except FileNotFoundError:
            return None
        except OSError:  # a cache that may only be read is of use, too
            pass
        return entry

    def put(self, kind: str, key: str, filled: Path) -> Path:
        """Make `filled`, a folder in a work folder of this cache, the entry; return its new place.

        :raises OSError: it cannot be written.
        """
        entry = self.folder / kind / key
        entry.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                filled.rename(entry)
                break
            except OSError:
                # Windows refuses any name that is taken, POSIX a folder with something in it.
                if not entry.exists():
                    raise
                if not self._ignore:
                    return entry  # another process was faster; the key says that it is the same
                self._remove(entry)
        self._shrink(entry)
        return entry

    def remove(self, kind: str, key: str) -> None:
        """Forget an entry, for it turned out to be damaged."""
        self._remove(self.folder / kind / key)

    @contextmanager
    def work_folder(self) -> Iterator[Path]:
        """A folder on the cache's own disk, which is gone afterwards.

        :raises OSError: it cannot be made.
        """
        parent = self.folder / "work"
        parent.mkdir(parents=True, exist_ok=True)
        for left in parent.iterdir():
            if _is_abandoned(left):
                shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _shrink(self, newest: Path) -> None:
        entries = []
        for entry in self.folder.glob("*/*"):
            if entry.parent.name == "work":
                continue
            try:
                size = sum(file.stat().st_size for file in entry.iterdir())
                entries.append((entry.stat().st_mtime_ns, size, entry))
            except OSError:  # another process took it away
                continue
        total = sum(size for _, size, _ in entries)
        for _, size, entry in sorted(entries):
            if total <= self._limit:
                return
            if entry != newest:
                self._remove(entry)
                total -= size

    def _remove(self, entry: Path) -> None:
        # Away with the name first: nobody may find an entry that lacks files.
        with self.work_folder() as work:
            try:
                entry.rename(work / "removed")
            except FileNotFoundError:
                pass


def _is_abandoned(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > _ABANDONED
    except OSError:
        return False
