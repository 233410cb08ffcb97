"""A registered model on its way into the build context, against `az storage blob download` of the same file.

Storage is Azurite on this machine. Both are whole processes: ours starts az, finds the model's files, downloads them
into its cache, takes their checksum and writes the context, which is a second copy on disk; az writes the one file.
This file is our process, too, as far as `az ml-func package --context-only` has to do with the model.

    python -m tools.bench_download [MIB TIMES]
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from local_azure.azurite import ACCOUNT, Azurite
from tools.measuring import AZ, GIB, MIB, Command, Run, measure, median, row

CHECKOUT = Path(__file__).parents[1]
CONTAINER, BLOB = "models", "LocalUpload/1/model/weights.bin"


def main(size: int = 2 * GIB, times: int = 3) -> None:
    """Measure and print.

    :param size: of the model, in bytes.
    :param times: how often each is run, after one round that is not counted.
    """
    prefix = Path(os.environ.get("MLFUNC_AZURITE", CHECKOUT / ".venv" / "azurite"))
    with (
        tempfile.TemporaryDirectory() as scratch,
        Azurite(prefix, Path(scratch) / "azurite", in_memory=False) as azurite,
    ):
        folder = Path(scratch)
        _upload(azurite, size)
        key, url = azurite.keys(ACCOUNT)[0], f"http://127.0.0.1:{azurite.ports['blob']}/{ACCOUNT}/{CONTAINER}"
        ours: Command = (sys.executable, "-m", "tools.bench_download", url, key, folder)
        az: Command = (AZ, "storage", "blob", "download", "--container-name", CONTAINER, "--name", BLOB)
        az = (*az, "--file", folder / "weights.bin", "--overwrite", "--no-progress", "--only-show-errors")
        environment = {"PYTHONPATH": str(CHECKOUT), "AZURE_STORAGE_CONNECTION_STRING": azurite.connection_string()}
        runs: dict[str, list[Run]] = {"ours": [], "again": [], "az": [], "idle": []}
        for turn in range(times + 1):
            shutil.rmtree(folder / "cache", ignore_errors=True)
            for name, command in (("ours", ours), ("again", ours), ("az", az), ("idle", (AZ, "version"))):
                shutil.rmtree(folder / "context", ignore_errors=True)
                (folder / "weights.bin").unlink(missing_ok=True)
                run = measure(command, environment)
                if turn:
                    runs[name].append(run)
    print(f"A registered model of {size / GIB:.1f} GiB, from Azurite on this machine")
    row("into the build context, through the cache", runs["ours"], with_peak=True)
    row("the same version again, from the cache", runs["again"], with_peak=True)
    row("az storage blob download of the same file", runs["az"], with_peak=True)
    row("an idle az (az version)", runs["idle"], with_peak=True)
    print(
        f"  {'throughput against az storage':<42}{median(runs['az']) / median(runs['ours']):8.2f}   (goal: 1.0 or more)"
    )
    over = max(run.peak for run in runs["ours"] + runs["again"]) - max(run.peak for run in runs["idle"])
    print(f"  {'peak memory over an idle az':<42}{over / MIB:8.0f} MiB (goal: below 150)\n")


def _upload(azurite: Azurite, size: int) -> None:
    from azure.storage.blob import BlobServiceClient

    def blocks() -> Iterator[bytes]:
        for _ in range(size // (16 * MIB)):
            yield os.urandom(16 * MIB)

    with BlobServiceClient.from_connection_string(azurite.connection_string(), max_block_size=16 * MIB) as service:
        service.create_container(CONTAINER).upload_blob(BLOB, blocks(), length=size // (16 * MIB) * 16 * MIB)


def package(url: str, key: str, folder: Path) -> None:
    """Start az, and package the model in storage as a context."""
    from azure.cli.core import get_default_cli
    from azure.cli.core.profiles import ResourceType, get_sdk

    cli = get_default_cli()
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        cli.invoke(["ml-func", "package", "-h"])  # all that az does before it calls the command's function

    from azext_mlfunc.packaging.context import write_folder
    from azext_mlfunc.packaging.models import RegisteredModel, entries
    from azext_mlfunc.registry.credentials import Secret
    from azext_mlfunc.workspace.access import AccountKey
    from azext_mlfunc.workspace.cache import ModelCache
    from azext_mlfunc.workspace.client import ModelVersion
    from azext_mlfunc.workspace.reference import WorkspaceAsset
    from azext_mlfunc.workspace.storage import Container, Listing

    def blob_sdk(name: str) -> Any:
        return get_sdk(cli, ResourceType.DATA_STORAGE_BLOB, name)

    class OneModel:
        """Azure Machine Learning with one model."""

        def model(self, asset: object) -> ModelVersion:
            return ModelVersion("", "model", "1", "", "", "custom_model")

        def files(self, version: ModelVersion) -> tuple[Container, Listing]:
            make_sas = blob_sdk("_shared_access_signature#generate_container_sas")
            access = AccountKey(ACCOUNT, CONTAINER, Secret(key), make_sas)
            client = blob_sdk("_container_client#ContainerClient")
            container = Container(url, access, client.from_container_url)
            return container, container.files(BLOB.rpartition("/")[0])

    cache = ModelCache(folder / "cache", 5 * GIB)
    model = RegisteredModel(WorkspaceAsset("models", "model", "1"), cast(Any, OneModel()), cache)
    write_folder(entries([model], []), folder / "context")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        package(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    else:
        size, times = sys.argv[1:] or ("2048", "3")
        main(int(size) * MIB, int(times))
