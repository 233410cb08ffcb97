"""The order of things, and running them at once; what happens when is arranged with events, never with time."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from azext_mlfunc.deploying.graph import Done, run, sort

PATIENCE = 30.0
"""Seconds after which a wait that should have been over fails the test."""
Result = TypeVar("Result")

DIAMOND = {"app": ("plan", "storage"), "plan": ("group",), "storage": ("group",), "group": ()}


@pytest.mark.parametrize(
    ("needs", "order"),
    [
        ({}, []),
        ({"a": ()}, ["a"]),
        ({"b": (), "a": ()}, ["b", "a"]),
        ({"a": ("b",), "b": ()}, ["b", "a"]),
        ({"c": ("b",), "b": ("a",), "a": ()}, ["a", "b", "c"]),
        (DIAMOND, ["group", "plan", "storage", "app"]),
        ({"a": ("c", "b"), "b": (), "c": ()}, ["c", "b", "a"]),
        ({"a": ("b", "b"), "b": ()}, ["b", "a"]),
    ],
    ids=["nothing", "one", "as given", "turned", "chain", "diamond", "needs in their order", "named twice"],
)
def test_the_order(needs: dict[str, tuple[str, ...]], order: list[str]):
    assert sort(needs) == order


@pytest.mark.parametrize("keys", list(itertools.permutations(DIAMOND)))
def test_each_comes_after_what_it_needs_however_they_are_given(keys: tuple[str, ...]):
    order = sort({key: DIAMOND[key] for key in keys})
    assert sorted(order) == sorted(DIAMOND)
    assert all(order.index(needed) < order.index(key) for key in DIAMOND for needed in DIAMOND[key])


@pytest.mark.parametrize(
    ("needs", "cycle"),
    [
        ({"a": ("a",)}, "a → a"),
        ({"a": ("b",), "b": ("a",)}, "a → b → a"),
        ({"x": ("a",), "a": ("b",), "b": ("c",), "c": ("a",)}, "a → b → c → a"),
        ({"ok": (), "a": ("ok", "b"), "b": ("ok", "a")}, "a → b → a"),
    ],
)
def test_a_cycle_is_named_without_what_leads_to_it(needs: dict[str, tuple[str, ...]], cycle: str):
    with pytest.raises(ValueError) as caught:
        sort(needs)
    assert str(caught.value) == f"A cycle: {cycle}."


def test_a_need_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="'app' needs 'plan'"):
        sort({"app": ("plan",)})


def test_nothing_is_started_of_what_cannot_be_ordered():
    started: list[str] = []
    for needs in ({"free": (), "a": ("b",), "b": ("a",)}, {"free": (), "a": ("nowhere",)}):
        with pytest.raises(ValueError):
            run(needs, started.append)
    assert started == []


# -- run


def wait(event: threading.Event) -> None:
    assert event.wait(PATIENCE), "waited in vain"


def in_time(function: Callable[[], Result]) -> Result:
    """What a function returns that is not to wait for ever."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert results, "waited in vain"
    return results[0]


def keys(ended: list[Done[Any]]) -> list[str]:
    return [done.key for done in ended]


def test_results_by_key():
    ended = run(DIAMOND, str.upper)
    assert {done.key: done.result for done in ended} == {key: key.upper() for key in DIAMOND}
    assert all(done.error is None and done.seconds >= 0 for done in ended)
    assert keys(ended)[0] == "group" and keys(ended)[-1] == "app"


def test_nothing_to_run():
    assert run({}, str.upper) == []


def test_what_is_ready_runs_at_once():
    together = threading.Barrier(3)  # breaks, and the actions fail, unless all three are in there at the same time
    needs = {"group": (), "a": ("group",), "b": ("group",), "c": ("group",)}
    ended = run(needs, lambda key: key == "group" or together.wait(PATIENCE))
    assert [done.error for done in ended] == [None] * 4


def test_each_starts_as_soon_as_what_it_needs_is_done():
    """The slow one is held until the end of what does not need it."""
    free = threading.Event()
    needs = {"slow": (), "quick": (), "next": ("quick",), "last": ("slow", "next")}

    def action(key: str) -> None:
        if key == "slow":
            wait(free)
        if key == "next":
            free.set()

    ended = run(needs, action)
    assert [done.error for done in ended] == [None] * 4
    assert keys(ended) == ["quick", "next", "slow", "last"]


def test_none_starts_before_what_it_needs_is_done():
    log: list[str] = []
    run(
        DIAMOND,
        lambda key: log.append(f"{key} works"),
        on_start=lambda key: log.append(f"{key} starts"),
        on_done=lambda done: log.append(f"{done.key} ends"),
    )
    for key, needs in DIAMOND.items():
        assert log.index(f"{key} starts") < log.index(f"{key} works") < log.index(f"{key} ends")
        assert all(log.index(f"{needed} ends") < log.index(f"{key} starts") for needed in needs)


@pytest.mark.parametrize("error", [OSError("no"), KeyboardInterrupt("no"), SystemExit(3)], ids=repr)
def test_after_a_failure_nothing_new_starts_and_what_runs_is_waited_for(error: BaseException):
    """`b` runs while `a` fails, and ends after that; `c` would be ready then, `d` needs what failed."""
    b_runs, a_has_failed = threading.Event(), threading.Event()
    started: list[str] = []

    def action(key: str) -> str:
        if key == "a":
            wait(b_runs)
            raise error
        b_runs.set()
        wait(a_has_failed)
        return key

    def on_done(done: Done[str]) -> None:
        if done.error is not None:
            a_has_failed.set()

    needs = {"a": (), "b": (), "c": ("b",), "d": ("a",)}
    ended = in_time(lambda: run(needs, action, started.append, on_done))

    assert started == ["a", "b"]
    assert [(done.key, done.result, done.error) for done in ended] == [("a", None, error), ("b", "b", None)]


def test_failures_of_all_that_ran_are_told():
    both = threading.Barrier(2)

    def action(key: str) -> None:
        both.wait(PATIENCE)
        raise LookupError(key)

    ended = run({"a": (), "b": (), "c": ("a",)}, action)
    assert sorted(str(done.error) for done in ended) == ["a", "b"]


def test_what_a_callback_raises_ends_the_run():
    def on_done(done: Done[None]) -> None:
        raise RuntimeError(done.key)

    with pytest.raises(RuntimeError, match="a"):
        run({"a": (), "b": ("a",)}, lambda key: None, on_done=on_done)


def test_callbacks_are_in_the_callers_thread_and_actions_are_not():
    callers: set[int] = set()
    workers: set[tuple[int, bool]] = set()

    def note(_: object) -> None:
        callers.add(threading.get_ident())

    def action(key: str) -> None:
        workers.add((threading.get_ident(), threading.current_thread().daemon))

    run(DIAMOND, action, note, note)

    assert callers == {threading.get_ident()}
    assert threading.get_ident() not in {ident for ident, _ in workers}
    assert {is_daemon for _, is_daemon in workers} == {True}  # they do not keep an interrupted process from ending


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT is a KeyboardInterrupt, also where whoever started the tests ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_the_wait_at_once():
    """The action is held until the caller is back from `run`."""
    back = threading.Event()

    def action(key: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        wait(back)

    with pytest.raises(KeyboardInterrupt):
        run({"a": ()}, action)
    back.set()


def test_many_threads_of_one_action():
    """All of a hundred run at once, and none is lost."""
    all_of_them = threading.Barrier(100)
    needs: dict[str, tuple[str, ...]] = {str(number): () for number in range(100)}
    ended = run(needs, lambda key: all_of_them.wait(PATIENCE))
    assert sorted(done.result for done in ended if done.result is not None) == list(range(100))
