"""The names that a registry takes.

Source: OCI Distribution Specification 1.1, "Pulling manifests" (`<name>` and `<reference>`); the path of a Docker
reference is at most 255 characters (distribution/reference).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.request import PackageRequest
from azext_mlfunc.registry.reference import parse_reference

_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]{1,5})?")
_ACR_NAME = re.compile(r"[A-Za-z0-9]{5,50}")
_MAX_NAME = 255


def login_server(registry: str, acr_suffix: str) -> str:
    """The login server of what the user calls the registry.

    :param registry: the name of an Azure Container Registry (`myregistry`), or any registry's login server.
    :param acr_suffix: what the cloud appends to a registry's name, for example `azurecr.io`.
    """
    if _ACR_NAME.fullmatch(registry) and registry != "localhost":
        return f"{registry.lower()}.{acr_suffix.lstrip('.')}"
    return registry


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield what a registry would refuse of the image's name."""
    if not _NAME.fullmatch(request.image_name):
        yield Finding(
            "--image-name",
            f"'{request.image_name}' is no repository name",
            "lower-case letters and digits, joined by '.', '_', '__' or '-', in parts that '/' separates",
            "choose a name like package or team/diabetes",
        )
    elif len(request.repository) > _MAX_NAME:
        yield Finding(
            "--image-name",
            f"{len(request.repository)} characters with the registry's name",
            f"at most {_MAX_NAME}",
            "choose a shorter name",
        )
    if not _TAG.fullmatch(request.image_tag):
        yield Finding(
            "--image-tag",
            f"'{request.image_tag}' is no tag",
            "1 to 128 letters, digits, '_', '.' and '-', not beginning with '.' or '-'",
            "choose a tag like v1, or leave it out for the time of the build",
        )
    if request.base_image is not None:
        yield from _check_base_image(request.base_image)
    if request.registry is not None and not _HOST.fullmatch(request.registry):
        yield Finding(
            "--registry",
            f"'{request.registry}' is no registry",
            "the name of an Azure Container Registry, or a login server such as myregistry.azurecr.io",
            "leave out https:// and any path",
        )


def _check_base_image(name: str) -> Iterator[Finding]:
    from azure.cli.core.azclierror import InvalidArgumentValueError

    try:
        parse_reference(name)
    except InvalidArgumentValueError as problem:
        yield Finding(
            "--base-image",
            problem.error_msg,
            "an image's name, such as mcr.microsoft.com/azure-functions/python:4-python3.13",
            "check the name",
        )
