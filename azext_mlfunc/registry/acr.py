"""Which registries are Azure's own, in the cloud that `az` is set to."""

from __future__ import annotations

from typing import Any

_PUBLIC_SUFFIX = "azurecr.io"


def acr_suffix(cli_ctx: Any) -> str:
    """What the login servers of the cloud's registries end in, without a leading dot; `azurecr.io` if it is not set."""
    from azure.cli.core.cloud import CloudSuffixNotSetException

    try:
        suffix: str | None = cli_ctx.cloud.suffixes.acr_login_server_endpoint
    except CloudSuffixNotSetException:
        suffix = None
    return (suffix or _PUBLIC_SUFFIX).lstrip(".")


def is_acr(host: str, suffix: str) -> bool:
    """Whether a registry, `host` or `host:port`, is one of Azure's."""
    return host.partition(":")[0].endswith(f".{suffix}")
