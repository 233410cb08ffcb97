"""Nothing of a package is run here, no setting of pip's changes what is asked for, and a damaged cache mends itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from azext_mlfunc.packaging.dependencies import LayerCache, NoWheels, make_layer
from fakes import RecordingProgress


def made(requirements: str, folder: Path) -> str:
    return make_layer(requirements, "3.13", LayerCache(folder), RecordingProgress()).lock


@pytest.mark.parametrize(
    "requirements",
    ["six --global-option=foo\n", "--only-binary=:none:\nsix\n", "six --config-settings=a=b\n"],
)
def test_what_would_make_pip_build_is_refused_before_pip_runs(tmp_path, requirements):
    with pytest.raises(NoWheels) as raised:
        made(requirements, tmp_path)
    assert "asks for a package's source" in str(raised.value)


def test_settings_that_choose_other_packages_are_not_taken(tmp_path, monkeypatch):
    plain = made("requests==2.32.5\n", tmp_path / "a")
    (tmp_path / "more.txt").write_text("six\n")
    for name, value in (("PLATFORM", "win_amd64"), ("NO_DEPS", "1"), ("REQUIREMENT", str(tmp_path / "more.txt"))):
        monkeypatch.setenv(f"PIP_{name}", value)
    assert made("requests==2.32.5\n", tmp_path / "b") == plain


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lock.txt", b""),
        ("lock.txt", b"\xff\xfe"),
        ("lock.txt", b"# Python 3.13 on linux/amd64\nsix==1.17.0 --hash=sha2"),
        ("layer.json", b"[1]"),
        ("layer.json", b'{"digest": 1, "diffId": 2, "size": 3}'),
        ("layer.tar.gz", b"short"),
    ],
)
def test_a_damaged_cache_is_made_anew(tmp_path, name, content):
    first = made("six==1.17.0\n", tmp_path)
    [file] = tmp_path.rglob(name)
    file.write_bytes(content)
    assert made("six==1.17.0\n", tmp_path) == first


def test_a_missing_part_of_the_cache_is_made_anew(tmp_path):
    first = made("six==1.17.0\n", tmp_path)
    for file in [*tmp_path.rglob("lock.txt"), *tmp_path.rglob("layer.json")]:
        file.unlink()
    assert made("six==1.17.0\n", tmp_path) == first
