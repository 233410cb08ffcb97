"""The image that is deployed: found in its registry by digest, and what its labels say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azext_mlfunc.manifest import FUNCTION_NAME, LABEL
from azext_mlfunc.registry.reference import Reference, parse_reference
from azext_mlfunc.triggers.base import Trigger

if TYPE_CHECKING:
    from azext_mlfunc.deploying.request import DeployRequest
    from azext_mlfunc.registry.client import Registry

_PLATFORM = ("linux", "amd64")


@dataclass(frozen=True)
class DeployedImage:
    """An image that is there.

    :param reference: with the digest, also where the user named a tag.
    :param trigger: what calls its function.
    :param function: the function's name, if the labels say it.
    """

    reference: Reference
    trigger: Trigger
    function: str | None

    @property
    def location(self) -> str:
        """`HOST/REPOSITORY@sha256:…`: a tag may move, this does not."""
        return f"{self.reference.host}/{self.reference.repository}@{self.reference.digest}"


def read_image(request: DeployRequest, registry: Registry) -> DeployedImage:
    """Find the image of a request, and its trigger.

    :param registry: the repository that the image is in.
    :raises azure.cli.core.azclierror.ResourceNotFoundError: there is no such image, or none for linux/amd64.
    :raises azure.cli.core.azclierror.ValidationError: it is for another platform.
    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: neither labels nor options say the trigger.
    """
    from azure.cli.core.azclierror import ValidationError

    named = parse_reference(request.image)
    manifest = registry.manifest(named.identifier)
    config = registry.config(manifest)
    platform = (str(config.get("os") or "linux"), str(config.get("architecture") or ""))
    if platform != _PLATFORM:
        raise ValidationError(
            f"{request.image} is for {'/'.join(platform)}; Azure Functions runs {'/'.join(_PLATFORM)} only.",
            recommendation="Build it for linux/amd64: `az ml-func package` always does, `docker build` with "
            "--platform linux/amd64.",
        )
    reference = Reference(named.host, named.repository, named.tag, manifest.digest)
    described = labelled_manifest(config)
    trigger = trigger_of(request.image, described, request.trigger, request.trigger_options)
    return DeployedImage(reference, trigger, described.get("function", FUNCTION_NAME) if described else None)


def labelled_manifest(config: dict[str, Any]) -> dict[str, Any]:
    """The manifest on an image's labels; empty when it carries none.

    :param config: the image's configuration.
    """
    labels = (config.get("config") or {}).get("Labels") or {}
    try:
        manifest = json.loads(labels.get(LABEL, "{}"))
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}


def trigger_of(image: str, manifest: Mapping[str, Any], name: str | None, options: Mapping[str, str | None]) -> Trigger:
    """The trigger that an image's labels say, which options may only repeat; without labels, that of the options.

    :param image: names the image in errors.
    :param manifest: see `labelled_manifest`.
    :param name: the trigger, if the user named it.
    :param options: what the user gave of all triggers' options, by field name.
    :raises azure.cli.core.azclierror.RequiredArgumentMissingError: neither labels nor options say it.
    :raises azure.cli.core.azclierror.InvalidArgumentValueError: the options say something else than the labels.
    :raises azure.cli.core.azclierror.MutuallyExclusiveArgumentError: an option of another trigger was given.
    """
    from azure.cli.core.azclierror import InvalidArgumentValueError, RequiredArgumentMissingError

    from azext_mlfunc.triggers import NAMES, from_description, make_trigger
    from azext_mlfunc.triggers.base import flag

    if "trigger" not in manifest:
        if name is None:
            raise RequiredArgumentMissingError(
                f"{image} does not say what its function is called by: it has no labels of az ml-func.",
                f"Say it with --trigger {' | '.join(NAMES)}, and the trigger's own options.",
            )
        return make_trigger(name, options)
    trigger = from_description(manifest["trigger"])
    values = {each.name: getattr(trigger, each.name) for each in trigger.options()}
    wanted = {"--trigger": name} if name and name != trigger.name else {}
    for field in trigger.options():
        given = options.get(field.name)
        if given is not None and given != values[field.name]:
            wanted[flag(field)] = given
    if wanted:
        said = ", ".join(f"{option} {value}" for option, value in wanted.items())
        own = ", ".join(f"{flag(field)} {values[field.name]}" for field in trigger.options())
        raise InvalidArgumentValueError(
            f"{image} was packaged for --trigger {trigger.name} ({own}), and not for {said}.",
            "Leave these options out, or package the model anew with them.",
        )
    make_trigger(trigger.name, options)  # refuses the options of other triggers
    return trigger
