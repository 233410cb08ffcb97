"""Model files and folders: what is packed of them, and the checksum that the manifest names.

Under AZUREML_MODEL_DIR each keeps its own name, as in an Azure ML deployment: `--model model.pkl` is
`$AZUREML_MODEL_DIR/model.pkl`, `--model ./bert` is `$AZUREML_MODEL_DIR/bert/…`.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from azext_mlfunc.findings import Finding, name_finding
from azext_mlfunc.manifest import Model
from azext_mlfunc.packaging.context import Entry, file_entry
from azext_mlfunc.packaging.layout import MODELS, is_context
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.packaging.secret_files import is_secret, secret_finding


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield every model that is missing or empty or holds what cannot be packed, and names that collide."""
    if not request.models:
        yield Finding("--model", "no model", "at least one model file or folder", "name it with --model PATH")
    for model in request.models:
        yield from _check_model(request, model)
    for name, count in Counter(_name(model) for model in request.models).items():
        if count > 1:
            yield Finding(
                "--model",
                f"{count} models are called '{name}'",
                "names that differ: each lies under its own name in AZUREML_MODEL_DIR",
                "rename one, or put them into one folder and name that",
            )


def _check_model(request: PackageRequest, model: Path) -> Iterator[Finding]:
    if not model.exists():
        yield Finding(model, "there is no such model", "a file or a folder", "check --model")
        return
    if request.source_directory.resolve().is_relative_to(model.resolve()):
        yield Finding(
            model,
            f"the model holds the source directory '{request.source_directory}'",
            "a model apart from the code: it would be packed with all that lies beside it",
            "name the model's own file or folder with --model",
        )
        return
    is_empty = True
    for path, _ in _files(model):
        if finding := name_finding(path):
            yield finding
        elif not path.exists():
            yield Finding(path, "a link to something that is not there", "a link to a file", "remove it")
        elif not path.is_file():
            yield Finding(path, "neither a file nor a folder", "files that can be copied", "remove it")
        elif is_secret(path.name):
            yield secret_finding(path, "move it out of the model's folder")
        elif path.stat().st_size:
            is_empty = False
    if is_empty:
        found = "the file is empty" if model.is_file() else "the folder holds no data"
        yield Finding(model, found, "a trained model", "check that the training wrote it")


def entries(models: tuple[Path, ...], packed: list[Model] | None = None) -> Iterator[Entry]:
    """Yield the models' files.

    :param packed: is told what each model was, once its last file was read. The checksum is taken of the very bytes
        that are read, in the one pass that packs them: the reader must take each entry's chunks before it asks for the
        next entry. Where it is None, no checksum is taken.
    """
    for model in models:
        lines: list[str] = []
        total = 0
        for path, relative in _files(model):
            digest = hashlib.sha256()
            entry = file_entry(path, f"{MODELS}/{relative}", digest if packed is not None else None)
            yield entry
            total += entry.size
            lines.append(f"{digest.hexdigest()}  {relative}\n")
        if packed is None:
            continue
        sha256 = lines[0][:64] if model.is_file() else hashlib.sha256("".join(lines).encode()).hexdigest()
        packed.append(Model(name=_name(model), files=len(lines), bytes=total, sha256=sha256))


def _name(model: Path) -> str:
    return Path(os.path.abspath(model)).name


def _files(model: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files of a model, sorted, each with its path below AZUREML_MODEL_DIR.

    Links are followed, as model hubs keep their caches as links into a store; a folder is never entered twice.
    """
    if not model.is_dir():
        yield model, _name(model)
        return
    seen: set[str] = set()
    for folder, folders, files in os.walk(model, followlinks=True, onerror=_refuse):
        real = os.path.realpath(folder)
        if real in seen or is_context(folder):
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for file in sorted(files):
            path = Path(folder, file)
            yield path, (Path(_name(model)) / path.relative_to(model)).as_posix()


def _refuse(problem: OSError) -> None:
    """A folder that cannot be read is an error: os.walk would pass over it."""
    raise problem
