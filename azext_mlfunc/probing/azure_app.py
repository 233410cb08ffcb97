"""An app in Azure: found by its name, asked through Resource Manager."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.image import labelled_manifest, trigger_of
from azext_mlfunc.deploying.looking import container_log, last_lines, load_failure
from azext_mlfunc.deploying.resource import path_of
from azext_mlfunc.manifest import FUNCTION_NAME
from azext_mlfunc.probing.prober import Cause
from azext_mlfunc.probing.service_bus import Connection, parse_connection
from azext_mlfunc.probing.target import Place, Queues, Target
from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.credentials import Given, Secret
from azext_mlfunc.registry.reference import Reference, parse_reference

_API = "2024-04-01"
_QUEUES_API = "2021-11-01"
_IDLE = "PT5M"  # a queue of a test goes by itself after that time, whatever becomes of us
_DOCKER = "DOCKER|"
_PULL_FAILED = ("pull image failed", "image pull failed", "unauthorized: authentication required", "manifest unknown")
"""Words of App Service's log for an image that cannot be had; from public logs."""


def find_target(
    arm: Arm,
    group: str,
    app: str,
    function: str | None,
    trigger: str | None,
    trigger_options: Mapping[str, str | None],
    open_registry: Callable[[str, str, Given | None], Registry],
) -> Target:
    """Find an app, and its trigger on the labels of its image.

    :param function: its function, if the user named it.
    :param trigger: the trigger, if the user named it.
    :param trigger_options: what the user gave of all triggers' options.
    :param open_registry: opens a repository: host, name, and the login that the app itself has for it.
    :raises azure.cli.core.azclierror.ResourceNotFoundError: there is no such app.
    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: nothing says what the function is called by.
    """
    from azure.cli.core.azclierror import ResourceNotFoundError

    identifier = path_of(arm.subscription, group, "Microsoft.Web/sites", app)
    document = arm.get(identifier, _API)
    if document is None:
        raise ResourceNotFoundError(
            f"There is no app '{app}' in the resource group '{group}'.",
            recommendation="Check both names: az functionapp list --output table",
        )
    settings: dict[str, str] = arm.post(f"{identifier}/config/appsettings/list", _API)["properties"]
    fx = str((document["properties"].get("siteConfig") or {}).get("linuxFxVersion") or "")
    image = fx.removeprefix(_DOCKER) if fx.upper().startswith(_DOCKER) else None
    manifest = _labels(image, settings, open_registry)
    return Target(
        name=app,
        url=f"https://{document['properties']['defaultHostName']}",
        settings=settings,
        image=image,
        trigger=trigger_of(f"the image {image}", manifest, trigger, trigger_options),
        function=function or str(manifest.get("function", FUNCTION_NAME)),
        place=AzureApp(arm, document),
    )


def _labels(
    image: str | None, settings: Mapping[str, str], open_registry: Callable[[str, str, Given | None], Registry]
) -> dict[str, Any]:
    """The manifest on the labels of an image; empty when it has none, or cannot be read."""
    from azure.cli.core.azclierror import AzCLIError
    from knack.log import get_logger

    if image is None:
        return {}
    reference = parse_reference(image)
    problems = []
    for login in dict.fromkeys((None, _login(reference, settings))):  # ours first: the app's may be what is wrong
        try:
            with open_registry(reference.host, reference.repository, login) as registry:
                return labelled_manifest(registry.config(registry.manifest(reference.identifier)))
        except AzCLIError as problem:
            problems.append(str(problem))
    get_logger(__name__).warning("The labels of %s cannot be read: %s", image, problems[0])
    return {}


def _login(reference: Reference, settings: Mapping[str, str]) -> Given | None:
    """The login with which the app itself pulls its image."""
    user, password = (settings.get(f"DOCKER_REGISTRY_SERVER_{part}") for part in ("USERNAME", "PASSWORD"))
    server = settings.get("DOCKER_REGISTRY_SERVER_URL", "").removeprefix("https://").strip("/")
    if not user or not password or server != reference.host:
        return None
    return Given(reference.host, user, Secret(password))


class AzureApp(Place):
    """A function app.

    :param arm: Azure Resource Manager.
    :param document: what its GET answered of the app.
    """

    def __init__(self, arm: Arm, document: Mapping[str, Any]) -> None:
        self._arm = arm
        self._document = document
        self._id = str(document["id"])
        self._name = self._id.rsplit("/", 1)[-1]
        self._group = self._id.split("/")[4]

    def key(self, auth_level: str) -> str | None:
        from azure.core.exceptions import HttpResponseError

        try:
            keys = self._arm.post(f"{self._id}/host/default/listkeys", _API)
        except HttpResponseError as problem:
            if problem.status_code == 400:  # relayed from a host that is not up: the request will tell
                return None
            raise
        if auth_level == "admin":
            return str(keys["masterKey"])
        return next(iter((keys.get("functionKeys") or {}).values()), None) or str(keys["masterKey"])

    def queues(self, target: Target) -> Queues:
        assert target.connection is not None
        return AzureQueues(self._arm, parse_connection(target.connection), target.trigger.connection or "")

    def causes(self, target: Target) -> Iterator[Cause]:
        from azure.core.exceptions import HttpResponseError

        state = str(self._document["properties"].get("state", "")).lower()
        if state != "running":
            yield Cause(
                f"the app is {state or 'not running'}",
                f"start it: az functionapp start --name {self._name} --resource-group {self._group}",
            )
            return
        connection = target.trigger.connection
        if connection and not target.settings.get(connection):
            yield Cause(f"the app has no setting {connection}", "deploy the app again: az ml-func deploy sets it")
        try:
            status = self._arm.get(f"{self._id}/hostruntime/admin/host/status", _API) or {}
            functions = self._arm.list(f"{self._id}/functions", _API)
        except HttpResponseError as problem:
            if problem.status_code not in (400, 502, 503, 504):  # relayed from a host that is not up
                raise
            yield self._not_up(target, last_lines(container_log(self._id, self._arm)))
            return
        for error in status.get("errors") or ():
            yield Cause(f"the app's host is in error: {error}", "mend what it says, and deploy the app again")
        yield from self._of_the_function(target.function, [each["properties"] for each in functions])

    def _of_the_function(self, name: str, functions: list[dict[str, Any]]) -> Iterator[Cause]:
        """Causes in the function, as the host lists it; what its worker said of it is in the log only."""
        found = {str(each["name"]).lower(): each for each in functions}
        function = found.get(name.lower())
        if function is None:
            yield Cause(
                f"the function '{name}' is not loaded; the app has {', '.join(found) or 'none'}",
                "deploy the app again, or name another function with --function",
            )
        elif function.get("isDisabled"):
            yield Cause(
                f"the function '{name}' is disabled",
                f"enable it: az functionapp config appsettings delete --setting-names AzureWebJobs.{name}.Disabled "
                f"--name {self._name} --resource-group {self._group}",
            )
        else:
            failure = load_failure(container_log(self._id, self._arm))
            if failure:
                yield Cause(
                    f"the function '{name}' could not be loaded: {failure}",
                    "mend the entry script or the model, package it again, and deploy the new image",
                )

    def _not_up(self, target: Target, log: str) -> Cause:
        """Why the app's host is not up, by the container's log."""
        lines = [line.strip() for line in log.splitlines()]
        pull = next((line for line in lines if any(words in line.lower() for words in _PULL_FAILED)), None)
        if pull:
            return Cause(
                f"the image {target.image} cannot be pulled: {pull}",
                "deploy the app again: az ml-func deploy checks the image and writes the registry's credentials anew",
            )
        last = f"; its log ends with:\n{log}" if log else ""
        return Cause(
            f"the app's host is not up{last}",
            f"look into the whole log: az webapp log tail --name {self._name} --resource-group {self._group}",
        )

    def last_resort(self, target: Target) -> Cause:
        return Cause(
            "the app runs, its function is loaded, and what its trigger needs is there",
            f"look into its log: az webapp log tail --name {self._name} --resource-group {self._group}; or wait longer "
            "with --timeout",
        )


class AzureQueues(Queues):
    """The queues of a namespace in Azure; it is looked for when it is needed first.

    :param arm: Azure Resource Manager.
    :param connection: leads to the namespace.
    :param setting: the app setting that holds it.
    """

    def __init__(self, arm: Arm, connection: Connection, setting: str) -> None:
        self._arm = arm
        self._connection = connection
        self._setting = setting
        self._namespace: dict[str, Any] | None = None

    def make(self, name: str) -> None:
        namespace = self._found()
        can_idle = (namespace.get("sku") or {}).get("name") != "Basic"
        properties: dict[str, Any] = {"autoDeleteOnIdle": _IDLE} if can_idle else {}
        self._arm.put(self._id(name), _QUEUES_API, {"properties": properties})

    def delete(self, name: str) -> None:
        from azure.core.exceptions import AzureError

        with contextlib.suppress(AzureError):
            if self._namespace is not None:
                self._arm.delete(self._id(name), _QUEUES_API)

    def count(self, name: str) -> int | None:
        queue = self._arm.get(self._id(name), _QUEUES_API)
        return None if queue is None else int(queue["properties"].get("messageCount") or 0)

    def _id(self, queue: str) -> str:
        return f"{self._found()['id']}/queues/{quote(queue)}"

    def _found(self) -> dict[str, Any]:
        """The namespace that the connection string leads to, as ARM has it.

        :raises azure.cli.core.azclierror.ResourceNotFoundError: it is not in the subscription.
        """
        from azure.cli.core.azclierror import ResourceNotFoundError

        if self._namespace is not None:
            return self._namespace
        path = f"/subscriptions/{self._arm.subscription}/providers/Microsoft.ServiceBus/namespaces"
        namespaces = self._arm.list(path, _QUEUES_API)
        named = [each for each in namespaces if each["name"].lower() == self._connection.namespace.lower()]
        for each in named or namespaces:
            rule = f"{each['id']}/authorizationRules/{self._connection.rule}"
            if named or self._has_key(rule):
                self._namespace = each
                return each
        raise ResourceNotFoundError(
            f"The Service Bus namespace of the app's setting {self._setting} is not in the subscription, so that no "
            "queue can be made for the answers.",
            recommendation="Name the subscription that it is in with --subscription.",
        )

    def _has_key(self, rule: str) -> bool:
        """Whether a rule has our key: so a namespace is found that its connection string does not name."""
        from azure.core.exceptions import HttpResponseError

        try:
            keys = self._arm.post(f"{rule}/listKeys", _QUEUES_API)
        except HttpResponseError:
            return False
        return self._connection.key in (keys["primaryKey"], keys["secondaryKey"])
