"""Entry point of the blob and Service Bus triggers; loading it loads the entry script and runs its init().

The event's bytes are scored as the body of a `POST /score`, and the answer's body is the output; that for a message
of `az ml-func test` goes to where the test waits for it instead. An invocation that cannot be scored fails: Functions
then tries again, and at last moves the input to the poison queue or the dead-letter queue.

Source: Azure ML documentation, how-to-deploy-functions: input as text, and raw bytes through AMLRequest.
"""

from __future__ import annotations

import logging
import os

from azure.functions import Out, ServiceBusMessage
from azure.functions.blob import InputStream

from . import reply
from .aml_request import make_request
from .process import started
from .scoring import Answer

_URL = "http://localhost/score"

_process = started()

logger = logging.getLogger("mlfunc")
_SHOWN = 500  # bytes of a refusal


class ScoringRefused(Exception):
    """run() returned a response with an error status: there is no prediction to write."""


# `input` has no annotation: the worker would take one for the type of binding, and this serves two.
def score(input, output: Out[bytes]) -> None:  # type: ignore[no-untyped-def]
    """Score one event: the function that the worker calls, on one of its threads.

    :param input: the event, an `InputStream` (blob) or a `ServiceBusMessage`.
    :param output: gets the prediction, unless it is a test that gets it.
    :raises inputs.BadInput: the event holds no input for run().
    :raises scoring.RunFailed: run() raised.
    :raises ScoringRefused: run() returned a response with an error status.
    :raises reply.ReplyFailed: the prediction cannot be sent to the test that waits for it.
    :raises Exception: what run() returned cannot be made into an output.
    """
    body, headers = _read_message(input) if isinstance(input, ServiceBusMessage) else _read_blob(input)
    answer = _process.scorer.score(make_request("POST", _URL, headers, body))
    if answer.status >= 400:
        said = answer.body[:_SHOWN].decode("utf-8", "replace")
        raise ScoringRefused(f"run() answered with status {answer.status}: {said}")
    connection = _connection_of_a_test(input)
    if connection is None:
        output.set(answer.body)
        return
    content_type = "application/json" if _is_json(answer) else "application/octet-stream"
    correlation_id = input.correlation_id or input.message_id
    reply.send(connection, reply.Reply(input.reply_to, correlation_id, content_type, answer.body))


def _read_blob(blob: InputStream | None) -> tuple[bytes, dict[str, str]]:
    """The blob's bytes, and headers as the Blob service sends them (its REST API, "Get Blob")."""
    if blob is None:  # what the worker makes of a blob without data
        return b"", {}
    properties = blob.blob_properties or {}
    known = {
        "content-type": properties.get("ContentType"),
        "content-location": blob.uri,
        **{f"x-ms-meta-{name}": value for name, value in (blob.metadata or {}).items()},
    }
    return blob.read(), _as_headers(known)


def _read_message(message: ServiceBusMessage) -> tuple[bytes, dict[str, str]]:
    """The message's bytes, and headers: its ids, and its properties as Service Bus sends them over HTTP.

    Source: Service Bus REST API, "Receive and Delete Message".
    """
    known = {
        **(message.application_properties or {}),
        "content-type": message.content_type,
        "x-request-id": message.message_id,
        "x-ms-client-request-id": message.correlation_id,
    }
    return message.get_body(), _as_headers(known)


def _connection_of_a_test(event: InputStream | ServiceBusMessage | None) -> reply.Connection | None:
    """What to answer a test with; None for any other event, and where there is no key to answer with."""
    if not isinstance(event, ServiceBusMessage) or not reply.is_for_a_test(event.reply_to):
        return None
    connection = reply.find_connection(os.environ, _process.settings.connection)
    if connection is None:
        logger.warning(
            "A test waits for this prediction, but the connection has no shared access key: it goes to the output."
        )
    return connection


def _is_json(answer: Answer) -> bool:
    types = [value for name, value in answer.headers if name.lower() == "content-type"]
    return bool(types) and types[-1].partition(";")[0].strip().lower() == "application/json"


def _as_headers(known: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in known.items() if value is not None}
