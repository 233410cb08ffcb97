"""Gzip without a compressor: any reader gets back what went in, and the wheel's own streams stay as they are."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import subprocess
import zlib

import pytest

from azext_mlfunc.packaging.dependencies.gzip_members import GzipMembers, deflate


def test_runs_of_zeros_of_any_length_come_back():
    for zeros in [*range(1200), 65535, 65536, 200_000]:
        _comes_back(zeros)


def _comes_back(zeros):
    for data in (bytes(zeros), b"a" + bytes(zeros) + b"b", bytes(zeros) + b"c"):
        assert zlib.decompress(deflate(data), -zlib.MAX_WBITS) == data


def test_any_bytes_come_back_and_zeros_take_no_room():
    dice = random.Random(1)
    noise = dice.randbytes(200_000)
    assert zlib.decompress(deflate(noise), -zlib.MAX_WBITS) == noise
    assert len(deflate(noise)) < len(noise) + 50
    assert len(deflate(bytes(1 << 20))) < 10_000


def stream(*parts):
    """Parts that are bytes are written as they are; parts that are tuples of one are compressed already."""
    file = io.BytesIO()
    out = GzipMembers(file)
    for part in parts:
        if isinstance(part, bytes):
            out.write(part)
        else:
            packed = _raw(part[0])
            out.write_deflated(io.BytesIO(packed + b"what follows in the wheel"), *_about(packed, part[0]))
    out.flush()
    return file.getvalue(), out


def _raw(data):
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def _about(packed, data):
    return len(packed), len(data), zlib.crc32(data)


def test_all_members_are_one_stream_to_every_reader(tmp_path):
    big = random.Random(2).randbytes(1000) * 5000
    written, out = stream(b"head" + bytes(508), (big,), bytes(100), (b"",), b"tail")
    expected = b"head" + bytes(508) + big + bytes(100) + b"tail"
    assert gzip.decompress(written) == expected
    assert subprocess.run(["gzip", "-dc"], input=written, capture_output=True, check=True).stdout == expected
    assert out.size == len(written)
    assert out.digest == "sha256:" + hashlib.sha256(written).hexdigest()
    assert out.diff_id == "sha256:" + hashlib.sha256(expected).hexdigest()
    assert _raw(big) in written


@pytest.mark.parametrize("change", ["size", "crc", "cut", "longer", "noise"])
def test_a_stream_that_does_not_hold_what_is_said_is_refused(change):
    data = b"some data" * 100
    packed = _raw(data)
    length, size, crc = _about(packed, data)
    if change == "size":
        size += 1
    elif change == "crc":
        crc ^= 1
    elif change == "cut":
        packed = packed[:-1]
    elif change == "longer":
        packed, length = packed + b"x", length + 1
    else:
        packed = b"\xff" * length
    with pytest.raises(ValueError):
        GzipMembers(io.BytesIO()).write_deflated(io.BytesIO(packed), length, size, crc)
