"""The source directory: which of its files are the app's code, and what must not be among them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from azext_mlfunc.findings import Finding, name_finding
from azext_mlfunc.packaging.context import Entry, file_entry
from azext_mlfunc.packaging.ignore import IgnoreRules, load_rules
from azext_mlfunc.packaging.layout import APP_ROOT, CODE, MODEL_DIR, is_context
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.packaging.secret_files import is_secret, secret_finding

_MODELS_BELOW_CODE = MODEL_DIR.removeprefix(f"{APP_ROOT}/") + "/"


@dataclass(frozen=True)
class SourceFile:
    """A file, or a symbolic link, of the source directory; `relative` has forward slashes."""

    path: Path
    relative: str
    is_link: bool


def files(request: PackageRequest) -> list[SourceFile]:
    """The files to pack, sorted by path: those that no ignore rule names, and that are no model of the request.

    A model that lies in the source directory goes into the models' layer only, or a changed script would send it again.
    Deployment files say what becomes of their environment variables; they are not packed beside it.

    :raises OSError, UnicodeDecodeError: a folder or the ignore file cannot be read.
    """
    rules = load_rules(request.source_directory)
    places = [model.place for model in request.models if model.place]
    left_out = {os.path.realpath(place) for place in (*places, *request.deployment_files)}
    found = _walk(request.source_directory, "", rules, left_out)
    return sorted(found, key=lambda file: file.relative)


def entries(packed: Iterable[SourceFile]) -> Iterator[Entry]:
    """Source files as entries below `app/`; links stay links, relative to where they lie."""
    for file in packed:
        if file.is_link:
            folder = file.path.parent.resolve()
            target = os.path.relpath(file.path.resolve(), folder)
            yield Entry(f"{CODE}/{file.relative}", target=target.replace(os.sep, "/"))
        else:
            yield file_entry(file.path, f"{CODE}/{file.relative}")


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield what must not be packed, and the entry script where a rule leaves it out."""
    directory = request.source_directory
    if not directory.is_dir():
        yield Finding(directory, "there is no such folder", "the folder of your code", "check --source-directory")
        return
    try:
        packed = files(request)
    except (OSError, UnicodeDecodeError) as problem:
        yield Finding(directory, f"it cannot be read: {problem}", "readable files", "check the permissions")
        return
    root = directory.resolve()
    for file in packed:
        yield from _check_file(request, file, {other.relative for other in packed})
    script = request.entry_script
    if script.is_file() and script.resolve().is_relative_to(root):
        relative = script.resolve().relative_to(root).as_posix()
        if relative not in {file.relative for file in packed}:
            yield Finding(
                script,
                "the ignore rules leave the entry script out",
                "an entry script that is packed",
                f"add the line !{relative} to {directory / '.amlignore'}",
            )


def _check_file(request: PackageRequest, file: SourceFile, packed: set[str]) -> Iterator[Finding]:
    root = request.source_directory.resolve()
    if finding := name_finding(file.path):
        yield finding
    if is_secret(file.path.name):
        ignored = f"add the line {file.relative} to {request.source_directory / '.amlignore'}"
        yield secret_finding(file.path, f"move it away, or {ignored}")
    if file.relative.startswith(_MODELS_BELOW_CODE):
        yield Finding(
            file.path,
            f"it would lie among the models, in {MODEL_DIR}",
            f"no folder {_MODELS_BELOW_CODE} among the code",
            "rename the folder, or name what is in it with --model",
        )
    if file.is_link:
        yield from _check_link(file, root, packed)
    elif not file.path.is_file():
        yield Finding(file.path, "neither a file nor a folder", "files that can be copied", "remove or ignore it")


def _check_link(file: SourceFile, root: Path, packed: set[str]) -> Iterator[Finding]:
    target, to = file.path.resolve(), os.readlink(file.path)
    if not target.is_relative_to(root):
        yield Finding(
            file.path,
            f"a symbolic link to {to}, outside the source directory",
            "links that stay within it: in the image there is nothing else",
            "copy what it points to, or ignore the link in .amlignore",
        )
    elif not target.exists():
        yield Finding(file.path, f"a symbolic link to {to}, which is not there", "a link to a file", "remove it")
    else:
        relative = target.relative_to(root).as_posix()
        if relative not in packed and not any(other.startswith(f"{relative}/") for other in packed):
            yield Finding(
                file.path,
                f"a symbolic link to {to}, which is not packed with the code",
                "a link to what is packed",
                "ignore the link, too, or do not ignore what it points to; a model is in AZUREML_MODEL_DIR",
            )


def entry_script_path(request: PackageRequest) -> str:
    """The entry script's path below the source directory, with forward slashes."""
    return request.entry_script.resolve().relative_to(request.source_directory.resolve()).as_posix()


def _walk(folder: Path, prefix: str, rules: IgnoreRules, left_out: set[str]) -> Iterator[SourceFile]:
    with os.scandir(folder) as scan:
        for item in scan:
            relative = prefix + item.name
            is_folder = item.is_dir(follow_symlinks=False)
            if rules.ignores(relative, is_folder) or os.path.realpath(item.path) in left_out:
                continue
            if not is_folder:
                yield SourceFile(Path(item.path), relative, item.is_symlink())
            elif not is_context(item.path) and not os.path.exists(os.path.join(item.path, "pyvenv.cfg")):
                # nor a virtual environment, whatever its name
                yield from _walk(Path(item.path), relative + "/", rules, left_out)
