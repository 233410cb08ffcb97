"""Things that depend on each other, in an order and at once: nothing here knows of Azure."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")


def sort(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """The keys in an order in which each comes after what it needs; else in the order given.

    :param needs: what each key needs.
    :raises ValueError: a key needs one that is not there, or there is a cycle; the text names it.
    """
    order: list[str] = []
    path: list[str] = []

    def visit(key: str) -> None:
        if key in order:
            return
        if key in path:
            raise ValueError(f"A cycle: {' → '.join([*path[path.index(key) :], key])}.")
        path.append(key)
        for needed in needs[key]:
            if needed not in needs:
                raise ValueError(f"'{key}' needs '{needed}', and there is no such one.")
            visit(needed)
        path.pop()
        order.append(key)

    for key in needs:
        visit(key)
    return order


@dataclass(frozen=True)
class Done(Generic[Result]):
    """What became of one key.

    :param result: what its action returned; None when it failed.
    :param error: what it raised.
    :param seconds: how long it took.
    """

    key: str
    result: Result | None
    error: BaseException | None
    seconds: float


def run(
    needs: Mapping[str, Sequence[str]],
    action: Callable[[str], Result],
    on_start: Callable[[str], None] = lambda key: None,
    on_done: Callable[[Done[Result]], None] = lambda done: None,
) -> list[Done[Result]]:
    """Call an action for every key, each as soon as what it needs is done, many at once.

    After a failure nothing new is started, and what runs is waited for. The callbacks are called in the caller's
    thread; the actions run in threads that do not keep the process from ending.

    :param needs: what each key needs.
    :returns: what became of each key that was started, in the order in which they ended.
    :raises ValueError: see `sort`.
    """
    waiting = {key: set(needs[key]) for key in sort(needs)}
    ended: queue.SimpleQueue[Done[Result]] = queue.SimpleQueue()
    results: list[Done[Result]] = []
    running = 0
    failed = False

    def work(key: str) -> None:
        started = time.monotonic()
        result, problem = None, None
        try:
            result = action(key)
        except BaseException as error:
            problem = error
        ended.put(Done(key, result, problem, time.monotonic() - started))

    while waiting or running:
        for key in [key for key, open_needs in waiting.items() if not open_needs and not failed]:
            del waiting[key]
            on_start(key)
            threading.Thread(target=work, args=(key,), daemon=True).start()
            running += 1
        if not running:
            break
        done = ended.get()
        running -= 1
        results.append(done)
        failed = failed or done.error is not None
        for open_needs in waiting.values():
            open_needs.discard(done.key)
        on_done(done)
    return results
