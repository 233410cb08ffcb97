"""The Service Bus queue trigger and the Service Bus queue output.

Messages are received with PeekLock; success completes, failure abandons, so that the queue's own maximum delivery
count moves a message to the dead-letter queue. Sources: Azure/azure-sdk-for-net,
Microsoft.Azure.WebJobs.Extensions.ServiceBus (``ServiceBusTriggerBindingStrategy``, ``MessageProcessor``);
Azure Functions docs: functions-bindings-service-bus-trigger.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from local_azure.functions_host.bindings.base import (
    Services,
    TriggerEvent,
    input_value,
    json_value,
    net_time,
    system_metadata,
)
from local_azure.functions_host.configuration import Binding, FunctionDefinition, resolve_settings_in
from local_azure.functions_host.connections import service_bus_connection
from local_azure.functions_host.errors import FunctionError, HostError
from local_azure.functions_host.worker.values import Value

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver, ServiceBusSender

_RECEIVE_WAIT = 0.1  # seconds; settlements and renewals are done between two receives
_RECONNECT_WAIT = 1.0  # seconds
_STOP_GRACE = 5.0  # seconds for invocations under way when the host stops


class ServiceBusTrigger:
    """Calls a function for each message of a queue.

    One thread does all that touches the connection (receive, renew, settle), because a receiver is not safe to share;
    the functions run on a pool of ``maxConcurrentCalls`` threads.
    """

    binding_type: ClassVar[str] = "serviceBusTrigger"

    def __init__(self, function: FunctionDefinition, services: Services) -> None:
        binding = function.trigger
        self._function = function
        self._services = services
        self._data_type = binding.data_type
        self._queue_name = _queue_name(binding, services.settings)
        self._connection = service_bus_connection(services.settings, binding.properties.get("connection"))
        self._calls = services.configuration.service_bus_max_concurrent_calls
        self._finished: queue.Queue[tuple[_Held, bool]] = queue.Queue()
        self._held: list[_Held] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def binding_data_names(self) -> set[str]:
        return {
            "DeliveryCount", "DeadLetterSource", "LockToken", "ExpiresAtUtc", "ExpiresAt", "EnqueuedTimeUtc",
            "EnqueuedTime", "MessageId", "ContentType", "ReplyTo", "SequenceNumber", "To", "Subject", "Label",
            "CorrelationId", "SessionId", "ReplyToSessionId", "PartitionKey", "TransactionPartitionKey",
        }  # fmt: skip

    def start(self) -> None:
        self._executor = ThreadPoolExecutor(self._calls, thread_name_prefix=f"bus-{self._function.name}")
        self._thread = threading.Thread(target=self._run, name=f"bus-trigger-{self._function.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * _STOP_GRACE)
            self._executor.shutdown(wait=False)

    def run_manually(self, text: str) -> None:
        """``text`` is the body of a message."""
        content = text.encode()
        metadata = {"UserProperties": json_value({}), **system_metadata(self._function)}
        event = TriggerEvent(input_value(content, self._data_type), metadata, {}, "Manual run")
        self._services.invoke(self._function, event)

    # -- the listener's own thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except Exception as error:
                self._error(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
                self._held.clear()  # their locks went with the connection
                self._stopping.wait(_RECONNECT_WAIT)

    def _listen(self) -> None:
        from azure.servicebus import ServiceBusClient

        with (
            ServiceBusClient.from_connection_string(self._connection) as client,
            client.get_queue_receiver(self._queue_name) as receiver,
        ):
            while not self._stopping.is_set():
                self._receive(receiver)
                self._settle(receiver)
                self._renew(receiver)
            deadline = time.monotonic() + _STOP_GRACE
            while not all(held.unserved for held in self._held) and time.monotonic() < deadline:
                self._settle(receiver, wait=_RECEIVE_WAIT)
            for held in self._held:
                receiver.abandon_message(held.message)

    def _receive(self, receiver: ServiceBusReceiver) -> None:
        free = self._calls - len(self._held)
        if free == 0:
            self._settle(receiver, wait=_RECEIVE_WAIT)
            return
        for message in receiver.receive_messages(max_message_count=free, max_wait_time=_RECEIVE_WAIT):
            held = _Held(message, time.monotonic())
            self._held.append(held)
            self._executor.submit(self._process, held)

    def _settle(self, receiver: ServiceBusReceiver, wait: float = 0.0) -> None:
        while True:
            try:
                held, succeeded = self._finished.get(timeout=wait) if wait else self._finished.get_nowait()
            except queue.Empty:
                return
            wait = 0.0
            if held not in self._held:
                continue  # of a connection that was lost
            self._held.remove(held)
            try:
                if not succeeded:
                    receiver.abandon_message(held.message)
                elif self._services.configuration.service_bus_auto_complete:
                    receiver.complete_message(held.message)
            except Exception as error:  # typically a lock that was lost: the message comes again
                self._error(f"Message {held.message.message_id} could not be settled: {type(error).__name__}: {error}")

    def _renew(self, receiver: ServiceBusReceiver) -> None:
        limit = self._services.configuration.service_bus_max_lock_renewal
        for held in self._held:
            locked_until = held.message.locked_until_utc
            now = datetime.now(timezone.utc)
            if locked_until is None or time.monotonic() - held.received_at > limit:
                continue
            if (locked_until - now).total_seconds() < held.lock_seconds / 2:
                try:
                    receiver.renew_message_lock(held.message)
                except Exception as error:
                    self._error(f"The lock of message {held.message.message_id} could not be renewed: {error}")
                    held.received_at = float("-inf")  # do not try again

    # -- one message, on a thread of the pool

    def _process(self, held: _Held) -> None:
        succeeded = False
        try:
            succeeded = self._services.invoke(self._function, self._event(held.message)).succeeded
        except HostError:  # not the function's failure: the message is given back when the listener ends
            held.unserved = True
            return
        except Exception as error:
            self._error(f"Message {held.message.message_id}: {type(error).__name__}: {error}")
        self._finished.put((held, succeeded))

    def _event(self, message: ServiceBusReceivedMessage) -> TriggerEvent:
        content = b"".join(bytes(part) for part in message.body) if message.body is not None else b""
        facts = _message_facts(message)
        properties = json_value(_application_properties(message))
        metadata: dict[str, Value] = {
            **{name: json_value(fact) for name, fact in facts.items() if fact is not None},
            "ApplicationProperties": properties,
            "UserProperties": properties,
            **system_metadata(self._function),
        }
        return TriggerEvent(
            value=input_value(content, self._data_type),
            metadata=metadata,
            binding_data={name: str(fact) for name, fact in facts.items() if fact is not None},
            reason=f"Trigger Details: MessageId: {message.message_id}, DeliveryCount: {facts['DeliveryCount']}",
        )

    def _error(self, text: str) -> None:
        self._services.log.error(f"Host.Triggers.ServiceBus.{self._function.name}", text)


class _Held:
    """A message that is locked for us."""

    def __init__(self, message: ServiceBusReceivedMessage, received_at: float) -> None:
        self.message = message
        self.received_at = received_at
        self.unserved = False
        until = message.locked_until_utc
        self.lock_seconds = (until - datetime.now(timezone.utc)).total_seconds() if until else 0.0


def _message_facts(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    """The metadata of the WebJobs extension, in its order and under its names."""

    def moment(value: datetime | None) -> str | None:
        return None if value is None else net_time(value)

    expires, enqueued = moment(message.expires_at_utc), moment(message.enqueued_time_utc)
    return {
        # .NET counts this delivery, the AMQP header the failed ones before it
        "DeliveryCount": (message.delivery_count or 0) + 1,
        "DeadLetterSource": message.dead_letter_source,
        "LockToken": str(message.lock_token) if message.lock_token else None,
        "ExpiresAtUtc": expires,
        "ExpiresAt": expires,
        "EnqueuedTimeUtc": enqueued,
        "EnqueuedTime": enqueued,
        "MessageId": message.message_id,
        "ContentType": message.content_type,
        "ReplyTo": message.reply_to,
        "SequenceNumber": message.sequence_number,
        "To": message.to,
        "Subject": message.subject,
        "Label": message.subject,
        "CorrelationId": message.correlation_id,
        "SessionId": message.session_id,
        "ReplyToSessionId": message.reply_to_session_id,
        "PartitionKey": message.partition_key,
        "TransactionPartitionKey": None,
    }


def _application_properties(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    def text(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    return {str(text(name)): text(value) for name, value in (message.application_properties or {}).items()}


def _queue_name(binding: Binding, settings: Mapping[str, str]) -> str:
    name = binding.properties.get("queueName")
    if not isinstance(name, str) or not name:
        raise FunctionError(f"The {binding.type} binding needs 'queueName'; this host serves queues, not topics.")
    return resolve_settings_in(name, settings)


class ServiceBusOutput:
    """Sends one message to a queue."""

    binding_type: ClassVar[str] = "serviceBus"

    def __init__(self, function: FunctionDefinition, binding: Binding, names: set[str], services: Services) -> None:
        self._queue_name = _queue_name(binding, services.settings)
        self._connection = service_bus_connection(services.settings, binding.properties.get("connection"))
        self._lock = threading.Lock()  # a sender is not safe to share
        self._client: ServiceBusClient | None = None
        self._sender: ServiceBusSender | None = None

    def write(self, value: Value, binding_data: Mapping[str, str]) -> None:
        from azure.servicebus import ServiceBusMessage

        if value is None:
            return
        kind, content = value
        body, content_type = (content, "application/octet-stream") if kind == "bytes" else (str(content), "text/plain")
        with self._lock:
            if self._sender is None:
                self._connect()
            assert self._sender is not None
            try:
                self._sender.send_messages(ServiceBusMessage(body, content_type=content_type))
            except Exception:
                self._disconnect()
                raise

    def close(self) -> None:
        with self._lock:
            self._disconnect()

    def _connect(self) -> None:
        from azure.servicebus import ServiceBusClient

        self._client = ServiceBusClient.from_connection_string(self._connection)
        self._sender = self._client.get_queue_sender(self._queue_name)

    def _disconnect(self) -> None:
        client, self._client, self._sender = self._client, None, None
        if client is not None:
            client.close()
