"""What a worker process does once: read the settings, load the entry script, run its init()."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import aliases, user_script
from .scoring import Scorer
from .settings import Settings, read_settings

logger = logging.getLogger("mlfunc")

_lock = threading.Lock()
_started: Future[Process] | None = None


@dataclass(frozen=True)
class Process:
    """What this process serves.

    :param settings: what it was told.
    :param scorer: the script, ready to score.
    """

    settings: Settings
    scorer: Scorer


def started() -> Process:
    """What this process serves: begun by the first call, waited for by all.

    A start that failed is not tried again: every call raises the same exception, until the host replaces the
    process.

    :raises settings.SettingsError: a setting does not make sense.
    :raises user_script.ScriptError: the entry script cannot serve.
    """
    global _started
    with _lock:
        if _started is None:
            # On a thread of its own: the worker loads functions inside its event loop, where a script's own
            # asyncio.run() would be refused.
            with ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlfunc-init") as thread:
                _started = thread.submit(_start)
    return _started.result()


def _start() -> Process:
    settings = read_settings(os.environ, wwwroot=Path(__file__).parent.parent)
    for warning in settings.warnings:
        logger.warning(warning)
    aliases.install()
    script = user_script.start(settings)
    return Process(settings, Scorer(script, settings.concurrent_runs))
