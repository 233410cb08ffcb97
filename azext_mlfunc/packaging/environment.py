"""The image's Python environment: which Python, and whether pip installs the packages or conda has to.

pip serves requirements files, and conda files all of whose packages are on PyPI under a known name. For anything else
the image gets a conda environment of its own Python minor version, which the Functions host is told to run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging import conda, entry_script, requirements, source
from azext_mlfunc.packaging.request import PackageRequest

Read = TypeVar("Read")

PYTHON_VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
"""The Python versions that Azure Functions has container images for."""
DEFAULT_PYTHON = "3.13"
# These two images build on Debian 11, whose long-term support ended on 2026-08-31.
_ON_ENDED_DEBIAN = ("3.10", "3.11")


@dataclass(frozen=True)
class Environment:
    """What to install.

    :param python_version: `3.X`.
    :param kind: who installs: pip, or conda (micromamba).
    :param content: the text of the image's requirements or environment file; '' where there is nothing to install.
    :param lock: the text of the lock file to install from instead of `content`, or None.
    :param left_out: packages that were asked for and that the image does without.
    :param only_conda: the lines of packages that pip cannot install.
    :param notes: what the user should know of all this, a line each.
    """

    python_version: str
    kind: Literal["pip", "conda"] = "pip"
    content: str = ""
    lock: str | None = None
    left_out: tuple[str, ...] = ()
    only_conda: tuple[requirements.Line, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the installer is given: the lock where there is one."""
        return self.content if self.lock is None else self.lock

    @property
    def file_name(self) -> str:
        """The name of the file that holds `content`."""
        return "requirements.txt" if self.kind == "pip" else "environment.yml"


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield what is wrong with the environment that was asked for."""
    yield from _Draft(request).read().findings


def load(request: PackageRequest) -> Environment:
    """The environment of a request that passed `check`."""
    return _Draft(request).read().environment()


@dataclass
class _Draft:
    """The environment files; after `read`, `findings` says whether an environment can be made of them."""

    request: PackageRequest
    findings: list[Finding] = field(default_factory=list)
    lines: list[requirements.Line] = field(default_factory=list)
    conda_file: conda.CondaFile | None = None
    for_pip: list[requirements.Line] = field(default_factory=list)
    for_conda: list[requirements.Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lock: str | None = None
    python_version: str = DEFAULT_PYTHON

    def read(self) -> _Draft:
        request = self.request
        if request.conda_file and request.requirements:
            self.findings.append(
                Finding(
                    "--requirements",
                    f"both '{request.requirements}' and --conda-file '{request.conda_file}'",
                    "one of the two",
                    "put the requirements into the conda file's pip section, or leave the conda file out",
                )
            )
        for path in filter(None, (request.conda_file, request.requirements)):
            self._read_file(path)
        self.findings += requirements.check([*self.for_pip, *self.lines])
        self._choose_python()
        if request.lock:
            self._read_lock(request.lock)
        return self

    def environment(self) -> Environment:
        by_conda = bool(self.for_conda)
        # In a conda environment conda installs what it names, but for what the image does without.
        named = [line for line in self.for_pip if not by_conda or line.name in requirements.SERVER_PACKAGES]
        kept, left_out, put_in = requirements.without_server([*named, *self.lines], imported_modules(self.request))
        notes = list(self.notes)
        if left_out:
            notes.append(
                f"Left out: {', '.join(left_out)}, because the image's own runtime stands in for Azure ML's server."
                + (f" Put in, as the code imports it: {', '.join(put_in)}." if put_in else "")
            )
        if not (self.request.conda_file or self.request.requirements or self.request.lock):
            notes.append("No --conda-file, --requirements or --lock: no packages are installed in the image.")
        version, left = self.python_version, tuple(left_out)
        if not by_conda:
            content = "".join(f"{line}\n" for line in kept)
            return Environment(version, "pip", content, self.lock, left, notes=tuple(notes))
        assert self.conda_file is not None
        only_conda = ", ".join(line.text for line in self.for_conda)
        notes.append(f"The image gets a conda environment, because pip cannot install {only_conda}.")
        content = _conda_text(self.conda_file, version, kept)
        return Environment(version, "conda", content, None, left, tuple(self.for_conda), tuple(notes))

    def _read_file(self, path: Path) -> None:
        if path != self.request.conda_file:
            self.lines += self._read_safely(path, "--requirements", requirements.read) or []
            return
        read = self._read_safely(path, "--conda-file", conda.read)
        if isinstance(read, Finding):
            self.findings.append(read)
        elif read:
            self.conda_file = read
            self.for_pip, self.for_conda = conda.as_pip(read)
            self.lines += read.pip

    def _read_lock(self, path: Path) -> None:
        from azext_mlfunc.packaging.dependencies.lock import check_lock
        from azext_mlfunc.packaging.dependencies.target import Target

        locked = self._read_safely(path, "--lock", requirements.read) or []
        self.findings += requirements.check(locked)
        for line in locked:
            if line.name and not re.search(r"==\S+\s.*--hash=sha256:", line.text):
                self.findings.append(
                    Finding(
                        path,
                        f"'{line.name}' is not locked",
                        "lines such as numpy==2.3.4 --hash=sha256:…",
                        "take the environment.lock of the manifest of an image that was built with --build direct, "
                        "or what pip-compile --generate-hashes or uv writes",
                        line.number,
                    )
                )
        asked = [line for line in (*self.for_pip, *self.lines) if line.name not in requirements.SERVER_PACKAGES]
        self.findings += check_lock(locked, asked, Target(self.python_version))
        self.lock = "".join(f"{line.text}\n" for line in locked)

    def _read_safely(self, path: Path, option: str, read: Callable[[Path], Read]) -> Read | None:
        """What `read` makes of a file, or None and a finding where it cannot be read."""
        try:
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise OSError("this is not a file")
            return read(path)
        except (OSError, ValueError) as problem:
            self.findings.append(Finding(path, f"it cannot be read: {problem}", "text in UTF-8", f"check {option}"))
            return None

    def _choose_python(self) -> None:
        given = self.request.python_version
        line = self.conda_file.python if self.conda_file else None
        allowed = _matching(line) if line else None
        listed = self.conda_file.dependencies if self.conda_file else ()
        pythons = [each for each in listed if conda.package_name(each) == "python"]
        if len(pythons) > 1:
            found = f"'{pythons[1].text}', after '{pythons[0].text}'"
            self._python_finding(pythons[1].where, found, "one Python", "remove one of them", pythons[1].number)
        supported = ", ".join(PYTHON_VERSIONS)
        if given and given not in PYTHON_VERSIONS:
            self._python_finding("--python-version", f"'{given}'", f"one of {supported}", "choose one of them")
        elif given:
            self.python_version = given
            if line and allowed and given not in allowed:
                self._python_finding(
                    line.where,
                    f"'{line.text}', but --python-version is {given}",
                    "the same Python in both",
                    "change one of the two",
                    line.number,
                )
        elif self.conda_file and (line is None or not conda.version(line)):
            self._python_finding(
                self.conda_file.path,
                "no Python version",
                "the Python that the model was trained with",
                f"add for example python={DEFAULT_PYTHON} to the dependencies, or give --python-version",
                line.number if line else None,
            )
        elif line and not allowed:
            self._python_finding(
                line.where,
                f"'{line.text}', for which there is no Functions image",
                f"one of {supported}",
                "choose one of them, here or with --python-version, and train the model with it",
                line.number,
            )
        elif line and allowed:
            self.python_version = DEFAULT_PYTHON if DEFAULT_PYTHON in allowed else allowed[-1]
            if len(allowed) > 1:
                self.notes.append(f"Python {self.python_version} is taken for '{line.text}'.")
        if self.python_version in _ON_ENDED_DEBIAN and not self.request.base_image:
            self.findings.append(
                Finding(
                    "Python " + self.python_version,
                    "its Functions image builds on Debian 11, which gets no more security updates",
                    "3.12 or newer",
                    "move to a newer Python when you can",
                    severity="warning",
                )
            )

    def _python_finding(
        self, where: str | Path, found: str, expected: str, remedy: str, line: int | None = None
    ) -> None:
        self.findings.append(Finding(where, found, expected, remedy, line))


def imported_modules(request: PackageRequest) -> frozenset[str]:
    """Dotted names of all modules that the packed code imports; a file that does not parse counts for nothing."""
    names: set[str] = set()
    for file in source.files(request):
        if file.path.suffix != ".py" or not file.path.is_file():
            continue
        try:
            names.update(_imports(entry_script.parse(file.path)))
        except (SyntaxError, ValueError, UnicodeDecodeError):
            continue
    return frozenset(names)


def _imports(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _matching(line: requirements.Line) -> list[str]:
    """The Functions Python versions that a conda line such as `python=3.10.14` allows, oldest first."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = conda.version(line)
    if not text:
        return []
    try:
        wanted = SpecifierSet(text)
    except InvalidSpecifier:
        return []
    # The image's patch version is not known here: a minor version serves if any patch of it would.
    return [v for v in PYTHON_VERSIONS if any(wanted.contains(f"{v}.{patch}") for patch in range(40))]


def _conda_text(file: conda.CondaFile, python_version: str, pip_lines: list[str]) -> str:
    """The conda file for the image: the user's, with the image's Python and without what it does without."""
    import yaml

    unwanted = {"python", "pip", *requirements.SERVER_PACKAGES}
    others = [line.text for line in file.dependencies if conda.package_name(line) not in unwanted]
    dependencies: list[object] = [f"python={python_version}", *others]
    if pip_lines:
        dependencies += ["pip", {"pip": pip_lines}]
    document = {"channels": list(file.channels) or ["conda-forge"], "dependencies": dependencies}
    return str(yaml.safe_dump(document, sort_keys=False))
