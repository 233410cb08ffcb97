"""Conda environment files: read with their lines; what pip can install is told from what needs conda.

Source: conda documentation, "Creating an environment file manually" and "Package match specifications".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.requirements import SERVER_PACKAGES, WORKER_PACKAGES, Line

# Conda packages whose namesake on PyPI is the same software with wheels for Linux; with another name where it differs.
PYPI_NAMES: dict[str, str] = {
    name: name
    for name in (
        "aiohttp catboost cloudpickle dask django fastapi flask gensim h5py imbalanced-learn inference-schema "
        "jinja2 joblib jsonschema keras lightgbm matplotlib mlflow msgpack-python networkx nltk numpy onnx onnxruntime "
        "opencv openpyxl orjson packaging pandas pillow plotly polars psutil pyarrow pydantic python-dateutil pytz "
        "pyyaml requests scikit-image scikit-learn scipy seaborn setuptools shap six spacy sqlalchemy statsmodels "
        "sympy tensorflow tokenizers torchaudio torchvision tqdm transformers typing-extensions urllib3 wheel xgboost"
    ).split()
} | {
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "pytorch": "torch",
    "tensorflow-cpu": "tensorflow-cpu",
}
# Part of every image, or of no use in one.
_OF_THE_IMAGE = frozenset({"pip", "nomkl", "ipykernel"})
_SPEC = re.compile(r"(?:(?P<channel>[\w./:-]+)::)?(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(?P<version>.*)")


@dataclass(frozen=True)
class CondaFile:
    """What a conda environment file says.

    :param path: the file.
    :param channels: its channels, in order.
    :param dependencies: its conda packages, `python` among them.
    :param pip: the lines of its pip section.
    """

    path: Path
    channels: tuple[str, ...]
    dependencies: tuple[Line, ...]
    pip: tuple[Line, ...]

    @property
    def python(self) -> Line | None:
        """The line that names Python, if there is one."""
        return next((line for line in self.dependencies if package_name(line) == "python"), None)


def read(path: Path) -> CondaFile | Finding:
    """Read a conda file; a Finding where it is none.

    :raises OSError, UnicodeDecodeError: it cannot be read.
    """
    import yaml

    def wrong(found: str, line: int | None = None) -> Finding:
        return Finding(
            path,
            found,
            "a conda environment file: a mapping with a list of dependencies",
            "mend it, and try it with: conda env create -f " + path.name,
            line=line,
        )

    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        return wrong(
            f"it is not YAML: {getattr(problem, 'problem', None) or 'it does not parse'}", mark and mark.line + 1
        )
    if not isinstance(root, yaml.MappingNode):
        return wrong("it holds no mapping")
    keys = [key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode)]
    repeated = next((key for key in keys if keys.count(key) > 1), None)
    if repeated:
        return wrong(f"'{repeated}' stands there more than once", root.start_mark.line + 1)
    fields = {key.value: value for key, value in root.value if isinstance(key, yaml.ScalarNode)}
    listed = fields.get("dependencies")
    if not isinstance(listed, yaml.SequenceNode):
        return wrong("it has no list of dependencies", root.start_mark.line + 1)
    dependencies: list[Line] = []
    pip: list[Line] = []
    for node in listed.value:
        number = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode) and _is_text(node):
            dependencies.append(Line(node.value, path, number))
            continue
        section = _pip_section(node)
        if section is None:
            return wrong(
                "a dependency that is neither a package, such as python=3.13, nor a pip section of packages", number
            )
        pip += [Line(str(item.value), path, item.start_mark.line + 1) for item in section]
    channels = fields.get("channels")
    listed_channels = channels.value if isinstance(channels, yaml.SequenceNode) else [channels]
    names = [node.value for node in listed_channels if isinstance(node, yaml.ScalarNode)]
    return CondaFile(path, tuple(names), tuple(dependencies), tuple(pip))


def package_name(line: Line) -> str:
    """The conda package that a line names."""
    match = _SPEC.fullmatch(line.text.strip())
    return match["name"].lower() if match else line.text


def version(line: Line) -> str | None:
    """The line's version as pip writes it ('' for any), or None where only conda can express it."""
    match = _SPEC.fullmatch(line.text.strip())
    if not match:
        return None
    wanted = re.sub(r"\s*([=<>!~,]+)\s*", r"\1", match["version"].strip())
    if wanted in ("", "*", "=*", "==*"):
        return ""
    if match["name"].lower() == "python":
        wanted = re.sub(r"^(=?=?[^=<>!~]+)=[^=]+$", r"\1", wanted)  # a build string is one Python's, not the image's
    if re.fullmatch(r"=[^=<>!~|\s*]+(\.\*)?", wanted):  # 'numpy=1.26': any 1.26.x
        return f"=={wanted[1:].removesuffix('.*')}.*"
    if re.fullmatch(r"[0-9][^=<>!~|\s]*", wanted):  # 'numpy 1.26.4'
        return f"=={wanted}"
    if re.fullmatch(r"(==|>=|<=|!=|~=|>|<)[^=<>!~|,]+(,(==|>=|<=|!=|~=|>|<)[^=<>!~|,]+)*", wanted):
        return wanted
    return None


def as_pip(conda: CondaFile) -> tuple[list[Line], list[Line]]:
    """Split the conda packages.

    :returns: lines for pip, and the lines that only conda can install.
    """
    for_pip: list[Line] = []
    for_conda: list[Line] = []
    for line in conda.dependencies:
        name = package_name(line)
        if name == "python" or name in _OF_THE_IMAGE:
            continue
        wanted = version(line)
        if (name in PYPI_NAMES or name in SERVER_PACKAGES | WORKER_PACKAGES) and wanted is not None:
            for_pip.append(Line(PYPI_NAMES.get(name, name) + wanted, line.where, line.number))
        else:
            for_conda.append(line)
    return for_pip, for_conda


def _is_text(node: Any) -> bool:
    """Whether a node is a text, and no null, number or truth value, which name no package."""
    return bool(node.value) and str(node.tag).endswith(":str")


def _pip_section(node: Any) -> list[Any] | None:
    """The items of `- pip: [...]`, or None where the node is anything else."""
    import yaml

    if not isinstance(node, yaml.MappingNode) or [key.value for key, _ in node.value] != ["pip"]:
        return None
    value = node.value[0][1]
    if isinstance(value, yaml.ScalarNode) and not value.value:
        return []
    if not isinstance(value, yaml.SequenceNode) or not all(_is_text(item) for item in value.value):
        return None
    return list(value.value)
