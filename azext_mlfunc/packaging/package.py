"""`az ml-func package`, as named steps: check everything, decide how, make the image, say what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from azext_mlfunc.findings import Finding, report
from azext_mlfunc.interruption import unwind_on_sigterm
from azext_mlfunc.packaging import entry_script, environment, models, names, source, variables
from azext_mlfunc.packaging.builders.base import Builder, Built
from azext_mlfunc.packaging.context import write_folder
from azext_mlfunc.packaging.image import Image, Tally
from azext_mlfunc.packaging.layout import is_context
from azext_mlfunc.packaging.models import RegisteredModel
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.progress import Progress


def _check_trigger(request: PackageRequest) -> Iterable[Finding]:
    return request.trigger.check()


Check = Callable[[PackageRequest], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (
    entry_script.check,
    models.check,
    environment.check,
    source.check,
    _check_trigger,
    variables.check,
    names.check,
)
"""Everything that is looked at before anything is built; each yields all that it finds, and runs no user code."""


def plan(request: PackageRequest, placed: Callable[[Finding], Finding] = lambda finding: finding) -> Image:
    """Check the request and turn it into an image to build. Only reads.

    :param placed: a finding with the place that the user knows.
    :raises azure.cli.core.azclierror.ValidationError: the checks found errors; it holds all of them.
    """
    report(map(placed, chain.from_iterable(_found(check, request) for check in CHECKS)))
    return Image(request, environment.load(request), tuple(source.files(request)))


def _found(check: Check, request: PackageRequest) -> Iterator[Finding]:
    """What a check finds; that something cannot be looked at is a finding, too."""
    try:
        yield from check(request)
    except (OSError, UnicodeError) as problem:
        yield Finding(
            str(getattr(problem, "filename", None) or "the files of the project"),
            f"it cannot be read: {getattr(problem, 'strerror', None) or problem}",
            "files and folders that can be read, with names in UTF-8",
            "check the path, its permissions and its name",
        )


def package(image: Image, builder: Builder, progress: Progress) -> dict[str, Any]:
    """Build the image, push it, and return the command's result."""
    _announce(image, progress)
    tally = Tally(on_bytes=lambda total: progress.live(f"Packed {total >> 20} MiB"))
    return _result(image, tally, builder.build(image, tally, progress))


def write_context(image: Image, folder: Path, progress: Progress) -> dict[str, Any]:
    """Write the build context to a folder, build nothing, and return the command's result.

    :raises azure.cli.core.azclierror.FileOperationError: the folder holds something else, or cannot be written.
    """
    from azure.cli.core.azclierror import FileOperationError

    if folder.exists() and not _is_replaceable(folder):
        raise FileOperationError(
            f"{folder} exists, and is not a context that this command wrote.",
            recommendation="Name a folder that does not exist yet, or an empty one.",
        )
    for model in image.request.models:
        if model.place and folder.resolve().is_relative_to(model.place.resolve()):
            raise FileOperationError(
                f"{folder} lies in the model {model.place}, and would become part of it.",
                recommendation="Name a folder outside of it.",
            )
    unwind_on_sigterm()  # what was begun is removed
    try:
        _announce(image, progress)
        tally = Tally(on_bytes=lambda total: progress.live(f"Written {total >> 20} MiB"))
        write_folder(image.entries(tally), folder)
    except OSError as problem:
        raise FileOperationError(
            f"The context was not written: {problem}", recommendation="Check the disk and the permissions."
        ) from problem
    return _result(image, tally, Built(str(folder), None, None, tally.total))


def _is_replaceable(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    return is_context(folder) or not any(folder.iterdir())


def _announce(image: Image, progress: Progress) -> None:
    for model in image.request.models:
        if isinstance(model, RegisteredModel):
            where = "in the cache" if model.is_cached else "to be downloaded"
            parent = model.version.parent.rpartition("/")[2]
            progress.step(f"Model {model.name.replace('/', ':')} of {parent}, {model.size >> 20} MiB, {where}")
    for note in image.environment.notes:
        progress.step(note)


def _result(image: Image, tally: Tally, built: Built) -> dict[str, Any]:
    assert tally.manifest is not None, "every entry was read, and the manifest is among them"
    return {
        "location": built.location,
        "tag": built.tag,
        "digest": built.digest,
        "trigger": tally.manifest.trigger,
        "pythonVersion": image.environment.python_version,
        "size": built.size,
        "files": tally.files,
        "lock": tally.manifest.environment.get("lock", []),
        "models": [model.describe() for model in tally.manifest.models],
        "environment": tally.manifest.environment.get("source"),
    }
