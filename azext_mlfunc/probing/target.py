"""The app that is tested: where it is, what it is called by, and what its settings say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.image import labelled_manifest, trigger_of
from azext_mlfunc.deploying.resource import path_of
from azext_mlfunc.manifest import FUNCTION_NAME
from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.credentials import Given, Secret
from azext_mlfunc.registry.reference import Reference, parse_reference
from azext_mlfunc.triggers.base import Trigger

_API = "2024-04-01"
_DOCKER = "DOCKER|"


@dataclass(frozen=True)
class Target:
    """An app.

    :param id: its ID in ARM.
    :param document: what ARM's GET answers.
    :param settings: its app settings.
    :param image: the image that it is set to; None: it has none.
    :param trigger: what its function is called by.
    :param function: the function's name.
    """

    id: str
    document: Mapping[str, Any]
    settings: Mapping[str, str] = field(repr=False)
    image: str | None
    trigger: Trigger
    function: str

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[-1]

    @property
    def group(self) -> str:
        return self.id.split("/")[4]

    @property
    def subscription(self) -> str:
        return self.id.split("/")[2]

    @property
    def host_name(self) -> str:
        return str(self.document["properties"]["defaultHostName"])

    @property
    def state(self) -> str:
        return str(self.document["properties"].get("state", ""))

    @property
    def connection(self) -> str | None:
        """The connection string of the trigger's service; None: the app has none."""
        return self.settings.get(self.trigger.connection) if self.trigger.connection else None


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
        identifier,
        document,
        settings,
        image,
        trigger_of(f"the image {image}", manifest, trigger, trigger_options),
        function or str(manifest.get("function", FUNCTION_NAME)),
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
