"""The source directory: which of its files are the app's code, and what must not be among them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from azext_mlfunc.findings import Finding
from azext_mlfunc.manifest import FILE_NAME
from azext_mlfunc.packaging.context import Entry, file_entry
from azext_mlfunc.packaging.ignore import IgnoreRules, load_rules
from azext_mlfunc.packaging.layout import CODE, FUNCTION_APP
from azext_mlfunc.packaging.request import PackageRequest

# Files that hold secrets by custom: in an image, whoever may pull it may read them.
_SECRETS = (
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.pfx",
    "*.p12",
    "*.publishsettings",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "azureauth.json",
    "local.settings.json",
    ".netrc",
    ".pypirc",
    ".git-credentials",
)
# What tells a folder that is nobody's source: a virtual environment, a context that --context-only wrote.
_MARKS_OF_NO_SOURCE = ("pyvenv.cfg", f"{FUNCTION_APP}/{FILE_NAME}")
_NO_SECRETS = (".env.example", ".env.sample", ".env.template", ".env.dist")


@dataclass(frozen=True)
class SourceFile:
    """A file, or a symbolic link, of the source directory; `relative` has forward slashes."""

    path: Path
    relative: str
    is_link: bool


def files(request: PackageRequest) -> list[SourceFile]:
    """The files to pack, sorted by path: those that no ignore rule names, and that are no model of the request.

    A model that lies in the source directory goes into the models' layer only, or a changed script would send it again.

    :raises OSError, UnicodeDecodeError: a folder or the ignore file cannot be read.
    """
    rules = load_rules(request.source_directory)
    models = {os.path.realpath(model) for model in request.models}
    found = _walk(request.source_directory, "", rules, models)
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
        name = file.path.name
        if any(fnmatchcase(name, pattern) for pattern in _SECRETS) and name not in _NO_SECRETS:
            yield Finding(
                file.path,
                "it looks like a secret, and would be readable by everyone who may pull the image",
                "no secrets among the code",
                f"move it away, or add the line {file.relative} to {directory / '.amlignore'}",
            )
        if file.is_link and not file.path.resolve().is_relative_to(root):
            yield Finding(
                file.path,
                f"a symbolic link to {os.readlink(file.path)}, outside the source directory",
                "links that stay within it: in the image there is nothing else",
                "copy what it points to, or ignore the link in .amlignore",
            )
        elif file.is_link and not file.path.exists():
            yield Finding(
                file.path,
                f"a symbolic link to {os.readlink(file.path)}, which is not there",
                "a link to a file",
                "remove it",
            )
        elif not file.is_link and not file.path.is_file():
            yield Finding(file.path, "neither a file nor a folder", "files that can be copied", "remove or ignore it")
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


def entry_script_path(request: PackageRequest) -> str:
    """The entry script's path below the source directory, with forward slashes."""
    return request.entry_script.resolve().relative_to(request.source_directory.resolve()).as_posix()


def _walk(folder: Path, prefix: str, rules: IgnoreRules, models: set[str]) -> Iterator[SourceFile]:
    with os.scandir(folder) as scan:
        for item in scan:
            relative = prefix + item.name
            is_folder = item.is_dir(follow_symlinks=False)
            if rules.ignores(relative, is_folder) or os.path.realpath(item.path) in models:
                continue
            if not is_folder:
                yield SourceFile(Path(item.path), relative, item.is_symlink())
            elif not any(os.path.exists(os.path.join(item.path, mark)) for mark in _MARKS_OF_NO_SOURCE):
                yield from _walk(Path(item.path), relative + "/", rules, models)
