"""The storage accounts behind Microsoft.Storage: Azurite's, which come and go as ARM says."""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from local_azure.azurite import Azurite

SUFFIX = "core.windows.net"


class StorageAccounts:
    """Accounts in one Azurite.

    Args:
        azurite: started or not; its ports are those that the accounts' host names lead to.
        trusted: file with the certificates of those whom a client has to trust.
    """

    def __init__(self, azurite: Azurite, trusted: str) -> None:
        self._azurite = azurite
        self._trusted = trusted

    def add(self, account: str) -> list[str]:
        """Make an account, or find it again; returns its two keys."""
        self._azurite.add_account(account)
        return self._azurite.keys(account)

    async def remove(self, account: str) -> None:
        """Take an account away, with all that it holds."""
        await asyncio.to_thread(self._empty, account)
        self._azurite.remove_account(account)

    def renew_key(self, account: str, index: int) -> list[str]:
        """Replace one of the two keys; returns both."""
        self._azurite.renew_key(account, index)
        return self._azurite.keys(account)

    def port(self, host: str) -> int | None:
        """Where an account's host name leads to on this machine; None: there is no such account or service."""
        account, _, service = host.removesuffix(f".{SUFFIX}").partition(".")
        if not host.endswith(f".{SUFFIX}") or not self._azurite.has_account(account):
            return None
        return self._azurite.ports.get(service)

    async def create_container(self, account: str, container: str) -> bool:
        """Make a blob container; False: it is there already."""
        return await asyncio.to_thread(self._create_container, account, container)

    async def delete_container(self, account: str, container: str) -> bool:
        """Delete a blob container; False: there is none."""
        return await asyncio.to_thread(self._delete_container, account, container)

    async def containers(self, account: str) -> list[dict[str, Any]]:
        """The blob containers of an account: ``name``, ``etag``, ``last_modified``."""
        return await asyncio.to_thread(self._containers, account)

    def signature(self, account: str, key: str, container: str, hours: float, writes: bool = True) -> str:
        """A SAS token for all blobs of a container, made with a key of its account."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        allowed = ContainerSasPermissions(read=True, list=True, write=writes, create=writes, add=writes, delete=writes)
        token: str = generate_container_sas(account, container, account_key=key, permission=allowed, expiry=until)
        return token

    async def copy(self, account: str, container: str, source: str, target: str) -> None:
        """Copy a blob, or all that is below a folder, within a container; nothing happens when there is nothing."""
        if self._azurite.has_account(account):
            await asyncio.to_thread(self._copy, account, container, source, target)

    async def read(self, account: str, container: str, blob: str) -> bytes | None:
        """The content of a blob, which has to be small; None: there is none."""
        if not self._azurite.has_account(account):
            return None
        return await asyncio.to_thread(self._read, account, container, blob)

    def _blobs(self, account: str) -> Any:
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(
            self._azurite.connection_string(account), connection_verify=self._trusted, retry_total=1
        )

    def _create_container(self, account: str, container: str) -> bool:
        from azure.core.exceptions import ResourceExistsError

        with self._blobs(account) as client:
            try:
                client.create_container(container)
            except ResourceExistsError:
                return False
        return True

    def _delete_container(self, account: str, container: str) -> bool:
        from azure.core.exceptions import ResourceNotFoundError

        with self._blobs(account) as client:
            try:
                client.delete_container(container)
            except ResourceNotFoundError:
                return False
        return True

    def _containers(self, account: str) -> list[dict[str, Any]]:
        with self._blobs(account) as client:
            return [
                {"name": each.name, "etag": each.etag, "last_modified": each.last_modified}
                for each in client.list_containers()
            ]

    def _copy(self, account: str, container: str, source: str, target: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with self._blobs(account) as client, client.get_container_client(container) as blobs:
            try:
                names = [each.name for each in blobs.list_blobs(source)]
            except ResourceNotFoundError:
                return
            for name in names:
                if name == source or name.startswith(f"{source.rstrip('/')}/"):
                    origin = blobs.get_blob_client(name).url
                    blobs.get_blob_client(target + name[len(source) :]).start_copy_from_url(origin)

    def _read(self, account: str, container: str, blob: str) -> bytes | None:
        from azure.core.exceptions import ResourceNotFoundError

        with self._blobs(account) as client:
            try:
                content: bytes = client.get_blob_client(container, blob).download_blob().readall()
            except ResourceNotFoundError:
                return None
        return content

    def _empty(self, account: str) -> None:
        from azure.storage.queue import QueueServiceClient

        connection = self._azurite.connection_string(account)
        with self._blobs(account) as blobs:
            for container in blobs.list_containers():
                blobs.delete_container(container.name)
        with QueueServiceClient.from_connection_string(connection, connection_verify=self._trusted) as queues:
            for queue in queues.list_queues():
                queues.delete_queue(queue.name)
