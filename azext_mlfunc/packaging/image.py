"""The image as data: a request that passed every check becomes the entries of a build context.

Nothing is built or written here; builders do that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azext_mlfunc.manifest import FILE_NAME, FUNCTION_NAME, Manifest, Model
from azext_mlfunc.packaging import models, source, variables
from azext_mlfunc.packaging.context import Entry, text_entry
from azext_mlfunc.packaging.dockerfile import base_image, dockerfile, settings
from azext_mlfunc.packaging.environment import Environment
from azext_mlfunc.packaging.layout import CODE, FUNCTION_APP, MODELS
from azext_mlfunc.packaging.request import PackageRequest

_RUNTIME = Path(__file__).parents[1] / "runtime"
_RUNTIME_NAME = "mlfunc_runtime"
# Source: Azure Functions documentation, functions-host-json. An hour is what Azure ML gives one request
# (azureml-inference-server-http, SCORING_TIMEOUT_MS); a message stays locked as long.
_HOST_JSON = {
    "version": "2.0",
    "functionTimeout": "01:00:00",
    "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"},
    "extensions": {
        "http": {"routePrefix": ""},
        "serviceBus": {"maxAutoLockRenewalDuration": "01:00:00"},
    },
    "logging": {"logLevel": {"default": "Information"}, "console": {"isEnabled": True}},
}


@dataclass(frozen=True)
class Image:
    """One image to be.

    :param request: what was asked for.
    :param environment: what is installed in it.
    :param source_files: the code that goes into it.
    """

    request: PackageRequest
    environment: Environment
    source_files: tuple[source.SourceFile, ...]

    @property
    def base(self) -> str:
        """The image that it builds on."""
        return self.request.base_image or base_image(self.environment.python_version)

    def entries(self, tally: Tally) -> Iterator[Entry]:
        """The build context's entries: models first, as the manifest needs the checksums taken on the way.

        :param tally: is told what was packed, and the manifest once it is known.
        """
        packed: list[Model] = []
        yield Entry(MODELS)
        yield from tally.count("models", self.models(packed))
        manifest = self.manifest(packed)
        tally.manifest = manifest
        yield Entry(CODE)
        yield from tally.count("source", self.code())
        yield from tally.count("functionApp", self.function_app(manifest))
        if self.environment.text:
            yield text_entry(self.environment.file_name, self.environment.text)
        yield text_entry("Dockerfile", dockerfile(self.base, self.environment, manifest.settings, manifest.labels()))

    def models(self, packed: list[Model] | None = None) -> Iterator[Entry]:
        """The entries of the models' layer; `packed` is told what each model was, see `models.entries`."""
        return models.entries(self.request.models, packed)

    def code(self) -> Iterator[Entry]:
        """The entries of the code's layer."""
        return source.entries(self.source_files)

    def manifest(self, packed: Sequence[Model], lock: Sequence[str] = ()) -> Manifest:
        """The manifest, once it is known what the models were.

        :param lock: the packages that a builder resolved the environment to, where it did so itself.
        """
        script = source.entry_script_path(self.request)
        environment: dict[str, Any] = {"kind": self.environment.kind, "leftOut": list(self.environment.left_out)}
        if self.request.environment_source:
            environment["source"] = dict(self.request.environment_source)
        return Manifest(
            trigger=self.request.trigger.describe(),
            entry_script=script,
            python_version=self.environment.python_version,
            models=tuple(packed),
            environment=environment | ({"lock": list(lock)} if lock else {}),
            settings=variables.kept(self.request)
            | settings(self.environment, script, models.model_dir(self.request.models)),
        )

    def function_app(self, manifest: Manifest) -> Iterator[Entry]:
        """The entries of the function app's layer: the runtime, the function and the manifest."""
        trigger = self.request.trigger
        function = {
            "scriptFile": f"../{_RUNTIME_NAME}/{trigger.script}",
            "entryPoint": "score",
            "bindings": trigger.bindings(),
        }
        yield text_entry(f"{FUNCTION_APP}/host.json", _json(_HOST_JSON))
        yield text_entry(f"{FUNCTION_APP}/{FILE_NAME}", manifest.to_json() + "\n")
        for file in sorted(_RUNTIME.glob("*.py")):
            yield text_entry(f"{FUNCTION_APP}/{_RUNTIME_NAME}/{file.name}", file.read_text(encoding="utf-8"))
        yield text_entry(f"{FUNCTION_APP}/{FUNCTION_NAME}/function.json", _json(function))


@dataclass
class Tally:
    """What went into an image, counted while it is packed.

    :param on_bytes: is told the total so far, in bytes, after each entry.
    """

    on_bytes: Callable[[int], None] = lambda total: None
    manifest: Manifest | None = None

    def __post_init__(self) -> None:
        self.files: dict[str, dict[str, int]] = {}
        self.total = 0

    def count(self, part: str, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Pass the entries on, and count them as files of `part`."""
        counted = self.files.setdefault(part, {"count": 0, "bytes": 0})
        for entry in entries:
            yield entry
            counted["count"] += 1
            counted["bytes"] += entry.size
            self.total += entry.size
            self.on_bytes(self.total)


def _json(document: Any) -> str:
    return json.dumps(document, indent=2) + "\n"
