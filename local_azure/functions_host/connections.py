"""Finding the connection strings that bindings name.

A binding's ``connection`` is the name of an app setting; ``AzureWebJobs<name>`` comes first, as in the WebJobs SDK
(``WebJobsConnectionStringExtensions``). Identity-based connections (``X__blobServiceUri`` …) need Azure's identities
and are refused with that reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from local_azure.functions_host.errors import FunctionError

HOST_STORAGE = "Storage"  # the setting AzureWebJobsStorage


def storage_connection(settings: Mapping[str, str], name: str | None) -> str:
    """The storage connection string under ``name`` (None: the host's own storage).

    Raises:
        FunctionError: there is none, in the words of the storage extension.
    """
    return _find(settings, name or HOST_STORAGE, "Storage account connection string")


def service_bus_connection(settings: Mapping[str, str], name: str | None) -> str:
    """The Service Bus connection string under ``name`` (None: AzureWebJobsServiceBus).

    Raises:
        FunctionError: there is none, in the words of the Service Bus extension.
    """
    return _find(settings, name or "ServiceBus", "Service Bus account connection string")


def keys_have_storage(settings: Mapping[str, str]) -> bool:
    """Whether the settings say where an app on App Service keeps its keys (``DefaultSecretManagerProvider``)."""
    return bool(
        settings.get("AzureWebJobsSecretStorageType")
        or settings.get("AzureWebJobsSecretStorageSas")
        or settings.get(f"AzureWebJobs{HOST_STORAGE}")
        or any(name.startswith(f"AzureWebJobs{HOST_STORAGE}__") for name in settings)
    )


def _find(settings: Mapping[str, str], name: str, kind: str) -> str:
    found = settings.get(f"AzureWebJobs{name}") or settings.get(name)
    if found:
        return found
    if any(key.startswith((f"{name}__", f"AzureWebJobs{name}__")) for key in settings):
        raise FunctionError(f"'{name}' is an identity-based connection; the local host has no Azure identity to use.")
    shown = f"AzureWebJobs{name}" if name == HOST_STORAGE else name
    raise FunctionError(f"{kind} '{shown}' does not exist. Make sure that it is a defined App Setting.")
