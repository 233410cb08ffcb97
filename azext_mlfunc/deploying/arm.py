"""Azure Resource Manager, by resource ID: what deploy reads and writes.

Resources are JSON documents here, not classes of the management SDKs: a plan compares and shows documents, and the one
client needs a tenth of the time to load that the SDKs of all providers take. Pipeline, retries, sign-in and the
polling of long operations are azure-core's and azure-mgmt-core's, as az ships them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

_RETRIES = 4
_REPEATABLE = ("GET", "PUT", "DELETE", "POST")
"""What is sent again when it failed for a reason that may pass: what is posted here only reads."""
_CONNECTION_TIMEOUT = 30.0  # seconds
_READ_TIMEOUT = 300.0  # seconds; an app is written in half a minute, while the connection stays open
_POLLING_INTERVAL = 5.0  # seconds, where the service does not ask for another one
_BUSY = re.compile(r"in ?(progress|transition)", re.IGNORECASE)
"""In a 409 or 429 to who writes what is still being made or changed: by a command that was interrupted, say.

Source: Azure Service Bus docs, Resource Manager exceptions (429 "Namespace provisioning in transition"); Azure Storage
docs, error codes of the resource provider (409 StorageAccountOperationInProgress); App Service (409 "Cannot modify this
web hosting plan because another operation is in progress").
"""
_BUSY_TIMES = 60  # of `_POLLING_INTERVAL`
NETWORK = "Check the network, and the proxy (HTTPS_PROXY, NO_PROXY)."


class Arm:
    """A client; nothing is sent before the first call, and many threads may call at once.

    All methods raise azure.core.exceptions.HttpResponseError where ARM refuses, and
    azure.cli.core.azclierror.AzureConnectionError where nobody answers; what may pass is tried again first.

    :param client: azure-mgmt-core's pipeline client.
    :param subscription: the GUID of the subscription that paths begin with.
    :param pause: waits that many seconds.
    """

    def __init__(self, client: Any, subscription: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self.subscription = subscription
        self._pause = pause

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        """The resource at a path; None only when ARM says 404.

        :param path: an ID, or a path with a query.
        """
        response = self._send("GET", path, api_version)
        if response.status_code == 404:
            return None
        document: dict[str, Any] = self._checked(response).json()
        return document

    def list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        """All entries of a list, from all of its pages."""
        entries: list[dict[str, Any]] = []
        page = self._checked(self._send("GET", path, api_version)).json()
        while True:
            entries += page.get("value") or []
            if not page.get("nextLink"):
                return entries
            page = self._checked(self._send("GET", page["nextLink"], None)).json()

    def post(self, path: str, api_version: str, body: Any = None) -> Any:
        """Call an action that only reads, such as `…/listKeys`, and return its JSON (None without any)."""
        response = self._checked(self._send("POST", path, api_version, body))
        return json.loads(response.text()) if response.text() else None

    def text(self, path: str, api_version: str) -> str:
        """Call an action that only reads, and answers text."""
        response = self._send("POST", path, api_version, stream=True)  # else it is taken for JSON, whatever it is
        with _answered():
            response.read()
        text: str = self._checked(response).text()
        return text

    def put(self, path: str, api_version: str, body: Mapping[str, Any]) -> None:
        """Create or update a resource, and wait for the end of it, in whichever way the provider tells.

        One that is still being made or changed is waited for first.
        """
        from azure.mgmt.core.polling.arm_polling import ARMPolling

        response = self._send("PUT", path, api_version, body, pipeline_response=True)
        for _ in range(_BUSY_TIMES):
            if not _is_busy(response.http_response):
                break
            self._pause(_POLLING_INTERVAL)
            response = self._send("PUT", path, api_version, body, pipeline_response=True)
        self._checked(response.http_response)
        polling = ARMPolling(timeout=_POLLING_INTERVAL)
        polling.initialize(self._client, response, lambda final: final)
        with _answered():
            polling.run()

    def delete(self, path: str, api_version: str) -> None:
        """Delete a resource, without waiting for the end of it; one that is not there is no error."""
        response = self._send("DELETE", path, api_version)
        if response.status_code != 404:
            self._checked(response)

    def _send(
        self,
        method: str,
        path: str,
        api_version: str | None,
        body: Any = None,
        pipeline_response: bool = False,
        stream: bool = False,
    ) -> Any:
        from azure.core.rest import HttpRequest

        params = {"api-version": api_version} if api_version else None
        options = {} if body is None else {"json": body}
        request = HttpRequest(method, path, params=params, headers={"Accept": "application/json"}, **options)
        request.url = self._client.format_url(request.url)
        with _answered():
            return self._client.send_request(
                request, stream=stream, retry_on_methods=_REPEATABLE, _return_pipeline_response=pipeline_response
            )

    @staticmethod
    def _checked(response: Any) -> Any:
        """The response, if it is a success.

        :raises azure.core.exceptions.HttpResponseError: it is not; in ARM's words.
        """
        from azure.core.exceptions import HttpResponseError
        from azure.mgmt.core.exceptions import ARMErrorFormat

        if response.status_code >= 400:
            raise HttpResponseError(response=response, error_format=ARMErrorFormat)
        return response


@contextmanager
def _answered() -> Iterator[None]:
    """See to it that the lack of an answer is an error that says what to do.

    :raises azure.cli.core.azclierror.AzureConnectionError: there was none.
    """
    from azure.core.exceptions import AzureError, HttpResponseError

    try:
        yield
    except HttpResponseError:
        raise
    except AzureError as problem:
        from azure.cli.core.azclierror import AzureConnectionError

        from azext_mlfunc.registry.errors import reason

        raise AzureConnectionError(
            "Azure Resource Manager could not be reached, or did not go on answering: "
            f"{reason(problem.inner_exception or problem)}.",
            recommendation=[NETWORK, "For a certificate of your own authority, name its file in REQUESTS_CA_BUNDLE."],
        ) from problem


def _is_busy(response: Any) -> bool:
    return response.status_code in (409, 429) and _BUSY.search(response.text()) is not None


def connect(cli_ctx: Any) -> Arm:
    """The client for the cloud, the account and the subscription that `az` is set to.

    :raises knack.util.CLIError: nobody is signed in.
    """
    from azure.cli.core._profile import Profile
    from azure.cli.core.auth.util import resource_to_scopes
    from azure.cli.core.util import get_az_user_agent, should_disable_connection_verify

    profile = Profile(cli_ctx=cli_ctx)
    credential, subscription, _ = profile.get_login_credentials(subscription_id=cli_ctx.data.get("subscription_id"))
    endpoints = cli_ctx.cloud.endpoints
    client = make_client(
        endpoints.resource_manager,
        credential,
        resource_to_scopes(endpoints.active_directory_resource_id),
        user_agent=get_az_user_agent(),
        connection_verify=not should_disable_connection_verify(),
    )
    return Arm(client, subscription)


def make_client(url: str, credential: Any, scopes: Sequence[str], user_agent: str = "", **options: Any) -> Any:
    """azure-mgmt-core's pipeline client.

    :param url: of Azure Resource Manager.
    :param credential: gives tokens for the scopes.
    :param options: those of azure-core's RetryPolicy and RequestsTransport that are not to be ours.
    """
    from azure.core.configuration import Configuration
    from azure.core.pipeline import policies
    from azure.mgmt.core import ARMPipelineClient
    from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy, ARMHttpLoggingPolicy

    config: Any = Configuration()
    config.user_agent_policy = policies.UserAgentPolicy(user_agent, user_agent_overwrite=True)
    config.headers_policy = policies.HeadersPolicy()
    config.request_id_policy = policies.RequestIdPolicy()
    config.proxy_policy = policies.ProxyPolicy()
    config.redirect_policy = policies.RedirectPolicy()
    config.retry_policy = policies.RetryPolicy(**{"retry_total": _RETRIES, **options})
    config.http_logging_policy = ARMHttpLoggingPolicy()  # no bodies: there are secrets in them
    config.authentication_policy = ARMChallengeAuthenticationPolicy(credential, *scopes)
    timeouts = {"connection_timeout": _CONNECTION_TIMEOUT, "read_timeout": _READ_TIMEOUT}
    return ARMPipelineClient(base_url=url.rstrip("/"), config=config, **{**timeouts, **options})
