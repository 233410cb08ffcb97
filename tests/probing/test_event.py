"""What is sent: text, a file's bytes, stdin."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.cli.core.azclierror import FileOperationError

from azext_mlfunc._validators import as_typed
from azext_mlfunc.probing.event import read_event


@pytest.mark.parametrize("data", [b"", b"line\n", b"\xef\xbb\xbf[1]\r\n", b"\xff\xfe\x00data", "ü\n".encode("utf-16")])
def test_a_file_is_sent_byte_by_byte(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_bytes(data)
    event = read_event(f"@{tmp_path}/event.json")
    assert (event.data, event.name) == (data, "event.json")


def test_text_is_sent_as_it_is() -> None:
    assert read_event("ü @x").data == "ü @x".encode()


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileOperationError, match="No such file"):
        read_event(f"@{tmp_path}/nothing")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["az", "ml-func", "test", "--data", "@file", "--keep"], "@file"),
        (["az", "ml-func", "test", "--data=@file"], "@file"),
        (["az", "ml-func", "test", "--keep", "--data"], "text of it"),
        (["az", "ml-func", "test", "--data", "text of it"], "text of it"),
        (["az", "ml-func", "test", "--expect", "@file"], "text of it"),
    ],
)
def test_an_option_as_it_was_typed(words: list[str], expected: str) -> None:
    assert as_typed("--data", "text of it", words) == expected
