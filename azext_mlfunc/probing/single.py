"""One event: sent, answered, compared; or the reason why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azext_mlfunc.probing.compare import difference
from azext_mlfunc.probing.event import Event, NoAnswer, Output, ProbeFailed, shown
from azext_mlfunc.probing.prober import Cause, Prober
from azext_mlfunc.progress import Progress


@dataclass(frozen=True)
class Expectation:
    """What the answer is held against.

    :param data: the expected bytes.
    :param tolerance: how far numbers may be apart.
    """

    data: bytes = field(repr=False)
    tolerance: float

    def check(self, found: bytes) -> str | None:
        """What differs, readable; None: nothing."""
        return difference(found, self.data, self.tolerance)


@dataclass(frozen=True)
class Verdict:
    """What became of one event.

    :param passed: it was answered, and as expected.
    :param output: the answer, if there was one.
    :param problem: why it has not passed; None when it has.
    :param causes: what was found out about that.
    """

    passed: bool
    output: Output | None
    problem: str | None = None
    causes: tuple[Cause, ...] = ()

    def describe(self, trigger: str) -> dict[str, Any]:
        """The verdict as a result."""
        output = self.output
        return {
            "passed": self.passed,
            "trigger": trigger,
            "output": shown(output.data) if output else None,
            "latency": round(output.latency, 3) if output else None,
            **(dict(output.details) if output else {}),
            "problem": self.problem,
            "causes": [{"found": cause.found, "remedy": cause.remedy} for cause in self.causes],
        }


def probe_one(
    prober: Prober,
    event: Event,
    expectation: Expectation | None,
    timeout: float,
    diagnose: Callable[[Event], list[Cause]],
    progress: Progress,
) -> Verdict:
    """Send one event to a prober that is open, and judge the answer.

    :param expectation: None: any answer will do.
    :param timeout: seconds.
    :param diagnose: finds out why no answer came.
    """
    progress.step(f"Sent; waiting up to {timeout:g} s for {prober.waits_for}")
    try:
        output = prober.probe(event, timeout)
    except ProbeFailed as failure:
        return Verdict(False, failure.output, str(failure))
    except NoAnswer as problem:
        progress.step(f"{problem}; finding out why")
        return Verdict(False, None, str(problem), tuple(diagnose(event)))
    differs = expectation.check(output.data) if expectation else None
    if differs is not None:
        return Verdict(False, output, f"the output is not the expected one:\n{differs}")
    return Verdict(True, output)


def write_output(file: str, data: bytes) -> None:
    """Write an answer's bytes as they came; `-` is stdout.

    :raises azure.cli.core.azclierror.FileOperationError: the file cannot be written.
    """
    import sys

    from azure.cli.core.azclierror import FileOperationError

    if file == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        Path(file).write_bytes(data)
    except OSError as problem:
        raise FileOperationError(
            f"--output-file {file}: {problem.strerror or problem}.", recommendation="Name a file that can be written."
        ) from problem


def failure_text(verdict: Verdict) -> tuple[str, list[str]]:
    """A failed verdict as an error: what is wrong, and what to do about each cause."""
    lines = [f"The test failed: {verdict.problem}"]
    lines += [f"{number}. {cause.found}" for number, cause in enumerate(verdict.causes, 1)]
    return "\n".join(lines), [f"{number}. {cause.remedy}" for number, cause in enumerate(verdict.causes, 1)]
