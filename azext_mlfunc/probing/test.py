"""`az ml-func test` as named steps: find the app, open its prober, send, judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azext_mlfunc.probing.batch import BatchOptions, probe_all
from azext_mlfunc.probing.event import Event, read_event
from azext_mlfunc.probing.files import input_files
from azext_mlfunc.probing.local_app import LocalRequest, LocalTools, local_app
from azext_mlfunc.probing.prober import Cause, ProbeOptions, Prober
from azext_mlfunc.probing.report import Subject, render
from azext_mlfunc.probing.single import Expectation, Verdict, failure_text, probe_one, write_output
from azext_mlfunc.probing.target import Target
from azext_mlfunc.progress import Progress
from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.credentials import Given

_SHOWN = 30  # lines of a container's log


@dataclass(frozen=True)
class Tools:
    """What test reaches Azure with.

    :param open_registry: opens a repository: host, name, and a login if there is one.
    :param open_blobs: makes a client of the SDK's blob service from a connection string.
    :param open_queues: likewise of its queue service.
    """

    open_registry: Callable[[str, str, Given | None], Registry]
    open_blobs: Callable[[str], Any]
    open_queues: Callable[[str], Any]


@dataclass(frozen=True)
class Files:
    """Where events come from and answers go, as the user named it; see the command's options."""

    data: str | None
    input_directory: str | None
    output_directory: str | None
    output_file: str | None
    expect: str | None
    tolerance: float
    report: str | None

    def event(self) -> Event | None:
        """The one event; None: there is a folder of them. Wrong names are refused before anything is asked of Azure.

        :raises azure.cli.core.azclierror.FileOperationError: a file cannot be read, or the folder has none.
        """
        if self.input_directory is not None:
            input_files(Path(self.input_directory))
            return None
        self.expectation("")
        return read_event(self.data or "")

    def expectation(self, name: str) -> Expectation | None:
        """What the answer to an event is held against; None: any answer will do.

        :param name: the event's path below the folder.
        :raises azure.cli.core.azclierror.FileOperationError: the file cannot be read.
        """
        if not self.expect:
            return None
        expected = Path(self.expect)
        file = expected / name if name and expected.is_dir() else expected
        return Expectation(_read(str(file)), self.tolerance)


@dataclass(frozen=True)
class Finished:
    """A test that was run.

    :param result: of the command; None: it is on stdout already, as bytes.
    :param failure: the error to end with; None: all passed.
    """

    result: dict[str, Any] | None
    failure: Exception | None


def run(
    tools: Tools,
    target: Target,
    event: Event | None,
    options: ProbeOptions,
    files: Files,
    timeout: float,
    progress: Progress,
) -> Finished:
    """Send one event or a folder of them.

    :param event: what `Files.event` returned.
    :param timeout: seconds for one event.
    """
    if event is not None:
        return _one(tools, target, event, options, files, timeout, progress)
    return _many(tools, target, options, files, timeout, progress)


def run_local(
    tools: Tools,
    request: LocalRequest,
    local: LocalTools,
    event: Event | None,
    options: ProbeOptions,
    files: Files,
    timeout: float,
    progress: Progress,
) -> Finished:
    """Run an image on this machine, and send it one event or a folder of them; its log goes into the result.

    :param timeout: seconds for one event, and for the function to be loaded.
    """
    with local_app(request, local, progress) as (target, app):
        causes = app.wait_until_ready(target.function, timeout, progress)
        if causes:
            verdict = Verdict(False, None, "the function is not loaded", tuple(causes))
            finished = Finished(verdict.describe(target.trigger.name), _error(*failure_text(verdict)))
        else:
            finished = run(tools, target, event, options, files, timeout, progress)
        log = app.log()
        if finished.result is not None:
            finished.result["log"] = log
        if finished.failure is not None:
            progress.step("\n".join(("The container's log ends with:", *log[-_SHOWN:])))
        return finished


def _one(
    tools: Tools,
    target: Target,
    event: Event,
    options: ProbeOptions,
    files: Files,
    timeout: float,
    progress: Progress,
) -> Finished:
    with target.trigger.prober(target, options, tools) as prober:
        verdict = probe_one(
            prober,
            event,
            files.expectation(""),
            timeout,
            lambda sent: _causes(target, prober, sent),
            progress,
        )
    if files.output_file and verdict.output:
        write_output(files.output_file, verdict.output.data)
    result = None if files.output_file == "-" else verdict.describe(target.trigger.name)
    return Finished(result, None if verdict.passed else _error(*failure_text(verdict)))


def _causes(target: Target, prober: Prober, event: Event) -> list[Cause]:
    """Why an event was not answered, most likely first; never empty."""
    causes = [*target.place.causes(target), *prober.causes(event)]
    return causes or [target.place.last_resort(target)]


def _many(
    tools: Tools, target: Target, options: ProbeOptions, files: Files, timeout: float, progress: Progress
) -> Finished:
    assert files.input_directory is not None and files.output_directory is not None
    batch_options = BatchOptions(
        Path(files.input_directory), Path(files.output_directory), options.concurrency, timeout, files.expectation
    )
    with target.trigger.prober(target, options, tools) as prober:
        batch = probe_all(prober, batch_options, progress)
    if files.report:
        page = render(batch, Subject(target.name, target.image or "", target.trigger.name))
        Path(files.report).write_text(page, "utf-8")
    result = batch.describe(target.trigger.name)
    if batch.passed:
        return Finished(result, None)
    failed = [row for row in batch.rows if not row.passed]
    text = f"{len(failed)} of {len(batch.rows)} events failed; the first: {failed[0].name}: {failed[0].problem}"
    advice = "Send one of them alone to find out why: az ml-func test --data @FILE"
    return Finished(result, _error(text, [advice]))


def _read(file: str) -> bytes:
    """A file's bytes.

    :raises azure.cli.core.azclierror.FileOperationError: it cannot be read.
    """
    from azure.cli.core.azclierror import FileOperationError

    try:
        return Path(file).read_bytes()
    except OSError as problem:
        raise FileOperationError(
            f"--expect {file}: {problem.strerror or problem}.", recommendation="Name a file that can be read."
        ) from problem


def _error(text: str, recommendations: list[str]) -> Exception:
    from azure.cli.core.azclierror import ValidationError

    error: Exception = ValidationError(text, recommendation=recommendations)
    return error
