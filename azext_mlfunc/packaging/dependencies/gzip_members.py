"""A .tar.gz of many gzip members, so that what a wheel has compressed is not compressed again.

A wheel is a ZIP file: each file in it is a deflate stream with its CRC-32 and length, which is all that a gzip member
holds. Members one after the other are read as one stream (RFC 1952, 2.2; eStargz layers are made of such members), so
a layer takes the wheels' own streams as they are. What lies between (tar headers, padding, the few files of ours) is
written without a compressor: text as it is, zeros as runs. zlib and its successors compress the same input to different
bytes, on each machine its own; these bytes depend on the wheels alone.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from functools import lru_cache
from typing import BinaryIO

from azext_mlfunc.packaging.context import CHUNK

# RFC 1952, 2.3: deflate, no flags, no time, no hint, system unknown.
_MEMBER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# RFC 1951, 3.2.3: an empty block with fixed codes that is the last one.
_END = b"\x03\x00"
_STORED = struct.Struct("<BHH")
_MAX_STORED = 0xFFFF
# Shorter runs are not worth two changes of the block type.
_ZEROS = re.compile(rb"\0{24,}")
# RFC 1951, 3.2.5: the lengths that need no extra bits, or have them all zero, and their symbols; the longest first.
_LENGTHS = sorted(
    zip(
        (*range(3, 11), *range(11, 19, 2), *range(19, 35, 4), *range(35, 67, 8), *range(67, 131, 16))
        + (*range(131, 258, 32), 258),
        range(257, 286),
        (0,) * 8 + (1,) * 4 + (2,) * 4 + (3,) * 4 + (4,) * 4 + (5,) * 4 + (0,),
        strict=True,
    ),
    reverse=True,
)


class GzipMembers:
    """Writes the stream, and keeps count of it.

    :param file: open for writing; what is written goes to its end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pending = bytearray()
        self._compressed = hashlib.sha256()
        self._uncompressed = hashlib.sha256()
        self.size = 0
        """How much has been written to the file, in bytes."""

    @property
    def digest(self) -> str:
        """`sha256:…` of what has been written to the file."""
        return f"sha256:{self._compressed.hexdigest()}"

    @property
    def diff_id(self) -> str:
        """`sha256:…` of what it is uncompressed."""
        return f"sha256:{self._uncompressed.hexdigest()}"

    def write(self, data: bytes) -> None:
        """Add bytes that are not compressed."""
        self._uncompressed.update(data)
        self._pending += data
        if len(self._pending) >= CHUNK:
            self.flush()

    def write_deflated(self, source: BinaryIO, compressed_size: int, size: int, crc: int) -> None:
        """Add a deflate stream as it is; it is inflated on the way, for the uncompressed checksum.

        :param source: stands at the stream's first byte.
        :param compressed_size: the stream's length in bytes.
        :param size: the length of what it holds.
        :param crc: the CRC-32 of what it holds.
        :raises ValueError: the stream is damaged, or does not hold what is said.
        """
        self.flush()
        self._put(_MEMBER)
        inflated, seen_crc, seen = zlib.decompressobj(-zlib.MAX_WBITS), 0, 0
        left = compressed_size
        while left:
            piece = source.read(min(left, CHUNK))
            if not piece:
                raise ValueError("the file ends too early")
            left -= len(piece)
            self._put(piece)
            while piece:
                try:
                    data = inflated.decompress(piece, CHUNK)
                except zlib.error as problem:
                    raise ValueError(str(problem)) from problem
                piece = inflated.unconsumed_tail
                self._uncompressed.update(data)
                seen_crc = zlib.crc32(data, seen_crc)
                seen += len(data)
        if not inflated.eof or inflated.unused_data or (seen, seen_crc) != (size, crc):
            raise ValueError("a compressed file in it does not hold what the directory says")
        self._put(struct.pack("<II", crc, size & 0xFFFFFFFF))

    def flush(self) -> None:
        """Write what is pending, as a member of its own."""
        if not self._pending:
            return
        data = bytes(self._pending)
        self._pending.clear()
        self._put(_MEMBER + deflate(data) + struct.pack("<II", zlib.crc32(data), len(data)))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._compressed.update(data)
        self.size += len(data)


def deflate(data: bytes) -> bytes:
    """A deflate stream that saves long runs of zeros and nothing else, the same on every machine."""
    blocks, at = [], 0
    for run in _ZEROS.finditer(data):
        blocks += [_stored(data[at : run.start()]), _zeros(run.end() - run.start())]
        at = run.end()
    return b"".join([*blocks, _stored(data[at:]), _END])


def _stored(data: bytes) -> bytes:
    pieces = (data[at : at + _MAX_STORED] for at in range(0, len(data), _MAX_STORED))
    return b"".join(_STORED.pack(0, len(piece), len(piece) ^ _MAX_STORED) + piece for piece in pieces)


@lru_cache(maxsize=4096)
def _zeros(count: int) -> bytes:
    """A block with fixed codes (RFC 1951, 3.2.6): a zero, then copies of the byte before. It ends on a byte's end."""
    bits = "010" + "00110000"  # not the last block, fixed codes; the literal 0
    left = count - 1
    for length, symbol, extra in _LENGTHS:
        while left >= length:
            code = f"{symbol - 256:07b}" if symbol < 280 else f"{symbol - 280 + 0b11000000:08b}"
            bits += code + "0" * extra + "00000"  # … and the distance 1
            left -= length
    bits += "00110000" * left + "0000000"  # the end of the block
    bits += "000"  # the head of an empty stored block, which begins at the next whole byte
    bits += "0" * (-len(bits) % 8)
    return int(bits[::-1], 2).to_bytes(len(bits) // 8, "little") + b"\x00\x00\xff\xff"
