"""The AMQP type system: what is encoded comes back, and what others encode is understood."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from azext_mlfunc.emulators.service_bus import amqp
from azext_mlfunc.emulators.service_bus.amqp import Described, Symbol, decode, encode
from azext_mlfunc.emulators.service_bus.message import Message


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, -1, 2**40, "", "text", "\u00e4" * 300, b"", b"bytes", b"x" * 70000, Symbol("a:b"),
        uuid.UUID(int=5), [], [1, [None, "x"]], {}, {Symbol("k"): {"n": 1}}, Described(0x70, [True, None]),
    ],
)  # fmt: skip
def test_round_trip(value: Any) -> None:
    encoded = encode(value)
    decoded, end = decode(encoded)
    assert decoded == value
    assert type(decoded) is type(value)
    assert end == len(encoded)


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("41", True), ("5600", False), ("43", 0), ("5205", 5), ("7000000100", 256), ("44", 0), ("53ff", 255),
        ("80000000000000000a", 10), ("50fe", 254), ("51fe", -2), ("600100", 256), ("61ff00", -256),
        ("71fffffffe", -2), ("54fe", -2), ("55fe", -2), ("81fffffffffffffffe", -2), ("8300000000000003e8", 1000),
        ("723f000000", 0.5), ("823fe0000000000000", 0.5), ("7300000041", 65),
        ("a10161", "a"), ("b10000000161", "a"), ("a00161", b"a"), ("a30161", Symbol("a")),
        ("45", []), ("c003024142", [True, False]), ("d000000006000000024142", [True, False]),
        ("c10402415201", {True: 1}), ("e00402500102", [1, 2]),
    ],
)  # fmt: skip
def test_every_constructor(encoded: str, value: Any) -> None:
    data = bytes.fromhex(encoded)
    decoded, end = decode(data)
    assert decoded == value
    assert end == len(data)


def test_arrays() -> None:
    assert decode(amqp.long_array([1, -1]))[0] == [1, -1]
    assert decode(amqp.timestamp_array([1.5]))[0] == [1500]
    assert decode(amqp.symbol_array(["ANONYMOUS"]))[0] == [Symbol("ANONYMOUS")]


def test_what_has_no_counterpart_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        encode(object())
    with pytest.raises(ValueError, match="0x3f"):
        decode(b"\x3f")


def test_a_message_keeps_the_clients_sections_byte_for_byte() -> None:
    properties = amqp.section(amqp.PROPERTIES, encode(["id", None, "to"]))
    float_entry = encode("half") + bytes.fromhex("723f000000")  # a type that Python would send back as another
    application = amqp.section(amqp.APPLICATION_PROPERTIES, b"\xc1" + bytes([len(float_entry) + 1, 2]) + float_entry)
    body = amqp.section(amqp.DATA, encode(b"body"))
    encoded = Message(properties + application + body).encode()
    assert properties in encoded
    assert float_entry in encoded
    assert encoded.endswith(body)
