"""Ending early: what was begun is taken down again after Ctrl-C, and after SIGTERM, which pipelines send."""

from __future__ import annotations

import signal
import threading
from typing import Any


def unwind_on_sigterm() -> None:
    """From now on SIGTERM ends the command as Ctrl-C does: by an exception, so that everything is taken down."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)


def _end(number: int, _: Any) -> None:
    raise SystemExit(128 + number)
