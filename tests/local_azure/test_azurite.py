"""Starting the storage emulator."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local_azure.azurite import Azurite, AzuriteMissing
from local_azure.processes import accepts_connections


def test_accounts_are_added_while_it_runs(azurite: Azurite) -> None:
    for name in ("addedone", "addedtwo"):
        connection = azurite.add_account(name)
        BlobServiceClient.from_connection_string(connection).create_container("mine")
        QueueServiceClient.from_connection_string(connection).create_queue("mine")
        assert azurite.connection_string(name) == connection
        assert azurite.add_account(name) == connection
    key = azurite.connection_string("addedone").split("AccountKey=")[1].split(";")[0]
    other = azurite.connection_string("addedtwo").split("AccountKey=")[1].split(";")[0]
    stolen = azurite.connection_string("addedtwo").replace(other, key)
    with pytest.raises(HttpResponseError):
        BlobServiceClient.from_connection_string(stolen, retry_total=0).create_container("theirs")


def test_data_and_accounts_are_kept_in_a_folder(azurite: Azurite, tmp_path: Path) -> None:
    with Azurite(azurite.prefix, tmp_path, in_memory=False) as first:
        connection = first.add_account("keeper")
        BlobServiceClient.from_connection_string(connection).create_container("kept")
        ports = list(first.ports.values())
    assert not any(map(accepts_connections, ports))
    with Azurite(azurite.prefix, tmp_path, in_memory=False) as second:
        service = BlobServiceClient.from_connection_string(second.connection_string("keeper"))
        assert [container.name for container in service.list_containers()] == ["kept"]


def test_the_account_file_is_the_users_alone(azurite: Azurite) -> None:
    assert (azurite.state_dir / "accounts").stat().st_mode & 0o777 == 0o600


def test_what_is_wrong_is_said(azurite: Azurite, tmp_path: Path) -> None:
    with pytest.raises(AzuriteMissing, match="install-azurite"):
        Azurite(tmp_path, tmp_path / "state").start()
    with pytest.raises(ValueError, match="not a storage account name"):
        azurite.add_account("Not-OK")
    with pytest.raises(KeyError, match="devstoreaccount1"):
        azurite.connection_string("unknown")
