"""Where dependencies are wired together: clients and builders, from what `az` knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from azext_mlfunc.packaging.builders.base import Builder

_PAGE_TIMEOUT = 60.0  # seconds; an app that sleeps wakes up first
_LOCAL_TIMEOUT = 10.0  # seconds
_TOKEN_USER = "00000000-0000-0000-0000-000000000000"

if TYPE_CHECKING:
    from azext_mlfunc.deploying.arm import Arm
    from azext_mlfunc.deploying.deploy import Azure
    from azext_mlfunc.probing.local_app import LocalTools
    from azext_mlfunc.probing.test import Tools
    from azext_mlfunc.registry.credentials import Given
    from azext_mlfunc.workspace.cache import ModelCache
    from azext_mlfunc.workspace.client import AzureMl


def builders(cli_ctx: Any, build_network: str | None, use_cache: bool) -> tuple[Builder, ...]:
    """One builder of each kind, in the order of `BUILDERS`.

    :param build_network: see `DockerBuilder`.
    :param use_cache: see `DirectBuilder`.
    """
    from azext_mlfunc.packaging.builders.direct import DirectBuilder
    from azext_mlfunc.packaging.builders.docker import DockerBuilder
    from azext_mlfunc.packaging.dependencies import DEFAULT_LIMIT, LayerCache
    from azext_mlfunc.registry.acr import acr_suffix
    from azext_mlfunc.registry.client import Registry
    from azext_mlfunc.registry.credentials import credential_sources
    from azext_mlfunc.registry.importing import AcrImport

    credentials = credential_sources(cli_ctx)

    def open_registry(host: str, repository: str) -> Registry:
        return Registry(host, repository, credentials)

    limit = cli_ctx.config.getint("ml_func", "cache_gib", DEFAULT_LIMIT >> 30) << 30
    cache = LayerCache(Path(cli_ctx.config.config_dir) / "ml-func" / "cache", limit)
    importer = AcrImport(acr_suffix(cli_ctx), open_registry, lambda: _registries(cli_ctx))
    return DirectBuilder(open_registry, cache, use_cache, importer), DockerBuilder(build_network)


def _registries(cli_ctx: Any) -> Any:
    from azure.cli.command_modules.acr._client_factory import cf_acr_registries

    return cf_acr_registries(cli_ctx)


def azure(cli_ctx: Any, given: Given | None) -> Azure:
    """What deploy reaches Azure with.

    :param given: the login to the image's registry, when the user gave one.
    """
    from azext_mlfunc.deploying.arm import connect
    from azext_mlfunc.deploying.deploy import Azure
    from azext_mlfunc.registry.acr import acr_suffix, is_acr
    from azext_mlfunc.registry.client import Registry
    from azext_mlfunc.registry.credentials import credential_sources

    credentials = credential_sources(cli_ctx, given)
    suffix = acr_suffix(cli_ctx)
    return Azure(
        arm=connect(cli_ctx),
        open_registry=lambda host, repository: Registry(host, repository, credentials),
        is_azure_registry=lambda host: is_acr(host, suffix),
        storage_suffix=cli_ctx.cloud.suffixes.storage_endpoint,
        ask_page=_ask_page,
    )


def local(cli_ctx: Any) -> LocalTools:
    """What an app on this machine is run with."""
    from azext_mlfunc.probing.local_app import LocalTools
    from azext_mlfunc.registry.credentials import credential_sources
    from azext_mlfunc.registry.reference import parse_reference

    def login(image: str) -> dict[str, str] | None:
        found = credential_sources(cli_ctx).find(parse_reference(image).host)
        if found is None:
            return None
        # Without a user's name it is a token. Source: Azure Container Registry, "Authenticate with a registry".
        return {"username": found.username or _TOKEN_USER, "password": found.secret.reveal()}

    return LocalTools(probing(cli_ctx).open_blobs, login, _ask_json)


def _ask_json(url: str, headers: Mapping[str, str]) -> Any:
    """What a page of this machine answers, as JSON; None when there is none."""
    import requests

    with requests.Session() as session:
        session.trust_env = False  # no proxy leads to this machine
        try:
            answer = session.get(url, headers=dict(headers), timeout=_LOCAL_TIMEOUT)
            return answer.json() if answer.ok else None
        except requests.RequestException:  # also an answer that is no JSON
            return None


def _ask_page(url: str, headers: Mapping[str, str]) -> int | None:
    """The status that a page answers with; None when nobody answers."""
    import requests
    from azure.cli.core.util import should_disable_connection_verify

    verify = False if should_disable_connection_verify() else None  # None: as the environment says
    try:
        answer = requests.get(url, headers=dict(headers), timeout=_PAGE_TIMEOUT, allow_redirects=False, verify=verify)
    except requests.RequestException:
        return None
    return answer.status_code


def arm(cli_ctx: Any) -> Arm:
    """Azure Resource Manager, in the subscription that is chosen."""
    from azext_mlfunc.deploying.arm import connect

    return connect(cli_ctx)


def probing(cli_ctx: Any) -> Tools:
    """What test reaches an app's storage, and the registry of its image, with."""
    from azure.cli.core.profiles import ResourceType, get_sdk

    from azext_mlfunc.probing.test import Tools
    from azext_mlfunc.registry.client import Registry
    from azext_mlfunc.registry.credentials import credential_sources

    def blobs(connection: str) -> Any:
        service = get_sdk(cli_ctx, ResourceType.DATA_STORAGE_BLOB, "_blob_service_client#BlobServiceClient")
        return service.from_connection_string(connection)

    def queues(connection: str) -> Any:
        service = get_sdk(cli_ctx, ResourceType.DATA_STORAGE_QUEUE, "_queue_service_client#QueueServiceClient")
        return service.from_connection_string(connection)

    return Tools(
        open_registry=lambda host, name, given: Registry(host, name, credential_sources(cli_ctx, given)),
        open_blobs=blobs,
        open_queues=queues,
    )


def image_settings(cli_ctx: Any, image: str) -> dict[str, str] | None:
    """The environment variables of an image, as its registry has it; None where it cannot be read."""
    from azure.cli.core.azclierror import AzCLIError

    from azext_mlfunc.registry.client import Registry
    from azext_mlfunc.registry.credentials import credential_sources
    from azext_mlfunc.registry.reference import parse_reference

    try:
        reference = parse_reference(image)
        with Registry(reference.host, reference.repository, credential_sources(cli_ctx)) as registry:
            config = registry.config(registry.manifest(reference.identifier))
    except AzCLIError:
        return None
    lines = (config.get("config") or {}).get("Env") or []
    return dict(line.partition("=")[::2] for line in lines)


def azure_ml(cli_ctx: Any, group: str | None, workspace: str | None) -> tuple[AzureMl, ModelCache]:
    """What finds registered models and environments, and where models are kept.

    :param group: the resource group of the workspace; None where none is given.
    :param workspace: the workspace's name; None where none is given.
    """
    from azure.cli.core._profile import Profile
    from azure.cli.core.profiles import ResourceType, get_sdk

    from azext_mlfunc.deploying.arm import connect
    from azext_mlfunc.packaging.dependencies import DEFAULT_LIMIT
    from azext_mlfunc.workspace.access import Access, Identity
    from azext_mlfunc.workspace.cache import ModelCache
    from azext_mlfunc.workspace.client import AzureMl
    from azext_mlfunc.workspace.storage import Container

    def blob_sdk(name: str) -> Any:
        return get_sdk(cli_ctx, ResourceType.DATA_STORAGE_BLOB, name)

    def sign_in() -> Any:
        return Profile(cli_ctx=cli_ctx).get_login_credentials(subscription_id=cli_ctx.data.get("subscription_id"))[0]

    def open_container(url: str, access: Access) -> Container:
        return Container(url, access, blob_sdk("_container_client#ContainerClient").from_container_url)

    azure_ml = AzureMl(
        arm=connect(cli_ctx),
        group=group,
        name=workspace,
        storage_suffix=cli_ctx.cloud.suffixes.storage_endpoint,
        open_container=open_container,
        make_sas=lambda *words, **more: blob_sdk("_shared_access_signature#generate_container_sas")(*words, **more),
        identity=Identity(sign_in),
    )
    limit = cli_ctx.config.getint("ml_func", "cache_gib", DEFAULT_LIMIT >> 30) << 30
    return azure_ml, ModelCache(Path(cli_ctx.config.config_dir) / "ml-func" / "cache" / "models", limit)
