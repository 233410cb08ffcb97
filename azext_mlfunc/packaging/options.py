"""From what the user names to what is packaged: the command line, deployment files, a workspace and MLflow models.

The command line wins over the files, and both win over what a model says of itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_mlfunc.findings import Finding, report
from azext_mlfunc.interruption import unwind_on_sigterm
from azext_mlfunc.packaging import deployment_files, mlflow
from azext_mlfunc.packaging import models as model_sources
from azext_mlfunc.packaging.deployment_files import FileOptions
from azext_mlfunc.packaging.models import LocalModel, ModelSource, RegisteredModel
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.triggers import make_trigger
from azext_mlfunc.workspace.reference import parse_environment, parse_model

if TYPE_CHECKING:
    from azext_mlfunc.workspace.cache import ModelCache
    from azext_mlfunc.workspace.client import AzureMl

_FUNCTIONS_IMAGES = "mcr.microsoft.com/azure-functions/"
_SCRIPT_ROOT = "AzureWebJobsScriptRoot"
"""The variable that every Functions image sets. Source: Azure/azure-functions-docker."""


@dataclass(frozen=True)
class Options:
    """What the command line gives; None and empty where it gives nothing. See the command's options.

    :param trigger_options: of all triggers, by field name.
    :param files: deployment files.
    """

    models: tuple[str, ...]
    entry_script: str | None
    source_directory: str | None
    conda_file: str | None
    requirements: str | None
    lock: str | None
    environment: str | None
    python_version: str | None
    base_image: str | None
    trigger: str | None
    trigger_options: Mapping[str, str | None]
    image_name: str
    image_tag: str
    files: tuple[Path, ...]

    @property
    def overridden(self) -> frozenset[str]:
        """The options of deployment files that count for nothing, by their names there."""
        given = {
            "models": self.models,
            "entry_script": self.entry_script,
            "source_directory": self.source_directory,
            "conda_file": self.conda_file or self.requirements or self.environment,  # a lock pins, whatever says what
            "base_image": self.base_image,
            "trigger": self.trigger,
            **self.trigger_options,
        }
        return frozenset(name for name, value in given.items() if value)


@dataclass(frozen=True)
class Surroundings:
    """What options are resolved with.

    :param open_azure_ml: finds what is registered; asked only where something of it is named.
    :param find_script: see `_validators.find_script`.
    :param read_settings: the environment variables of an image in a registry; None where it cannot be read.
    """

    open_azure_ml: Callable[[], tuple[AzureMl, ModelCache]]
    find_script: Callable[[str, str | None], Path]
    read_settings: Callable[[str], Mapping[str, str] | None]


@dataclass
class Resolver:
    """Resolves options; used as a context, as what it writes is kept as long.

    :param options: of the command line.
    :param around: what is asked.
    """

    options: Options
    around: Surroundings
    notes: list[str] = field(default_factory=list, init=False)
    """What the user should know, a line each."""
    _named: dict[str, str] = field(default_factory=dict, init=False)
    _ends: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Resolver:
        unwind_on_sigterm()  # what is written goes then, too
        return self

    def __exit__(self, *problem: Any) -> None:
        self._ends.close()

    @cached_property
    def files(self) -> FileOptions:
        """What the deployment files say."""
        return deployment_files.read_all(self.options.files, self.options.overridden)

    @cached_property
    def azure_ml(self) -> tuple[AzureMl, ModelCache]:
        """What finds what is registered."""
        return self.around.open_azure_ml()

    @cached_property
    def _scratch(self) -> Path:
        return Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="ml-func-")))

    def request(self, registry: str | None) -> PackageRequest:
        """What is packaged, not yet checked.

        :param registry: the login server to push to; None: none.
        :raises azure.cli.core.azclierror.AzCLIError: what is named cannot be found, or cannot be used.
        """
        options, files = self.options, self.files
        self.notes += files.notes
        models = tuple(self._model(name) for name in options.models or files.models)
        trigger = options.trigger or files.trigger or "http"
        request = PackageRequest(
            models=models,
            entry_script=Path(),
            source_directory=Path(),
            trigger=make_trigger(trigger, {**files.trigger_options, **_given(options.trigger_options)}),
            image_name=options.image_name,
            image_tag=options.image_tag,
            lock=Path(options.lock) if options.lock else None,
            python_version=options.python_version,
            base_image=options.base_image,
            registry=registry,
            variables=files.environment_variables,
            deployment_files=options.files,
        )
        request = self._with_environment(request)
        if request.base_image is None:
            image = self._functions_image(files.base_image, files.places.get("base_image"))
            request = replace(request, base_image=image)
        return self._with_script(request)

    def placed(self, finding: Finding) -> Finding:
        """A finding, with the place that the user knows: a deployment file, or what a text was taken from."""
        where = str(finding.where)
        if "models" in self.files.places and where.startswith("--model "):  # a registered one, with its name
            where = "--model"
        return self.files.placed(replace(finding, where=self._named.get(where, where)))

    def _given_at(self, option: str, flag: str) -> str:
        """Where an option was given: in a deployment file, or on the command line."""
        place = self.files.places.get(option)
        return str(place) if place else flag

    def _model(self, name: str) -> ModelSource:
        named = parse_model(name, self._given_at("models", "--model"))
        return LocalModel(named) if isinstance(named, Path) else RegisteredModel(named, *self.azure_ml)

    # -- the environment

    def _with_environment(self, request: PackageRequest) -> PackageRequest:
        options, files = self.options, self.files
        if options.conda_file or options.requirements:
            return replace(
                request,
                conda_file=Path(options.conda_file) if options.conda_file else None,
                requirements=Path(options.requirements) if options.requirements else None,
            )
        if isinstance(files.conda_file, str):
            place = files.places["conda_file"]
            return replace(request, conda_file=self._written("environment.yml", files.conda_file, str(place.file)))
        if files.conda_file is not None:
            return replace(request, conda_file=files.conda_file)
        name = options.environment or files.environment
        return self._with_registered(request, name) if name else request

    def _with_registered(self, request: PackageRequest, name: str) -> PackageRequest:
        """The environment that is registered under a name: its conda file, or its image."""
        asset = parse_environment(name, self._given_at("environment", "--environment"))
        found = self.azure_ml[0].environment(asset)
        called = f"the environment {found.name}:{found.version}"
        self.notes.append(f"Environment {found.name}:{found.version} of {found.parent.rpartition('/')[2]}")
        request = replace(request, environment_source=found.describe())
        if found.conda_file is None:
            return replace(request, base_image=request.base_image or self._functions_image(found.image, called))
        if found.image and not found.image.startswith(_FUNCTIONS_IMAGES):
            self.notes.append(
                f"Of {called} only the conda file is taken: its image {found.image} is no Functions image."
            )
        elif found.image and not request.base_image:
            request = replace(request, base_image=found.image)
        return replace(request, conda_file=self._written("environment.yml", found.conda_file, f"{called}, conda file"))

    def _functions_image(self, image: str | None, where: object) -> str | None:
        """An image that an environment is, if an app can be built on it.

        :raises azure.cli.core.azclierror.ValidationError: it cannot.
        """
        if image is None or image.startswith(_FUNCTIONS_IMAGES):
            return image
        settings = self.around.read_settings(image)
        if settings is not None and _SCRIPT_ROOT in settings:
            return image
        found = "cannot be read here" if settings is None else "is no Azure Functions image"
        report(
            [
                Finding(
                    str(where or "the environment"),
                    f"it is the image {image}, which {found}",
                    "an environment with a conda file, or an image that builds on "
                    f"{_FUNCTIONS_IMAGES}python: without its host nothing calls the function",
                    "give the packages with --conda-file or --requirements, or build such an image and name it with "
                    "--base-image",
                )
            ]
        )
        return None

    def _written(self, name: str, text: str, called: str) -> Path:
        """A text as a file of ours for the time of the command.

        :param called: what findings call it.
        """
        file = self._scratch / name
        file.write_text(text, "utf-8", "surrogatepass")  # JSON may hold what no text file can: reading it will say so
        self._named[str(file)] = called
        return file

    # -- the script

    def _with_script(self, request: PackageRequest) -> PackageRequest:
        """The user's script; without one that of MLflow, where the model is one of its."""
        options, files = self.options, self.files
        source = options.source_directory or (str(files.source_directory) if files.source_directory else None)
        script: Path | None = None
        if options.entry_script is not None:
            script = self.around.find_script(options.entry_script, source)
        elif files.entry_script is not None:  # with its folder, unless the command line names that
            script = Path(options.source_directory or "") / files.entry_script
        folder = self._mlflow_folder(request)
        if script is not None:
            request = replace(request, entry_script=script, source_directory=Path(source) if source else script.parent)
        elif folder is None:
            self._refuse(request)
        elif source is not None:
            found = "it is not packed, as no script in it is named"
            remedy = "name the script with --entry-script, or leave the folder out"
            where = "--source-directory"
            report([self.placed(Finding(where, found, "a script that uses it", remedy, severity="warning"))])
        return request if folder is None else self._with_mlflow(request, folder, script is not None)

    def _with_mlflow(self, request: PackageRequest, folder: Path, has_script: bool) -> PackageRequest:
        """What a model of MLflow says, where the user says nothing.

        :param folder: holds the files of the model that say it.
        :param has_script: whether a script of the user's loads the model.
        """
        has_environment = bool(
            request.conda_file or request.requirements or request.environment_source or self.files.base_image
        )
        model = mlflow.read(folder, python_version=request.python_version, with_environment=not has_environment)
        findings = model.findings
        if has_script:  # which may do without what MLflow needs
            findings = tuple(replace(each, severity="warning") for each in findings if _environment_of(model))
        report(map(self.placed, findings))
        if not has_script:
            request = replace(request, entry_script=model.entry_script, source_directory=model.source_directory)
            self.notes.append("The model is one of MLflow: it is scored by a script that comes with this command.")
        if has_environment:
            return request
        return replace(
            request,
            conda_file=model.conda_file,
            requirements=model.requirements,
            python_version=request.python_version or model.python_version,
        )

    def _mlflow_folder(self, request: PackageRequest) -> Path | None:
        """The folder of the one model, if it is one of MLflow; of a registered one its small files."""
        if len(request.models) != 1:
            return None
        (model,) = request.models
        if isinstance(model, LocalModel):
            return model.place if mlflow.is_mlflow(model.place) else None
        assert isinstance(model, RegisteredModel)
        if any(model.check(request)):
            return None  # the check of all models will say so
        content = model.read_bytes(mlflow.MLMODEL)
        if content is None:
            return None
        folder = self._scratch / "mlflow"
        folder.mkdir(exist_ok=True)
        (folder / mlflow.MLMODEL).write_bytes(content)
        for name in mlflow.files_to_read(folder):
            if (content := model.read_bytes(name)) is not None:
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        for file in (folder, *folder.rglob("*")):
            below = "" if file == folder else f", {file.relative_to(folder).as_posix()}"
            self._named[str(file)] = f"the model {model.name.replace('/', ':')}{below}"
        return folder

    def _refuse(self, request: PackageRequest) -> None:
        """Say that there is no script, and everything that is wrong with the models.

        :raises azure.cli.core.azclierror.ValidationError: always.
        """
        # As if it were one of MLflow: whether a model holds the code cannot be asked where there is none.
        findings = map(self.placed, model_sources.check(replace(request, source_directory=mlflow.SCORING)))
        expected = (
            "a Python script with init() and run(); only a single MLflow model (a folder with MLmodel) needs none"
        )
        report([*findings, Finding("--entry-script", "none is given", expected, "name it with --entry-script")])


def _environment_of(model: mlflow.MlflowModel) -> Path | None:
    return model.conda_file or model.requirements


def _given(options: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}
