"""The build context as a tar stream and as a folder: the same bytes every time, in pieces."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile

import pytest
from azure.cli.core.azclierror import FileOperationError

from azext_mlfunc.packaging.context import CHUNK, Entry, file_entry, tar_stream, text_entry, write_folder


def sample(folder):
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o700)
    (folder / "empty").write_text("")
    (folder / "big.bin").write_bytes(b"0123456789abcdef" * (CHUNK // 8))
    yield Entry("models")
    yield file_entry(folder / "big.bin", "models/deep/big.bin")
    yield file_entry(folder / "run.sh", "app/run.sh")
    yield file_entry(folder / "empty", "app/" + "long" * 60 + "/" + "ü" * 60)
    yield Entry("app/link", target="run.sh")
    yield text_entry("Dockerfile", "FROM x\n")


def stream(folder):
    folder.mkdir(exist_ok=True)
    return b"".join(tar_stream(sample(folder)))


def test_the_same_input_gives_the_same_bytes_wherever_and_whenever(tmp_path):
    first = stream(tmp_path / "a")
    other = tmp_path / "b" / "c"
    other.parent.mkdir()
    old_mask = os.umask(0o077)
    try:
        second = stream(other)
    finally:
        os.umask(old_mask)
    assert first == second


def test_tar_reads_it_with_fixed_owners_times_and_modes(tmp_path):
    data = stream(tmp_path / "a")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = {m.name: m for m in archive}
        assert archive.extractfile("models/deep/big.bin").read() == b"0123456789abcdef" * (CHUNK // 8)
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members.values()} == {(0, 0, "", "", 315532800)}
    modes = {name: oct(m.mode) for name, m in members.items()}
    assert modes["app/run.sh"] == "0o755" and modes["Dockerfile"] == "0o644" and modes["models/deep"] == "0o755"
    assert members["app/link"].linkname == "run.sh"
    assert list(members)[:3] == ["models", "models/deep", "models/deep/big.bin"]
    assert [m for m in members if members[m].isdir()].count("app") == 1


def test_the_system_s_own_tar_takes_it(tmp_path):
    data = stream(tmp_path / "a")
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=data, check=True)
    assert (tmp_path / "out" / "app" / ("long" * 60) / ("ü" * 60)).is_file()


def test_a_file_is_read_in_pieces_and_its_checksum_is_of_what_was_read(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(b"x" * (3 * CHUNK + 5))
    digest = hashlib.sha256()
    pieces = list(file_entry(path, "big", digest).chunks())
    assert [len(piece) for piece in pieces] == [CHUNK, CHUNK, CHUNK, 5]
    assert digest.hexdigest() == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("length", [0, 9, 11, 2 * CHUNK])
def test_a_file_that_changes_while_it_is_packed_is_noticed(tmp_path, length):
    path = tmp_path / "growing"
    path.write_bytes(b"x" * 10)
    entry = file_entry(path, "growing")
    path.write_bytes(b"x" * length)
    with pytest.raises(FileOperationError, match="changed while it was packed"):
        list(tar_stream([entry]))


def test_the_folder_holds_what_the_stream_holds(tmp_path):
    data = stream(tmp_path / "a")
    write_folder(sample(tmp_path / "a"), tmp_path / "context")
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=data, check=True)
    compared = subprocess.run(["diff", "-r", tmp_path / "out", tmp_path / "context"], capture_output=True)
    assert (compared.returncode, compared.stdout) == (0, b"")
    assert os.access(tmp_path / "context" / "app" / "run.sh", os.X_OK)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "context", "out"]


def test_the_folder_s_modes_do_not_depend_on_the_umask(tmp_path):
    old_mask = os.umask(0o077)
    try:
        write_folder([text_entry("a/b", "x")], tmp_path / "context")
    finally:
        os.umask(old_mask)
    modes = [
        oct(path.stat().st_mode & 0o777) for path in (tmp_path / "context", *sorted((tmp_path / "context").rglob("*")))
    ]
    assert modes == ["0o755", "0o755", "0o644"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "old").write_text("x")

    def broken():
        yield text_entry("new", "x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_folder(broken(), tmp_path / "context")
    assert [p.name for p in tmp_path.iterdir()] == ["context"]
    assert [p.name for p in (tmp_path / "context").iterdir()] == ["old"]
    write_folder([text_entry("new", "x")], tmp_path / "context")
    assert [p.name for p in (tmp_path / "context").iterdir()] == ["new"]
