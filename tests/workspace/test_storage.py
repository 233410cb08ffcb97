"""Listing and reading blobs, against Azurite; and what storage's refusals become."""

from __future__ import annotations

import hashlib
import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import pytest
from azure.cli.core.azclierror import (
    AzureConnectionError,
    ForbiddenError,
    ResourceNotFoundError,
    ValidationError,
)
from azure.storage.blob import ContainerClient, generate_container_sas

from azext_mlfunc.registry.credentials import Secret
from azext_mlfunc.workspace import errors
from azext_mlfunc.workspace.access import SCOPE, AccountKey, Identity, Sas
from azext_mlfunc.workspace.storage import BLOCK, Container, RemoteFile
from local_azure.azurite import ACCOUNT

from .blobs import content


def test_a_folder_has_all_files_below_it_sorted(blobs):
    for name in ("m/iris/b.bin", "m/iris/a/é x#?%20.txt", "m/iris2/other", "m/iris.txt"):
        blobs.put(name, b"data")
    listing = blobs.container.files("m/iris")
    assert [(file.path, file.blob) for file in listing.files] == [
        ("a/é x#?%20.txt", "m/iris/a/é x#?%20.txt"),
        ("b.bin", "m/iris/b.bin"),
    ]
    assert not listing.is_file and str(listing.location) == f"{blobs.url}/m/iris"
    assert b"".join(blobs.container.read(listing.files[0], 0, 4)) == b"data"


def test_a_file_keeps_its_name(blobs):
    blobs.put("m/iris.pkl", b"data")
    blobs.put("m/iris.pkl.bak", b"other")
    listing = blobs.container.files("m/iris.pkl")
    [file] = listing.files
    assert listing.is_file
    assert (file.path, file.size, file.md5) == ("iris.pkl", 4, hashlib.md5(b"data").digest())


def test_all_of_a_container(blobs):
    blobs.put("a")
    blobs.put("b/c")
    assert [file.path for file in blobs.container.files("").files] == ["a", "b/c"]


def test_many_files_come_on_many_pages(blobs):
    container = Container(
        blobs.url,
        blobs.container.access,
        lambda url, **more: PagedClient(ContainerClient.from_container_url(url, **more)),
    )
    for number in range(7):
        blobs.put(f"m/{number}")
    assert len(container.files("m").files) == 7


class PagedClient:
    """The SDK's client, with pages of two."""

    def __init__(self, client):
        self._client = client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def get_blob_client(self, name):
        return self._client.get_blob_client(name)

    def list_blobs(self, **more):
        return self._client.list_blobs(results_per_page=2, **more)


def test_folders_of_adls_gen2_are_no_files(blobs):
    blobs.put("lake/iris", b"", metadata={"hdi_isfolder": "true"})
    blobs.put("lake/iris/sub", b"", metadata={"Hdi_isfolder": "true"})
    blobs.put("lake/iris/sub/weights", b"w")
    blobs.put("lake/iris/marker/", b"")
    listing = blobs.container.files("lake/iris")
    assert [file.path for file in listing.files] == ["sub/weights"] and not listing.is_file


def test_nothing_is_there(blobs):
    assert blobs.container.files("gone").files == ()
    missing = Container(f"{blobs.url}x", blobs.container.access, ContainerClient.from_container_url)
    with pytest.raises(ResourceNotFoundError) as raised:
        missing.files("m")
    assert "404 ContainerNotFound" in raised.value.error_msg


class ListingClient:
    """A `ContainerClient` whose blobs have these names."""

    def __init__(self, *names):
        self._names = names

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def list_blobs(self, name_starts_with, include):
        settings = SimpleNamespace(content_md5=None)
        for name in self._names:
            yield SimpleNamespace(name=name, size=1, etag="1", metadata=None, content_settings=settings)


@pytest.mark.parametrize(
    "name", ["../up", "a/../../up", "/absolute", "a//b", "a\\b", "..\\up", "a\nb", "a\x00b", ".", "a/./b", "a\x7f"]
)
def test_names_that_are_no_place_in_a_folder_are_refused(blobs, name):
    container = Container(blobs.url, blobs.container.access, lambda url, credential: ListingClient("ok", name))
    with pytest.raises(ValidationError) as raised:
        container.files("")
    assert ascii(name) in raised.value.error_msg and "stays within the model's folder" in raised.value.error_msg


def test_a_range_comes_in_blocks(blobs):
    data = content(3 << 20)
    blobs.put("m", data)
    [file] = blobs.container.files("m").files
    read = list(blobs.container.read(file, 1000, 2_500_000))
    assert b"".join(read) == data[1000:2_500_000]
    assert max(map(len, read)) <= BLOCK


def test_a_signature(blobs):
    blobs.put("m", b"data")
    made = AccountKey(ACCOUNT, blobs.name, Secret(blobs.key), generate_container_sas).sign("")[0]
    container = Container(blobs.url, Sas(Secret(made)), ContainerClient.from_container_url)
    [file] = blobs.container.files("m").files
    assert b"".join(container.read(file, 0, 4)) == b"data"
    assert "sig=" in made and "sig=" not in repr(vars(container.access))


def test_a_file_that_is_another_one_by_now(blobs):
    blobs.put("m", b"data")
    [file] = blobs.container.files("m").files
    blobs.put("m", b"more data")
    with pytest.raises(ValidationError) as raised:
        list(blobs.container.read(file, 0, 4))
    assert "changed" in raised.value.error_msg and f"{blobs.url}/m" in raised.value.error_msg


def test_nobody_answers():
    access = Sas(Secret("sig=secret"))
    file = RemoteFile("m", "m", 4, '"1"')
    with pytest.raises(errors.Transient) as raised:
        list(Container("http://127.0.0.1:1/a/c", access, ContainerClient.from_container_url).read(file, 0, 4))
    assert isinstance(raised.value.error, AzureConnectionError)
    assert "secret" not in str(raised.value.error)


class Refusing:
    """A storage account that answers the same to everything."""

    def __init__(self, status, code, headers=()):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                for name, value in {"x-ms-error-code": code, "Content-Length": "0", **dict(headers)}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{self._server.server_port}/account/models"
        return Container(url, Sas(Secret("sig=secret")), ContainerClient.from_container_url)

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


FILE = RemoteFile("m", "m", 4, '"1"')


@pytest.mark.parametrize("code", ["AuthorizationFailure", "IpAuthorizationError"])
def test_a_firewall_is_an_error_of_its_own(code):
    with Refusing(403, code) as container:
        for ask in (lambda: container.files("m"), lambda: list(container.read(FILE, 0, 4))):
            with pytest.raises(ForbiddenError) as raised:
                ask()
            text = raised.value.error_msg + " ".join(raised.value.recommendations)
            assert "firewall" in text and "network-rule add" in text and "secret" not in text


@pytest.mark.parametrize(
    "code", ["AuthenticationFailed", "AuthorizationPermissionMismatch", "KeyBasedAuthenticationNotPermitted"]
)
def test_who_is_not_let_in_may_come_another_way(code):
    with Refusing(403, code) as container:
        with pytest.raises(errors.Refused) as refused:
            container.files("m")
        with pytest.raises(ForbiddenError) as raised:
            list(container.read(FILE, 0, 4))
    for error in (refused.value.error, raised.value):
        text = error.error_msg + " ".join(error.recommendations)
        assert f"403 {code}" in text and "Storage Blob Data Reader" in text and "listSecrets/action" in text
        assert "secret" not in text


def test_the_archive_tier():
    with Refusing(409, "BlobArchived") as container, pytest.raises(ValidationError) as raised:
        list(container.read(FILE, 0, 4))
    assert "archive tier" in raised.value.error_msg


def test_a_busy_account_says_how_long_to_wait():
    with Refusing(503, "ServerBusy", {"Retry-After": "7"}) as container, pytest.raises(errors.Transient) as raised:
        list(container.read(FILE, 0, 4))
    assert raised.value.wait == 7.0


def test_ones_own_token_is_asked_for_once_and_renewed_before_it_ends():
    class Credential:
        def __init__(self):
            self.asked = []
            self.ends = 0

        def get_token(self, *scopes):
            self.asked += scopes
            return SimpleNamespace(token=f"token{len(self.asked)}", expires_on=self.ends)

    credential = Credential()
    identity = Identity(lambda: credential)
    assert identity.sign("https://x") == ("https://x", {"Authorization": "Bearer token1"})
    credential.ends = 1 << 40
    assert identity.sign("https://x")[1] == {"Authorization": "Bearer token2"}
    assert identity.sign("https://x")[1] == {"Authorization": "Bearer token2"}
    assert credential.asked == [SCOPE, SCOPE] and "token" not in repr(vars(identity)["_token"])


@pytest.mark.parametrize("kind", ["key", "signature"])
def test_no_log_shows_a_signature(blobs, caplog, kind):
    """`az --debug` shows what urllib3 logs: every address."""
    blobs.put("m/iris.pkl", b"data")
    container = blobs.container
    if kind == "signature":
        query = container.access.sign("")[0].lstrip("?")
        access = Sas(Secret(query))
        container = Container(blobs.url, access, ContainerClient.from_container_url)
    caplog.set_level(logging.DEBUG)
    [file] = container.files("m/iris.pkl").files
    assert b"".join(container.read(file, 0, 4)) == b"data"
    logged = [each.getMessage() for each in caplog.records if each.name.startswith("urllib3")]
    shown = [each for each in logged if "sig=" in each]
    assert len(shown) == {"key": 1, "signature": 2}[kind], "it would be logged, for each request"
    assert all("sig=…" in each and "/m/iris.pkl?" in each for each in shown)
