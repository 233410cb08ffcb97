"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(probe: Callable[[], Found | None], timeout: float, what: str, interval: float = 0.05) -> Found:
    """Call ``probe`` until it returns something true, and return that.

    Args:
        probe: asked every ``interval`` seconds.
        timeout: in seconds.
        what: names the condition in the error.

    Raises:
        TimeoutError: the deadline passed first.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout:g} s in vain for {what}.")
        time.sleep(interval)
