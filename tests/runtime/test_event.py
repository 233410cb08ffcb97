"""The function for blob and Service Bus events, called with azure-functions' own classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]


class Output:
    """What the worker hands in for an output binding."""

    value: Any = None

    def set(self, value: Any) -> None:
        self.value = value


@pytest.fixture
def score(start: Start, runtime: Callable[[str], Any]) -> Callable[[str, Any], Any]:
    """Gives an event to a script and returns what its output was set to."""

    def score_event(script: str, event: Any) -> Any:
        start(script)
        output = Output()
        try:
            runtime("event").score(event, output)
        except Exception:
            assert output.value is None
            raise
        return output.value

    return score_event


def blob(data: bytes, **properties: Any) -> Any:
    from azure.functions.blob import InputStream

    return InputStream(data=data, name="input/a", uri="https://account/input/a", length=len(data), **properties)


def message(data: bytes, **properties: Any) -> Any:
    from azure.functions.servicebus import ServiceBusMessage

    return ServiceBusMessage(
        body=data, message_id="m", application_properties=properties, user_properties=properties, content_type=None
    )


@pytest.mark.parametrize("event", [blob, message])
def test_text_in_and_json_out(score: Callable[[str, Any], Any], event: Callable[[bytes], Any]) -> None:
    assert score("plain.py", event(b"text")) == b'{"type": "str", "data": "text"}'


@pytest.mark.parametrize("event", [blob, message])
def test_bytes_in_and_bytes_out(score: Callable[[str, Any], Any], event: Callable[[bytes], Any]) -> None:
    assert score("raw_image.py", event(b"\x00\xff")) == b"\xff\x00"


@pytest.mark.parametrize("event", [blob, message])
@pytest.mark.parametrize(
    ("script", "data"),
    [("failing.py", b"exit"), ("plain.py", b"\xff"), ("values.py", b"object"), ("responses.py", b"'x', 400")],
)
def test_a_failure_raises_and_sets_no_output(
    score: Callable[[str, Any], Any], event: Callable[[bytes], Any], script: str, data: bytes
) -> None:
    with pytest.raises(Exception, match=r"run\(\)|UTF-8|JSON"):
        score(script, event(data))


def test_a_blob_without_data_is_empty_text(score: Callable[[str, Any], Any]) -> None:
    assert score("plain.py", None) == b'{"type": "str", "data": ""}'


def test_properties_become_headers(score: Callable[[str, Any], Any]) -> None:
    assert b'"X-Ms-Meta-Author": "Ada"' in score("headers.py", blob(b"", metadata={"author": "Ada"}))
    assert b'"Content-Type": "text/csv"' in score("headers.py", blob(b"", blob_properties={"ContentType": "text/csv"}))
    assert b'"Priority": "1"' in score("headers.py", message(b"", Priority=1))
