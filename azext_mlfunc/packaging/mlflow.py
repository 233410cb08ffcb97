"""MLflow models: folders with a file `MLmodel`, which say themselves what is needed to run them.

Such a model is packaged without a script of the user's: the entry script is the one in `mlflow_scoring`, and the
environment is the one that the model declares.

Sources: MLflow documentation, "MLflow Models" (storage format, environment files); which file counts:
mlflow.pyfunc, `ENV` and `_extract_conda_env`; what python_env.yaml holds: mlflow.utils.environment, `_PythonEnv`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging import conda
from azext_mlfunc.packaging import requirements as pip
from azext_mlfunc.packaging.environment import PYTHON_VERSIONS

MLMODEL = "MLmodel"
"""The file that makes a folder an MLflow model."""
SCORING = Path(__file__).parents[1] / "mlflow_scoring"
"""The folder of the scoring script that stands in for the user's."""

_FLAVOR = "python_function"
# The environment files that MLflow writes beside MLmodel, by who reads them. The first one says most.
_FILES = {"conda": "conda.yaml", "virtualenv": "python_env.yaml", "pip": "requirements.txt"}
# What brings the module mlflow. Only the first one brings pandas, too.
_MLFLOW_PACKAGES = frozenset({"mlflow", "mlflow-skinny", "azureml-mlflow"})
_NAME_ANOTHER = "name another environment with --conda-file or --requirements"


@dataclass(frozen=True)
class MlflowModel:
    """What a model's folder says; its fields are called as those of `PackageRequest` that they are for.

    :param folder: the model's folder.
    :param conda_file: the conda file in it that counts, or None.
    :param requirements: the requirements file in it that counts, or None; never beside a conda file.
    :param python_version: `3.X`, the Python that the model was logged with; None where the conda file says it.
    :param findings: what is wrong with the model.
    """

    folder: Path
    conda_file: Path | None = None
    requirements: Path | None = None
    python_version: str | None = None
    findings: tuple[Finding, ...] = ()
    entry_script: Path = SCORING / "score.py"
    source_directory: Path = SCORING


def is_mlflow(folder: Path) -> bool:
    """Whether a path is the folder of an MLflow model."""
    return (folder / MLMODEL).is_file()


def files_to_read(folder: Path) -> tuple[str, ...]:
    """The files that `read` may look for beside MLmodel, by their names in the folder.

    Of a model that is not on this machine, they and MLmodel are all that has to be fetched.

    :param folder: holds MLmodel at least.
    """
    flavor = _Draft(folder).read_flavor() or {}
    names = (*_named_files(flavor.get("env")).values(), *_FILES.values())
    return tuple(dict.fromkeys(name for name in names if _is_within(folder, name)))


def read(folder: Path, *, python_version: str | None = None, with_environment: bool = True) -> MlflowModel:
    """Read a model's folder. Only reads, and runs nothing of it.

    :param python_version: `3.X` where the user chose one, which wins over the model's.
    :param with_environment: whether to look for the model's environment; not where the user names another.
    :return: the model; `findings` says whether it can be packaged.
    """
    draft = _Draft(folder)
    flavor = draft.read_flavor()
    if flavor is not None and with_environment:
        draft.read_environment(flavor, python_version)
    return MlflowModel(folder, draft.conda_file, draft.requirements, draft.python_version, tuple(draft.findings))


@dataclass
class _Draft:
    """A model's folder while it is read."""

    folder: Path
    findings: list[Finding] = field(default_factory=list)
    mlflow_version: str | None = None
    conda_file: Path | None = None
    requirements: Path | None = None
    python_version: str | None = None

    def read_flavor(self) -> dict[str, Any] | None:
        """What MLmodel says of the flavor that scoring loads; None, and a finding, where it has none."""
        document = self._read_yaml(self.folder / MLMODEL)
        if document is None:
            return None
        version = document.get("mlflow_version")
        self.mlflow_version = version if isinstance(version, str) else None
        flavors = document.get("flavors")
        names = ", ".join(map(str, flavors)) if isinstance(flavors, dict) else ""
        flavor = flavors.get(_FLAVOR) if isinstance(flavors, dict) else None
        if isinstance(flavor, dict):
            return flavor
        self._find(
            self.folder / MLMODEL,
            f"the model has no flavor {_FLAVOR}" + (f", only {names}" if names else ""),
            f"the flavor {_FLAVOR}, by which every Python program can load a model",
            "log the model with mlflow.pyfunc.log_model() or that of its library, "
            "or name a score.py of yours that loads it with --entry-script",
        )
        return None

    def read_environment(self, flavor: dict[str, Any], chosen: str | None) -> None:
        """Find the environment that the model declares, and what it lacks.

        :param chosen: the user's Python version.
        """
        kind, path = self._choose_file(flavor.get("env"))
        logged_with = flavor.get("python_version")
        if path is None:
            return
        if kind == "conda":
            self.conda_file = path
        elif kind == "pip":
            self.requirements = path
        elif (document := self._read_yaml(path)) is not None:
            self.requirements = self._included_file(path, document)
            logged_with = document.get("python") or logged_with
        packages = self._read_packages()
        if packages is None:  # then it is in the findings, or environment.check will say why
            return
        if not self._conda_says_python():
            self._choose_python(str(logged_with or ""), path, chosen)
        self._check_packages(packages)

    def _choose_file(self, env: object) -> tuple[str, Path | None]:
        """The environment file that counts, and who reads it: a file that MLmodel names, else the first that is there.

        :param env: what MLmodel says of it.
        """
        named = _named_files(env)
        present = {kind: name for kind, name in (named or _FILES).items() if self._has(name)}
        kind = next((kind for kind in _FILES if kind in present), "")
        missing = [name for kind, name in named.items() if kind not in present]
        if missing:
            self._find(
                self.folder / MLMODEL,
                f"it names '{missing[0]}', which is not in the model's folder",
                "the files that it names",
                f"put the file back, or {_NAME_ANOTHER}" + (f"; {present[kind]} is taken now" if present else ""),
                severity="warning" if present else "error",
            )
        elif not present:
            self._find(
                self.folder,
                "the model declares no environment",
                f"one of {', '.join(_FILES.values())} beside {MLMODEL}, as MLflow writes them",
                _NAME_ANOTHER,
            )
        return kind, self.folder / present[kind] if present else None

    def _included_file(self, path: Path, document: dict[str, Any]) -> Path | None:
        """The requirements file that python_env.yaml stands for: MLflow writes the one line `-r requirements.txt`."""
        match document.get("dependencies"):
            case [str(line)] if (included := re.fullmatch(r"-r\s+(\S+)", line)) and self._has(included[1]):
                return self.folder / included[1]
            case found:
                self._find(
                    path,
                    f"its dependencies are {found or 'none'}",
                    f"the one line -r {_FILES['pip']}, as MLflow writes it, and that file in the model's folder",
                    f"put the packages into that file, or {_NAME_ANOTHER}",
                )
        return None

    def _read_packages(self) -> set[str] | None:
        """The names of the environment's packages; None where it cannot be read."""
        try:
            if self.requirements:
                return {line.name or "" for line in pip.read(self.requirements)}
            read = conda.read(self.conda_file) if self.conda_file else None
        except (OSError, ValueError):
            return None
        if not isinstance(read, conda.CondaFile):
            return None
        return {conda.package_name(line) for line in read.dependencies} | {line.name or "" for line in read.pip}

    def _conda_says_python(self) -> bool:
        read = conda.read(self.conda_file) if self.conda_file else None
        return isinstance(read, conda.CondaFile) and read.python is not None and bool(conda.version(read.python))

    def _choose_python(self, logged_with: str, where: Path, chosen: str | None) -> None:
        """Take the Python that the model was logged with, unless the user chose one."""
        match = re.match(r"\d+\.\d+", logged_with)
        if not match:
            return
        if chosen is None and match[0] in PYTHON_VERSIONS:
            self.python_version = match[0]
        elif chosen is None:
            self._find(
                where,
                f"the model was logged with Python {logged_with}, for which there is no Functions image",
                f"one of {', '.join(PYTHON_VERSIONS)}",
                "log the model with one of them, or try one with --python-version",
            )
        elif chosen != match[0]:
            self._find(
                where,
                f"the model was logged with Python {logged_with}, but --python-version is {chosen}",
                "the same Python: what one has pickled, another may not load",
                "leave --python-version out, or log the model with that Python",
                severity="warning",
            )

    def _check_packages(self, packages: set[str]) -> None:
        where = self.conda_file or self.requirements or self.folder
        if not packages & _MLFLOW_PACKAGES:
            version = f"=={self.mlflow_version}" if self.mlflow_version else ""
            self._find(
                where,
                "there is no mlflow in it, which loads the model",
                "mlflow among the packages, as MLflow writes it",
                f"add the line mlflow{version}",
            )
        elif not packages & {"mlflow", "pandas"}:
            self._find(
                where,
                "there is no pandas in it, which scoring needs and mlflow-skinny does not bring",
                "mlflow, or pandas beside mlflow-skinny",
                "add the line pandas, unless another package brings it",
                severity="warning",
            )

    def _read_yaml(self, path: Path) -> dict[str, Any] | None:
        """The mapping that a YAML file holds; None, and a finding, where it holds none."""
        import yaml

        line = None
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
            if isinstance(document, dict):
                return document
            found = "it holds no mapping"
        except FileNotFoundError:
            found = "there is no such file"
        except yaml.YAMLError as problem:
            mark = getattr(problem, "problem_mark", None)
            line = mark.line + 1 if mark else None
            found = f"it is not YAML: {getattr(problem, 'problem', None) or 'it does not parse'}"
        except (OSError, ValueError) as problem:
            found = f"it cannot be read: {problem}"
        self._find(path, found, "the YAML file that MLflow writes", "log the model again, or fetch it again", line)
        return None

    def _has(self, name: str) -> bool:
        return (self.folder / name).is_file() and _is_within(self.folder, name)

    def _find(
        self,
        where: Path,
        found: str,
        expected: str,
        remedy: str,
        line: int | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        self.findings.append(Finding(where, found, expected, remedy, line, severity))


def _named_files(env: object) -> dict[str, str]:
    """The environment files that MLmodel names, by who reads them.

    :param env: a file's name, which is conda's (MLflow 1), or a mapping such as is returned.
    """
    known = {"conda": env} if isinstance(env, str) else env if isinstance(env, dict) else {}
    return {kind: name for kind, name in known.items() if kind in _FILES and isinstance(name, str)}


def _is_within(folder: Path, name: str) -> bool:
    """Whether a name leads to somewhere in the folder; what lies outside of it is not the model's."""
    return (folder / name).resolve().is_relative_to(folder.resolve())
