"""The manifest: the contract between package, the runtime in the image, deploy and test.

One JSON document, `mlfunc.json`, in the image's wwwroot and on its labels, so that it can be read from the registry
without pulling the image.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from azext_mlfunc._version import VERSION

SCHEMA_VERSION = 1
FILE_NAME = "mlfunc.json"
LABEL = "azure.mlfunc.manifest"
FUNCTION_NAME = "score"
"""The name of the one function in the app, whatever its trigger."""


@dataclass(frozen=True)
class Model:
    """A model as it lies in the image.

    :param name: its name below AZUREML_MODEL_DIR.
    :param files: how many files it has.
    :param bytes: their size together.
    :param sha256: of the file; for a folder, of its sorted lines `<sha256>  <path>` as `sha256sum` prints them.
    :param source: where a registered model is from: `workspace` or `registry` (its resource ID), `name`, `version`,
        `uri`. None for one that lay on the machine of who packaged it.
    """

    name: str
    files: int
    bytes: int
    sha256: str
    source: dict[str, str] | None = None

    def describe(self) -> dict[str, Any]:
        """The document, without what is not known."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Manifest:
    """What the image is.

    :param trigger: the trigger's description, see `Trigger.describe`.
    :param entry_script: its path within the app's code.
    :param python_version: `3.X`.
    :param models: the models.
    :param environment: `kind` (pip or conda) and `leftOut`, the packages that the image does without.
    :param settings: the environment variables that the image sets for the app.
    """

    trigger: dict[str, Any]
    entry_script: str
    python_version: str
    models: tuple[Model, ...]
    environment: dict[str, Any]
    settings: dict[str, str]

    def to_json(self) -> str:
        """The document, always the same text for the same manifest."""
        document = {
            "schemaVersion": SCHEMA_VERSION,
            "createdBy": f"ml-func {VERSION}",
            "function": FUNCTION_NAME,
            "trigger": self.trigger,
            "entryScript": self.entry_script,
            "pythonVersion": self.python_version,
            "models": [model.describe() for model in self.models],
            "environment": self.environment,
            "settings": self.settings,
        }
        return json.dumps(document, indent=2)

    def labels(self) -> dict[str, str]:
        """The image's labels: the whole manifest, and its trigger for people who look."""
        compact = json.dumps(json.loads(self.to_json()), separators=(",", ":"))
        return {LABEL: compact, "azure.mlfunc.trigger": str(self.trigger["type"])}
