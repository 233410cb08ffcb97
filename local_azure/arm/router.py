"""From a request to the answer of the operation that it names."""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from local_azure.arm.azure import Azure
from local_azure.arm.body import settle_types
from local_azure.arm.errors import ApiError, ArmError, subscription_not_found
from local_azure.arm.operation import Answer, Call, Operation, Provider
from local_azure.latency import wait

_SLASHES = re.compile("/{2,}")
_API_VERSION = re.compile(r"(20\d\d)-(\d\d)-(\d\d)(-preview|-dataplanepreview|-beta|-alpha)?", re.IGNORECASE)
_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_GROUP = re.compile(r"/subscriptions/[^/]+/resourceGroups/([^/]+)/", re.IGNORECASE)
_WRITES = ("PUT", "PATCH", "DELETE")
_WITHOUT_VERSION = ("/metadata/", "/registrymanagement/")
_NAMESPACE = re.compile(r".*/providers/([^/]+)(?:/([^/]+))?", re.IGNORECASE)

_log = logging.getLogger(__name__)


class Router:
    """Finds and calls operations.

    Args:
        azure: what the operations stand on.
        providers: all resource providers.
    """

    def __init__(self, azure: Azure, providers: Sequence[Provider]) -> None:
        self._azure = azure
        self._providers = providers
        self._operations = [operation for provider in providers for operation in provider.operations]

    async def answer(
        self, method: str, path: str, query: Mapping[str, str], raw_query: str, body: Any, base_url: str, principal: str
    ) -> Answer:
        """The answer to one request; errors are answers, too.

        Args:
            method: of HTTP.
            path: percent-encoded.
            query: the parameters.
            raw_query: as it came, for operation URLs that are signed.
            body: the JSON; None without one.
            base_url: scheme, host and port that the caller used.
            principal: object ID of the caller.
        """
        try:
            path = _SLASHES.sub("/", path)  # az resource show writes two where it has no parent to name
            job = self._azure.long_running.find(path)
            if job is not None and method == "GET" and (not job.urls or raw_query in job.urls):
                await wait(self._azure.latency.of_a_poll)
                return job.answer(job, None)
            operation, parameters = self._find(method, path, query)
            settle_types(body, operation.fields)
            await wait(self._azure.latency.answer(operation))
            call = Call(self._azure, operation, method, path, query, body, parameters, base_url, principal)
            if method not in _WRITES:
                return await operation.handler(call)
            async with self._azure.writing(path):
                self._check_scope(method, path)  # while it waited, the group may have gone
                return await operation.handler(call)
        except ApiError as error:
            return Answer(error.status, error.body, error.headers)
        except Exception:
            _log.exception("%s %s failed", method, path)
            return _internal_error()

    def _find(self, method: str, path: str, query: Mapping[str, str]) -> tuple[Operation, Mapping[str, str]]:
        """The operation for a request and the parameters of its path.

        Raises:
            ApiError: there is none, or the request is not one that ARM would pass on to it.
        """
        _check_api_version(path, query)
        self._check_scope(method, path)
        matches = [(each, found) for each in self._operations if (found := each.pattern.fullmatch(path))]
        for operation, found in matches:
            if operation.method == method:
                return operation, {name: unquote(value) for name, value in found.groupdict().items()}
        _log.warning("no operation for %s %s", method, path)
        if matches:
            raise _method_not_allowed(method)
        raise self._unknown(path, query)

    def _check_scope(self, method: str, path: str) -> None:
        subscription = _SUBSCRIPTION.match(path)
        if subscription and subscription[1].lower() != self._azure.subscription.id:
            raise subscription_not_found(subscription[1])
        group = _GROUP.match(path)
        if group:
            self._azure.check_group(unquote(group[1]), method in _WRITES)

    def _unknown(self, path: str, query: Mapping[str, str]) -> ApiError:
        """What ARM answers to a path that no provider has (general knowledge: not in the wire facts)."""
        named = _NAMESPACE.match(path)
        if named is None:
            return ArmError(404, "InvalidResourceType", f"The resource type could not be found: '{path}'.", (), True)
        namespace, kind = named[1], named[2] or ""
        if namespace.lower() not in {provider.namespace.lower() for provider in self._providers}:
            text = f"The resource namespace '{namespace}' is invalid."
            return ArmError(404, "InvalidResourceNamespace", text, (), True)
        text = (
            f"The resource type '{kind}' could not be found in the namespace '{namespace}' for api version "
            f"'{query.get('api-version', '')}'. The supported api-versions are ''."
        )
        return ArmError(404, "InvalidResourceType", text, (), True)


def _check_api_version(path: str, query: Mapping[str, str]) -> None:
    """Refuse a request without an api-version, or with one that no provider can have.

    Which versions a provider has changes every few months, and az uses several at once (web-sites-get.json), so that
    any date from 2014 until today is taken. Texts: general knowledge of ARM.
    """
    if path.lower().startswith(_WITHOUT_VERSION):
        return
    version = query.get("api-version")
    if not version:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise ArmError(400, "MissingApiVersionParameter", text, (), True)
    match = _API_VERSION.fullmatch(version)
    try:
        date = datetime.date(*map(int, match.groups()[:3])) if match else None
    except ValueError:
        date = None
    today = datetime.datetime.now(datetime.timezone.utc).date()
    if date is None or not datetime.date(2014, 1, 1) <= date <= today:
        text = f"The api-version '{version}' is invalid. The supported versions are '2024-11-01,2022-09-01,2021-04-01'."
        raise ArmError(400, "InvalidApiVersionParameter", text, (), True)


def _method_not_allowed(method: str) -> ApiError:
    """General knowledge of ARM: not in the wire facts."""
    return ArmError(405, "HttpMethodNotAllowed", f"The http method '{method}' is not supported for a resource type.")


def _internal_error() -> Answer:
    """A fault of ours: 500 in ARM's envelope; its cause is in the log only."""
    error = {"code": "InternalServerError", "message": "Encountered internal server error."}
    return Answer(500, {"error": error})
