"""The two error envelopes of Azure's REST APIs, and the errors that any operation may answer.

Texts are those of arm-common-errors.json unless a docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class ApiError(Exception):
    """An error that a client is answered.

    Args:
        status: HTTP status.
        body: the JSON body.
        headers: beside those that every answer has.
    """

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


class ArmError(ApiError):
    """ARM's envelope: ``{"error": {"code", "message"}}``.

    Args:
        status: HTTP status.
        code: such as ``ResourceNotFound``.
        message: for people.
        details: ``error.details``.
        from_arm: ARM itself refuses, not a resource provider (header ``x-ms-failure-cause``).
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Sequence[Mapping[str, Any]] = (),
        from_arm: bool = False,
    ) -> None:
        error: dict[str, Any] = {"code": code, "message": message}
        if details:
            error["details"] = list(details)
        super().__init__(status, {"error": error}, {"x-ms-failure-cause": "gateway"} if from_arm else None)


class WebError(ApiError):
    """The envelope of Microsoft.Web, in PascalCase and without ``error``.

    Args:
        status: HTTP status.
        code: such as ``Conflict``.
        template: the message with ``{0}`` … for the parameters.
        parameters: put into the template.
        extended_code: such as ``54001``; None for errors relayed from elsewhere.
    """

    def __init__(
        self, status: int, code: str, template: str, parameters: Sequence[str] = (), extended_code: str | None = None
    ) -> None:
        message = template.format(*parameters)
        entity: dict[str, Any] = {"Code": code, "Message": message}
        if extended_code is not None:
            entity = {
                "ExtendedCode": extended_code,
                "MessageTemplate": template,
                "Parameters": list(parameters),
            } | entity
        body = {
            "Code": code,
            "Message": message,
            "Target": None,
            "Details": [{"Message": message}, {"Code": code}, {"ErrorEntity": entity}],
            "Innererror": None,
        }
        super().__init__(status, body)


def resource_not_found(resource_type: str, name: str, group: str) -> ArmError:
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource_type}/{name}' under resource group '{group}' was not found. For more details please "
        "go to https://aka.ms/ARMResourceNotFoundFix",
        from_arm=True,
    )


def group_not_found(group: str) -> ArmError:
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.", from_arm=True)


def group_being_deleted(group: str) -> ArmError:
    """General knowledge of ARM: not in the wire facts."""
    text = f"The resource group '{group}' is in deprovisioning state and cannot perform this operation."
    return ArmError(409, "ResourceGroupBeingDeleted", text, from_arm=True)


def location_required() -> ArmError:
    """General knowledge of ARM: not in the wire facts."""
    return ArmError(400, "LocationRequired", "The location property is required for this definition.", from_arm=True)


def location_not_available(location: str, resource_type: str, regions: Iterable[str]) -> ArmError:
    return ArmError(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type '{resource_type}'. List of available "
        f"regions for the resource type is '{','.join(regions)}'.",
        from_arm=True,
    )


def subscription_not_found(subscription: str) -> ArmError:
    """General knowledge of ARM: not in the wire facts."""
    return ArmError(
        404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.", from_arm=True
    )


def host_unavailable(status: str = "ServiceUnavailable") -> WebError:
    """A call that Microsoft.Web passes on to the app's host, which does not answer (web-sites-host-listkeys.json)."""
    return WebError(400, "BadRequest", f"Encountered an error ({status}) from host runtime.")


def invalid_body(detail: str) -> ArmError:
    """General knowledge of ARM: not in the wire facts."""
    return ArmError(
        400,
        "InvalidRequestContent",
        f"The request content was invalid and could not be deserialized: '{detail}'.",
        from_arm=True,
    )
