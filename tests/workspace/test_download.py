"""Downloads into the cache: lines that break, files that change, runs that are killed, two at once."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from azure.cli.core.azclierror import AzureConnectionError, FileOperationError, ValidationError

from azext_mlfunc.workspace import errors
from azext_mlfunc.workspace.cache import PIECE, ModelCache
from azext_mlfunc.workspace.download import PAUSES, Download
from azext_mlfunc.workspace.storage import RemoteFile
from local_azure.waiting import wait_for

from .blobs import content

SIZE = 5 * PIECE + 12345
GIB = 1 << 30
WORKER = Path(__file__).with_name("downloading.py")


def no_pause(seconds):
    return False


@pytest.fixture
def cache(tmp_path):
    return ModelCache(tmp_path / "cache", GIB)


def opened(cache, listing):
    return cache.open([file.etag for file in listing.files], [file.size for file in listing.files])


def digests(container, listing, slot, **more):
    """The SHA-256 of each file, in their order."""
    found = []
    with Download(container, listing.files, slot, pause=no_pause, **more) as download:
        for number in range(len(listing.files)):
            digest = hashlib.sha256()
            for chunk in download.chunks(number):
                digest.update(chunk)
            found.append(digest.hexdigest())
    return found


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_files_arrive_whole_and_a_second_time_without_a_request(blobs, cache):
    files = {"m/big": content(SIZE), "m/empty": b"", "m/exact": content(PIECE, 1), "m/small": b"x"}
    for name, data in files.items():
        blobs.put(name, data)
    listing = blobs.container.files("m")
    expected = [sha256(files[file.blob]) for file in listing.files]
    assert digests(blobs.container, listing, opened(cache, listing)) == expected
    received = blobs.line.received
    for _ in range(2):
        slot = opened(cache, listing)
        assert slot.is_whole
        assert digests(blobs.container, listing, slot) == expected
        slot.close()
    assert blobs.line.received == received


def test_a_connection_that_breaks_ten_times_ends_with_the_right_bytes(blobs, cache):
    data = content(SIZE)
    blobs.put("m", data)
    listing = blobs.container.files("m")
    chosen = random.Random(7)
    blobs.line.break_after(*(chosen.randrange(1, PIECE // 8) for _ in range(10)))
    before = blobs.line.received
    assert digests(blobs.container, listing, opened(cache, listing)) == [sha256(data)]
    assert blobs.line.broken == 10
    assert blobs.line.received - before < SIZE + 4 * PIECE, "what had come is not fetched again"


class Failing:
    """A source that breaks each time after so many bytes, or at once."""

    url = "https://labstore.blob.core.windows.net/models"

    def __init__(self, data, bytes_each):
        self.data, self.bytes_each, self.asked = data, bytes_each, 0

    def read(self, file, start, stop):
        self.asked += 1
        if self.bytes_each:
            yield self.data[start : min(stop, start + self.bytes_each)]
        if not self.bytes_each or start + self.bytes_each < stop:
            raise errors.broken(f"{self.url}/{file.blob}", ConnectionResetError(104, "Connection reset by peer"))


FILE = RemoteFile("m", "m", 1 << 20, '"1"')


def test_it_is_tried_again_for_as_long_as_that_brings_something(cache):
    source = Failing(content(1 << 20), 4096)
    slot = cache.open(["x"], [1 << 20])
    waited = []

    def pause(seconds):
        waited.append(seconds)
        return False

    with Download(source, [FILE], slot, pause=pause) as download:
        assert b"".join(download.chunks(0)) == source.data
    assert source.asked == 256 and set(waited) == {PAUSES[0]}


def test_it_is_given_up_when_nothing_comes(cache):
    source = Failing(b"", 0)
    slot = cache.open(["x"], [1 << 20])
    with Download(source, [FILE], slot, pause=no_pause) as download, pytest.raises(AzureConnectionError) as raised:
        list(download.chunks(0))
    assert source.asked == len(PAUSES) + 1
    assert "Connection reset by peer" in raised.value.error_msg
    assert not slot.is_whole


def test_a_file_that_changes_under_way_is_noticed(blobs, cache):
    blobs.put("m", content(SIZE))
    listing = blobs.container.files("m")
    blobs.line.hold_after(PIECE + (PIECE >> 1))
    slot = opened(cache, listing)
    with Download(blobs.container, listing.files, slot, connections=1, pause=no_pause) as download:
        chunks = download.chunks(0)
        next(chunks)
        blobs.put("m", content(SIZE, seed=2))
        blobs.line.go_on.set()
        with pytest.raises(ValidationError) as raised:
            list(chunks)
    assert "changed" in raised.value.error_msg
    slot.close()
    listing = blobs.container.files("m")
    assert digests(blobs.container, listing, opened(cache, listing)) == [sha256(content(SIZE, seed=2))]


def test_a_wrong_hash_is_noticed_and_nothing_of_it_is_kept(blobs, cache):
    blobs.put("m", b"data", md5=hashlib.md5(b"other").digest())
    listing = blobs.container.files("m")
    for _ in range(2):
        slot = opened(cache, listing)
        assert not slot.is_whole
        with pytest.raises(ValidationError) as raised:
            digests(blobs.container, listing, slot)
        assert "Content-MD5" in raised.value.error_msg
        slot.close()


def test_a_hash_is_checked_even_if_the_first_reader_went_away(blobs, cache):
    blobs.put("m", content(2 * PIECE), md5=hashlib.md5(b"other").digest())
    listing = blobs.container.files("m")
    slot = opened(cache, listing)
    with Download(blobs.container, listing.files, slot) as download:
        next(download.chunks(0))
        wait_for(lambda: slot.is_whole, 30, "the download to end without a reader")
    slot.close()
    with pytest.raises(ValidationError):
        digests(blobs.container, listing, opened(cache, listing))


def test_only_what_is_wanted_is_fetched(blobs, cache):
    blobs.put("m/MLmodel", b"flavors")
    blobs.put("m/weights", content(SIZE))
    listing = blobs.container.files("m")
    before = blobs.line.received
    slot = opened(cache, listing)
    with Download(blobs.container, listing.files, slot, wanted=(0,)) as download:
        assert b"".join(download.chunks(0)) == b"flavors"
    assert blobs.line.received - before < 4096
    assert digests(blobs.container, listing, slot) == [sha256(b"flavors"), sha256(content(SIZE))]


def run(blobs, cache, *words):
    """Another process that downloads `m` and prints its SHA-256."""
    arguments = [blobs.url, blobs.name, blobs.key, os.fspath(cache.folder), *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.fspath, sys.path))}
    command = [sys.executable, WORKER, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_a_run_that_was_killed_is_gone_on_with(blobs, cache):
    data = content(SIZE)
    blobs.put("m", data)
    listing = blobs.container.files("m")
    blobs.line.hold_after(3 * PIECE + (PIECE >> 1))
    with run(blobs, cache, "1") as process:
        wait_for(lambda: journaled(cache) == 3, 60, "three pieces to be noted")
        process.send_signal(signal.SIGKILL)
    blobs.line.go_on.set()
    before = blobs.line.received
    slot = opened(cache, listing)
    assert slot.missing_bytes == SIZE - 3 * PIECE
    assert digests(blobs.container, listing, slot) == [sha256(data)]
    assert blobs.line.received - before < SIZE - 2 * PIECE
    assert [path for path in cache.folder.iterdir() if path.name.startswith("own-")] == []


def journaled(cache):
    return sum(journal.read_bytes().count(b"\n") for journal in cache.folder.glob("*.journal"))


def test_processes_at_once_do_not_harm_each_other(blobs, cache):
    data = content(SIZE)
    blobs.put("m", data)
    processes = [run(blobs, cache, "4") for _ in range(3)]
    assert [process.communicate()[0].strip() for process in processes] == [sha256(data)] * 3
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(list(cache.folder.iterdir())) == 2, "one model and its journal"


def test_who_comes_second_has_a_copy_of_its_own(blobs, cache):
    data = content(SIZE)
    blobs.put("m", data)
    listing = blobs.container.files("m")
    first = opened(cache, listing)
    second = opened(cache, listing)
    assert first.is_ours and second.is_ours and first.path != second.path
    assert digests(blobs.container, listing, second) == [sha256(data)]
    assert first.missing_bytes == SIZE
    second.close()
    assert not second.path.exists()
    assert digests(blobs.container, listing, first) == [sha256(data)]
    third = opened(cache, listing)
    assert third.path == first.path and third.is_whole and not third.is_ours
    assert digests(blobs.container, listing, third) == [sha256(data)]


def test_what_the_disk_lost_is_fetched_again(blobs, cache):
    data = content(SIZE)
    blobs.put("m", data)
    listing = blobs.container.files("m")
    slot = opened(cache, listing)
    digests(blobs.container, listing, slot)
    slot.close()
    with slot.path.open("r+b") as file:
        file.seek(2 * PIECE)
        file.write(bytes(PIECE))
    again = opened(cache, listing)
    assert again.is_whole
    assert digests(blobs.container, listing, again) == [sha256(data)]
    again.close()
    assert hashlib.sha256(slot.path.read_bytes()).hexdigest() == sha256(data)


def test_a_disk_that_is_full_is_said(blobs, tmp_path):
    cache = ModelCache(tmp_path / "cache", GIB)
    with pytest.raises(FileOperationError) as raised:
        cache.open(["x"], [1 << 43])
    assert "could not be kept" in raised.value.error_msg and "are needed" in raised.value.error_msg
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(FileOperationError):
        ModelCache(blocked / "cache", GIB).open(["x"], [1])


def test_a_disk_that_becomes_full_under_way_is_said(tmp_path):
    """/dev/full stands for the disk: each write to it fails as on a full one."""
    cache = ModelCache(tmp_path / "cache", GIB)
    slot = cache.open(["x"], [1 << 20])
    slot.path.unlink()
    slot.path.symlink_to("/dev/full")
    source = Failing(content(1 << 20), 1 << 20)
    with Download(source, [FILE], slot, pause=no_pause) as download, pytest.raises(FileOperationError) as raised:
        list(download.chunks(0))
    assert "No space left on device" in raised.value.error_msg
