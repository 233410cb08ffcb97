"""Models: where they come from, what is packed of them, and the checksum that the manifest names.

Under AZUREML_MODEL_DIR a model of this machine keeps its own name: `--model model.pkl` is
`$AZUREML_MODEL_DIR/model.pkl`, `--model ./bert` is `$AZUREML_MODEL_DIR/bert/…`. A registered one lies at
`NAME/VERSION/…`, as in an Azure ML deployment: and if it is the only one, AZUREML_MODEL_DIR is that folder.
Source: Azure ML documentation, "Deploy machine learning models to online endpoints", AZUREML_MODEL_DIR.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from azext_mlfunc.findings import Finding, name_finding
from azext_mlfunc.manifest import Model
from azext_mlfunc.packaging.context import Entry, Hash, file_entry
from azext_mlfunc.packaging.layout import MODEL_DIR, MODELS, is_context
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.packaging.secret_files import is_secret, secret_finding

if TYPE_CHECKING:
    from azext_mlfunc.workspace.cache import ModelCache, Slot
    from azext_mlfunc.workspace.client import AzureMl, ModelVersion
    from azext_mlfunc.workspace.download import Download
    from azext_mlfunc.workspace.reference import Asset
    from azext_mlfunc.workspace.storage import Container, Listing


@dataclass(frozen=True)
class ModelFile:
    """A file of a model.

    :param relative: its path below the model's folder, with forward slashes.
    :param entry: makes its entry: its place in the context, what is fed with the bytes.
    """

    relative: str
    entry: Callable[[str, Hash | None], Entry]


class ModelSource(Protocol):
    """Where a model comes from. What `files` gives is read in order, each before the next is asked for."""

    @property
    def place(self) -> Path | None:
        """The file or folder on this machine that it is; None where it is none."""

    @property
    def folder(self) -> str:
        """The folder below AZUREML_MODEL_DIR that it lies in; "" for none."""

    @property
    def name(self) -> str:
        """What nothing else may be called below AZUREML_MODEL_DIR."""

    @property
    def is_file(self) -> bool:
        """Whether it is a single file."""

    @property
    def source(self) -> dict[str, str] | None:
        """See `Model.source`."""

    def check(self, request: PackageRequest) -> Iterator[Finding]:
        """Yield why it cannot be packed."""

    def files(self) -> Iterator[ModelFile]:
        """Yield its files, sorted."""


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield every model that is missing or empty or holds what cannot be packed, and names that collide."""
    if not request.models:
        yield Finding("--model", "no model", "at least one model file or folder", "name it with --model PATH")
    names: Counter[str] = Counter()
    for model in request.models:
        findings = list(model.check(request))
        yield from findings
        if model.place or not findings:  # what was not found has no version, and so no name
            names[model.name] += 1
    for name, count in names.items():
        if count > 1:
            yield Finding(
                "--model",
                f"{count} models are called '{name}'",
                "names that differ: each lies under its own name in AZUREML_MODEL_DIR",
                "rename one, or put them into one folder and name that",
            )


def model_dir(models: Sequence[ModelSource]) -> str:
    """What AZUREML_MODEL_DIR is: the folder of the one model, or what holds the folders of all."""
    folder = models[0].folder if len(models) == 1 else ""
    return f"{MODEL_DIR}/{folder}".rstrip("/")


def entries(models: Sequence[ModelSource], packed: list[Model] | None = None) -> Iterator[Entry]:
    """Yield the models' files.

    :param packed: is told what each model was, once its last file was read. The checksum is taken of the very bytes
        that are read, in the one pass that packs them: the reader must take each entry's chunks before it asks for the
        next entry. Where it is None, no checksum is taken.
    """
    for model in models:
        lines: list[str] = []
        total = 0
        for file in model.files():
            digest = hashlib.sha256()
            path = (PurePosixPath(MODELS) / model.folder / file.relative).as_posix()
            entry = file.entry(path, digest if packed is not None else None)
            yield entry
            total += entry.size
            lines.append(f"{digest.hexdigest()}  {file.relative}\n")
        if packed is None:
            continue
        sha256 = lines[0][:64] if model.is_file else hashlib.sha256("".join(lines).encode()).hexdigest()
        packed.append(Model(model.name, len(lines), total, sha256, model.source))


@dataclass(frozen=True)
class LocalModel:
    """A model file or folder on this machine.

    :param place: its path, as given; it may not exist.
    """

    place: Path
    folder = ""
    source = None

    @property
    def name(self) -> str:
        return Path(os.path.abspath(self.place)).name

    @property
    def is_file(self) -> bool:
        return self.place.is_file()

    def check(self, request: PackageRequest) -> Iterator[Finding]:
        model = self.place
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
        for path, _ in self._files():
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

    def files(self) -> Iterator[ModelFile]:
        for path, relative in self._files():
            yield ModelFile(relative, partial(file_entry, path))

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Yield the files, sorted, each with its path below AZUREML_MODEL_DIR.

        Links are followed, as model hubs keep their caches as links into a store; a folder is never entered twice.
        """
        if not self.place.is_dir():
            yield self.place, self.name
            return
        seen: set[str] = set()
        for folder, folders, files in os.walk(self.place, followlinks=True, onerror=_refuse):
            real = os.path.realpath(folder)
            if real in seen or is_context(folder):
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            for file in sorted(files):
                path = Path(folder, file)
                yield path, (Path(self.name) / path.relative_to(self.place)).as_posix()


class RegisteredModel:
    """A model that is registered with Azure Machine Learning; it is looked for when something of it is asked first.

    :param asset: what the user named.
    :param azure_ml: finds it.
    :param cache: keeps it on disk.
    """

    place = None

    def __init__(self, asset: Asset, azure_ml: AzureMl, cache: ModelCache) -> None:
        self.asset = asset
        self._azure_ml = azure_ml
        self._cache = cache

    @cached_property
    def version(self) -> ModelVersion:
        """The model's version, as it is registered.

        :raises azure.cli.core.azclierror.AzCLIError: see `AzureMl.model`.
        """
        return self._azure_ml.model(self.asset)

    @property
    def folder(self) -> str:
        return f"{self.version.name}/{self.version.version}"

    @property
    def name(self) -> str:
        return self.folder

    @property
    def is_file(self) -> bool:
        return self._found[1].is_file

    @property
    def source(self) -> dict[str, str]:
        return self.version.describe()

    @property
    def size(self) -> int:
        """The length of all its files together, in bytes."""
        return sum(file.size for file in self._found[1].files)

    @property
    def is_cached(self) -> bool:
        """Whether nothing of it has to be downloaded."""
        return self._slot.is_whole

    def check(self, request: PackageRequest) -> Iterator[Finding]:
        from azure.cli.core.azclierror import ForbiddenError, ResourceNotFoundError, ValidationError

        self._azure_ml.workspace_of(self.asset)  # without it nothing can be said of what is in it
        try:
            files = self._found[1].files
        except (ForbiddenError, ResourceNotFoundError, ValidationError) as problem:
            remedy = " ".join(problem.recommendations)
            yield Finding(f"--model {self.asset}", problem.error_msg, "a registered model that can be read", remedy)
            return
        if not any(file.size for file in files):
            place = self._found[1].location
            found = f"there is no file at {place}" if not files else f"all files at {place} are empty"
            yield Finding(f"--model {self.asset}", found, "a trained model", "register the model again, with its files")
        for file in files:
            if is_secret(file.path.rpartition("/")[2]):
                yield secret_finding(Path(f"{self.folder}/{file.path}"), "register the model again without it")

    def files(self) -> Iterator[ModelFile]:
        listing = self._found[1]
        # The folder that was registered keeps its name below NAME/VERSION, as in Azure ML.
        top = PurePosixPath("" if listing.is_file else listing.location.path).name
        with self._download() as download:
            for number, file in enumerate(listing.files):
                relative = (PurePosixPath(top) / file.path).as_posix()
                yield ModelFile(relative, partial(_downloaded, download, number, file.size))

    def read_bytes(self, path: str) -> bytes | None:
        """The content of a small file; None where the model has none of that name.

        :param path: where it lies in the model's own folder, for example `MLmodel`.
        """
        for number, file in enumerate(self._found[1].files):
            if file.path == path:
                with self._download((number,)) as download:
                    return b"".join(download.chunks(number))
        return None

    @cached_property
    def _found(self) -> tuple[Container, Listing]:
        return self._azure_ml.files(self.version)

    @cached_property
    def _slot(self) -> Slot:
        """Its place in the cache, which is ours for as long as this object is there."""
        container, listing = self._found
        identity = [container.url, *(word for file in listing.files for word in (file.blob, file.etag))]
        return self._cache.open(identity, [file.size for file in listing.files])

    def _download(self, wanted: Sequence[int] | None = None) -> Download:
        from azext_mlfunc.workspace.download import Download

        container, listing = self._found
        return Download(container, listing.files, self._slot, wanted)


def _downloaded(download: Download, number: int, size: int, path: str, digest: Hash | None) -> Entry:
    """An entry for a file that is downloaded when it is its turn, or ahead of it."""

    def chunks() -> Iterator[bytes]:
        for chunk in download.chunks(number):
            if digest is not None:
                digest.update(chunk)
            yield chunk

    return Entry(path, size, chunks)


def _refuse(problem: OSError) -> None:
    """A folder that cannot be read is an error: os.walk would pass over it."""
    raise problem
