"""From a file's values to options: keys and types against the format's table, paths, names, variables, images."""

from __future__ import annotations

import difflib
import json
import os
import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.deployment_files.base import VARIABLE, FileOptions, Format, Key, Place
from azext_mlfunc.packaging.deployment_files.document import IN_WORDS, Value, shortened

_FUNCTIONS_IMAGES = "mcr.microsoft.com/azure-functions/"
_AZURE_ML_IMAGES = "mcr.microsoft.com/azureml/"
_PACKAGES = frozenset({"conda_file", "environment"})
"""Options that each say what to install: one on the command line replaces the other in the file."""


@dataclass
class Draft:
    """The options of one file in the making.

    :param overridden: options that the command line gives: the file's own are neither taken nor checked.
    """

    path: Path
    root: Value
    format: Format
    overridden: Collection[str] = ()
    findings: list[Finding] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    ignored: list[Place] = field(default_factory=list)
    _sound: dict[str, Value] = field(default_factory=dict)

    def fill(self) -> Draft:
        """Check the keys and take the options."""
        self._check(self.root, self.format.keys)
        self.format.take(self)
        self.findings.sort(key=lambda finding: finding.line or 0)
        return self

    def get(self, key: str) -> Value | None:
        """The value of a dotted key, if it is there and of the right kind."""
        return self._sound.get(key)

    def set(self, option: str, content: Any, value: Value) -> None:
        """Give an option its content, unless the command line does."""
        if not self.is_overridden(option):
            self.values[option] = content
            self.places[option] = Place(self.path, value.line, value.key)

    def is_overridden(self, option: str) -> bool:
        """Whether the command line decides on an option."""
        return option in self.overridden or (option in _PACKAGES and not _PACKAGES.isdisjoint(self.overridden))

    def ignore(self, key: str) -> None:
        """Name a key as ignored, if it is there with a value."""
        if value := self._sound.get(key):
            self.ignored.append(Place(self.path, value.line, key))

    def wrong(
        self,
        value: Value,
        option: str,
        found: str,
        expected: str,
        remedy: str,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Add a finding about a value, unless the command line gives the option that it would become."""
        if not self.is_overridden(option):
            what = f"{shortened(value.key)}: {found}"
            self.findings.append(Finding(self.path, what, expected, remedy, value.line, severity))

    def local(self, text: str, folder: Path | None = None) -> Path:
        """The path that a text of the file means: relative ones start at the file, or at another folder."""
        # `file:` is how the first previews of the CLI wrote local paths, and public files still do.
        path = (folder or self.path.parent) / re.sub(r"^file:(//)?", "", text.strip())
        # Backslashes are from files that were written on Windows.
        return path if os.sep == "\\" or _look(path) else Path(str(path).replace("\\", "/"))

    def within(self, value: Value, folder: Value | None) -> tuple[Path, ...]:
        """Where a path may lie: in a folder that the file names, else beside the file."""
        beside = self.local(value.text)
        return (self.local(value.text, self.local(folder.text)), beside) if folder else (beside,)

    def set_code(self, folder: Value | None, script: Value | None) -> None:
        """Take the folder with the code, and the script within it."""
        if folder:
            self.set_path("source_directory", folder, (self.local(folder.text),), is_folder=True)
        if script and self.is_overridden("source_directory"):
            self.set("entry_script", Path(script.text.strip()), script)  # within another folder than the file's
        elif script and (folder is None or "source_directory" in self.values):
            self.set_path("entry_script", script, self.within(script, folder))

    def set_path(self, option: str, value: Value, candidates: tuple[Path, ...], is_folder: bool = False) -> None:
        """Give an option the first of some paths that is there; a finding where none is."""
        wanted = "a folder" if is_folder else "a file"
        found = next((path for path in candidates if _look(path) == wanted), None)
        if found is not None:
            self.set(option, found, value)
        else:
            self._no_path(option, value, candidates[0], wanted)

    def set_model(self, value: Value) -> None:
        """Give `models` a local path or the name of a registered model."""
        text = value.text.strip()
        local = self.local(text)
        if _look(local) in ("a file", "a folder"):
            self.set("models", (str(local),), value)
        elif is_registered(text, "models"):
            self.set("models", (text,), value)
        elif re.match(r"(?!file:)(azureml:|runs:|models:|[a-z0-9+]{2,}://)", text, re.IGNORECASE):
            # An address may hold a signature or a password.
            path = "ADDRESS" if "://" in text and not text.startswith("azureml:") else shortened(text)
            self.wrong(
                value,
                "models",
                "the address of data, not the name of a registered model",
                "azureml:NAME:VERSION, azureml:NAME@latest, a model's ID, or a path",
                f"register it first, with: az ml model create --name NAME --path {path}",
            )
        else:
            self._no_path("models", value, local, "a path, or azureml:NAME:VERSION")

    def _no_path(self, option: str, value: Value, path: Path, expected: str) -> None:
        if re.match(r"[A-Za-z]:[\\/]", value.text) and not path.is_absolute():
            found = f"'{shortened(value.text)}' is a path of a Windows machine"
        elif what := _look(path):
            found = f"'{shortened(str(path))}' is {what}"
        else:
            found = f"there is no '{shortened(str(path))}'"
        self.wrong(value, option, found, expected, "check the path: relative ones start at the folder of this file")

    def set_variables(self, key: str) -> None:
        """Take a mapping of environment variables.

        Numbers and booleans become their JSON text: azure-ai-ml 1.x sends them to Azure as JSON numbers and
        booleans, for variables that are texts there.
        """
        variables = self.get(key)
        if variables is None:
            return
        of_the_image = _image_settings()
        for name, value in variables.fields.items():
            option = f"{VARIABLE}{name}"
            if not re.fullmatch(r"[^\s=\x00]+", name):
                remedy = "rename it, and what reads it"
                self.wrong(value, option, "no name of a variable", "letters, digits and '_'", remedy)
            elif name in of_the_image:
                remedy = "have the script read it; models and code lie where it says"
                found = "the image sets this variable itself, so it is ignored"
                self.wrong(value, option, found, "other names", remedy, "warning")
            elif value.kind == "null":
                remedy = 'write "" for a text that is empty, or remove the line'
                self.wrong(value, option, "it has no value and is not set", "a text", remedy, "warning")
            elif value.kind in ("list", "mapping"):
                remedy = "write it as one text, in quotes"
                self.wrong(value, option, IN_WORDS[value.kind], "a text", remedy)
            elif value.kind == "text":
                self.set(option, value.text, value)
            else:
                text = json.dumps(value.plain())
                if text != value.text or value.kind == "boolean":
                    found = f"{IN_WORDS[value.kind]}, which the program gets as the text {text}"
                    remedy = "write the text that you mean in quotes"
                    self.wrong(value, option, found, "a text", remedy, "warning")
                self.set(option, text, value)

    def set_conda_text(self, conda: Value) -> None:
        """Take a conda file that stands in the deployment file itself."""
        dependencies = conda.fields.get("dependencies")
        if dependencies is None or dependencies.kind != "list":
            remedy = "write it as a conda file has it"
            self.wrong(conda, "conda_file", "it has no list of dependencies", "a list of dependencies", remedy)
        else:
            self.set("conda_file", conda.as_yaml(), conda)

    def set_environment(self, value: Value, name: str) -> None:
        """Give `environment` the name of a registered environment."""
        if is_registered(name, "environments"):
            self.set("environment", name, value)
            return
        self.wrong(
            value,
            "environment",
            f"'{shortened(name)}' names no registered environment",
            "azureml:NAME:VERSION, azureml:NAME@latest, or an environment's ID",
            "write it so; a conda file of your own is named in a mapping instead, or with --conda-file",
        )

    def set_image(self, value: Value, image: str, has_packages: bool) -> None:
        """Take the image that an environment names.

        An environment with packages is built on the official Functions image, as those of Azure ML have no
        Functions host; so only another Functions image counts there.
        """
        if image.lower().startswith(_FUNCTIONS_IMAGES) or not (
            has_packages or self.is_overridden("environment") or image.lower().startswith(_AZURE_ML_IMAGES)
        ):
            self.set("base_image", image, value)
        elif has_packages or self.is_overridden("environment"):
            self.ignored.append(Place(self.path, value.line, value.key))
        else:
            self.wrong(
                value,
                "base_image",
                f"'{shortened(image)}' is an image of Azure ML's server, without a Functions host",
                "packages, or an image that builds on one of Azure Functions",
                "name the packages with a conda file here or --conda-file",
            )

    def options(self) -> FileOptions:
        """What the file comes to."""
        return assemble(self.values, self.places, self.ignored)

    def _check(self, mapping: Value, keys: Mapping[str, Key]) -> None:
        for name, value in mapping.fields.items():
            key = keys.get(name)
            if key is None:
                self._unknown(name, value, keys)
            elif key.option is None:
                if value.kind != "null" and not name.startswith("$"):
                    self.ignored.append(Place(self.path, value.line, value.key))
            elif value.kind == "null":
                if not self.format.is_null_absent:
                    remedy = "give it a value, or remove the line"
                    self.wrong(value, key.option, "it has no value", key.expected, remedy)
            elif value.kind not in key.kinds:
                found = IN_WORDS[value.kind]
                remedy = "put it in quotes" if "text" in key.kinds and value.text else "write it as expected"
                self.wrong(value, key.option, found, key.expected, remedy)
            elif value.kind == "text" and not value.text.strip():
                self.wrong(value, key.option, "it is empty", key.expected, "give it a value, or remove the line")
            else:
                self._sound[value.key] = value
                if key.keys is not None and value.kind == "mapping":
                    self._check(value, key.keys)

    def _unknown(self, name: str, value: Value, keys: Mapping[str, Key]) -> None:
        self.ignored.append(Place(self.path, value.line, value.key))
        known = {simplified(key): key for key, meaning in keys.items() if meaning.option is not None}
        close = difflib.get_close_matches(simplified(name), known, n=1, cutoff=0.8)
        if close:
            meant = known[close[0]]
            remedy = f"write '{meant}' if that is what you mean; as it stands, it is ignored"
            option = str(keys[meant].option)
            self.wrong(value, option, "there is no such key", f"'{meant}', perhaps", remedy, "warning")


def assemble(values: Mapping[str, Any], places: Mapping[str, Place], ignored: Collection[Place]) -> FileOptions:
    """Options from contents by option name, as `FileOptions.places` has them."""
    own = {name: content for name, content in values.items() if name in FileOptions.__dataclass_fields__}
    rest = {name: content for name, content in values.items() if name not in own}
    return FileOptions(
        **own,
        environment_variables={name.removeprefix(VARIABLE): rest[name] for name in rest if name.startswith(VARIABLE)},
        trigger_options={name: rest[name] for name in rest if not name.startswith(VARIABLE)},
        ignored=tuple(ignored),
        places=dict(places),
    )


def _image_settings() -> frozenset[str]:
    """The variables that an image has of its own."""
    from azext_mlfunc.packaging.dockerfile import settings
    from azext_mlfunc.packaging.environment import DEFAULT_PYTHON, Environment

    with_pip, with_conda = Environment(DEFAULT_PYTHON, "pip"), Environment(DEFAULT_PYTHON, "conda")
    return frozenset(settings(with_pip, "")) | frozenset(settings(with_conda, ""))


def _look(path: Path) -> str:
    """What a path leads to, in words; '' where there is nothing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""
    except OSError as problem:
        return f"not to be read: {problem.strerror}"
    return "a file" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "neither a file nor a folder"


def simplified(key: str) -> str:
    """A key without what people mix up: case, `_` and `-`."""
    return re.sub(r"[^a-z0-9]", "", key.lower())


def is_registered(text: str, kind: str) -> bool:
    """Whether a text names something registered in a workspace or a registry.

    Source: az ml CLI v2, "Reference assets in the workspace": azureml:NAME:VERSION, azureml:NAME@LABEL, resource IDs,
    azureml://registries/…; without `azureml:` they are names on our own command line.

    :param kind: `models` or `environments`, as resource IDs have it.
    """
    name = text.removeprefix("azureml:")
    is_named = re.fullmatch(r"[A-Za-z0-9][\w.-]*(:[\w.-]+|@[\w-]+)", name)
    is_id = re.fullmatch(rf"/subscriptions/[^/]+/.*/{kind}/.+", name, re.IGNORECASE)
    in_registry = re.fullmatch(rf"azureml://registries/[^/]+/{kind}/[^/]+/(versions|labels)/[^/]+", text)
    only_name = text != name and re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)
    return bool(is_named or is_id or in_registry or only_name)
