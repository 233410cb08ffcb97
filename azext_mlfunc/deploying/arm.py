"""Azure Resource Manager, by resource ID: what deploy reads and writes.

Resources are JSON documents here, not classes of the management SDKs: a plan compares and shows documents, and the one
client needs a tenth of the time to load that the SDKs of all providers take. Pipeline, retries, sign-in and the
polling of long operations are azure-core's and azure-mgmt-core's, as az ships them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_RETRIES = 4
_READ_TIMEOUT = 300.0  # seconds; an app is written in half a minute, while the connection stays open
_POLLING_INTERVAL = 5.0  # seconds, where the service does not ask for another one


class Arm:
    """A client; nothing is sent before the first call, and many threads may call at once.

    Errors are azure-core's: HttpResponseError with a status, or ServiceRequestError when nobody answers.

    :param client: azure-mgmt-core's pipeline client.
    :param subscription: the GUID of the subscription that paths begin with.
    """

    def __init__(self, client: Any, subscription: str) -> None:
        self._client = client
        self.subscription = subscription

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
        """Call an action, such as `…/listKeys`, and return its JSON (None without any)."""
        response = self._checked(self._send("POST", path, api_version, body))
        return json.loads(response.text()) if response.text() else None

    def text(self, path: str, api_version: str) -> str:
        """Call an action that answers text."""
        text: str = self._checked(self._send("POST", path, api_version)).text()
        return text

    def put(self, path: str, api_version: str, body: Mapping[str, Any]) -> None:
        """Create or update a resource, and wait for the end of it, in whichever way the provider tells."""
        from azure.mgmt.core.polling.arm_polling import ARMPolling

        response = self._send("PUT", path, api_version, body, pipeline_response=True)
        self._checked(response.http_response)
        polling = ARMPolling(timeout=_POLLING_INTERVAL)
        polling.initialize(self._client, response, lambda final: final)
        polling.run()

    def _send(
        self, method: str, path: str, api_version: str | None, body: Any = None, pipeline_response: bool = False
    ) -> Any:
        from azure.core.rest import HttpRequest

        params = {"api-version": api_version} if api_version else None
        options = {} if body is None else {"json": body}
        request = HttpRequest(method, path, params=params, headers={"Accept": "application/json"}, **options)
        request.url = self._client.format_url(request.url)
        return self._client.send_request(
            request, read_timeout=_READ_TIMEOUT, _return_pipeline_response=pipeline_response
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


def connect(cli_ctx: Any) -> Arm:
    """The client for the cloud, the account and the subscription that `az` is set to.

    :raises knack.util.CLIError: nobody is signed in.
    """
    from azure.cli.core._profile import Profile
    from azure.cli.core.auth.util import resource_to_scopes
    from azure.cli.core.util import get_az_user_agent, should_disable_connection_verify
    from azure.core.configuration import Configuration
    from azure.core.pipeline import policies
    from azure.mgmt.core import ARMPipelineClient
    from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy, ARMHttpLoggingPolicy

    profile = Profile(cli_ctx=cli_ctx)
    credential, subscription, _ = profile.get_login_credentials(subscription_id=cli_ctx.data.get("subscription_id"))
    endpoints = cli_ctx.cloud.endpoints
    config: Any = Configuration(connection_verify=not should_disable_connection_verify())
    config.user_agent_policy = policies.UserAgentPolicy(get_az_user_agent(), user_agent_overwrite=True)
    config.headers_policy = policies.HeadersPolicy()
    config.request_id_policy = policies.RequestIdPolicy()
    config.proxy_policy = policies.ProxyPolicy()
    config.redirect_policy = policies.RedirectPolicy()
    config.retry_policy = policies.RetryPolicy(retry_total=_RETRIES)
    config.http_logging_policy = ARMHttpLoggingPolicy()  # no bodies: there are secrets in them
    scopes = resource_to_scopes(endpoints.active_directory_resource_id)
    config.authentication_policy = ARMChallengeAuthenticationPolicy(credential, *scopes)
    client: Any = ARMPipelineClient(base_url=endpoints.resource_manager.rstrip("/"), config=config)
    return Arm(client, subscription)
