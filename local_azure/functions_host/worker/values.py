"""Between the runtime's messages and the plain values that travel to and from the host.

A value is ``None`` or a pair ``(kind, content)`` with kind ``bytes``, ``string``, ``json`` (a JSON text), ``int``,
``double`` or ``http``. An ``http`` content is a dict: on the way in ``method, url, headers, query, params, body``;
on the way out ``status, headers, cookies, body``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from . import protos

Value = tuple[str, Any] | None

_SAME_SITE = {1: "Lax", 2: "Strict", 3: "None"}


def to_message(value: Value) -> protos.TypedData:
    """The runtime's form of a plain value."""
    if value is None:
        return protos.TypedData()
    kind, content = value
    if kind == "http":
        return protos.TypedData(http=protos.RpcHttp(**{**content, "body": to_message(content["body"])}))
    return protos.TypedData(**{kind: content})


def from_message(message: Any) -> Value:
    """The plain form of a ``TypedData`` that the runtime made."""
    kind = message.WhichOneof("data") if message is not None else None
    if kind is None:
        return None
    if kind == "http":
        return "http", _http(message.http)
    return kind, getattr(message, kind)


def _http(message: Any) -> dict[str, Any]:
    return {
        "status": message.status_code,
        "headers": dict(message.headers),
        "cookies": [_cookie(cookie) for cookie in message.cookies or []],
        "body": from_message(message.body),
    }


def _cookie(message: Any) -> dict[str, Any]:
    def content(field: str) -> Any:
        nullable = getattr(message, field)
        return None if nullable is None else nullable.value

    expires = content("expires")
    return {
        "name": message.name,
        "value": message.value,
        "same_site": _SAME_SITE.get(message.same_site or 0),
        "expires": expires and datetime.fromtimestamp(expires.seconds, timezone.utc),
        **{field: content(field) for field in ("domain", "path", "secure", "http_only", "max_age")},
    }
