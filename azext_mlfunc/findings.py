"""What a check found: where, what, what was expected, and what to do about it.

Checks yield findings; nobody raises at the first one. `report` shows all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    :param where: the file, option or object that it is about.
    :param found: what was found there.
    :param expected: what was expected instead.
    :param remedy: what the user can do.
    :param line: the line in the file, counted from 1, where there is one.
    :param severity: an `error` stops the command before anything is built or written; a `warning` does not.
    """

    where: str | Path
    found: str
    expected: str
    remedy: str
    line: int | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else str(self.where)
        return f"{place}: {self.found}\n    expected: {self.expected}\n    do: {self.remedy}"


def name_finding(path: Path) -> Finding | None:
    """A finding where a file's name is not UTF-8, as names in images have to be."""
    try:
        str(path).encode()
        return None
    except UnicodeEncodeError:
        return Finding(ascii(str(path)), "its name is not UTF-8", "a name in UTF-8", "rename it")


def report(findings: Iterable[Finding], consequence: str = "nothing was built") -> None:
    """Log every warning; raise one ValidationError that holds every error, if there are any.

    :param consequence: what the command has therefore not done.
    :raises azure.cli.core.azclierror.ValidationError: at least one finding is an error.
    """
    from azure.cli.core.azclierror import ValidationError
    from knack.log import get_logger

    errors: list[Finding] = []
    for finding in findings:
        if finding.severity == "warning":
            get_logger(__name__).warning("%s", finding)
        else:
            errors.append(finding)
    if errors:
        count = "1 problem was" if len(errors) == 1 else f"{len(errors)} problems were"
        listed = "\n".join(str(error) for error in errors)
        raise ValidationError(
            f"{count} found; {consequence}.\n{listed}",
            recommendation="Mend what is listed and run the same command again.",
        )
