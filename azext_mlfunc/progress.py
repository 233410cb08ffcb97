"""What a long command says while it works: on stderr, live in a terminal and plain in a pipeline.

`--only-show-errors` silences it, and `core.disable_progress_bar` turns the live line into plain ones.
"""

from __future__ import annotations

import sys
from typing import Any, Protocol


class Progress(Protocol):
    """Where a long command reports to."""

    def step(self, message: str) -> None:
        """A step has begun or ended: worth a line of its own."""

    def live(self, message: str, fraction: float | None = None) -> None:
        """How far the current step is; `fraction` is between 0 and 1 where it is known."""

    def done(self) -> None:
        """The command is over: take away the live line."""


class AzProgress:
    """Progress as the rest of `az` shows it: its logger for steps, its progress bar for what is live."""

    def __init__(self, cli_ctx: Any) -> None:
        from knack.log import get_logger

        self._logger = get_logger("azext_mlfunc")
        self._cli_ctx = cli_ctx
        self._controller: Any = None
        hidden = cli_ctx.only_show_errors or cli_ctx.config.getboolean("core", "disable_progress_bar", False)
        self._is_live = sys.stderr is not None and sys.stderr.isatty() and not hidden

    def step(self, message: str) -> None:
        self.done()
        self._logger.warning("%s", message)

    def live(self, message: str, fraction: float | None = None) -> None:
        if not self._is_live:
            return
        if self._controller is None:
            self._controller = self._cli_ctx.get_progress_controller()
            self._controller.begin(message=message)
        self._controller.add(message=message if fraction is None else f"{message} {fraction:.0%}")

    def done(self) -> None:
        if self._controller is not None:
            self._controller.end()
            self._controller = None
