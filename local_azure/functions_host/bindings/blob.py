"""The blob trigger and the blob output.

A scan of the container finds new versions (ETags) of blobs; each is put on a queue of the host's storage, and a
receipt is written so that it is not found again. Messages of that queue call the function; one that failed the last
allowed time goes to the poison queue. Sources: Azure/azure-sdk-for-net, Microsoft.Azure.WebJobs.Extensions.Storage
(``BlobReceiptManager``, ``BlobQueueTriggerExecutor``, ``QueueProcessor``); Azure Functions docs:
functions-bindings-storage-blob-trigger.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from local_azure.functions_host.binding_template import BindingTemplate
from local_azure.functions_host.bindings.base import (
    Services,
    TriggerEvent,
    input_value,
    json_value,
    net_time,
    output_bytes,
    system_metadata,
)
from local_azure.functions_host.configuration import Binding, FunctionDefinition, resolve_settings_in
from local_azure.functions_host.connections import storage_connection
from local_azure.functions_host.errors import FunctionError, HostError
from local_azure.functions_host.worker.values import Value

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient, ContainerClient
    from azure.storage.queue import QueueClient, QueueMessage

HOSTS_CONTAINER = "azure-webjobs-hosts"
POISON_QUEUE = "webjobs-blobtrigger-poison"
_VISIBILITY = 600.0  # seconds that a message is ours before others may take it; renewed at the half
_IDLE = 0.25  # seconds between two looks at the queue while there is nothing to do
_ENQUEUED_AT_ONCE = 8  # new blobs of one scan
_STOP_GRACE = 5.0  # seconds for invocations under way when the host stops


@dataclass(frozen=True)
class BlobPath:
    """``container/blob pattern``."""

    container: str
    blob: BindingTemplate

    @classmethod
    def parse(cls, path: str, container_may_vary: bool) -> BlobPath:
        """Raises FunctionError, in the SDK's words (``BlobPathSource``)."""
        container, slash, blob = path.partition("/")
        if not container or (slash and not blob) or "\\" in container:
            raise FunctionError(f"Invalid blob trigger path '{path}'. Paths must be in the format 'container/blob'.")
        if not container_may_vary and BindingTemplate(container).parameters:
            raise FunctionError(
                f"Invalid blob trigger path '{path}'. Container paths cannot contain {{resolve}} tokens."
            )
        return cls(container, BindingTemplate(blob or "{name}"))


class BlobTrigger:
    """Calls a function for every new version of a blob whose name fits the pattern."""

    binding_type: ClassVar[str] = "blobTrigger"

    def __init__(self, function: FunctionDefinition, services: Services) -> None:
        binding = function.trigger
        settings = services.settings
        self._function = function
        self._services = services
        self._data_type = binding.data_type or "binary"
        path = binding.properties.get("path")
        if not isinstance(path, str):
            raise FunctionError("The blobTrigger binding is missing the required 'path' property.")
        self._path = BlobPath.parse(resolve_settings_in(path, settings), container_may_vary=False)
        self._connection = storage_connection(settings, binding.properties.get("connection"))
        self._host_connection = storage_connection(settings, None)
        self._host_id = settings.get(
            "AzureFunctionsWebHost__hostid", settings.get("WEBSITE_SITE_NAME", "local")
        ).lower()
        self._function_id = f"Host.Functions.{function.name}"
        self._seen: set[tuple[str, str]] = set()
        self._in_flight: dict[str, _InFlight] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._container_missing = False

    @property
    def binding_data_names(self) -> set[str]:
        return {"BlobTrigger", "Uri", *self._path.blob.parameters}

    def start(self) -> None:
        from azure.storage.blob import BlobServiceClient
        from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

        self._blobs: BlobServiceClient = BlobServiceClient.from_connection_string(self._connection)
        self._container: ContainerClient = self._blobs.get_container_client(self._path.container)
        # "This will throw if the client credentials are not valid" (azure-sdk-for-net, BlobLogListener.CreateAsync)
        with BlobServiceClient.from_connection_string(self._connection, retry_total=1, initial_backoff=1) as blobs:
            blobs.get_service_properties()
        host_blobs = BlobServiceClient.from_connection_string(self._host_connection)
        self._receipts: ContainerClient = host_blobs.get_container_client(HOSTS_CONTAINER)

        def queue(connection: str, name: str) -> QueueClient:
            return QueueClient.from_connection_string(
                connection,
                name,
                message_encode_policy=TextBase64EncodePolicy(),
                message_decode_policy=TextBase64DecodePolicy(),
            )

        # One queue for each function (the SDK shares one): no dispatching by message, and names of any length fit.
        digest = hashlib.sha256(f"{self._host_id}/{self._function_id}".encode()).hexdigest()[:24]
        self._queue: QueueClient = queue(self._host_connection, f"azure-webjobs-blobtrigger-{digest}")
        self._poison: QueueClient = queue(self._connection, POISON_QUEUE)
        parallel = self._services.configuration.blob_parallelism
        self._enqueuing = ThreadPoolExecutor(_ENQUEUED_AT_ONCE, thread_name_prefix="blob-scan")
        self._executor = ThreadPoolExecutor(parallel, thread_name_prefix=f"blob-{self._function.name}")
        self._free = parallel
        self._thread = threading.Thread(target=self._run, name=f"blob-trigger-{self._function.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread is None:
            return
        self._thread.join(_STOP_GRACE)
        deadline = time.monotonic() + _STOP_GRACE
        with self._lock:
            under_way = [each.done for each in self._in_flight.values()]
        for done in under_way:
            done.wait(max(0.0, deadline - time.monotonic()))
        self._enqueuing.shutdown(wait=False, cancel_futures=True)
        self._executor.shutdown(wait=False)

    def run_manually(self, text: str) -> None:
        """``text`` is the path ``container/name`` of a blob."""
        container, _, name = text.partition("/")
        values = self._path.blob.capture(name) or {}
        try:
            event = self._event(container, name, None, values)
        except Exception as error:
            self._error(f"The blob '{text}' cannot be read: {_one_line(error)}")
            return
        if event is not None:
            self._services.invoke(self._function, event)

    # -- the listener's own thread

    def _run(self) -> None:
        next_scan = 0.0
        while not self._stopping.is_set():
            self._wake.clear()
            busy = False
            try:
                if time.monotonic() >= next_scan:
                    self._scan()
                    next_scan = time.monotonic() + self._services.blob_polling_interval
                busy = self._take()
                self._renew()
            except Exception as error:  # storage may be away for a while; the listener goes on
                self._error(f"An error occurred while polling: {_one_line(error)}")
            if not busy:
                self._wake.wait(min(_IDLE, self._services.blob_polling_interval))

    def _scan(self) -> None:
        """Put every version of a blob that was not seen before on the queue."""
        from azure.core.exceptions import ResourceNotFoundError

        present = set()
        try:
            new = []
            for blob in self._container.list_blobs():
                version = blob.name, str(blob.etag).strip('"')
                present.add(version)
                if version not in self._seen and self._path.blob.capture(blob.name) is not None:
                    new.append((blob.name, version[1], str(blob.blob_type.value)))
            for done in [self._enqueuing.submit(self._enqueue, *each) for each in new]:
                done.result()
        except ResourceNotFoundError:
            if not self._container_missing:
                self._error(f"The container '{self._path.container}' does not exist. The listener waits for it.")
            self._container_missing = True
            return
        self._container_missing = False
        self._seen &= present

    def _enqueue(self, name: str, etag: str, blob_type: str) -> None:
        receipt = f'blobreceipts/{self._host_id}/{self._function_id}/"{etag}"/{self._path.container}/{name}'
        if not self._has_receipt(receipt):
            message = {
                "Type": "BlobTrigger",
                "FunctionId": self._function_id,
                "BlobType": blob_type,
                "ContainerName": self._path.container,
                "BlobName": name,
                "ETag": f'"{etag}"',
            }
            _send(self._queue, json.dumps(message))
            self._write_receipt(receipt)
        self._seen.add((name, etag))  # one step of the interpreter, whichever thread takes it

    def _has_receipt(self, receipt: str) -> bool:
        return bool(self._receipts.get_blob_client(receipt).exists())

    def _write_receipt(self, receipt: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        client = self._receipts.get_blob_client(receipt)
        try:
            client.upload_blob(b"", overwrite=True)
        except ResourceNotFoundError:
            _create(self._receipts.create_container)
            client.upload_blob(b"", overwrite=True)

    def _take(self) -> bool:
        """Hand waiting messages to the pool; True when there were any."""
        from azure.core.exceptions import ResourceNotFoundError

        with self._lock:
            wanted = min(32, self._free)
        if wanted == 0:
            return False
        try:
            messages = list(self._queue.receive_messages(max_messages=wanted, visibility_timeout=int(_VISIBILITY)))
        except ResourceNotFoundError:
            return False  # nothing was ever put there
        for message in messages:
            flight = _InFlight(message, time.monotonic())
            with self._lock:
                self._free -= 1
                self._in_flight[message.id] = flight
            self._executor.submit(self._process, flight)
        return bool(messages)

    def _renew(self) -> None:
        """Keep the messages that are being worked on from appearing to others."""
        with self._lock:
            due = [each for each in self._in_flight.values() if time.monotonic() - each.taken_at > _VISIBILITY / 2]
        for flight in due:
            with flight.lock:
                if not flight.done.is_set():
                    flight.message = self._queue.update_message(flight.message, visibility_timeout=int(_VISIBILITY))
                    flight.taken_at = time.monotonic()

    # -- one message, on a thread of the pool

    def _process(self, flight: _InFlight) -> None:
        try:
            succeeded = self._call(json.loads(flight.message.content))
            with flight.lock:
                if succeeded:
                    self._queue.delete_message(flight.message)
                else:
                    self._failed(flight.message)
        except HostError:  # not the function's failure: the next host takes it up
            with flight.lock:
                self._queue.update_message(flight.message, visibility_timeout=0)
        except Exception as error:  # the message appears again by itself
            self._error(f"A message of the trigger's queue could not be worked on: {_one_line(error)}")
        finally:
            flight.done.set()
            with self._lock:
                self._free += 1
                self._in_flight.pop(flight.message.id, None)
            self._wake.set()

    def _call(self, message: dict[str, Any]) -> bool:
        name = message["BlobName"]
        values = self._path.blob.capture(name) or {}
        event = self._event(message["ContainerName"], name, message["ETag"], values)
        if event is None:
            return True  # deleted, or overwritten: the newer version has a message of its own
        return self._services.invoke(self._function, event).succeeded

    def _failed(self, message: QueueMessage) -> None:
        most = self._services.configuration.blob_max_tries
        if (message.dequeue_count or 0) < most:
            self._queue.update_message(message, visibility_timeout=0)
            return
        self._services.log.warning(
            f"Function.{self._function.name}",
            f"Message has reached MaxDequeueCount of {most}. Moving message to queue '{POISON_QUEUE}'.",
        )
        _send(self._poison, message.content)
        self._queue.delete_message(message)

    def _event(self, container: str, name: str, etag: str | None, values: Mapping[str, str]) -> TriggerEvent | None:
        """Read the blob; None when it is gone or no longer the version ``etag``."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        client = self._blobs.get_blob_client(container, name)
        condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
        try:
            download = client.download_blob(**condition)
            content = download.readall()
        except (ResourceNotFoundError, ResourceModifiedError):
            return None
        properties = download.properties
        settings = properties.content_settings
        metadata: dict[str, Value] = {
            "BlobTrigger": ("string", f"{container}/{name}"),
            "Uri": json_value_of_text(client.url.split("?")[0]),
            "Properties": json_value(
                {
                    "LastModified": net_time(properties.last_modified),
                    "CreatedOn": net_time(properties.creation_time),
                    "BlobType": properties.blob_type.value,
                    "ContentLength": len(content),
                    "ContentType": settings.content_type,
                    "ContentEncoding": settings.content_encoding,
                    "ContentLanguage": settings.content_language,
                    "CacheControl": settings.cache_control,
                    "ContentDisposition": settings.content_disposition,
                    "ContentHash": base64.b64encode(settings.content_md5).decode() if settings.content_md5 else None,
                    "ETag": f'"{str(properties.etag).strip(chr(34))}"',
                }
            ),
            "Metadata": json_value(dict(properties.metadata or {})),
            **{key: ("string", text) for key, text in values.items()},
            **system_metadata(self._function),
        }
        return TriggerEvent(
            value=input_value(content, self._data_type),
            metadata=metadata,
            binding_data={"BlobTrigger": f"{container}/{name}", "Uri": client.url.split("?")[0], **values},
            reason=f"New blob detected: {container}/{name}",
        )

    def _error(self, text: str) -> None:
        self._services.log.error(f"Host.Triggers.Blob.{self._function.name}", text)


@dataclass
class _InFlight:
    message: QueueMessage
    taken_at: float

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.done = threading.Event()


class BlobOutput:
    """Writes a blob whose path is a template over the trigger's values; the container is made when missing."""

    binding_type: ClassVar[str] = "blob"

    def __init__(self, function: FunctionDefinition, binding: Binding, names: set[str], services: Services) -> None:
        path = binding.properties.get("path")
        if not isinstance(path, str):
            raise FunctionError("The blob binding is missing the required 'path' property.")
        self._path = BindingTemplate(resolve_settings_in(path, services.settings))
        self._path.require(names)
        BlobPath.parse(path, container_may_vary=True)
        self._connection = storage_connection(services.settings, binding.properties.get("connection"))
        self._blobs: BlobServiceClient | None = None
        self._lock = threading.Lock()

    def write(self, value: Value, binding_data: Mapping[str, str]) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        container, _, name = self._path.fill(binding_data).partition("/")
        client = self._service().get_container_client(container)
        content = output_bytes(value)
        try:
            client.upload_blob(name, content, overwrite=True)
        except ResourceNotFoundError:
            _create(client.create_container)
            client.upload_blob(name, content, overwrite=True)

    def close(self) -> None:
        if self._blobs is not None:
            self._blobs.close()

    def _service(self) -> BlobServiceClient:
        from azure.storage.blob import BlobServiceClient

        with self._lock:
            if self._blobs is None:
                self._blobs = BlobServiceClient.from_connection_string(self._connection)
            return self._blobs


def json_value_of_text(text: str) -> Value:
    """A .NET value that is not a string but is written as one in JSON, such as a Uri."""
    return "json", json.dumps(text)


def _send(queue: QueueClient, content: str) -> None:
    from azure.core.exceptions import ResourceNotFoundError

    try:
        queue.send_message(content)
    except ResourceNotFoundError:
        _create(queue.create_queue)
        queue.send_message(content)


def _create(create: Any) -> None:
    from azure.core.exceptions import ResourceExistsError

    try:
        create()
    except ResourceExistsError:
        pass  # someone else was faster


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
