"""A process of its own that downloads the model `m` and prints its SHA-256; its arguments are the address of the
container, its name, the account's key, the cache's folder, and how many connections."""

import hashlib
import sys
from pathlib import Path

from azure.storage.blob import ContainerClient, generate_container_sas

from azext_mlfunc.registry.credentials import Secret
from azext_mlfunc.workspace.access import AccountKey
from azext_mlfunc.workspace.cache import ModelCache
from azext_mlfunc.workspace.download import Download
from azext_mlfunc.workspace.storage import Container

url, name, key, folder, connections = sys.argv[1:]
access = AccountKey(url.split("/")[-2], name, Secret(key), generate_container_sas)
container = Container(url, access, ContainerClient.from_container_url)
files = container.files("m").files
slot = ModelCache(Path(folder), 1 << 30).open([file.etag for file in files], [file.size for file in files])
digest = hashlib.sha256()
with Download(container, files, slot, connections=int(connections)) as download:
    for chunk in download.chunks(0):
        digest.update(chunk)
slot.close()
print(digest.hexdigest())
