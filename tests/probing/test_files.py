"""Where answers go: always inside the output folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.cli.core.azclierror import FileOperationError

from azext_mlfunc.probing.files import input_files, output_path

HOSTILE = [
    "../x", "../../etc/passwd", "/etc/passwd", "a/../../x", "..", ".", "a/./b", "a//b", "con", "aux.json", "COM1",
    "trailing. ", "a:b", 'quo"te', "new\nline", "x" * 300, "ü" * 200, "back\\slash", "\udcff", "",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    target = output_path(tmp_path, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"1")
    assert tmp_path.resolve() in target.resolve().parents
    assert all(len(part.encode()) <= 255 for part in target.parts)


@pytest.mark.parametrize("name", ["con", "aux.json", "COM1", "lpt9.txt", "a:b", "trailing.", "a?b"])
def test_what_windows_reserves_gets_another_name(name: str, tmp_path: Path) -> None:
    assert output_path(tmp_path, name).name != name


@pytest.mark.parametrize("name", ["sample.json", "folder/sample.json", "ä ö.json", "console.json", ".hidden"])
def test_plain_names_stay(name: str, tmp_path: Path) -> None:
    assert output_path(tmp_path, name) == tmp_path / name


def test_different_names_stay_different(tmp_path: Path) -> None:
    names = ["a:b", "a_b", "a?b", "a*b", "x" * 300, "x" * 301, "con", "_con", "a.", "a"]
    assert len({output_path(tmp_path, name) for name in names}) == len(names)


def test_input_files_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "deep/c.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    assert [path.relative_to(tmp_path).as_posix() for path in input_files(tmp_path)] == [
        "a.json",
        "b.json",
        "deep/c.json",
    ]


def test_a_folder_without_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileOperationError, match="no files"):
        input_files(tmp_path)
    with pytest.raises(FileOperationError, match="no such folder"):
        input_files(tmp_path / "nowhere")
