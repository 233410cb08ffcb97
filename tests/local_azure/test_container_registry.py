"""Container registries as clients see them: over TLS, under their real host names, through a proxy as in `up`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import logging
import os
import shutil
import signal
import ssl
import threading
import tracemalloc
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import trustme
from aiohttp import web
from azure.cli.core.azclierror import ForbiddenError, ResourceNotFoundError
from helpers import az

from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.credentials import Credentials, CredentialSource, Given, Secret
from local_azure.base_image import CONFIG
from local_azure.container_registry import ContainerRegistries, ImportRefused, ImportSource, PublicRegistry
from local_azure.container_registry.access import repository
from local_azure.container_registry.tokens import Tokens
from local_azure.waiting import wait_for

SECRET = b"of these tests"
NAME, HOST, URL = "testreg", "testreg.azurecr.io", "https://testreg.azurecr.io"
OTHER = "otherreg"
PASSWORDS = ("first/Password+", "second=Password")
ADMIN = (NAME, PASSWORDS[0])
NULL_GUID = "00000000-0000-0000-0000-000000000000"
BASE, BASE_TAG = "azure-functions/python", "4-python3.13"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
UNLOCKED = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}
BACKENDS = ("docker-registry", "small-registry")


class People:
    """A directory in memory: whoever is in `rights` may do what it says, in every registry."""

    def __init__(self) -> None:
        self.admins: dict[str, tuple[str, tuple[str, ...]]] = {NAME: (NAME, PASSWORDS), OTHER: (OTHER, PASSWORDS)}
        self.rights: dict[str, set[str]] = {
            "owner": {"pull", "push", "delete", "catalog"},
            "puller": {"pull"},
            "nobody": set(),
        }
        self.anonymous: set[str] = set()

    def admin(self, registry: str) -> tuple[str, tuple[str, ...]] | None:
        return self.admins.get(registry.lower())

    def may(self, registry: str, principal: str, action: str) -> bool:
        return action in self.rights[principal]

    def anonymous_pull(self, registry: str) -> bool:
        return registry in self.anonymous

    def principal(self, aad_token: str) -> str | None:
        return aad_token.removeprefix("aad-") if aad_token.startswith("aad-") else None


class Azure:
    """The registries in an event loop of their own, and the proxy that leads their names to them."""

    def __init__(self, folder: Path, people: People, backend: str, authority: trustme.CA) -> None:
        self.folder, self.people = folder, people
        self.public = PublicRegistry(folder / "mcr", backend)
        self.registries = ContainerRegistries(folder / "acr", people, SECRET, self.public, backend)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("*.azurecr.io", "mcr.microsoft.com").configure_cert(self._tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.proxy = ""

    def __enter__(self) -> Azure:
        self._thread.start()
        try:
            self.run(self._start())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(120)

    async def _start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls).start()
        self._server = await asyncio.start_server(self._tunnel, "127.0.0.1", 0)
        self.proxy = "http://{}:{}".format(*self._server.sockets[0].getsockname())
        await asyncio.gather(self.registries.open(NAME), self.registries.open(OTHER), self.public.open())

    async def _stop(self) -> None:
        await self._runner.cleanup()
        self._server.close()
        await asyncio.gather(self.registries.close(), self.public.close())
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.host == "mcr.microsoft.com":
            return await self.public.handle(request)
        return await self.registries.handle(request.host.partition(".")[0], request)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"CONNECT ")
        there, back = await asyncio.open_connection(*self._runner.addresses[0][:2])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(1 << 16):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, back), pump(there, writer))


StartAzure = Callable[..., Azure]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return needed(request.param)


def needed(backend: str) -> str:
    """The backend, if this machine has it; else the test is skipped, or fails where all is to be there."""
    if backend == "docker-registry" and shutil.which("docker-registry") is None:
        reason = "no docker-registry here: .ci/run shows the Debian package that brings it"
        if os.environ.get("MLFUNC_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return backend


@pytest.fixture
def start_azure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[StartAzure]:
    """Starts registries, and has this process's HTTP clients trust them and go through their proxy.

    What a server logs as an error, such as an exception that it did not expect, fails the test.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with contextlib.ExitStack() as running:

        def start(people: People, backend: str, folder: Path = tmp_path / "state") -> Azure:
            azure = running.enter_context(Azure(folder, people, backend, authority))
            monkeypatch.setenv("HTTPS_PROXY", azure.proxy)
            return azure

        yield start
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def azure(start_azure: StartAzure, people: People, backend: str) -> Azure:
    return start_azure(people, backend)


class Image:
    """An image of one layer, as bytes."""

    def __init__(self, layer: bytes = b"a layer", architecture: str = "amd64") -> None:
        self.layer = layer
        self.config = json.dumps({"architecture": architecture, "os": "linux", "rootfs": {"diff_ids": []}}).encode()
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": described(self.config, "application/vnd.oci.image.config.v1+json"),
                "layers": [described(layer, "application/vnd.oci.image.layer.v1.tar")],
            }
        ).encode()
        self.digest = digest_of(self.manifest)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def repo(name: str, credentials: CredentialSource | None = None, host: str = HOST) -> Registry:
    """A repository, with the admin user's password."""
    return Registry(host, name, credentials or Given(host, host.partition(".")[0], Secret(PASSWORDS[0])))


def push(name: str, tags: Iterable[str] = ("v1",), image: Image | None = None, host: str = HOST) -> Image:
    """Push an image with the project's own client."""
    image = image or Image()
    with repo(name, host=host) as registry:
        for blob in (image.layer, image.config):
            registry.upload_blob(digest_of(blob), len(blob), lambda blob=blob: [blob])
        for tag in tags:
            assert registry.put_manifest(tag, image.manifest, MANIFEST) == image.digest
    return image


def exchange(who: str, host: str = HOST) -> requests.Response:
    """As az does it: a token of Microsoft Entra ID for a refresh token."""
    form = {"grant_type": "access_token", "service": host, "tenant": "t", "access_token": f"aad-{who}"}
    return requests.post(f"https://{host}/oauth2/exchange", data=form)


def token(who: str, *scopes: str) -> str:
    """As az does it: an access token for scopes."""
    form = {"grant_type": "refresh_token", "service": HOST, "scope": " ".join(scopes)}
    answer = requests.post(f"{URL}/oauth2/token", data={**form, "refresh_token": exchange(who).json()["refresh_token"]})
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


def claims(access_token: str) -> list[dict[str, Any]]:
    return list(jwt.decode(access_token, options={"verify_signature": False})["access"])


def bearer(access_token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access_token}", "Accept": MANIFEST, **more}


def get(path: str, **query: str | int) -> requests.Response:
    return requests.get(f"{URL}{path}", auth=ADMIN, params=query, headers={"Accept": f"{MANIFEST}, {INDEX}"})


def code(answer: requests.Response) -> str:
    [error] = answer.json()["errors"]
    return str(error["code"])


# -- who may do what


def test_who_has_not_signed_in_is_told_how(azure: Azure) -> None:
    root = requests.get(f"{URL}/v2/")
    assert root.status_code == 401
    assert root.headers["WWW-Authenticate"] == f'Bearer realm="{URL}/oauth2/token",service="{HOST}"'
    message = "authentication required, visit https://aka.ms/acr/authorization for more information."
    assert root.json() == {"errors": [{"code": "UNAUTHORIZED", "message": message, "detail": None}]}

    asked = [
        ("GET", "/v2/a/b/manifests/v1", "repository:a/b:pull"),
        ("PUT", "/v2/a/b/manifests/v1", "repository:a/b:pull,push"),
        ("DELETE", "/acr/v1/a/b/_tags/v1", "repository:a/b:delete"),
        ("GET", "/acr/v1/a%2Fb", "repository:a/b:metadata_read"),
        ("GET", "/acr/v1/_catalog", "registry:catalog:*"),
        ("GET", "/v2/_catalog", "registry:catalog:*"),
    ]
    for method, path, scope in asked:
        answer = requests.request(method, f"{URL}{path}")
        assert (answer.status_code, code(answer)) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].endswith(f',service="{HOST}",scope="{scope}"')
        kind, name, actions = scope.split(":")
        detail = [{"Type": kind, "Name": name, "Action": action} for action in actions.split(",")]
        assert answer.json()["errors"][0]["detail"] == detail


def test_an_identity_becomes_a_token_for_what_it_may_do(azure: Azure) -> None:
    push("a/b")
    access = token("owner", "repository:a/b:pull,push", "repository:c:delete", "registry:catalog:*")
    assert claims(access) == [
        {"type": "repository", "name": "a/b", "actions": ["pull", "push"]},
        {"type": "repository", "name": "c", "actions": ["delete"]},
        {"type": "registry", "name": "catalog", "actions": ["*"]},
    ]
    assert requests.get(f"{URL}/v2/a/b/manifests/v1", headers=bearer(access)).status_code == 200
    assert requests.get(f"{URL}/v2/_catalog", headers=bearer(access)).json() == {"repositories": ["a/b"]}
    # For what was not asked for it is not good.
    assert requests.get(f"{URL}/v2/c/manifests/v1", headers=bearer(access)).status_code == 401


def test_what_an_identity_may_not_do_is_left_out_of_its_token(azure: Azure) -> None:
    push("a")
    scopes = ("repository:a:pull,push,metadata_read,metadata_write", "repository:a:delete", "registry:catalog:*")
    access = token("puller", *scopes)
    assert claims(access) == [{"type": "repository", "name": "a", "actions": ["pull", "metadata_read"]}]
    assert requests.get(f"{URL}/v2/a/manifests/v1", headers=bearer(access)).status_code == 200
    for call in (
        "DELETE /acr/v1/a/_tags/v1",
        "PUT /v2/a/manifests/v2",
        "POST /v2/a/blobs/uploads/",
        "GET /v2/_catalog",
    ):
        method, path = call.split()
        refused = requests.request(method, f"{URL}{path}", headers=bearer(access), data=b"{}")
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].endswith(',error="insufficient_scope"')
    assert get("/v2/a/tags/list").json()["tags"] == ["v1"]


def test_who_has_no_right_gets_no_token(azure: Azure) -> None:
    assert [exchange(who).status_code for who in ("owner", "nobody")] == [200, 401]
    stranger = requests.post(f"{URL}/oauth2/exchange", data={"grant_type": "access_token", "access_token": "made up"})
    assert (stranger.status_code, code(stranger)) == (401, "UNAUTHORIZED")
    form = {"grant_type": "refresh_token", "refresh_token": "made up", "scope": "repository:a:pull"}
    assert requests.post(f"{URL}/oauth2/token", data=form).status_code == 401
    assert requests.post(f"{URL}/oauth2/token", data={"grant_type": "client_credentials"}).status_code == 400
    assert requests.post(f"{URL}/oauth2/exchange", data={"grant_type": "password"}).status_code == 400


def test_tokens_that_are_over_or_from_elsewhere_are_refused(azure: Azure) -> None:
    push("a")
    granted = [repository("a", "pull")]
    tokens = Tokens(SECRET)
    assert requests.get(f"{URL}/v2/a/manifests/v1", headers=bearer(tokens.access(NAME, "x", granted))).ok
    bad = {
        "over": tokens.access(NAME, "x", granted, lifetime=-1),
        "of another cloud": Tokens(b"another").access(NAME, "x", granted),
        "of another registry": tokens.access(OTHER, "x", granted),
        "a refresh token": tokens.refresh(NAME, "owner"),
        "of Entra": "aad-owner",
        "signed by nobody": jwt.encode({"access": []}, "", "none"),
    }
    for what, one in bad.items():
        refused = requests.get(f"{URL}/v2/a/manifests/v1", headers=bearer(one))
        assert (refused.status_code, code(refused)) == (401, "UNAUTHORIZED"), what
        assert refused.headers["WWW-Authenticate"].endswith('scope="repository:a:pull",error="invalid_token"'), what
    over = tokens.refresh(NAME, "owner", lifetime=-1)
    for one in (over, tokens.refresh(OTHER, "owner"), tokens.access(NAME, "x", granted)):
        form = {"grant_type": "refresh_token", "refresh_token": one, "scope": "repository:a:pull"}
        assert requests.post(f"{URL}/oauth2/token", data=form).status_code == 401


def test_a_right_that_is_taken_away_is_not_in_the_next_token(azure: Azure, people: People) -> None:
    refresh = exchange("owner").json()["refresh_token"]
    people.rights["owner"] = {"pull"}
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "scope": "repository:a:pull,push"}
    access = requests.post(f"{URL}/oauth2/token", data=form).json()["access_token"]
    assert claims(access) == [{"type": "repository", "name": "a", "actions": ["pull"]}]


def test_the_admin_user_may_do_all_with_either_password(azure: Azure, people: People) -> None:
    push("a")
    for password in PASSWORDS:
        assert requests.get(f"{URL}/v2/", auth=(NAME, password)).status_code == 200
        query = {"service": HOST, "scope": ["repository:a:pull,push", "registry:catalog:*"]}
        by_header = requests.get(f"{URL}/oauth2/token", params=query, auth=(NAME, password)).json()["access_token"]
        form = {"grant_type": "password", "username": NAME, "password": password, "scope": "repository:a:*"}
        by_form = requests.post(f"{URL}/oauth2/token", data=form).json()["access_token"]
        for access in (by_header, by_form):
            assert requests.get(f"{URL}/v2/a/manifests/v1", headers=bearer(access)).status_code == 200
        assert requests.get(f"{URL}/v2/_catalog", headers=bearer(by_header)).status_code == 200
    for wrong in ((NAME, "wrong"), ("somebody", PASSWORDS[0]), (NAME, "")):
        assert requests.get(f"{URL}/v2/", auth=wrong).status_code == 401
        assert requests.get(f"{URL}/oauth2/token", auth=wrong).status_code == 401
    for header in ("Basic ", "Basic %%%", "Basic " + base64.b64encode(b"no colon").decode(), "Digest x"):
        assert requests.get(f"{URL}/v2/", headers={"Authorization": header}).status_code == 401
    people.admins.clear()
    assert requests.get(f"{URL}/v2/", auth=ADMIN).status_code == 401


def test_app_service_shows_the_credentials_of_its_settings(azure: Azure, people: People) -> None:
    may = azure.registries.authorize
    refresh = exchange("puller").json()["refresh_token"]
    assert may(NAME, "a", *ADMIN) and may(NAME.upper(), "a", *ADMIN) and may(NAME, "a", NULL_GUID, refresh)
    assert requests.get(f"{URL}/v2/", auth=(NULL_GUID, refresh)).status_code == 200
    assert not may(NAME, "a", NAME, "wrong") and not may(NAME, "a", NULL_GUID, "aad-puller")
    assert not may(OTHER, "a", *ADMIN) and not may(OTHER, "a", NULL_GUID, refresh) and not may("none", "a", *ADMIN)
    people.rights["puller"] = {"push"}
    assert not may(NAME, "a", NULL_GUID, refresh)
    assert not may(NAME, "a", None, None)
    people.anonymous.add(NAME)
    assert may(NAME, "a", None, None)


def test_where_anybody_may_pull_a_token_is_given_to_nobody(azure: Azure, people: People) -> None:
    push("a")
    query = {"service": HOST, "scope": "repository:a:pull,push"}
    assert requests.get(f"{URL}/oauth2/token", params=query).status_code == 401
    people.anonymous.add(NAME)
    access = requests.get(f"{URL}/oauth2/token", params=query).json()["access_token"]
    form = {"grant_type": "password", "service": HOST, "scope": "repository:a:metadata_read"}
    by_form = requests.post(f"{URL}/oauth2/token", data=form).json()["access_token"]
    assert requests.get(f"{URL}/v2/a/manifests/v1").status_code == 401
    assert requests.get(f"{URL}/v2/a/manifests/v1", headers=bearer(access)).status_code == 200
    assert requests.get(f"{URL}/acr/v1/a/_tags", headers=bearer(by_form)).status_code == 200
    assert requests.post(f"{URL}/v2/a/blobs/uploads/", headers=bearer(access)).status_code == 401


# -- images


def test_the_projects_client_pushes_mounts_and_pulls(azure: Azure) -> None:
    image = push("team/app", ("v1", "latest"), Image(b"x" * (9 << 20)))
    with repo("team/app") as app, repo("elsewhere") as elsewhere:
        for reference in ("v1", "latest", image.digest):
            found = app.manifest(reference)
            assert (found.raw, found.digest, found.media_type) == (image.manifest, image.digest, MANIFEST)
        assert app.config(found)["architecture"] == "amd64"
        layer = digest_of(image.layer)
        assert b"".join(app.read_blob(layer)) == image.layer
        assert app.has_blob(layer) and not elsewhere.has_blob(layer)
        assert elsewhere.mount_blob(layer, "team/app") and elsewhere.has_blob(layer)
        assert not elsewhere.mount_blob(digest_of(b"another"), "team/app")
        for missing in ("v2", digest_of(b"another")):
            with pytest.raises(ResourceNotFoundError):
                app.manifest(missing)
        with pytest.raises(ResourceNotFoundError):
            elsewhere.manifest("v1")


class Refreshed:
    """The refresh token of an identity, as `az acr login` leaves it."""

    def __init__(self, who: str) -> None:
        self._secret = Secret(exchange(who).json()["refresh_token"])

    def find(self, host: str) -> Credentials:
        return Credentials(self._secret, None, "of a test")


def test_an_identity_pushes_and_mounts_as_far_as_its_roles_reach(azure: Azure, people: People) -> None:
    image = push("base")
    layer = digest_of(image.layer)
    with repo("app", Refreshed("owner")) as app:
        assert app.mount_blob(layer, "base")
    people.rights["pusher"] = {"push"}
    with repo("app2", Refreshed("pusher")) as app:
        assert not app.mount_blob(layer, "base")  # that is to pull there
    with repo("base", Refreshed("puller")) as base:
        assert base.manifest("v1").digest == image.digest
        with pytest.raises(ForbiddenError):
            base.put_manifest("v2", image.manifest, MANIFEST)
    only_target = token("owner", "repository:app3:pull,push")
    mount = f"{URL}/v2/app3/blobs/uploads/?mount={layer}&from=base"
    assert requests.post(mount, headers=bearer(only_target)).status_code == 401
    both = token("owner", "repository:app3:pull,push", "repository:base:pull")
    assert requests.post(mount, headers=bearer(both)).status_code == 201


def test_uploads_in_chunks_say_where_they_are(azure: Azure, backend: str) -> None:
    data = bytes(range(256)) * 1000
    begun = requests.post(f"{URL}/v2/a/blobs/uploads/", auth=ADMIN)
    assert begun.status_code == 202
    assert begun.headers["Location"].startswith(f"{URL}/v2/a/blobs/uploads/")
    location = begun.headers["Location"]
    for start in (0, 100_000):
        chunk = data[start : start + 100_000]
        headers = {"Content-Range": f"{start}-{start + len(chunk) - 1}", "Content-Type": "application/octet-stream"}
        sent = requests.patch(location, data=chunk, headers=headers, auth=ADMIN)
        assert (sent.status_code, sent.headers["Range"]) == (202, f"0-{start + len(chunk) - 1}")
        location = sent.headers["Location"]
    status = requests.get(location, auth=ADMIN)
    assert (status.status_code, status.headers["Range"]) == (204, "0-199999")
    if backend == "small-registry":  # docker-registry 2.8 does not look at it
        again = requests.patch(location, data=data[:9], headers={**headers, "Content-Range": "0-8"}, auth=ADMIN)
        assert (again.status_code, again.headers["Range"]) == (416, "0-199999")
    done = requests.put(f"{location}&" if "?" in location else f"{location}?", params={"digest": digest_of(data)},
                        data=data[200_000:], auth=ADMIN)  # fmt: skip
    assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, digest_of(data))
    assert done.headers["Location"] == f"{URL}/v2/a/blobs/{digest_of(data)}"

    blob = f"{URL}/v2/a/blobs/{digest_of(data)}"
    head = requests.head(blob, auth=ADMIN)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(data)), b"")
    part = requests.get(blob, auth=ADMIN, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(data)}"
    assert requests.get(blob, auth=ADMIN).content == data


def test_what_is_not_as_it_says_is_not_taken(azure: Azure) -> None:
    image = Image()
    upload = requests.post(f"{URL}/v2/a/blobs/uploads/", auth=ADMIN).headers["Location"]
    wrong = requests.put(f"{upload}{'&' if '?' in upload else '?'}digest={digest_of(b'b')}", data=b"c", auth=ADMIN)
    assert (wrong.status_code, code(wrong)) == (400, "DIGEST_INVALID")
    push("a", (), image)
    headers = {"Content-Type": MANIFEST}
    for reference, content, said in (
        ("v1", b"no json", "MANIFEST_INVALID"),
        (digest_of(b"another"), image.manifest, "DIGEST_INVALID"),
        ("v1", Image(b"not there").manifest, "MANIFEST_BLOB_UNKNOWN"),
        ("v1", b" " * (5 << 20), "MANIFEST_INVALID"),
    ):
        answer = requests.put(f"{URL}/v2/a/manifests/{reference}", data=content, headers=headers, auth=ADMIN)
        assert answer.status_code in (400, 413)
        assert said in [error["code"] for error in answer.json()["errors"]]
    assert code(get("/v2/a/tags/list")) == "NAME_UNKNOWN"


def test_a_manifest_is_answered_to_those_who_know_its_kind(azure: Azure) -> None:
    image = push("a")
    found = requests.head(f"{URL}/v2/a/manifests/v1", auth=ADMIN, headers={"Accept": MANIFEST})
    assert (found.status_code, found.content) == (200, b"")
    assert found.headers["Docker-Content-Digest"] == image.digest
    assert found.headers["Content-Length"] == str(len(image.manifest))
    assert found.headers["Content-Type"] == MANIFEST
    unknown = requests.get(f"{URL}/v2/a/manifests/v1", auth=ADMIN)
    assert (unknown.status_code, code(unknown)) == (404, "MANIFEST_UNKNOWN")
    assert "accept header does not support OCI manifests" in unknown.text
    missing = get("/v2/a/manifests/v2").json()["errors"]
    message = 'manifest tagged by "v2" is not found'
    assert missing == [{"code": "MANIFEST_UNKNOWN", "message": message, "detail": {"Tag": "v2"}}]


def test_an_image_for_many_platforms(azure: Azure) -> None:
    images = [push("a", (), Image(architecture=one)) for one in ("amd64", "arm64")]
    entries = []
    for image, architecture in zip(images, ("amd64", "arm64"), strict=True):
        address = f"{URL}/v2/a/manifests/{image.digest}"
        assert requests.put(address, data=image.manifest, headers={"Content-Type": MANIFEST}, auth=ADMIN).ok
        platform = {"os": "linux", "architecture": architecture}
        entries.append({**described(image.manifest, MANIFEST), "platform": platform})
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    with repo("a") as registry:
        digest = registry.put_manifest("v1", index, INDEX)
        assert registry.manifest("v1").digest == images[0].digest
    manifest = get(f"/acr/v1/a/_manifests/{digest}").json()["manifest"]
    assert manifest["mediaType"] == INDEX
    assert manifest["imageSize"] == sum(len(one.layer) + len(one.config) for one in images)
    assert manifest["references"] == [
        {"digest": image.digest, "architecture": architecture, "os": "linux"}
        for image, architecture in zip(images, ("amd64", "arm64"), strict=True)
    ]
    azure.run(azure.registries.import_image(OTHER, ImportSource("a:v1", resource_id=NAME)))
    with repo("a", host=f"{OTHER}.azurecr.io") as other:
        assert other.manifest("v1", ("linux", "arm64")).digest == images[1].digest


# -- Azure's own API


def pages(path: str, index: str, **query: str | int) -> list[list[Any]]:
    """All pages of a list, as az follows them."""
    found = []
    answer = get(path, **query)
    while True:
        found.append(answer.json()[index])
        link = answer.headers.get("Link")
        if link is None:
            return found
        assert link.endswith('>; rel="next"')
        answer = get(link[1 : link.index(">")])


def test_long_lists_come_page_by_page(azure: Azure) -> None:
    tags = ["a", "b", "c", "d", "e"]
    image = push("one", tags)
    push("two/three")
    push("two")
    for path in ("/v2/_catalog", "/acr/v1/_catalog"):
        assert pages(path, "repositories") == [["one", "two", "two/three"]]
        assert pages(path, "repositories", n=2) == [["one", "two"], ["two/three"]]
    assert get("/acr/v1/_catalog", n=2).headers["Link"] == '</acr/v1/_catalog?last=two&n=2&orderby=>; rel="next"'
    assert pages("/v2/one/tags/list", "tags", n=2) == [["a", "b"], ["c", "d"], ["e"]]
    assert pages("/v2/one/tags/list", "tags", last="bb", n=5) == [["c", "d", "e"]]
    for order, expected in (("", tags), ("timeasc", tags), ("timedesc", tags[::-1])):
        named = [[tag["name"] for tag in page] for page in pages("/acr/v1/one/_tags", "tags", n=3, orderby=order)]
        assert named == [expected[:3], expected[3:]]
    assert [len(page) for page in pages("/acr/v1/one/_tags", "tags", digest=digest_of(b""))] == [0]
    assert [one["digest"] for [one] in pages("/acr/v1/one/_manifests", "manifests", n=1)] == [image.digest]
    assert get("/v2/_catalog", n="many").status_code == 400


def test_attributes_and_their_times(azure: Azure) -> None:
    image = push("a/b", ("v1", "v2"))
    shown = get("/acr/v1/a/b").json()
    times = {"createdTime", "lastUpdateTime"}
    assert {name: shown[name] for name in shown.keys() - times} == {
        "registry": HOST,
        "imageName": "a/b",
        "manifestCount": 1,
        "tagCount": 2,
        "changeableAttributes": UNLOCKED,
    }
    assert shown["createdTime"] < shown["lastUpdateTime"]
    assert len(shown["createdTime"]) == len("2022-07-08T22:49:45.3488926Z")
    tag = get("/acr/v1/a/b/_tags/v1").json()["tag"]
    assert tag == get("/acr/v1/a%2Fb/_tags").json()["tags"][0]
    assert tag["createdTime"] == tag["lastUpdateTime"] == shown["createdTime"]
    assert {name: tag[name] for name in tag.keys() - times} == {
        "name": "v1", "digest": image.digest, "signed": False, "changeableAttributes": UNLOCKED
    }  # fmt: skip
    manifest = get(f"/acr/v1/a/b/_manifests/{image.digest}").json()["manifest"]
    assert [manifest] == get("/acr/v1/a/b/_manifests").json()["manifests"]
    assert {name: manifest[name] for name in manifest.keys() - times} == {
        "digest": image.digest,
        "imageSize": len(image.layer) + len(image.config),
        "mediaType": MANIFEST,
        "configMediaType": "application/vnd.oci.image.config.v1+json",
        "architecture": "amd64",
        "os": "linux",
        "tags": ["v1", "v2"],
        "changeableAttributes": UNLOCKED,
    }
    # A tag that moves keeps the time when it was made, and leaves a manifest without tags.
    second = push("a/b", ("v1",), Image(b"another"))
    moved = get("/acr/v1/a/b/_tags/v1").json()["tag"]
    assert (moved["digest"], moved["createdTime"]) == (second.digest, tag["createdTime"])
    assert moved["lastUpdateTime"] > tag["lastUpdateTime"]
    assert get(f"/acr/v1/a/b/_manifests/{image.digest}").json()["manifest"]["tags"] == ["v2"]
    assert delete("/acr/v1/a/b/_tags/v2").status_code == 202
    assert "tags" not in get(f"/acr/v1/a/b/_manifests/{image.digest}").json()["manifest"]


def delete(path: str) -> requests.Response:
    return requests.delete(f"{URL}{path}", auth=ADMIN)


def test_deleting_tags_manifests_and_repositories(azure: Azure) -> None:
    image = push("a", ("v1", "v2"))
    push("a/below")
    untagged = delete("/acr/v1/a/_tags/v1")
    assert (untagged.status_code, untagged.content) == (202, b"")
    assert get("/v2/a/manifests/v1").status_code == 404
    assert get(f"/v2/a/manifests/{image.digest}").status_code == 200
    # The real registry behind forgets it too: App Service pulls from there.
    behind = f"{azure.registries.backend_url(NAME)}/v2/a/manifests"
    assert [requests.get(f"{behind}/{tag}", headers=bearer("")).status_code for tag in ("v1", "v2")] == [404, 200]
    second = push("a", ("v3",), Image(b"another"))
    assert delete(f"/v2/a/manifests/{image.digest}").status_code == 202
    assert get("/v2/a/tags/list").json() == {"name": "a", "tags": ["v3"]}
    assert get(f"/v2/a/manifests/{image.digest}").status_code == 404
    gone = delete("/acr/v1/a")
    assert (gone.status_code, gone.json()) == (202, {"manifestsDeleted": [second.digest], "tagsDeleted": ["v3"]})
    assert get("/acr/v1/_catalog").json() == {"repositories": ["a/below"]}
    assert requests.get(f"{behind}/v3", headers=bearer("")).status_code == 404
    assert get("/v2/a/below/manifests/v1").status_code == 200
    # What is pushed once more is there once more.
    assert push("a", ("v1",)).digest == image.digest
    assert get("/v2/a/manifests/v1").content == image.manifest
    # With its last manifest a repository goes.
    assert delete(f"/v2/a/manifests/{image.digest}").status_code == 202
    assert get("/acr/v1/_catalog").json() == {"repositories": ["a/below"]}


def test_what_is_not_there_is_said_as_azure_says_it(azure: Azure) -> None:
    push("a")
    digest = digest_of(b"not there")
    unknown_name = {"code": "NAME_UNKNOWN", "message": "repository name not known to registry", "detail": {"name": "b"}}
    for path in ("/acr/v1/b", "/acr/v1/b/_tags", "/acr/v1/b/_manifests", "/v2/b/tags/list"):
        answer = get(path)
        assert (answer.status_code, answer.json()) == (404, {"errors": [unknown_name]})
    assert delete("/acr/v1/b").json() == {"errors": [unknown_name]}
    unknown_tag = {"errors": [{"code": "TAG_UNKNOWN", "message": "the specified tag does not exist"}]}
    assert get("/acr/v1/a/_tags/v2").json() == delete("/acr/v1/b/_tags/v1").json() == unknown_tag
    unknown_manifest = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
    assert get(f"/acr/v1/a/_manifests/{digest}").json() == unknown_manifest
    gone = delete(f"/v2/a/manifests/{digest}")
    assert gone.status_code == 404
    assert gone.json() == {"errors": [{"code": "MANIFEST_UNKNOWN", "message": f"manifest {digest} is not found"}]}
    assert get(f"/v2/a/blobs/{digest}").status_code == 404
    for path in ("/acr/v1/Upper/_tags/x", "/v3/", "/", "/v2/a/..%2Fb/manifests/v1", "/acr/v1/_deleted/_catalog"):
        answer = get(path)
        assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    locked = requests.patch(f"{URL}/acr/v1/a", json={"writeEnabled": False}, auth=ADMIN)
    assert (locked.status_code, code(locked)) == (405, "UNSUPPORTED")


def test_az_lists_shows_and_deletes(start_azure: StartAzure, people: People, tmp_path: Path) -> None:
    azure = start_azure(people, "small-registry")
    image = push("team/app", ("v1", "v2"))
    push("other")
    environment = {"AZURE_CONFIG_DIR": str(tmp_path / "az"), "HTTPS_PROXY": azure.proxy}

    def acr(*words: str) -> Any:
        login = ("--username", NAME, "--password", PASSWORDS[0])
        registry = ("-n" if words[0] == "repository" else "-r", NAME)
        answer = az("acr", *words[:2], *registry, *login, *words[2:], env=environment)
        assert answer.code == 0, answer.stderr
        return json.loads(answer.stdout) if answer.stdout.strip() else None

    assert acr("repository", "list", "--top", "2") == ["other", "team/app"]
    assert acr("repository", "show-tags", "--repository", "team/app", "--orderby", "time_desc") == ["v2", "v1"]
    assert acr("repository", "show", "--repository", "team/app")["tagCount"] == 2
    assert acr("repository", "show", "--image", "team/app:v1")["digest"] == image.digest
    [listed] = acr("manifest", "list-metadata", "-n", "team/app")
    assert (listed["digest"], listed["tags"]) == (image.digest, ["v1", "v2"])
    assert acr("manifest", "show", "-n", "team/app:v1") == json.loads(image.manifest)
    acr("repository", "untag", "--image", "team/app:v1")
    assert acr("repository", "show-tags", "--repository", "team/app") == ["v2"]
    acr("repository", "delete", "--image", "team/app:v2", "--yes")
    assert acr("repository", "delete", "--repository", "other", "--yes")["tagsDeleted"] == ["v1"]
    assert acr("repository", "list") == []


# -- mcr.microsoft.com, and importing


@pytest.fixture
def published(azure: Azure, tmp_path: Path) -> Azure:
    assert azure.run(azure.public.publish_base(tmp_path / "cache", runnable=False)) is False
    return azure


def test_mcr_lets_anybody_pull_and_nobody_push(published: Azure) -> None:
    url = "https://mcr.microsoft.com"
    assert requests.get(f"{url}/v2/").status_code == 200
    tags = requests.get(f"{url}/v2/{BASE}/tags/list").json()["tags"]
    assert tags == sorted(f"4-python3.{minor}{kind}" for minor in range(10, 15) for kind in ("", "-appservice"))
    for method, path in (("POST", "blobs/uploads/"), ("PUT", "manifests/x"), ("DELETE", f"manifests/{BASE_TAG}")):
        assert requests.request(method, f"{url}/v2/{BASE}/{path}").status_code in (404, 405)
    assert requests.get(f"{url}/acr/v1/_catalog").status_code == 404
    with Registry("mcr.microsoft.com", BASE) as registry:
        for minor in (10, 13):
            manifest = registry.manifest(f"4-python3.{minor}")
            config = registry.config(manifest)
            assert (config["os"], config["architecture"]) == ("linux", "amd64")
            env = dict(line.split("=", 1) for line in config["config"]["Env"])
            assert env == {**CONFIG.env, "FUNCTIONS_WORKER_RUNTIME_VERSION": f"3.{minor}"}
            assert config["config"]["Cmd"] == list(CONFIG.cmd)
            [layer] = manifest.document["layers"]
            assert config["rootfs"]["diff_ids"] == [layer["digest"]]
            assert len(b"".join(registry.read_blob(layer["digest"]))) == layer["size"]


def test_publishing_once_more_changes_nothing(published: Azure, tmp_path: Path) -> None:
    index = (tmp_path / "state" / "mcr" / "index.json").read_bytes()
    published.run(published.public.publish_base(tmp_path / "cache"))
    assert (tmp_path / "state" / "mcr" / "index.json").read_bytes() == index


def imports(azure: Azure, image: str, *tags: str, name: str = NAME, force: bool = False, **more: Any) -> None:
    more.setdefault("registry_uri", "mcr.microsoft.com")
    untagged: Sequence[str] = more.pop("untagged", ())
    azure.run(azure.registries.import_image(name, ImportSource(image, **more), tags, untagged, force))


def refused_import(azure: Azure, image: str, *tags: str, **more: Any) -> ImportRefused:
    with pytest.raises(ImportRefused) as refused:
        imports(azure, image, *tags, **more)
    return refused.value


def test_importing_the_base_by_tag_and_by_digest(published: Azure) -> None:
    with Registry("mcr.microsoft.com", BASE) as mcr:
        digest = mcr.manifest(BASE_TAG).digest
    imports(published, f"{BASE}:{BASE_TAG}", f"{BASE}:{BASE_TAG}")
    imports(published, f"{BASE}@{digest}", "mine:base", "also/mine:1", untagged=["third"])
    imports(published, f"{BASE}:4-python3.12")
    names = [(BASE, BASE_TAG), ("mine", "base"), ("also/mine", "1"), ("third", digest)]
    for name, reference in names:
        with repo(name) as registry:
            manifest = registry.manifest(reference)
            assert manifest.digest == digest
            assert registry.config(manifest)["os"] == "linux"
            assert all(registry.has_blob(layer["digest"]) for layer in manifest.document["layers"])
    assert get("/v2/third/tags/list").json() == {"name": "third", "tags": []}
    assert get(f"/v2/{BASE}/tags/list").json()["tags"] == ["4-python3.12", BASE_TAG]
    # A build then mounts what it needs of it.
    with repo("new/app") as app:
        assert app.mount_blob(manifest.document["layers"][0]["digest"], BASE)


def test_importing_over_a_tag_wants_force(published: Azure) -> None:
    before = push("app", ("v1",))
    conflict = refused_import(published, f"{BASE}:{BASE_TAG}", "app:v2", "app:v1")
    assert (conflict.status, conflict.code) == (409, "Conflict")
    assert conflict.message == "Tag app:v1 already exists in target registry."
    assert get("/v2/app/tags/list").json()["tags"] == ["v1"]  # nothing was copied
    assert get("/acr/v1/app/_tags/v1").json()["tag"]["digest"] == before.digest
    imports(published, f"{BASE}:{BASE_TAG}", "app:v1", force=True)
    assert get("/acr/v1/app/_tags/v1").json()["tag"]["digest"] != before.digest


def test_importing_from_another_registry(published: Azure, people: People) -> None:
    image = push("theirs", ("v1",), host=f"{OTHER}.azurecr.io")
    imports(published, "theirs:v1", registry_uri=None, resource_id=f"/subscriptions/s/…/registries/{OTHER.upper()}")
    imports(published, "theirs:v1", "b", registry_uri=f"{OTHER}.azurecr.io", username=OTHER, password=PASSWORDS[1])
    imports(published, "theirs:v1", "c:1", registry_uri=None, resource_id=NAME)  # within one
    for name, tag in (("theirs", "v1"), ("b", "v1"), ("c", "1")):
        assert get(f"/acr/v1/{name}/_tags/{tag}").json()["tag"]["digest"] == image.digest
    for image_name, more in (
        ("theirs:v2", {"registry_uri": None, "resource_id": OTHER}),
        (f"theirs@{digest_of(b'')}", {"registry_uri": None, "resource_id": OTHER}),
        ("theirs:v1", {"registry_uri": None, "resource_id": "missing"}),
        ("theirs:v1", {"registry_uri": f"{OTHER}.azurecr.io"}),
        ("theirs:v1", {"registry_uri": f"{OTHER}.azurecr.io", "username": OTHER, "password": "wrong"}),
        ("library/hello-world", {"registry_uri": "docker.io"}),
        ("No Name", {}),
    ):
        refused = refused_import(published, image_name, "d:1", **more)
        assert (refused.status, refused.code) == (400, "InvalidParameters")
    assert refused_import(published, f"{BASE}:{BASE_TAG}", "Not:a:target").code == "InvalidParameters"
    assert get("/v2/d/tags/list").status_code == 404


# -- living


def test_a_large_layer_passes_without_being_held(azure: Azure) -> None:
    size, block = 64 << 20, os.urandom(1 << 20)
    hashed = hashlib.sha256()
    for _ in range(64):
        hashed.update(block)
    digest = f"sha256:{hashed.hexdigest()}"
    location = requests.post(f"{URL}/v2/a/blobs/uploads/", auth=ADMIN).headers["Location"]
    tracemalloc.start()
    try:
        sent = requests.patch(location, data=(block for _ in range(64)), auth=ADMIN)
        assert (sent.status_code, sent.headers["Range"]) == (202, f"0-{size - 1}")
        location = sent.headers["Location"]
        done = requests.put(f"{location}{'&' if '?' in location else '?'}digest={digest}", auth=ADMIN)
        assert done.status_code == 201
        received = hashlib.sha256()
        with requests.get(f"{URL}/v2/a/blobs/{digest}", auth=ADMIN, stream=True) as answer:
            for piece in answer.iter_content(1 << 16):
                received.update(piece)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received.hexdigest() == hashed.hexdigest()
    assert most < 16 << 20


def test_uploads_that_break_or_are_refused_harm_nothing(azure: Azure, backend: str) -> None:
    def breaking() -> Iterator[bytes]:
        yield os.urandom(1 << 20)
        raise KeyboardInterrupt

    location = requests.post(f"{URL}/v2/a/blobs/uploads/", auth=ADMIN).headers["Location"]
    with pytest.raises(KeyboardInterrupt):
        requests.patch(location, data=breaking(), auth=ADMIN)
    # The specification wants to be told how much arrived; docker-registry 2.8 gives the upload up, as Azure does.
    status = requests.get(location, auth=ADMIN)
    assert status.status_code == 204 or backend == "docker-registry"
    without_login = requests.patch(location, data=(bytes(1 << 20) for _ in range(32)))
    assert without_login.status_code == 401
    assert push("a").digest == get("/acr/v1/a/_tags/v1").json()["tag"]["digest"]


def test_many_clients_at_once_leave_what_each_made(azure: Azure) -> None:
    def one(number: int) -> None:
        image = push(f"many/{number}", ("a", "b"), Image(b"layer %d" % number))
        assert push("shared", (f"v{number}",), image).digest == image.digest
        assert get(f"/acr/v1/many/{number}/_tags").json()["tags"][1]["digest"] == image.digest
        assert delete(f"/acr/v1/many/{number}/_tags/a").status_code == 202
        if number % 2:
            assert delete(f"/acr/v1/many/{number}").status_code == 202

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(16)))
    assert get("/v2/shared/tags/list").json()["tags"] == sorted(f"v{number}" for number in range(16))
    # One tag that all move: the real registry behind and Azure's side agree on who was last.
    images = [push("moving", (f"v{number}",), Image(b"%d" % number)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda image: push("moving", ("latest",), image), images * 4))
    behind = requests.head(f"{azure.registries.backend_url(NAME)}/v2/moving/manifests/latest", headers=bearer(""))
    assert behind.headers["Docker-Content-Digest"] == get("/acr/v1/moving/_tags/latest").json()["tag"]["digest"]
    names = ["many/0", *sorted(f"many/{number}" for number in range(2, 16, 2)), "moving"]
    assert get("/v2/_catalog").json()["repositories"] == sorted([*names, "shared"])


def processes_in(folder: Path) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in file.read_bytes():
                found.append(int(file.parent.name))
    return found


def test_images_outlive_a_restart_and_no_process_does(
    start_azure: StartAzure, people: People, backend: str, tmp_path: Path
) -> None:
    with Azure(tmp_path / "first", people, backend, trustme.CA()) as first:
        assert len(processes_in(tmp_path / "first")) == (3 if backend == "docker-registry" else 0)
        first.run(first.public.publish_base(tmp_path / "cache"))
        imports(first, f"{BASE}:{BASE_TAG}", "app:v1")
        before = first.registries.backend_url(NAME)
    assert processes_in(tmp_path / "first") == []
    with pytest.raises(requests.ConnectionError):
        requests.get(before)
    with pytest.raises(KeyError, match="no registry 'testreg'; there are none"):
        first.registries.backend_url(NAME)

    other_kind = next(kind for kind in BACKENDS if kind != backend)
    again = start_azure(people, other_kind, tmp_path / "first")  # what has images there goes on with them
    found = get("/acr/v1/app").json()
    assert (found["tagCount"], found["manifestCount"]) == (1, 1)
    with repo("app") as app:
        manifest = app.manifest("v1")
        assert all(app.has_blob(layer["digest"]) for layer in manifest.document["layers"])
    push("app", ("v2",))

    again.run(again.registries.delete(NAME))
    assert requests.get(f"{URL}/v2/").status_code == 404
    assert [each.name for each in (tmp_path / "first" / "acr").iterdir()] == [OTHER]
    again.run(again.registries.open(NAME))
    assert get("/acr/v1/_catalog").json() == {"repositories": []}


def test_a_registry_whose_backend_died_says_so(start_azure: StartAzure, people: People) -> None:
    azure = start_azure(people, needed("docker-registry"))
    image = push("a", image=Image(bytes(64 << 20)))
    [process] = processes_in(azure.folder / "acr" / NAME)
    with requests.get(f"{URL}/v2/a/blobs/{digest_of(image.layer)}", auth=ADMIN, stream=True) as answer:
        os.kill(process, signal.SIGKILL)
        with pytest.raises(requests.RequestException):
            assert len(answer.content) == len(image.layer)
    wait_for(lambda: not processes_in(azure.folder / "acr" / NAME), 10, "the backend to be gone", 0.01)
    for answer in (get("/v2/a/manifests/v1"), requests.post(f"{URL}/v2/a/blobs/uploads/", auth=ADMIN)):
        assert (answer.status_code, code(answer)) == (503, "UNAVAILABLE")


def test_unknown_backends_are_refused(tmp_path: Path, people: People) -> None:
    registries = ContainerRegistries(tmp_path, people, SECRET, backend="another")
    with pytest.raises(ValueError, match="no registry 'another'; there are docker-registry, small-registry"):
        asyncio.run(registries.open(NAME))
