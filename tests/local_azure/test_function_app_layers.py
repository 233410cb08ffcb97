"""Taking an app out of an image's layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from function_app_parts import tar_layer

from local_azure.function_apps.layers import Extraction, LayerRefused

PART = "home/site/wwwroot"


def entry(name: str, kind: bytes, leads_to: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """An entry that is no file."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, leads_to, mode
    return made


def link(name: str, leads_to: str) -> tarfile.TarInfo:
    return entry(name, tarfile.SYMTYPE, leads_to)


def extract(folder: Path, *layers: bytes) -> Path:
    """Lay layers over each other; returns what stands for the image's root."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    extraction = Extraction(root, (f"/{PART}", "/var/app"))
    for layer in layers:
        file = folder / "layer"
        file.write_bytes(layer)
        extraction.add(f"sha256:{hashlib.sha256(layer).hexdigest()}", file)
    return root


@pytest.mark.parametrize(
    ("files", "difference"),
    [
        ({"etc/passwd": "", "usr/bin/python": "", "1": entry(PART, tarfile.DIRTYPE, mode=0o755)}, False),
        ({}, False),
        ({f"{PART}/a": ""}, True),
        ({"1": entry(f"{PART}/a", tarfile.DIRTYPE)}, True),
        ({f"{PART}/.wh.a": ""}, True),
        ({"home/.wh..wh..opq": ""}, True),
        ({"1": link(PART, "/var/app")}, True),
    ],
)
def test_what_makes_a_difference(tmp_path: Path, files: dict[str, str | tarfile.TarInfo], difference: bool) -> None:
    (tmp_path / "layer").write_bytes(tar_layer(files))
    digest = f"sha256:{hashlib.sha256(tar_layer(files)).hexdigest()}"
    assert Extraction(tmp_path, (f"/{PART}", "/var/app")).add(digest, tmp_path / "layer") is difference


def tree(root: Path) -> dict[str, str]:
    """All files and links below a folder, with what is in them."""
    return {
        str(path.relative_to(root)): f"-> {os.readlink(path)}" if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_later_layers_lie_over_earlier_ones(tmp_path: Path) -> None:
    root = extract(
        tmp_path,
        tar_layer({f"./{PART}/a": "old", f"{PART}/b/c": "b", f"{PART}/d": "d", "var/app/e": "e", "etc/f": "f"}),
        tar_layer({f"{PART}/a": "new", f"{PART}/b": "a file now", f"{PART}/d/g": "a folder now"}, compressed=False),
    )
    assert tree(root) == {
        f"{PART}/a": "new",
        f"{PART}/b": "a file now",
        f"{PART}/d/g": "a folder now",
        "var/app/e": "e",
    }


def test_whiteouts(tmp_path: Path) -> None:
    root = extract(
        tmp_path,
        tar_layer({f"{PART}/{name}": name for name in ("a", "b/c", "b/d", "e/f", "e/g/h", "i")}),
        tar_layer(
            {
                f"{PART}/.wh.a": "",
                f"{PART}/b/c": "again",
                f"{PART}/b/.wh..wh..opq": "",  # of the layer below only
                f"{PART}/e/g/new": "new",
                f"{PART}/e/.wh..wh..opq": "",
                f"{PART}/.wh.not-there": "",
                f"{PART}/none/.wh..wh..opq": "",
            }
        ),
    )
    assert tree(root) == {f"{PART}/b/c": "again", f"{PART}/e/g/new": "new", f"{PART}/i": "i"}
    assert tree(extract(tmp_path, tar_layer({"home/.wh.site": "", "var/.wh.app": ""}))) == {}


def test_links_within_what_is_taken(tmp_path: Path) -> None:
    root = extract(
        tmp_path,
        tar_layer(
            {
                "var/app/model": "the model",
                "1": link(f"{PART}/absolute", "/var/app/model"),
                "2": link(f"{PART}/sub/relative", "../../../../var/app/model"),
                "3": link(f"{PART}/elsewhere", "/etc/passwd"),
                "4": entry(f"{PART}/hard", tarfile.LNKTYPE, "var/app/model"),
                "5": entry(f"{PART}/empty", tarfile.DIRTYPE, mode=0o755),
                "6": link(f"{PART}/replaced", "absolute"),
            }
        ),
        tar_layer({f"{PART}/replaced": "a file", f"{PART}/elsewhere/below": "not below a link here"}),
    )
    assert (root / PART / "absolute").read_text() == "the model"
    assert (root / PART / "sub" / "relative").read_text() == "the model"
    assert (root / PART / "hard").read_text() == "the model"
    assert (root / PART / "empty").is_dir()
    assert (root / PART / "replaced").read_text() == "a file"
    assert (root / PART / "elsewhere" / "below").read_text() == "not below a link here"
    assert not os.readlink(root / PART / "absolute").startswith("/")


def test_rights_are_the_owners_alone_to_give(tmp_path: Path) -> None:
    script = tarfile.TarInfo(f"{PART}/run")
    script.mode = 0o4755
    root = extract(tmp_path, tar_layer({"run": script}))
    assert (root / PART / "run").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    "layer",
    [
        {"../escaped": "evil"},
        {f"{PART}/../../../escaped": "evil"},
        {f"{PART}/../ok/../../../../escaped": "evil"},
        {"1": link(f"{PART}/out", "../../../../escaped")},
        {"1": link(f"{PART}/out", "/../escaped")},
        {"1": link(f"{PART}/out", "/var/app"), f"{PART}/out/escaped": "evil"},
        {"1": entry(f"{PART}/out", tarfile.LNKTYPE, "/escaped")},
        {"1": entry(f"{PART}/out", tarfile.LNKTYPE, "../escaped")},
        {"1": entry(f"{PART}/out", tarfile.LNKTYPE, "etc/escaped")},
        {"1": entry(f"{PART}/out", tarfile.LNKTYPE, f"{PART}/missing")},
        {"a": link("var/app/l", "m"), "b": entry(f"{PART}/out", tarfile.LNKTYPE, "var/app/l")},
        {"1": entry(f"{PART}/device", tarfile.CHRTYPE)},
        {"1": entry(f"{PART}/pipe", tarfile.FIFOTYPE)},
    ],
)
def test_what_leads_out_is_refused(tmp_path: Path, layer: dict[str, str | tarfile.TarInfo]) -> None:
    (tmp_path / "escaped").write_text("untouched")
    with pytest.raises(LayerRefused, match=r"The layer sha256:[0-9a-f]{64} is refused: "):
        extract(tmp_path, tar_layer(layer))
    assert (tmp_path / "escaped").read_text() == "untouched"
    assert [path for path in tmp_path.rglob("escaped") if path.parent != tmp_path] == []


def test_an_absolute_name_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "escaped"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(str(target)))
    with pytest.raises(LayerRefused, match="leads out of the image"):
        extract(tmp_path, stream.getvalue())
    assert not target.exists()


def test_a_whiteout_removes_nothing_behind_a_link(tmp_path: Path) -> None:
    kept = tar_layer({"var/app/kept": "kept", "1": link(f"{PART}/out", "/var/app")})
    root = extract(tmp_path, kept, tar_layer({f"{PART}/out/.wh.kept": "", f"{PART}/out/.wh..wh..opq": ""}))
    assert (root / "var/app/kept").read_text() == "kept"
    with pytest.raises(LayerRefused, match="leads out"):
        extract(tmp_path, tar_layer({f"{PART}/../../.wh.root": ""}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x28\xb5\x2f\xfd rest", "is compressed with zstd"),
        (b"\x1f\x8b no gzip", "cannot be read"),
        (b"no tar" * 100, "cannot be read"),
        (tar_layer({f"{PART}/a": "a" * 5000})[:-20], "cannot be read"),
        (tar_layer({f"{PART}/a": "a" * 5000}, compressed=False)[:2000], "cannot be read"),
    ],
)
def test_a_layer_that_is_no_good(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(LayerRefused, match=reason):
        extract(tmp_path, content)


def test_a_layer_that_is_not_what_the_manifest_says(tmp_path: Path) -> None:
    file = tmp_path / "layer"
    file.write_bytes(tar_layer({f"{PART}/a": "a"}))
    with pytest.raises(LayerRefused, match="is damaged: it has the digest"):
        Extraction(tmp_path, (f"/{PART}",)).add("sha256:" + "0" * 64, file)


def test_a_gzip_file_of_several_members(tmp_path: Path) -> None:
    plain = tar_layer({f"{PART}/a": "a", f"{PART}/b": "b" * 10_000}, compressed=False)
    layer = gzip.compress(plain[:700]) + gzip.compress(plain[700:])
    assert set(tree(extract(tmp_path, layer))) == {f"{PART}/a", f"{PART}/b"}
