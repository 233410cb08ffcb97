"""Which models the cache keeps, and which go."""

from __future__ import annotations

import os

import pytest

from azext_mlfunc.workspace.cache import ModelCache, Piece

MIB = 1 << 20


@pytest.fixture
def cache(tmp_path):
    return ModelCache(tmp_path / "models", 10 * MIB)


def fill(cache, name, mebibytes=4, used=None):
    """A whole model, last used at a time; its slot, still open."""
    slot = cache.open([name], [mebibytes * MIB])
    for piece in slot.pieces(0):
        if not slot.has(piece):
            slot.write(piece, [os.urandom(piece.stop - piece.start)])
    if used:
        os.utime(slot.path.with_name(f"{slot.path.name}.journal"), (used, used))
    return slot


def is_there(cache, name, mebibytes=4):
    slot = cache.open([name], [mebibytes * MIB])
    found = slot.is_whole
    slot.close()
    return found


def test_what_was_not_used_for_longest_goes_first(cache):
    for used, name in enumerate(("first", "second"), 1000):
        fill(cache, name, used=used).close()
    fill(cache, "third").close()
    names = {path.name for path in cache.folder.iterdir()}
    assert len(names) == 4, "two models, each with its journal"
    assert is_there(cache, "second") and is_there(cache, "third")


def test_what_is_read_again_counts_as_used(cache):
    for used, name in enumerate(("first", "second"), 1000):
        fill(cache, name, used=used).close()
    assert is_there(cache, "first")
    fill(cache, "third").close()
    assert is_there(cache, "first") and not is_there(cache, "second")


def test_what_is_in_use_stays(cache):
    first = fill(cache, "first", used=1000)
    fill(cache, "second", used=1001).close()
    fill(cache, "third").close()
    assert first.path.exists()
    assert b"".join(first.read(Piece(0, 0, 4 * MIB)))
    first.close()
    assert is_there(cache, "first") and is_there(cache, "third")


def test_a_model_that_is_greater_than_the_limit_is_kept_until_the_next(cache):
    fill(cache, "huge", 12).close()
    assert is_there(cache, "huge", 12)
    fill(cache, "next").close()
    assert is_there(cache, "next") and not is_there(cache, "huge", 12)


def test_copies_that_somebody_left_behind_go(cache):
    first = cache.open(["x"], [4 * MIB])
    copy = cache.open(["x"], [4 * MIB])
    left = copy.path
    copy._journal.close()  # as when its process was killed: the files stay, the lock goes
    first.close()
    assert left.exists()
    fill(cache, "next").close()
    assert not left.exists()


def test_another_content_is_another_model(cache):
    assert cache.open(["a"], [1]).path != cache.open(["b"], [1]).path
    assert cache.open(["a"], [1]).path != cache.open(["a"], [2]).path


def test_a_line_of_the_journal_that_was_cut_off_does_not_count(cache):
    slot = fill(cache, "x")
    journal = slot.path.with_name(f"{slot.path.name}.journal")
    slot.close()
    journal.write_bytes(journal.read_bytes()[:-1])
    again = cache.open(["x"], [4 * MIB])
    assert not again.is_whole
    again.close()
    assert journal.read_bytes() == b""


def test_data_that_was_cut_off_does_not_count(cache):
    slot = fill(cache, "x")
    slot.close()
    with slot.path.open("r+b") as file:
        file.truncate(MIB)
    assert not is_there(cache, "x")


def test_nobody_but_its_owner_finds_out_what_is_in_it(cache):
    slot = fill(cache, "x")
    assert cache.folder.stat().st_mode & 0o077 == 0
    slot.close()
