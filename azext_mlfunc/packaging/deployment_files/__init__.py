"""Deployment files as users have them: one file a format, and this tuple of all of them.

A file is known by its content. What the command line gives wins over the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from azext_mlfunc.findings import Finding, report
from azext_mlfunc.packaging.deployment_files.base import VARIABLE, FileOptions, Format, Place
from azext_mlfunc.packaging.deployment_files.document import Value, read_document, shortened
from azext_mlfunc.packaging.deployment_files.draft import Draft, assemble, simplified
from azext_mlfunc.packaging.deployment_files.inference_config import INFERENCE_CONFIG
from azext_mlfunc.packaging.deployment_files.online_deployment import ONLINE_DEPLOYMENT
from azext_mlfunc.packaging.deployment_files.package_options import PACKAGE_OPTIONS

__all__ = ["FORMATS", "FileOptions", "Place", "merge", "read", "read_all"]

FORMATS: tuple[Format, ...] = (ONLINE_DEPLOYMENT, INFERENCE_CONFIG, PACKAGE_OPTIONS)

# Other files of Azure ML that are given by mistake: keys that tell them, what they are, what to do.
_OTHERS: tuple[tuple[frozenset[str], str, str], ...] = (
    (
        frozenset({"auth_mode", "traffic", "deployments"}),
        "an endpoint",
        "name the file of its deployment; one that stands under deployments goes into a file of its own",
    ),
    (
        frozenset({"mini_batch_size", "output_action", "retry_settings"}),
        "a batch deployment",
        "name an online deployment; a function app scores events one by one",
    ),
    (frozenset({"dependencies", "channels"}), "a conda file", "name it with --conda-file"),
    (
        frozenset({"computeType"}),
        "a deployment configuration of az ml v1, which says where to run",
        "leave it out, and name the inference configuration",
    ),
    (
        frozenset({"python", "docker"}),
        "an environment of azureml-core",
        "put it under the key environment of an inference configuration, beside entryScript",
    ),
    (frozenset({"flavors", "artifact_path"}), "an MLmodel file", "name its folder with --model"),
)


def read(file: Path, overridden: Collection[str] = ()) -> FileOptions:
    """What one deployment file says.

    :param overridden: options that the command line gives, by their names in `FileOptions.places`; the file's own are
        neither taken nor checked. `conda_file` and `environment` stand for each other, and `trigger` for its options.
    :raises azure.cli.core.azclierror.ValidationError: all that is wrong with it, each with file, line and key.
    """
    return read_all([file], overridden)


def read_all(files: Iterable[Path], overridden: Collection[str] = ()) -> FileOptions:
    """What several deployment files say together; see `read` and `merge`.

    :raises azure.cli.core.azclierror.ValidationError: all that is wrong with them.
    """
    findings: list[Finding] = []
    drafts = [draft for file in files if (draft := _draft(file, overridden, findings))]
    options = [draft.options() for draft in drafts]
    report([*findings, *_conflicts(options)])
    return _merged(options)


def merge(files: Iterable[FileOptions]) -> FileOptions:
    """What several files say together: each option may come from one of them, environment variables from all.

    :raises azure.cli.core.azclierror.ValidationError: two files say different things of one option.
    """
    options = list(files)
    report(_conflicts(options))
    return _merged(options)


def _draft(file: Path, overridden: Collection[str], findings: list[Finding]) -> Draft | None:
    root = read_document(file, findings)
    if root is None:
        return None
    form = _recognise(root)
    if not isinstance(form, Format):
        what, remedy = form
        formats = "; ".join(each.name for each in FORMATS)
        findings.append(Finding(file, f"it is {what}", f"one of: {formats}", remedy, root.line))
        return None
    draft = Draft(file, root, form, overridden).fill()
    findings += draft.findings
    return draft


def _recognise(root: Value) -> Format | tuple[str, str]:
    """The format with the most of its marks among the keys, or what else the file is and what to do with it.

    Misspelt marks count where there is nothing else.
    """
    schema = root.fields.get("$schema")
    if schema and "onlinedeployment" in schema.text.lower():
        return ONLINE_DEPLOYMENT
    if form := _marked(root, cutoff=1):
        return form
    for keys, what, remedy in _OTHERS:
        if not keys.isdisjoint(root.fields):
            return what, remedy
    named = ", ".join(list(root.fields)[:5])
    unknown = "of no known kind: " + (f"its keys are {shortened(named)}" if named else "it has no keys")
    return _marked(root, cutoff=0.85) or (unknown, "check --file")


def _marked(root: Value, cutoff: float) -> Format | None:
    def score(form: Format) -> int:
        marks = [simplified(mark) for mark in form.marks]
        return sum(bool(difflib.get_close_matches(simplified(key), marks, n=1, cutoff=cutoff)) for key in root.fields)

    best = max(FORMATS, key=score)
    return best if score(best) else None


def _contents(options: FileOptions) -> dict[str, Any]:
    """What the options hold, by their names in `places`."""
    contents: dict[str, Any] = {}
    for name in options.places:
        if name.startswith(VARIABLE):
            contents[name] = options.environment_variables[name.removeprefix(VARIABLE)]
        else:
            contents[name] = (
                options.trigger_options[name] if name in options.trigger_options else getattr(options, name)
            )
    return contents


def _conflicts(files: list[FileOptions]) -> Iterator[Finding]:
    first: dict[str, tuple[Any, Place]] = {}
    for options in files:
        for name, content in _contents(options).items():
            one = "environment" if name == "conda_file" else name  # both say what to install
            place = options.places[name]
            known = first.setdefault(one, ((name, content), place))
            if known[0] != (name, content):
                yield Finding(
                    place.file,
                    f"{place.key}: another value than in {known[1]}",
                    "one value",
                    "remove one of the two, or give the option on the command line",
                    place.line,
                )


def _merged(files: list[FileOptions]) -> FileOptions:
    values = {name: content for options in files for name, content in _contents(options).items()}
    places = {name: place for options in files for name, place in options.places.items()}
    return assemble(values, places, [place for options in files for place in options.ignored])
