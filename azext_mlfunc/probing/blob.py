"""Events as blobs: an input under a name of its own, and the output that belongs to it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from azext_mlfunc.probing.event import Event, NoAnswer, Output, ProbeFailed
from azext_mlfunc.probing.outputs import Awaited, Outputs
from azext_mlfunc.probing.prober import Cause, ProbeOptions, Prober
from azext_mlfunc.probing.target import Target

if TYPE_CHECKING:
    from azext_mlfunc.triggers.blob import BlobTrigger

_SET_IT = "Deploy it again with az ml-func deploy, or set it: az functionapp config appsettings set."
_OTHERS_HIDDEN = 1  # seconds for which notes about other blobs are out of sight
_LOOKED_AT = 20_000  # blobs, when an output is looked for everywhere
POISON_QUEUE = "webjobs-blobtrigger-poison"
"""Where Functions puts a note of a blob that could not be scored. Source: Azure Functions docs, blob trigger."""


class BlobProber(Prober):
    """Blobs in the storage account of an app's trigger.

    :param target: the app.
    :param trigger: its trigger.
    :param options: the input's name, and whether blobs are kept.
    :param open_service: makes a client of the SDK's blob service from a connection string.
    :param open_queues: likewise of its queue service.
    """

    waits_for = "the output blob (a blob trigger polls: the first event after an idle time can take minutes)"

    def __init__(
        self,
        target: Target,
        trigger: BlobTrigger,
        options: ProbeOptions,
        open_service: Callable[[str], Any],
        open_queues: Callable[[str], Any],
    ) -> None:
        self._target = target
        self._trigger = trigger
        self._options = options
        self._open_service = open_service
        self._open_queues = open_queues
        self._service: Any = None
        self._input = ""  # the latest one
        self._run = uuid.uuid4().hex[:12]
        self._output_container = trigger.output_path.partition("/")[0]
        self._outputs = Outputs(self._list_outputs, self._given_up, _gave_up)

    def open(self) -> None:
        from azure.cli.core.azclierror import ValidationError

        connection = self._target.connection
        if not connection:
            raise ValidationError(
                f"The app '{self._target.name}' has no setting {self._trigger.connection}, which is the connection "
                "string of its trigger's storage account.",
                recommendation=_SET_IT,
            )
        try:
            self._service = self._open_service(connection)
        except ValueError as problem:
            raise ValidationError(
                f"The setting {self._trigger.connection} of the app '{self._target.name}' is no connection string of a "
                "storage account.",
                recommendation=_SET_IT,
            ) from problem

    def close(self) -> None:
        self._outputs.close()
        if self._service is not None:
            self._service.close()

    def probe(self, event: Event, timeout: float) -> Output:
        from azure.core.exceptions import AzureError, ClientAuthenticationError, ResourceNotFoundError

        container, name = self._input_name(event)
        self._input = name
        started = time.monotonic()
        try:
            awaited = self._awaited(name)
            with self._placed(container, name, event):
                output, data = self._read_output(awaited, started, timeout)
                latency = time.monotonic() - started
                if not self._options.keep:
                    self._delete(self._output_container, output)
        except ResourceNotFoundError as problem:
            raise NoAnswer(f"the container '{container}' could not be written to: {_code(problem)}") from problem
        except ClientAuthenticationError as problem:
            raise NoAnswer(f"the storage account refused the app's connection string: {_code(problem)}") from problem
        except AzureError as problem:
            raise NoAnswer(f"the storage account could not be reached: {type(problem).__name__}") from problem
        names = {"inputBlob": f"{container}/{name}", "outputBlob": f"{self._output_container}/{output}"}
        return Output(data, latency, names)

    def _input_name(self, event: Event) -> tuple[str, str]:
        """Container and name of the input: one that fits the input path.

        :raises azure.cli.core.azclierror.InvalidArgumentValueError: --blob-name does not fit it.
        """
        from azure.cli.core.azclierror import InvalidArgumentValueError

        container, _, _ = self._trigger.input_path.partition("/")
        if self._options.blob_name is None:
            stem = f"ml-func-test-{self._run}-{uuid.uuid4().hex}"
            return container, self._trigger.input_name(stem, event.extension)
        name = self._options.blob_name.removeprefix(f"{container}/")
        if self._trigger.values_of(name) is None:
            raise InvalidArgumentValueError(
                f"--blob-name {name} does not fit the input path {self._trigger.input_path}, so that it would not be "
                "scored.",
                f"Choose a name such as {self._trigger.input_name('sample', event.extension)}.",
            )
        self._check_output(name)
        return container, name

    def _check_output(self, name: str) -> None:
        """Refuse an input whose output is there already: the function would overwrite it."""
        from azure.cli.core.azclierror import InvalidArgumentValueError

        output = self._trigger.output_name(name)
        if output is not None and self._service.get_blob_client(self._output_container, output).exists():
            raise InvalidArgumentValueError(
                f"There is an output {self._output_container}/{output} already, which the function would overwrite.",
                "Choose another --blob-name, or leave it out.",
            )

    @contextlib.contextmanager
    def _placed(self, container: str, name: str, event: Event) -> Iterator[None]:
        """The input, as long as it is needed; a blob that exists is never overwritten."""
        from azure.cli.core.azclierror import InvalidArgumentValueError
        from azure.core.exceptions import ResourceExistsError

        blob = self._service.get_blob_client(container, name)
        try:
            blob.upload_blob(event.data, overwrite=False)
        except ResourceExistsError as problem:
            raise InvalidArgumentValueError(
                f"There is a blob {container}/{name} already, and it is not overwritten.",
                "Choose another --blob-name, or leave it out.",
            ) from problem
        try:
            yield
        finally:
            if not self._options.keep:
                self._delete(container, name)

    def _awaited(self, name: str) -> Awaited:
        """The output of an input: known by its name, or by a pattern where Functions makes up a part."""
        exact = self._trigger.output_name(name)
        if exact is not None:
            return Awaited(name, exact, lambda found: found == exact)
        prefix, pattern = self._trigger.output_pattern(name)
        before = set(self._list_outputs(prefix))
        return Awaited(name, prefix, lambda found: found not in before and re.fullmatch(pattern, found) is not None)

    def _read_output(self, awaited: Awaited, started: float, timeout: float) -> tuple[str, bytes]:
        """Name and bytes of an output, once it is there."""
        found = self._outputs.wait(awaited, timeout - (time.monotonic() - started))
        if found is None:
            raise NoAnswer(f"no output {self._trigger.output_path} came within {timeout:g} s")
        blob = self._service.get_blob_client(self._output_container, found)
        return found, bytes(blob.download_blob().readall())

    def _given_up(self, inputs: Collection[str]) -> set[str]:
        """Those of our inputs that Functions has given up; its notes of them are taken out of the queue."""
        from azure.core.exceptions import AzureError

        found: set[str] = set()
        assert self._target.connection is not None
        with contextlib.suppress(AzureError), self._open_queues(self._target.connection) as service:
            queue = service.get_queue_client(POISON_QUEUE)
            noted = (_blob_of(message.content) for message in queue.peek_messages(max_messages=32))
            found = set(inputs).intersection(noted)
            if found:
                for message in queue.receive_messages(max_messages=32, visibility_timeout=_OTHERS_HIDDEN):
                    if _blob_of(message.content) in found:
                        queue.delete_message(message)
        return found

    def _list_outputs(self, prefix: str) -> list[str]:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return [blob.name for blob in self._listing(self._output_container, prefix)]
        except ResourceNotFoundError:  # Functions makes the container with the first output
            return []

    def _listing(self, container: str, prefix: str | None = None) -> Iterator[Any]:
        return iter(self._service.get_container_client(container).list_blobs(name_starts_with=prefix))

    def _delete(self, container: str, name: str) -> None:
        from azure.core.exceptions import AzureError

        with contextlib.suppress(AzureError):
            self._service.get_blob_client(container, name).delete_blob()

    def causes(self, event: Event) -> Iterator[Cause]:
        from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

        setting = self._trigger.connection
        try:
            missing = [
                name for name in self._trigger.containers if not self._service.get_container_client(name).exists()
            ]
        except (ClientAuthenticationError, HttpResponseError) as problem:
            yield Cause(
                f"the storage account refuses the connection string in the app's setting {setting} ({_code(problem)})",
                "deploy the app again: az ml-func deploy writes the account's key anew",
            )
            return
        except AzureError as problem:
            yield Cause(
                f"the storage account '{self._service.account_name}' of the app's setting {setting} cannot be reached "
                f"({type(problem).__name__})",
                "check that the account is there, and that its firewall lets this machine and the app in",
            )
            return
        for name in missing:
            yield Cause(
                f"the container '{name}' is not in the storage account '{self._service.account_name}'",
                "deploy the app again: az ml-func deploy makes it",
            )
        elsewhere = self._elsewhere()
        if elsewhere:
            yield Cause(
                f"the output went elsewhere: {elsewhere} is new; it was looked for at {self._trigger.output_path}",
                "say where it goes: --output-path, with the pattern that the image was packaged with",
            )

    def _elsewhere(self) -> str | None:
        """A blob that can only be the output of our input, wherever it is: it bears its name."""
        from azure.core.exceptions import AzureError

        stem = PurePosixPath(self._input).stem
        own = f"{self._trigger.input_path.partition('/')[0]}/{self._input}"
        left = _LOOKED_AT
        with contextlib.suppress(AzureError):
            for container in self._service.list_containers():
                for blob in itertools.islice(self._listing(container.name), left):
                    left -= 1
                    found = f"{container.name}/{blob.name}"
                    if stem in blob.name and found != own:
                        return found
        return None


def _blob_of(note: str) -> str | None:
    """The blob that a note in the poison queue is about: JSON, in base64 or not. Source: docs, blob trigger."""
    with contextlib.suppress(ValueError):
        note = base64.b64decode(note, validate=True).decode()
    try:
        return str(json.loads(note)["BlobName"])
    except (ValueError, TypeError, KeyError):
        return None


def _gave_up() -> Exception:
    return ProbeFailed(
        f"the function failed on the blob five times, and Functions gave it up (queue {POISON_QUEUE}); the app's log "
        "has the reason"
    )


def _code(problem: Any) -> str:
    return str(getattr(problem, "error_code", None) or type(problem).__name__)
