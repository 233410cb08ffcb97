"""Seeing outputs come: one look at a container at a time, for all that are waited for at that moment."""

from __future__ import annotations

import os.path
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks
_GROWTH = 1.5
_LAST_LOOK = 5.0  # seconds for the one that is under way at the end
_GIVEN_UP_PAUSE = 5.0  # seconds between two looks at what was given up


@dataclass(eq=False)
class Awaited:
    """An output that is waited for.

    :param input: the name of the input that it belongs to.
    :param prefix: what its name begins with.
    :param fits: whether a name can be its own.
    """

    input: str
    prefix: str
    fits: Callable[[str], bool]
    name: str | None = field(default=None, init=False)
    problem: Exception | None = field(default=None, init=False)
    done: threading.Event = field(default_factory=threading.Event, init=False)


class Outputs:
    """Tells those who wait which blob is theirs; many threads may wait at once.

    :param list_names: the names in the container that begin with a prefix.
    :param given_up: of some inputs, those that Functions has given up.
    :param gave_up: the exception for one of them.
    """

    def __init__(
        self,
        list_names: Callable[[str], Iterable[str]],
        given_up: Callable[[Collection[str]], Collection[str]],
        gave_up: Callable[[], Exception],
    ) -> None:
        self._list_names = list_names
        self._given_up = given_up
        self._gave_up = gave_up
        self._changed = threading.Condition()
        self._pending: list[Awaited] = []
        self._taken: set[str] = set()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def wait(self, awaited: Awaited, timeout: float) -> str | None:
        """The name of the output; None: it has not come in time.

        :param timeout: seconds.
        :raises Exception: that of `gave_up`, or what kept us from looking.
        """
        with self._changed:
            self._pending.append(awaited)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="outputs", daemon=True)
                self._thread.start()
        awaited.done.wait(timeout)
        with self._changed:
            if awaited in self._pending:
                self._pending.remove(awaited)
        if awaited.problem is not None:
            raise awaited.problem
        return awaited.name

    def close(self) -> None:
        """Look no more."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_LAST_LOOK)

    def _watch(self) -> None:
        pause, given_up_at = _FIRST_PAUSE, time.monotonic() + _GIVEN_UP_PAUSE
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closing or self._pending)
                if self._is_closing:
                    return
                pending = list(self._pending)
            try:
                found = self._look(pending)
                if time.monotonic() > given_up_at:
                    self._look_at_given_up(pending)
                    given_up_at = time.monotonic() + _GIVEN_UP_PAUSE
            except Exception as problem:  # theirs to tell: the watch goes on for those who come
                for each in pending:
                    each.problem = problem
                    self._end(each)
                continue
            pause = _FIRST_PAUSE if found else min(pause * _GROWTH, _LONGEST_PAUSE)
            with self._changed:
                if self._changed.wait_for(partial(self._is_woken, len(pending)), pause):
                    pause = _FIRST_PAUSE

    def _is_woken(self, known: int) -> bool:
        return self._is_closing or len(self._pending) > known

    def _look(self, pending: list[Awaited]) -> bool:
        """Look once; whether anything was found."""
        prefix = os.path.commonprefix([each.prefix for each in pending])  # noqa: RUF071 - of characters, not folders
        names = [name for name in self._list_names(prefix) if name not in self._taken]
        found = False
        for each in pending:
            each.name = next((name for name in names if name not in self._taken and each.fits(name)), None)
            if each.name is not None:
                found = True
                self._taken.add(each.name)
                self._end(each)
        return found

    def _look_at_given_up(self, pending: list[Awaited]) -> None:
        names = self._given_up([each.input for each in pending])
        for each in pending:
            if each.input in names:
                each.problem = self._gave_up()
                self._end(each)

    def _end(self, awaited: Awaited) -> None:
        with self._changed:
            if awaited in self._pending:
                self._pending.remove(awaited)
        awaited.done.set()
