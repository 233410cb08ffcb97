"""Blobs as files: what lies below a path of a container, and their bytes, range by range.

Listing is the storage SDK's, as az ships it. The bytes are not: the SDK holds a whole range in memory before it gives
the first byte of it, and begins a broken one anew.

ADLS Gen2 is read through its blob endpoint, which shows folders as blobs with the metadata `hdi_isfolder`.
Source: Azure Storage docs, "Multi-protocol access on Data Lake Storage"; Get Blob; error codes of the blob service.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from azext_mlfunc.workspace import errors
from azext_mlfunc.workspace.access import Access

BLOCK = 256 << 10
"""How much of a range is in memory at once, in bytes."""
_TIMEOUT = (30.0, 60.0)  # seconds: to connect, and between two bytes
_VERSION = "2021-12-02"  # the first that takes all of: tokens, SAS of any age, names with any character
_FOLDER = "hdi_isfolder"
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True)
class Location:
    """A file or folder in a container.

    :param container: `https://account.blob.core.windows.net/container`.
    :param path: without slashes at its ends; "" for all of the container.
    """

    container: str
    path: str

    def __str__(self) -> str:
        return f"{self.container}/{self.path}".rstrip("/")


@dataclass(frozen=True)
class RemoteFile:
    """A blob, as it was when it was listed.

    :param path: where it lies in the model: relative, with forward slashes.
    :param blob: its name in the container.
    :param size: its length in bytes.
    :param etag: changes with its content, with quotes.
    :param md5: of its content, where storage knows it.
    """

    path: str
    blob: str
    size: int
    etag: str
    md5: bytes | None = None


@dataclass(frozen=True)
class Listing:
    """The files of a model.

    :param location: where they are.
    :param files: sorted by path; a single file's path is its name.
    :param is_file: whether the location is one file, not a folder.
    """

    location: Location
    files: tuple[RemoteFile, ...]
    is_file: bool


class Container:
    """One container, opened in one way; nothing is sent before the first call, and many threads may call at once.

    :param url: see `Location.container`.
    :param access: what opens it.
    :param make_client: the SDK's `ContainerClient.from_container_url`.
    """

    def __init__(self, url: str, access: Access, make_client: Callable[..., Any]) -> None:
        self.url = url
        self.access = access
        self._make_client = make_client
        self._mine = threading.local()

    def files(self, path: str) -> Listing:
        """What lies at a path: a file, or all files of a folder.

        :raises errors.Refused: storage does not let us in this way.
        :raises azure.cli.core.azclierror.AzCLIError: it refuses for another reason; a name would leave the folder.
        """
        from azure.core.exceptions import AzureError

        location = Location(self.url, path)
        try:
            with self._make_client(self.url, credential=self.access.credential()) as client:
                single = self._single(client, path) if path else None
                found = [single] if single else [file for file in self._below(client, path) if file is not None]
        except AzureError as problem:
            raise errors.of_sdk(problem, str(location), self.access.origin) from problem
        return Listing(location, tuple(sorted(found, key=lambda file: file.path)), single is not None)

    def read(self, file: RemoteFile, start: int, stop: int) -> Iterator[bytes]:
        """Yield the bytes from `start` up to `stop`, in pieces of at most `BLOCK`.

        :raises errors.Transient: the connection broke or storage is busy: what was yielded until then is right.
        :raises azure.cli.core.azclierror.AzCLIError: storage refuses; the file is another one since it was listed.
        """
        import requests
        from urllib3.exceptions import HTTPError

        address = f"{self.url}/{quote(file.blob, safe='/')}"
        url, headers = self.access.sign(address)
        headers |= {"Range": f"bytes={start}-{stop - 1}", "If-Match": file.etag, "x-ms-version": _VERSION}
        headers["Accept-Encoding"] = "identity"
        left = stop - start
        try:
            session, options = self._session()
            with session.get(url, headers=headers, stream=True, timeout=_TIMEOUT, **options) as answer:
                if answer.status_code == 404:
                    raise errors.changed(address)  # it was there when it was listed
                if answer.status_code != 206:
                    raise errors.of_answer(answer, address, self.access.origin)
                while left and (block := answer.raw.read(min(BLOCK, left))):
                    left -= len(block)
                    yield block
        except (requests.RequestException, HTTPError, OSError) as problem:
            raise errors.broken(address, problem) from None  # what it says quotes the address, with its signature
        if left:
            raise errors.broken(address, EOFError("the connection was closed"))

    def _single(self, client: Any, path: str) -> RemoteFile | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = client.get_blob_client(path).get_blob_properties()
        except ResourceNotFoundError as problem:
            if str(getattr(problem, "error_code", "")) == "ContainerNotFound":
                raise
            return None
        return None if _is_folder(found) else _file(found, path.rpartition("/")[2])

    def _below(self, client: Any, path: str) -> Iterator[RemoteFile | None]:
        prefix = f"{path}/" if path else ""
        for found in client.list_blobs(name_starts_with=prefix, include=["metadata"]):
            name = found.name
            if not name.endswith("/") and not _is_folder(found):
                yield _file(found, name.removeprefix(prefix))

    def _session(self) -> tuple[Any, dict[str, Any]]:
        """This thread's connection."""
        session = getattr(self._mine, "session", None)
        if session is None:
            import requests
            from azure.cli.core.util import get_az_user_agent, should_disable_connection_verify

            session = self._mine.session = requests.Session()
            session.headers["User-Agent"] = get_az_user_agent()
            session.auth = lambda request: request  # else requests puts in what it finds in ~/.netrc
            # Asked once: the environment's proxies and certificates take longer to find out than a request to send.
            settings = session.merge_environment_settings(self.url, {}, None, None, None)
            verify = False if should_disable_connection_verify() else settings["verify"]
            session.trust_env = False
            self._mine.options = {"proxies": settings["proxies"], "verify": verify, "allow_redirects": False}
        return session, self._mine.options


def _is_folder(found: Any) -> bool:
    metadata: Mapping[str, str] = found.metadata or {}
    return any(name.lower() == _FOLDER and value.lower() == "true" for name, value in metadata.items())


def _file(found: Any, path: str) -> RemoteFile:
    """The blob as a file of the model.

    :raises azure.cli.core.azclierror.ValidationError: its name would lead out of the model's folder, or is none.
    """
    parts = path.split("/")
    if not path or any(part in ("", ".", "..") for part in parts) or _NOT_IN_A_NAME.search(path):
        raise errors.hostile_name(found.name)
    md5 = found.content_settings.content_md5
    return RemoteFile(path, found.name, found.size, f'"{str(found.etag).strip(chr(34))}"', bytes(md5) if md5 else None)
