"""What all answers of Azure Machine Learning's own service have in common; its workspaces are answered as any resource.

Azure Resource Manager keeps workspaces and registries itself. What is in them, a service of their own answers for
(``managementfrontend``), with its own headers and its own errors.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from local_azure.arm.errors import ApiError
from local_azure.arm.operation import Answer, Call

NAMESPACE = "Microsoft.MachineLearningServices"
WORKSPACE = f"{NAMESPACE}/workspaces"
REGISTRY = f"{NAMESPACE}/registries"
_CALLER = "Local Azure"


class UserError(ApiError):
    """An error of the service: ARM's envelope, the code always ``UserError``, what it really is in ``InnerError``.

    General knowledge: `az ml` prints such errors in public issues; ml-model-version-get.json has the code only.

    Args:
        status: HTTP status.
        inner: such as ``NotFound``.
        message: for people.
    """

    def __init__(self, status: int, inner: str, message: str) -> None:
        correlation = uuid.uuid4().hex
        info = {
            "ComponentName": "managementfrontend",
            "Correlation": {"operation": correlation, "request": correlation[:16]},
            "InnerError": {"code": inner, "innerError": None},
        }
        error = {
            "code": "UserError",
            "message": message,
            "details": [],
            "additionalInfo": [{"type": kind, "info": {"value": value}} for kind, value in info.items()],
        }
        super().__init__(status, {"error": error}, _HEADERS)


_HEADERS = {"x-aml-cluster": "local-azure-01", "x-request-time": "0.001", "x-ms-response-type": "standard"}


def answered(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of the service."""
    return Answer(status, body, {**_HEADERS, **(headers or {})})


def put(call: Call, body: Any, is_new: bool) -> Answer:
    """The answer to a PUT: 201, and as Location the resource's own URL, when it is new (ml-model-version-put.json)."""
    if not is_new:
        return answered(body)
    location = f"{call.base_url}{call.path}?api-version={call.api_version}"
    return answered(body, 201, {"Location": location})


def page(call: Call, found: list[Any]) -> Answer:
    """One page of a list: ``$top`` entries, or 100, and where the next one is.

    Source: REST API docs, List: ``$skip`` is a continuation token, ``nextLink`` the URL of the next page.
    """
    size, start = _number(call, "$top", 100), _number(call, "$skip", 0)
    body: dict[str, Any] = {"value": found[start : start + size]}
    if len(found) > start + size:
        query = "&".join(f"{name}={value}" for name, value in {**call.query, "$skip": str(start + size)}.items())
        body["nextLink"] = f"{call.base_url}{call.path}?{query}".replace(" ", "%20")
    return answered(body)


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdecimal():
        raise UserError(400, "BadArgument", f"The value '{text}' of {name} is not a number.")
    return int(text)


def system_data(by_user: bool = True) -> dict[str, str]:
    """Who made something and when: a user, or the service itself (ml-datastore-get.json)."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00")
    if by_user:
        return {"createdAt": now, "createdBy": _CALLER, "createdByType": "User"}
    return {"createdAt": now, "createdByType": "Application"}
