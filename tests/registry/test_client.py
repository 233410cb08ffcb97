"""Reading from and pushing to a real docker-registry, with every way of signing in that it knows."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.cli.core.azclierror import (
    AzCLIError,
    AzureConnectionError,
    AzureResponseError,
    FileOperationError,
    ForbiddenError,
    ResourceNotFoundError,
    UnauthorizedError,
)
from registry_parts import (
    OCI_MANIFEST,
    Blob,
    CuttingProxy,
    DockerRegistry,
    FakeRegistry,
    TokenServer,
    answer,
    digest_of,
)

import azext_mlfunc
from azext_mlfunc.registry.client import DOCKER_INDEX, OCI_INDEX, Registry
from azext_mlfunc.registry.credentials import Credentials, Given, Secret
from azext_mlfunc.registry.loopback import is_loopback
from azext_mlfunc.registry.upload import CHUNK, PAUSES

StartRegistry = Callable[..., DockerRegistry]
PASSWORD = "a-password-that-nobody-sees"
BLOB = b"a blob"


def push_bytes(registry: Registry, data: bytes) -> str:
    registry.upload_blob(digest_of(data), len(data), lambda: [data])
    return digest_of(data)


def push_image(registry: Registry, tag: str, architecture: str = "amd64") -> dict[str, Any]:
    """Push an image of one layer; returns what an index says of it."""
    config = json.dumps({"os": "linux", "architecture": architecture}).encode()
    layer = architecture.encode()
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": push_bytes(registry, config),
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": push_bytes(registry, layer),
                "size": len(layer),
            }
        ],
    }
    raw = json.dumps(document).encode()
    return {"mediaType": OCI_MANIFEST, "digest": registry.put_manifest(tag, raw, OCI_MANIFEST), "size": len(raw)}


class Refresh:
    """A source of a refresh token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def find(self, host: str) -> Credentials:
        return Credentials(Secret(self._token), None, "of the test")


def said(problem: pytest.ExceptionInfo[AzCLIError]) -> str:
    """All that a user sees of an error."""
    return "\n".join([str(problem.value), *problem.value.recommendations])


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
@pytest.mark.parametrize("relative", [False, True])
def test_a_blob_of_any_size_arrives(start_registry: StartRegistry, size: int, relative: bool) -> None:
    blob, told = Blob(size), []
    with Registry(start_registry(relative=relative).host, "a/b") as registry:
        assert not registry.has_blob(blob.digest)
        registry.upload_blob(blob.digest, size, blob.chunks, told.append)
        assert registry.has_blob(blob.digest)
        assert b"".join(registry.read_blob(blob.digest)) == b"".join(blob.chunks())
    assert sum(told) == size
    assert all(0 < count <= CHUNK for count in told)


def test_an_image_is_pushed_and_read_again(start_registry: StartRegistry) -> None:
    with Registry(start_registry().host, "a/b") as registry:
        pushed = push_image(registry, "v1")
        for reference in ("v1", pushed["digest"]):
            manifest = registry.manifest(reference)
            assert (manifest.digest, manifest.media_type) == (pushed["digest"], OCI_MANIFEST)
            assert digest_of(manifest.raw) == manifest.digest
            assert manifest.document == json.loads(manifest.raw)
            assert registry.config(manifest) == {"os": "linux", "architecture": "amd64"}


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
def test_an_image_for_many_platforms_is_resolved(start_registry: StartRegistry, media_type: str) -> None:
    with Registry(start_registry().host, "a/b") as registry:
        images = {name: push_image(registry, name, name) for name in ("arm64", "v3", "amd64", "other")}
        platforms = {
            "arm64": {"os": "linux", "architecture": "arm64", "variant": "v8"},
            "v3": {"os": "linux", "architecture": "amd64", "variant": "v3"},
            "amd64": {"os": "linux", "architecture": "amd64"},
            "other": {"os": "unknown", "architecture": "unknown"},
        }
        entries = [{**image, "platform": platforms[name]} for name, image in images.items()]
        index = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
        registry.put_manifest("many", json.dumps(index).encode(), media_type)

        assert registry.manifest("many").digest == images["amd64"]["digest"]
        assert registry.manifest("many", ("linux", "arm64")).digest == images["arm64"]["digest"]
        with pytest.raises(ResourceNotFoundError) as caught:
            registry.manifest("many", ("windows", "amd64"))
    assert "not there for windows/amd64; it is for linux/amd64, linux/amd64/v3, linux/arm64/v8." in said(caught)


def test_what_is_not_there_is_named(start_registry: StartRegistry) -> None:
    with Registry(start_registry().host, "a/b") as registry:
        with pytest.raises(ResourceNotFoundError, match="manifest of a/b, v9: MANIFEST_UNKNOWN"):
            registry.manifest("v9")
        with pytest.raises(ResourceNotFoundError):
            list(registry.read_blob(digest_of(BLOB)))


def test_a_blob_is_mounted_from_where_it_is(start_registry: StartRegistry) -> None:
    host = start_registry().host
    with Registry(host, "base") as base, Registry(host, "a/b") as registry:
        digest = push_bytes(base, BLOB)
        assert registry.mount_blob(digest, "base")
        assert registry.has_blob(digest)
        assert not registry.mount_blob(digest_of(b"nowhere"), "base")
        assert not registry.has_blob(digest_of(b"nowhere"))


def test_signs_in_with_a_password(start_registry: StartRegistry) -> None:
    host = start_registry(users={"tester": PASSWORD}).host
    with Registry(host, "a/b", Given(host, "tester", Secret(PASSWORD))) as registry:
        pushed = push_image(registry, "v1")
        assert registry.manifest("v1").digest == pushed["digest"]


def test_a_wrong_password_is_named_and_not_shown(start_registry: StartRegistry) -> None:
    host = start_registry(users={"tester": PASSWORD}).host
    with Registry(host, "a/b", Given(host, "tester", Secret("wrong-" + PASSWORD))) as registry:
        for action in (lambda: push_bytes(registry, BLOB), lambda: registry.manifest("v1")):
            with pytest.raises(UnauthorizedError) as caught:
                action()
            assert f"{host} refused the credentials that were given" in said(caught)
            assert f"docker login {host}" in said(caught)
            assert PASSWORD not in said(caught)


def test_a_missing_login_is_named(start_registry: StartRegistry) -> None:
    with (
        Registry(start_registry(users={"tester": PASSWORD}).host, "a/b") as registry,
        pytest.raises(UnauthorizedError, match="no credentials for it were found"),
    ):
        registry.has_blob(digest_of(BLOB))


def token_login(host: str, user: str) -> Given:
    return Given(host, user, Secret(TokenServer.password))


def test_signs_in_with_tokens(start_registry: StartRegistry, token_server: Callable[..., TokenServer]) -> None:
    tokens = token_server({"writer": {"a/b": "pull,push"}, "": {"a/b": "pull"}})
    host = start_registry(tokens=tokens).host
    with Registry(host, "a/b", token_login(host, "writer")) as registry:
        pushed = push_image(registry, "v1")
        assert registry.manifest("v1").digest == pushed["digest"]
    # One for what is pushed, one for what is read: not one for each request.
    assert tokens.asked == [["repository:a/b:pull,push"], ["repository:a/b:pull"]]
    with Registry(host, "a/b") as anybody:
        assert anybody.manifest("v1").digest == pushed["digest"]


def test_a_refresh_token_is_exchanged(start_registry: StartRegistry, token_server: Callable[..., TokenServer]) -> None:
    host = start_registry(tokens=token_server({"refreshed": {"a/b": "pull,push"}})).host
    with Registry(host, "a/b", Refresh(TokenServer.refresh_token)) as registry:
        assert registry.has_blob(push_bytes(registry, BLOB))
    with Registry(host, "a/b", Refresh("stale")) as registry, pytest.raises(UnauthorizedError) as caught:
        push_bytes(registry, BLOB)
    assert "refused the credentials of the test" in said(caught)
    assert "stale" not in said(caught)


def test_credentials_that_have_expired_are_looked_for_again(
    start_registry: StartRegistry, token_server: Callable[..., TokenServer]
) -> None:
    class Renewed:
        """Gives a good refresh token each time, of which the server takes only the last."""

        asked = 0

        def find(self, host: str) -> Credentials:
            self.asked += 1
            tokens.refresh_token = f"refresh-token-{self.asked}"
            return Credentials(Secret(tokens.refresh_token), None, "of the test")

    tokens, source = token_server({"refreshed": {"a/b": "pull,push"}}), Renewed()
    with Registry(start_registry(tokens=tokens).host, "a/b", source) as registry:
        digest = push_bytes(registry, BLOB)
        tokens.refresh_token = "none that was given"
        assert registry.has_blob(digest)  # needs another token, to pull
    assert source.asked == 2


def test_a_mount_asks_for_both_repositories(
    start_registry: StartRegistry, token_server: Callable[..., TokenServer]
) -> None:
    tokens = token_server({"writer": {"base": "pull,push", "hidden": "", "a/b": "pull,push"}, "base": {"base": "push"}})
    host = start_registry(tokens=tokens).host
    with Registry(host, "base", token_login(host, "writer")) as base:
        digest = push_bytes(base, BLOB)
    with Registry(host, "a/b", token_login(host, "writer")) as registry:
        push_bytes(registry, b"so that there is a token for this repository alone")
        tokens.asked.clear()
        assert registry.mount_blob(digest, "base")
        assert tokens.asked == [["repository:a/b:pull,push", "repository:base:pull"]]
        assert registry.has_blob(digest)
        assert not registry.mount_blob(digest, "hidden")
        push_bytes(registry, b"the token for this repository is still good")


@pytest.mark.parametrize("user", ["reader", ""])
def test_a_right_that_is_missing_is_named_and_no_tag_moves(
    start_registry: StartRegistry, token_server: Callable[..., TokenServer], user: str
) -> None:
    tokens = token_server({"writer": {"a/b": "pull,push"}, "reader": {"a/b": "pull"}, "": {"a/b": "pull"}})
    host = start_registry(tokens=tokens).host
    with Registry(host, "a/b", token_login(host, "writer")) as registry:
        pushed = push_image(registry, "v1")
    with Registry(host, "a/b", token_login(host, user) if user else None) as registry:
        with pytest.raises(ForbiddenError if user else UnauthorizedError) as caught:
            push_bytes(registry, BLOB)
        assert f"docker login {host}" in said(caught)
        assert not user or "do not allow to push in a/b" in said(caught)
        with pytest.raises((ForbiddenError, UnauthorizedError)):
            registry.put_manifest("v1", b'{"schemaVersion": 2}', OCI_MANIFEST)
        assert registry.manifest("v1").digest == pushed["digest"]


def test_speaks_tls_where_it_is_spoken(start_registry: StartRegistry, certificate: Any) -> None:
    host = start_registry(users={"tester": PASSWORD}, certificate=certificate).host
    with Registry(host, "a/b", Given(host, "tester", Secret(PASSWORD))) as registry:
        assert registry.has_blob(push_bytes(registry, BLOB))


def test_a_certificate_that_is_not_trusted_is_not_gone_around(
    start_registry: StartRegistry, certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = start_registry(certificate=certificate).host
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with Registry(host, "a/b") as registry, pytest.raises(AzureConnectionError, match="certificate is not trusted"):
        registry.has_blob(digest_of(BLOB))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("127.0.0.1.example", False),
        ("localhost.example:5000", False),
        ("10.0.0.1:5000", False),
        ("[::2]", False),
        ("myregistry.azurecr.io", False),
    ],
)
def test_only_this_machine_is_spoken_to_without_tls(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_registry_elsewhere_is_only_spoken_to_with_tls(start_registry: StartRegistry) -> None:
    # A name of this machine that is not one of those that are known to be: as if it were elsewhere.
    port = start_registry().host.partition(":")[2]
    name = socket.gethostname()
    if not _leads_here(name, port):
        pytest.skip(f"{name}, this machine's name, does not lead to 127.0.0.1")
    with Registry(f"{name}:{port}", "a/b") as registry, pytest.raises(AzureConnectionError):
        registry.has_blob(digest_of(BLOB))


def _leads_here(name: str, port: str) -> bool:
    try:
        return requests.get(f"http://{name}:{port}/v2/", timeout=5).ok
    except requests.RequestException:
        return False


def test_nobody_there_is_said_at_once(pauses: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host = f"127.0.0.1:{taken.getsockname()[1]}"
    for unreachable in (host, "nowhere.invalid"):
        with Registry(unreachable, "a/b", pause=pauses) as registry, pytest.raises(AzureConnectionError) as caught:
            registry.has_blob(digest_of(BLOB))
        assert unreachable in said(caught)
    assert pauses.seconds == []


def test_a_full_registry_is_named(start_registry: StartRegistry, pauses: Any) -> None:
    blob = Blob(2 << 20)
    with Registry(start_registry(largest_file=1024).host, "a/b", pause=pauses) as registry:
        with pytest.raises(AzureResponseError) as caught:
            registry.upload_blob(blob.digest, blob.size, blob.chunks)
        assert "HTTP 5" in said(caught)
        assert not registry.has_blob(blob.digest)


def test_other_bytes_than_those_of_the_digest_are_refused(start_registry: StartRegistry) -> None:
    with Registry(start_registry().host, "a/b") as registry:
        with pytest.raises(FileOperationError, match="other bytes than its digest was made of"):
            registry.upload_blob(digest_of(BLOB), 5, lambda: [b"other"])
        for data in (b"short", b"too long"):
            with pytest.raises(FileOperationError, match="expected 6 bytes"):
                registry.upload_blob(digest_of(BLOB), 6, lambda data=data: [data])
        assert not registry.has_blob(digest_of(BLOB))


def test_reading_goes_on_after_a_break(start_registry: StartRegistry, pauses: Any) -> None:
    blob = Blob(24 << 20)
    host = start_registry().host
    with Registry(host, "a/b") as registry:
        registry.upload_blob(blob.digest, blob.size, blob.chunks)
    with CuttingProxy(host, [5 << 20, 9 << 20, 3 << 20], downward=True) as proxy:
        with Registry(proxy.host, "a/b", pause=pauses) as registry:
            assert registry.has_blob(blob.digest)
            assert b"".join(registry.read_blob(blob.digest)) == b"".join(blob.chunks())
        assert proxy.broken == 3
        assert proxy.passed < blob.size + 3 * (2 << 20), "what had arrived was read again"


def test_reading_gives_up_in_the_end(start_registry: StartRegistry, pauses: Any) -> None:
    host = start_registry().host
    with Registry(host, "a/b") as registry:
        digest = push_bytes(registry, BLOB)
    with (
        CuttingProxy(host, [1000, *[1] * 50], downward=True) as proxy,
        Registry(proxy.host, "a/b", pause=pauses) as registry,
    ):
        assert registry.has_blob(digest)
        with pytest.raises(AzureConnectionError):
            for _ in range(20):
                list(registry.read_blob(digest))
    assert tuple(pauses.seconds) == PAUSES


def serve_blob(data: bytes, is_ranged: bool) -> Callable[[Any, int], bool]:
    """Serves the blob, and breaks off in its midst the first time."""

    def intercept(handler: Any, number: int) -> bool:
        if handler.command != "GET" or "/blobs/sha256" not in handler.path:
            return False
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        if is_ranged and start:
            answer(handler, 206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
            return True
        if start:
            answer(handler, 200, data)
            return True
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.close_connection = True
        return True

    return intercept


@pytest.mark.parametrize("is_ranged", [True, False])
def test_reading_goes_on_whether_the_server_knows_ranges_or_not(is_ranged: bool, pauses: Any) -> None:
    data = b"".join(Blob(500_000).chunks())
    with FakeRegistry(serve_blob(data, is_ranged)) as fake, Registry(fake.host, "a/b", pause=pauses) as registry:
        assert b"".join(registry.read_blob(digest_of(data))) == data
    assert len(pauses.seconds) == 1


def test_a_blob_with_another_digest_is_an_error(pauses: Any) -> None:
    with (
        FakeRegistry(serve_blob(b"x" * 500_000, True)) as fake,
        Registry(fake.host, "a/b", pause=pauses) as registry,
        pytest.raises(AzureResponseError, match="expected " + digest_of(BLOB)),
    ):
        list(registry.read_blob(digest_of(BLOB)))


def test_a_manifest_with_another_digest_is_an_error() -> None:
    wanted = digest_of(BLOB)
    with FakeRegistry() as fake, Registry(fake.host, "a/b") as registry:
        fake.manifests[wanted] = (OCI_MANIFEST, b'{"schemaVersion": 2}')
        with pytest.raises(AzureResponseError, match=f"expected {wanted}"):
            registry.manifest(wanted)


def test_a_tag_that_was_taken_as_something_else_is_an_error() -> None:
    def intercept(handler: Any, number: int) -> bool:
        if handler.command == "PUT":
            handler.rfile.read(int(handler.headers["Content-Length"]))
            answer(handler, 201, headers={"Docker-Content-Digest": digest_of(BLOB)})
        return handler.command == "PUT"

    with (
        FakeRegistry(intercept) as fake,
        Registry(fake.host, "a/b") as registry,
        pytest.raises(AzureResponseError, match=f"took v1 as {digest_of(BLOB)}"),
    ):
        registry.put_manifest("v1", b"{}", OCI_MANIFEST)


@pytest.mark.parametrize(
    ("media_type", "raw", "found"),
    [
        ("application/vnd.docker.distribution.manifest.v1+prettyjws", b"{}", "manifest.v1+prettyjws"),
        ("text/html", b"<html>", "is no JSON object"),
    ],
)
def test_what_is_no_image_is_named(media_type: str, raw: bytes, found: str) -> None:
    with FakeRegistry() as fake, Registry(fake.host, "a/b") as registry:
        fake.manifests["v1"] = (media_type, raw)
        with pytest.raises(AzureResponseError) as caught:
            registry.manifest("v1")
    assert found in said(caught)


def test_only_a_404_means_absent(pauses: Any) -> None:
    def refuse(handler: Any, number: int) -> bool:
        if "/blobs/" in handler.path:
            answer(handler, 500)
            return True
        return False

    with (
        FakeRegistry(refuse) as fake,
        Registry(fake.host, "a/b", pause=pauses) as registry,
        pytest.raises(AzureResponseError, match="HTTP 500"),
    ):
        registry.has_blob(digest_of(BLOB))
    assert tuple(pauses.seconds) == PAUSES


def test_a_busy_registry_is_asked_again_when_it_says_so(pauses: Any) -> None:
    def busy(handler: Any, number: int) -> bool:
        if handler.command == "HEAD" and number < 3:
            answer(handler, 429, headers={"Retry-After": "7"})
            return True
        return False

    with FakeRegistry(busy) as fake, Registry(fake.host, "a/b", pause=pauses) as registry:
        assert not registry.has_blob(digest_of(BLOB))
    assert pauses.seconds == [7, 7]


def test_no_secret_is_repeated_whatever_the_registry_says() -> None:
    def echo(handler: Any, number: int) -> bool:
        sent = handler.headers.get("Authorization")
        if not sent:
            answer(handler, 401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        else:
            text = f"{sent} is {PASSWORD}"
            answer(handler, 403, {"errors": [{"code": "DENIED", "message": text, "detail": {"all": text}}]})
        return True

    with FakeRegistry(echo) as fake:
        credentials = Given(fake.host, "tester", Secret(PASSWORD))
        with Registry(fake.host, "a/b", credentials) as registry, pytest.raises(ForbiddenError) as caught:
            registry.manifest("v1")
    assert "DENIED: Basic *** is ***" in said(caught)
    assert PASSWORD not in said(caught)


def test_a_signed_address_is_not_repeated(pauses: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}/blob?sig=the-signature"

    def redirect(handler: Any, number: int) -> bool:
        if "/blobs/" in handler.path:
            answer(handler, 307, headers={"Location": dead})
            return True
        return False

    with FakeRegistry(redirect) as fake, Registry(fake.host, "a/b", pause=pauses) as registry:
        with pytest.raises(ResourceNotFoundError):
            registry.manifest("v1")
        with pytest.raises(AzureConnectionError, match="Connection refused") as caught:
            list(registry.read_blob(digest_of(BLOB)))
    assert "the-signature" not in said(caught)
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None


def test_the_users_netrc_and_proxy_are_left_alone(
    start_registry: StartRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    host = start_registry(users={"tester": PASSWORD}).host
    with Registry(host, "a/b", Given(host, "tester", Secret(PASSWORD))) as registry:
        assert registry.has_blob(push_bytes(registry, BLOB))


def test_a_login_elsewhere_without_tls_is_refused() -> None:
    def challenge(handler: Any, number: int) -> bool:
        answer(handler, 401, headers={"WWW-Authenticate": 'Bearer realm="http://tokens.example/t",service="x"'})
        return True

    with (
        FakeRegistry(challenge) as fake,
        Registry(fake.host, "a/b") as registry,
        pytest.raises(AzureResponseError, match="has no TLS"),
    ):
        registry.manifest("v1")


def test_nothing_is_sent_or_loaded_before_the_first_call() -> None:
    # az's loader, which is the package's own __init__, is left out: what counts is what the client adds.
    program = f"""
import sys, types
package = sys.modules["azext_mlfunc"] = types.ModuleType("azext_mlfunc")
package.__path__ = {azext_mlfunc.__path__!r}
from azext_mlfunc.registry.client import Registry
Registry("nowhere.invalid", "a")
print([name for name in ("requests", "dxf", "docker", "azure.cli.core") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
