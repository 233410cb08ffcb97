"""A bare loop over the SDK, as a script of one's own would be in place of `az ml-func test`; prints events per second.

Called with the folder of events, the folder of answers and how many are under way at once. The environment has the URL
and key of an HTTP app, or the connection string of the storage account of a blob app.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

Send = Callable[[Path], bytes]
_PAUSE = 0.1  # seconds between two looks for an output


def main(inputs: Path, outputs: Path, concurrency: int) -> None:
    """Send every file, and write every answer."""
    send = _by_blob() if "BENCH_CONNECTION" in os.environ else _by_http()
    files = sorted(inputs.iterdir())
    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        list(pool.map(lambda file: (outputs / file.name).write_bytes(send(file)), files))
    print(len(files) / (time.perf_counter() - started))


def _by_http() -> Send:
    url, headers = os.environ["BENCH_URL"], {"x-functions-key": os.environ["BENCH_KEY"]}
    own = threading.local()

    def send(file: Path) -> bytes:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        answer = own.session.post(url, data=file.read_bytes(), headers=headers)
        answer.raise_for_status()
        return bytes(answer.content)

    return send


def _by_blob() -> Send:
    service = BlobServiceClient.from_connection_string(os.environ["BENCH_CONNECTION"])

    def send(file: Path) -> bytes:
        name = f"loop-{file.stem}"
        service.get_blob_client("input", f"{name}.json").upload_blob(file.read_bytes())
        while True:
            try:
                return bytes(service.get_blob_client("output", f"{name}.out").download_blob().readall())
            except ResourceNotFoundError:
                time.sleep(_PAUSE)

    return send


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
