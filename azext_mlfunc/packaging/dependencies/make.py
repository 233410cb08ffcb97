"""The steps from requirements to a layer, each of which the cache may know the result of."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging import requirements as requirements_file
from azext_mlfunc.packaging.dependencies import pip
from azext_mlfunc.packaging.dependencies.cache import LayerCache
from azext_mlfunc.packaging.dependencies.layer import FORMAT, MEDIA_TYPE, write_layer
from azext_mlfunc.packaging.dependencies.lock import (
    LockedWheel,
    check_lock,
    hashes,
    is_for,
    is_lock_text,
    lock_text,
    requirement_of,
)
from azext_mlfunc.packaging.dependencies.problems import NoWheels, masked, no_wheel
from azext_mlfunc.packaging.dependencies.target import Target
from azext_mlfunc.packaging.dependencies.wheel import DamagedWheel
from azext_mlfunc.packaging.requirements import Line
from azext_mlfunc.progress import Progress

# What makes pip build a package, by itself or by taking back that only wheels are wanted.
_BUILDS = re.compile(
    r"^(-e\b|--editable|--no-binary|--only-binary(?!(=|\s+):all:$))"
    r"|\s--(global-option|config-settings?|install-option)\b"
)
_RESOLUTIONS, _LAYERS = "resolutions", "layers"
_LOCK_FILE, _LAYER_FILE, _ABOUT_FILE = "lock.txt", "layer.tar.gz", "layer.json"


@dataclass(frozen=True)
class DependencyLayer:
    """A layer on this machine's disk.

    :param path: the file, in the cache: to be read soon, and not to be changed.
    :param digest: `sha256:…` of the file.
    :param diff_id: `sha256:…` of the tar in it, for the image's configuration.
    :param size: the file's length in bytes.
    :param media_type: its OCI media type.
    :param lock: the packages in it, as a requirements file with checksums.
    """

    path: Path
    digest: str
    diff_id: str
    size: int
    media_type: str
    lock: str


def make_layer(
    requirements: str,
    python_version: str,
    cache: LayerCache,
    progress: Progress,
    lock: str | None = None,
    use_cache: bool = True,
) -> DependencyLayer:
    """Make the layer with the packages that the requirements need, or take it from the cache.

    :param requirements: the text of a requirements file that includes no other one.
    :param python_version: the image's, `3.X`.
    :param lock: the text of a lock to install exactly, from here or from another tool that writes checksums.
    :param use_cache: whether what was resolved or made before may be taken; what is made now is kept in any case.
    :raises NoWheels: they cannot be had as wheels for linux/amd64; its findings say why.
    :raises OSError: the cache cannot be written.
    """
    target = Target(python_version)
    cache = cache if use_cache else cache.ignoring()
    with cache.work_folder() as work:
        lines = _lines(requirements, work / "requirements.txt")
        _check(lines, target)
        if lock is not None:
            given = _lines(lock, work / "lock.txt")
            _check(given, target)
            _raise(check_lock(given, lines, target))
            lines = given
        key = _key(lines, target, is_lock=lock is not None)
        text = _resolved(cache, key)
        if text is not None:
            if layer := _cached(cache, text):
                progress.step(f"Dependencies are those of the cached layer {layer.digest}")
                return layer
            wheels = _download(text, [], target, work, progress, is_lock=True)
        else:
            wheels = _download(_text(lines), lines, target, work, progress, is_lock=lock is not None)
            text = lock_text(wheels, lines, target)
            _keep(cache, key, text, work)
            if layer := _cached(cache, text):
                progress.step(f"Dependencies are those of the cached layer {layer.digest}")
                return layer
        return _make(wheels, text, cache, work, progress)


def _lines(text: str, file: Path) -> list[Line]:
    file.write_text(text, encoding="utf-8")
    try:
        return requirements_file.read(file)
    except (OSError, ValueError) as problem:
        raise NoWheels(
            [Finding(file.name, str(problem), "requirements that include no file", "put its lines in its place")]
        ) from problem


def _text(lines: Iterable[Line]) -> str:
    return "".join(f"{line.text}\n" for line in lines)


def _check(lines: Sequence[Line], target: Target) -> None:
    """Raise for whatever would make pip build a package, which runs its code on this machine."""
    findings, can_be_built = [], True
    for line in lines:
        requirement = requirement_of(line)
        if _BUILDS.search(line.text):
            findings.append(no_wheel(masked(line.text), "it asks for a package's source", target))
        elif line.text.startswith("-"):
            continue
        elif requirement is None:
            can_be_built = False
            findings.append(
                Finding(line.where.name, f"'{line.text}'", "name @ URL, or a name and versions", "mend it", line.number)
            )
        elif requirement.url and is_for(requirement, target) and not _is_wheel(requirement.url):
            findings.append(no_wheel(line.text, "its URL is not one of a wheel", target))
    if findings:
        raise NoWheels(findings, can_be_built)


def _is_wheel(url: str) -> bool:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "file") and parts.path.endswith(".whl")


def _raise(findings: Iterable[Finding]) -> None:
    found = list(findings)
    if found:
        raise NoWheels(found)


def _key(lines: Sequence[Line], target: Target, is_lock: bool) -> str:
    """What a resolution depends on; that of a lock with checksums on nothing outside it."""
    key = hashlib.sha256()
    for part in _key_parts(lines, target, is_lock):
        key.update(len(part).to_bytes(8, "big") + part)
    return key.hexdigest()


def _key_parts(lines: Sequence[Line], target: Target, is_lock: bool) -> Iterator[bytes]:
    yield b"lock" if is_lock else b"requirements"
    yield json.dumps([target.pip_options(), target.markers()], sort_keys=True).encode()
    yield _text(lines).encode()
    if not is_lock:
        yield from pip.configuration(os.environ)


def _download(
    text: str, lines: Sequence[Line], target: Target, work: Path, progress: Progress, is_lock: bool
) -> list[LockedWheel]:
    progress.step(f"{'Downloading' if is_lock else 'Resolving'} dependencies for {target}")
    file = work / "for-pip.txt"
    file.write_text(text, encoding="utf-8")
    if not any(line and not line.startswith(("#", "-")) for line in text.splitlines()):
        return []
    urls = {line.name: requirement.url for line in lines if (requirement := requirement_of(line))}
    found = pip.download(file, target, work, progress, is_lock)
    wheels = [LockedWheel(path, _sha256(path)) for path in found]
    return [LockedWheel(wheel.path, wheel.sha256, urls.get(wheel.name)) for wheel in wheels]


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _keep(cache: LayerCache, key: str, lock: str, work: Path) -> None:
    folder = work / "resolution"
    folder.mkdir()
    (folder / _LOCK_FILE).write_text(lock, encoding="utf-8")
    cache.put(_RESOLUTIONS, key, folder)


def _layer_key(lock: str) -> str:
    """What a layer's bytes depend on: the wheels, and how they are laid out."""
    return hashlib.sha256("\n".join([f"format {FORMAT}", *hashes(lock)]).encode()).hexdigest()


def _resolved(cache: LayerCache, key: str) -> str | None:
    """The lock of an earlier resolution; one that is damaged is forgotten."""
    entry = cache.find(_RESOLUTIONS, key)
    if entry is None:
        return None
    try:
        text = (entry / _LOCK_FILE).read_text(encoding="utf-8")
        if is_lock_text(text):
            return text
    except (OSError, ValueError):
        pass
    cache.remove(_RESOLUTIONS, key)
    return None


def _cached(cache: LayerCache, lock: str) -> DependencyLayer | None:
    key = _layer_key(lock)
    entry = cache.find(_LAYERS, key)
    if entry is None:
        return None
    try:
        about = json.loads((entry / _ABOUT_FILE).read_text(encoding="utf-8"))
        layer = DependencyLayer(
            entry / _LAYER_FILE, str(about["digest"]), str(about["diffId"]), int(about["size"]), MEDIA_TYPE, lock
        )
        if (
            layer.digest.startswith("sha256:")
            and layer.diff_id.startswith("sha256:")
            and layer.path.stat().st_size == layer.size
        ):
            return layer
    except (OSError, ValueError, KeyError, TypeError):
        pass
    cache.remove(_LAYERS, key)
    return None


def _make(
    wheels: Sequence[LockedWheel], lock: str, cache: LayerCache, work: Path, progress: Progress
) -> DependencyLayer:
    folder = work / "layer"
    folder.mkdir()
    progress.live(f"Packing {len(wheels)} packages")
    try:
        # Two packages that have the same file are rare; the order is that of their names, as in the lock.
        ordered = sorted(wheels, key=lambda wheel: wheel.name)
        written = write_layer([wheel.path for wheel in ordered], folder / _LAYER_FILE)
    except DamagedWheel as problem:
        raise NoWheels(
            [Finding("wheel", str(problem), "a sound wheel", "tell its makers, or choose another version of it")]
        ) from problem
    about = {"digest": written.digest, "diffId": written.diff_id, "size": written.size}
    (folder / _ABOUT_FILE).write_text(json.dumps(about) + "\n", encoding="utf-8")
    entry = cache.put(_LAYERS, _layer_key(lock), folder)
    for path in written.replaced:
        progress.step(f"Several packages have {path}; the image has the one of the last of them by name")
    progress.step(f"Packed {len(wheels)} packages, {written.size / 1e6:.1f} MB")
    return DependencyLayer(entry / _LAYER_FILE, written.digest, written.diff_id, written.size, MEDIA_TYPE, lock)
