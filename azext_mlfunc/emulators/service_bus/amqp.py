"""The AMQP 1.0 type system: encoding and decoding values, and the sections of a message.

Source: OASIS AMQP Version 1.0, Part 1 (Types) and Part 3 (Messaging).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


class Symbol(str):
    """An AMQP symbol (ASCII text), as opposed to a string."""


class Encoded(bytes):
    """A value that is encoded already."""


@dataclass(frozen=True)
class Described:
    """A described value: performatives, message sections, sources and targets are such."""

    code: Any  # the descriptor; an int in all that Service Bus uses
    value: Any


# Descriptors of message sections and delivery states.
HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES = range(0x70, 0x75)
DATA, AMQP_VALUE = 0x75, 0x77
ACCEPTED, REJECTED, RELEASED, MODIFIED = range(0x24, 0x28)
ERROR, SOURCE, TARGET = 0x1D, 0x28, 0x29

_NULL, _TRUE, _FALSE, _DESCRIBED = b"\x40", b"\x41", b"\x42", 0x00
_BINARY8, _STRING8, _SYMBOL8 = 0xA0, 0xA1, 0xA3
_LIST32, _MAP32, _ARRAY32 = 0xD0, 0xD1, 0xF0
_LONG, _DOUBLE, _TIMESTAMP, _UUID = 0x81, 0x82, 0x83, 0x98

_CONSTANTS: dict[int, Any] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0, 0x45: []}
_FIXED = {
    0x50: ">B", 0x51: ">b", 0x52: ">B", 0x53: ">B", 0x54: ">b", 0x55: ">b", 0x60: ">H", 0x61: ">h", 0x70: ">I",
    0x71: ">i", 0x72: ">f", 0x73: ">I", 0x80: ">Q", 0x81: ">q", 0x82: ">d", 0x83: ">q",
}  # fmt: skip
_OPAQUE = {0x74: 4, 0x84: 8, 0x94: 16}  # decimals: kept as bytes


def ubyte(number: int) -> Encoded:
    return Encoded(b"\x50" + bytes([number]))


def ushort(number: int) -> Encoded:
    return Encoded(b"\x60" + struct.pack(">H", number))


def uint(number: int) -> Encoded:
    if number == 0:
        return Encoded(b"\x43")
    return Encoded(b"\x52" + bytes([number]) if number < 256 else b"\x70" + struct.pack(">I", number))


def ulong(number: int) -> Encoded:
    return Encoded(b"\x80" + struct.pack(">Q", number))


def int32(number: int) -> Encoded:
    return Encoded(b"\x71" + struct.pack(">i", number))


def timestamp(seconds: float) -> Encoded:
    """A time in seconds since the epoch."""
    return Encoded(bytes([_TIMESTAMP]) + struct.pack(">q", int(seconds * 1000)))


def long_array(numbers: Sequence[int]) -> Encoded:
    return _array(_LONG, numbers)


def timestamp_array(seconds: Sequence[float]) -> Encoded:
    return _array(_TIMESTAMP, [int(each * 1000) for each in seconds])


def symbol_array(symbols: Sequence[str]) -> Encoded:
    items = b"".join(bytes([len(each)]) + each.encode() for each in symbols)
    return Encoded(bytes([_ARRAY32]) + struct.pack(">IIB", 5 + len(items), len(symbols), _SYMBOL8) + items)


def _array(code: int, numbers: Sequence[int]) -> Encoded:
    items = b"".join(struct.pack(">q", number) for number in numbers)
    return Encoded(bytes([_ARRAY32]) + struct.pack(">IIB", 5 + len(items), len(numbers), code) + items)


def encode(value: Any) -> bytes:
    """Encode a value; Python ints become longs, floats doubles, lists and tuples lists, dicts maps.

    Raises:
        TypeError: the type has no counterpart.
    """
    if isinstance(value, Encoded):
        return bytes(value)
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, Symbol):
        return _variable(_SYMBOL8, value.encode())
    if isinstance(value, str):
        return _variable(_STRING8, value.encode())
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _variable(_BINARY8, bytes(value))
    if isinstance(value, int):
        return bytes([_LONG]) + struct.pack(">q", value)
    if isinstance(value, float):
        return bytes([_DOUBLE]) + struct.pack(">d", value)
    if isinstance(value, uuid.UUID):
        return bytes([_UUID]) + value.bytes
    if isinstance(value, Described):
        return section(value.code, encode(value.value))
    if isinstance(value, (list, tuple)):
        return _compound(_LIST32, len(value), map(encode, value))
    if isinstance(value, dict):
        return _compound(_MAP32, 2 * len(value), (encode(key) + encode(each) for key, each in value.items()))
    raise TypeError(f"{type(value).__name__} has no AMQP counterpart.")


def section(code: int, encoded: bytes) -> bytes:
    """A described value whose content is encoded already."""
    return b"\x00\x53" + bytes([code]) + encoded


def _variable(code: int, content: bytes) -> bytes:
    """Binary, string or symbol: the code of the short form is given, that of the long form is 0x10 above it."""
    if len(content) < 256:
        return bytes([code, len(content)]) + content
    return bytes([code + 0x10]) + struct.pack(">I", len(content)) + content


def _compound(code: int, count: int, items: Iterable[bytes]) -> bytes:
    content = b"".join(items)
    return bytes([code]) + struct.pack(">II", len(content) + 4, count) + content


def decode(data: bytes | memoryview, position: int = 0, code: int | None = None) -> tuple[Any, int]:
    """The value at ``position`` and the position behind it; ``code`` is given for items of an array.

    Raises:
        ValueError: the constructor is not known.
    """
    if code is None:
        code, position = data[position], position + 1
    if code == _DESCRIBED:
        descriptor, position = decode(data, position)
        value, position = decode(data, position)
        return Described(descriptor, value), position
    if code in _CONSTANTS:
        return _CONSTANTS[code], position
    if code == 0x56:
        return data[position] == 1, position + 1
    if code in _FIXED:
        return struct.unpack_from(_FIXED[code], data, position)[0], position + struct.calcsize(_FIXED[code])
    if code == _UUID:
        return uuid.UUID(bytes=bytes(data[position : position + 16])), position + 16
    if code in _OPAQUE:
        return bytes(data[position : position + _OPAQUE[code]]), position + _OPAQUE[code]
    if code >> 4 in (0xA, 0xB):
        return _decode_variable(data, position, code)
    if code >> 4 in (0xC, 0xD, 0xE, 0xF):
        return _decode_compound(data, position, code)
    raise ValueError(f"AMQP constructor 0x{code:02x} is not known.")


def _width(code: int) -> int:
    """Bytes of a size or count: 4 in the long forms, 1 in the short ones."""
    return 4 if code & 0x10 else 1


def _decode_variable(data: bytes | memoryview, position: int, code: int) -> tuple[Any, int]:
    start = position + _width(code)
    end = start + int.from_bytes(data[position:start], "big")
    content = bytes(data[start:end])
    kind = code & 0xEF
    if kind == _BINARY8:
        return content, end
    return (Symbol(content.decode()) if kind == _SYMBOL8 else content.decode()), end


def _decode_compound(data: bytes | memoryview, position: int, code: int) -> tuple[Any, int]:
    width = _width(code)
    end = position + width + int.from_bytes(data[position : position + width], "big")
    position += width
    count = int.from_bytes(data[position : position + width], "big")
    position += width
    item_code = None
    if code & 0xEF == 0xE0:
        item_code, position = data[position], position + 1
    items = []
    for _ in range(count):
        item, position = decode(data, position, item_code)
        items.append(item)
    if code & 0xEF == 0xC1:
        return dict(zip(items[::2], items[1::2], strict=True)), end
    return items, end


@dataclass(frozen=True)
class Section:
    """One section of a message as it came: its descriptor, its encoded content, and both together."""

    code: int
    content: bytes
    whole: bytes

    def decoded(self) -> Any:
        return decode(self.content)[0]


def sections(message: bytes) -> Iterator[Section]:
    """The sections of an encoded message; their descriptors are small ulongs."""
    position = 0
    while position < len(message):
        content = position + 3  # 0x00 0x53 code
        end = decode(message, content)[1]
        yield Section(message[position + 2], message[content:end], message[position:end])
        position = end


@dataclass(frozen=True)
class EncodedMap:
    """The items of a map, still encoded, so that they can be sent on exactly as they came."""

    count: int = 0  # keys and values
    items: bytes = b""

    @classmethod
    def of(cls, content: bytes) -> EncodedMap:
        if content[:1] == _NULL:
            return cls()
        width = _width(content[0])
        return cls(int.from_bytes(content[1 + width : 1 + 2 * width], "big"), content[1 + 2 * width :])

    def encode_with(self, more: dict[Any, Any]) -> bytes:
        """The map with more entries behind its own."""
        added = (encode(key) + encode(value) for key, value in more.items())
        return _compound(_MAP32, self.count + 2 * len(more), [self.items, *added])
