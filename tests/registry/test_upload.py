"""Uploads that break: by a proxy that cuts connections, and by a registry that answers what it should not."""

from __future__ import annotations

import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from azure.cli.core.azclierror import AzureConnectionError, AzureResponseError, UnauthorizedError
from registry_parts import Blob, CuttingProxy, DockerRegistry, FakeRegistry, answer

from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.credentials import Given, Secret
from azext_mlfunc.registry.upload import CHUNK, PAUSES

MIB = 1 << 20
StartRegistry = Callable[..., DockerRegistry]
Intercept = Callable[[Any, int], bool]


def upload(registry: Registry, blob: Blob, told: list[int] | None = None) -> None:
    registry.upload_blob(blob.digest, blob.size, blob.chunks, (told if told is not None else []).append)


def cuts(size: int, count: int, seed: int) -> list[int]:
    """Where to break: at random points of `size` bytes, each counted from the one before."""
    points = sorted(random.Random(seed).sample(range(1, size), count))
    return [point - before for before, point in zip([0, *points], points, strict=False)]


def refuse(method: str, numbers: range, status: int, code: str = "") -> Intercept:
    """Answers some of the requests with this method by itself, without reading their bodies."""

    def intercept(handler: Any, number: int) -> bool:
        if handler.command != method or number not in numbers:
            return False
        handler.close_connection = True
        answer(handler, status, {"errors": [{"code": code, "message": "refused by the test"}]})
        return True

    return intercept


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("range_format", ["0-{}", "bytes=0-{}"])
def test_goes_on_where_it_broke(seed: int, range_format: str, pauses: Any) -> None:
    blob, told, breaks = Blob(64 * MIB), [], 7
    with (
        FakeRegistry(range_format=range_format, relative=seed == 2) as fake,
        CuttingProxy(fake.host, cuts(blob.size, breaks, seed)) as proxy,
        Registry(proxy.host, "a/b", pause=pauses) as registry,
    ):
        registry.has_blob(blob.digest)
        upload(registry, blob, told)
    assert fake.blobs == {blob.digest: blob.size}
    assert proxy.broken == breaks
    assert proxy.passed - blob.size < breaks * CHUNK
    assert fake.count("POST") == 1, "it started anew instead of going on"
    assert sum(told) == blob.size and min(told) > 0


def test_a_gibibyte_goes_on_where_it_broke(pauses: Any) -> None:
    blob, breaks = Blob(1 << 30), 20
    with (
        FakeRegistry() as fake,
        CuttingProxy(fake.host, cuts(blob.size, breaks, 4)) as proxy,
        Registry(proxy.host, "a/b", pause=pauses) as registry,
    ):
        registry.has_blob(blob.digest)
        upload(registry, blob)
    assert fake.blobs == {blob.digest: blob.size}
    assert proxy.broken == breaks
    assert proxy.passed - blob.size < breaks * CHUNK


def test_starts_anew_where_the_registry_cannot_go_on(start_registry: StartRegistry, pauses: Any) -> None:
    """docker-registry 2.8 gives an upload up that broke within a chunk, as Azure Container Registry does."""
    blob, told = Blob(20 * MIB), []
    host = start_registry().host
    with (
        CuttingProxy(host, [13 * MIB, 15 * MIB]) as proxy,
        Registry(proxy.host, "a/b", pause=pauses) as registry,
    ):
        registry.has_blob(blob.digest)
        upload(registry, blob, told)
        assert registry.has_blob(blob.digest)
    assert proxy.broken == 2
    assert sum(told) == blob.size and min(told) == -CHUNK


def test_goes_on_after_a_break_between_chunks(start_registry: StartRegistry, pauses: Any) -> None:
    """What docker-registry 2.8 can go on from: nothing of the next chunk had arrived."""
    blob, told = Blob(20 * MIB), []
    with CuttingProxy(start_registry().host, []) as proxy, Registry(proxy.host, "a/b", pause=pauses) as registry:

        def chunks() -> Iterator[bytes]:
            for number, chunk in enumerate(blob.chunks()):
                if number == 10:
                    proxy.cut_all()
                yield chunk

        registry.upload_blob(blob.digest, blob.size, chunks, told.append)
        assert registry.has_blob(blob.digest)
    assert min(told) > 0 and sum(told) == blob.size
    assert proxy.passed - blob.size < MIB


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_goes_on_after_a_failure_that_passes(status: int, pauses: Any) -> None:
    blob = Blob(20 * MIB)
    with FakeRegistry(refuse("PATCH", range(2, 4), status)) as fake, Registry(fake.host, "a", pause=pauses) as registry:
        upload(registry, blob)
    assert fake.blobs == {blob.digest: blob.size}
    assert fake.count("POST") == 1
    assert pauses.seconds == list(PAUSES[:2])


def test_the_pauses_start_again_with_every_chunk(pauses: Any) -> None:
    blob = Blob(20 * MIB)

    def intercept(handler: Any, number: int) -> bool:
        return refuse("PATCH", range(number, number + number % 2), 503)(handler, number)

    with FakeRegistry(intercept) as fake, Registry(fake.host, "a", pause=pauses) as registry:
        upload(registry, blob)
    assert fake.blobs == {blob.digest: blob.size}
    assert pauses.seconds == [PAUSES[0]] * 3


def test_gives_up_in_the_end(pauses: Any) -> None:
    blob = Blob(20 * MIB)
    with (
        FakeRegistry(refuse("PATCH", range(2, 99), 503)) as fake,
        Registry(fake.host, "a", pause=pauses) as registry,
        pytest.raises(AzureResponseError, match=r"HTTP 503, .*refused by the test"),
    ):
        upload(registry, blob)
    assert tuple(pauses.seconds) == PAUSES
    assert fake.count("PATCH") == 2 + len(PAUSES)
    assert fake.blobs == {}


def test_gives_up_when_nobody_answers_any_more(pauses: Any) -> None:
    blob = Blob(20 * MIB)
    with (
        FakeRegistry() as fake,
        CuttingProxy(fake.host, [9 * MIB, *[10] * 50]) as proxy,
        Registry(proxy.host, "a/b", pause=pauses) as registry,
        pytest.raises(AzureConnectionError),
    ):
        upload(registry, blob)
    assert tuple(pauses.seconds) == PAUSES


@pytest.mark.parametrize(("status", "told"), [(413, "no room"), (507, "no room"), (405, "HTTP 405")])
def test_what_does_not_pass_is_not_tried_again(status: int, told: str, pauses: Any) -> None:
    with (
        FakeRegistry(refuse("PATCH", range(1, 99), status)) as fake,
        Registry(fake.host, "a", pause=pauses) as registry,
        pytest.raises(AzureResponseError, match=told),
    ):
        upload(registry, Blob(1000))
    assert pauses.seconds == []


def test_starts_anew_when_the_upload_is_gone(pauses: Any) -> None:
    blob, told = Blob(20 * MIB), []
    with FakeRegistry(refuse("PATCH", range(3, 4), 404)) as fake, Registry(fake.host, "a", pause=pauses) as registry:
        upload(registry, blob, told)
    assert fake.blobs == {blob.digest: blob.size}
    assert fake.count("POST") == 2
    assert sum(told) == blob.size and min(told) == -2 * CHUNK


def test_asks_again_when_the_registry_is_elsewhere(pauses: Any) -> None:
    """It may have gone on taking what was on its way when the connection broke."""
    blob, told = Blob(20 * MIB), []
    with FakeRegistry(refuse("PATCH", range(3, 4), 416)) as fake, Registry(fake.host, "a", pause=pauses) as registry:
        upload(registry, blob, told)
    assert fake.blobs == {blob.digest: blob.size}
    assert (fake.count("POST"), fake.count("GET")) == (1, 1)
    assert min(told) > 0


@pytest.mark.parametrize("headers", [{}, {"Range": "?"}, {"Range": "0-99999999999"}])
def test_starts_anew_when_the_registry_cannot_say_how_far_it_is(headers: dict[str, str], pauses: Any) -> None:
    blob = Blob(20 * MIB)
    breaks = refuse("PATCH", range(2, 3), 503)

    def intercept(handler: Any, number: int) -> bool:
        if handler.command == "GET" and "/uploads/" in handler.path:
            answer(handler, 204, headers=headers)
            return True
        return breaks(handler, number)

    with FakeRegistry(intercept) as fake, Registry(fake.host, "a", pause=pauses) as registry:
        upload(registry, blob)
    assert fake.blobs == {blob.digest: blob.size}
    assert fake.count("POST") == 2


def test_does_not_start_anew_for_ever(pauses: Any) -> None:
    with (
        FakeRegistry(refuse("PATCH", range(1, 99), 404)) as fake,
        Registry(fake.host, "a", pause=pauses) as registry,
        pytest.raises(Exception, match="refused by the test"),
    ):
        upload(registry, Blob(1000))
    assert fake.count("POST") == 6


def test_an_answer_that_got_lost_at_the_very_end_is_no_failure(pauses: Any) -> None:
    blob = Blob(1000)

    def intercept(handler: Any, number: int) -> bool:
        if handler.command == "PUT":
            fake.blobs[blob.digest] = blob.size
            handler.close_connection = True
            return True
        return False

    with FakeRegistry(intercept) as fake, Registry(fake.host, "a/b", pause=pauses) as registry:
        upload(registry, blob)
    assert fake.count("PUT") == 1


def test_a_token_that_expires_on_the_way_is_renewed_once(pauses: Any) -> None:
    blob, given = Blob(20 * MIB), []

    def intercept(handler: Any, number: int) -> bool:
        if handler.path.startswith("/token"):
            given.append(f"token-{len(given)}")
            answer(handler, 200, {"token": given[-1]})
            return True
        is_expired = (handler.command == "PATCH" and number == 2) or refuses_all
        if is_expired or handler.headers.get("Authorization") != f"Bearer {given[-1] if given else ''}":
            realm = f'Bearer realm="http://{fake.host}/token",service="tests",scope="repository:a/b:pull,push"'
            if handler.command == "PATCH":
                handler.rfile.read(int(handler.headers["Content-Length"]))
            answer(handler, 401, headers={"WWW-Authenticate": realm})
            return True
        return False

    refuses_all = False
    with FakeRegistry(intercept) as fake:
        credentials = Given(fake.host, "tester", Secret("a password"))
        with Registry(fake.host, "a/b", credentials, pauses) as registry:
            upload(registry, blob)
            assert fake.blobs == {blob.digest: blob.size}
            assert given == ["token-0", "token-1"]
            refuses_all = True
            with pytest.raises(Exception, match="do not allow to push"):
                upload(registry, Blob(1000))
            assert len(given) == 3, "once, not again and again"
    assert pauses.seconds == []


def test_tls_stays_when_a_registry_behind_a_proxy_does_not_know_of_it(certificate: Any) -> None:
    blob = Blob(1000)
    with FakeRegistry(certificate=certificate) as fake, Registry(fake.host, "a/b") as registry:
        upload(registry, blob)  # the fake's Locations begin with http:
    assert fake.blobs == {blob.digest: blob.size}


def test_another_server_without_tls_is_not_sent_to() -> None:
    def elsewhere(handler: Any, number: int) -> bool:
        if handler.command == "POST":
            answer(handler, 202, headers={"Location": "http://storage.example/upload"})
        return handler.command == "POST"

    with (
        FakeRegistry(elsewhere) as fake,
        Registry(fake.host, "a/b") as registry,
        pytest.raises(AzureResponseError, match=r"an upload to storage\.example, without TLS"),
    ):
        upload(registry, Blob(1000))


def test_another_server_is_not_shown_our_credentials(pauses: Any) -> None:
    blob = Blob(1000)

    def elsewhere(handler: Any, number: int) -> bool:
        if handler.headers.get("Authorization") is None:
            answer(handler, 401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        elif handler.command == "POST":
            storage.sessions["upload"] = storage.new_session()
            answer(handler, 202, headers={"Location": f"http://{storage.host}/v2/a/b/blobs/uploads/upload"})
        else:
            answer(handler, 404)
        return True

    with FakeRegistry() as storage, FakeRegistry(elsewhere) as fake:
        credentials = Given(fake.host, "tester", Secret("a password"))
        with Registry(fake.host, "a/b", credentials, pauses) as registry:
            upload(registry, blob)
    assert storage.blobs == {blob.digest: blob.size}
    assert storage.requests and not any("Authorization" in headers for _, _, headers in storage.requests)


def test_many_at_once_share_one_login(pauses: Any) -> None:
    """Each goes through a break of its own; the token is fetched once for all."""
    blobs = [Blob(10 * MIB, seed) for seed in range(6)]
    tokens, lock = [], threading.Lock()

    def intercept(handler: Any, number: int) -> bool:
        if handler.path.startswith("/token"):
            with lock:
                tokens.append(f"token-{len(tokens)}")
            answer(handler, 200, {"token": tokens[-1]})
            return True
        if handler.headers.get("Authorization") != "Bearer token-0":
            answer(handler, 401, headers={"WWW-Authenticate": f'Bearer realm="http://{fake.host}/token"'})
            return True
        return False

    with (
        FakeRegistry(intercept) as fake,
        CuttingProxy(fake.host, cuts(60 * MIB, 5, 9)) as proxy,
        Registry(proxy.host, "a/b", pause=pauses) as registry,
        ThreadPoolExecutor(4) as pool,
    ):
        list(pool.map(lambda blob: upload(registry, blob), blobs))
    assert fake.blobs == {blob.digest: blob.size for blob in blobs}
    assert tokens == ["token-0"]


def test_a_wrong_login_in_many_threads_is_one_kind_of_error(start_registry: StartRegistry) -> None:
    host = start_registry(users={"tester": "right"}).host
    with Registry(host, "a/b", Given(host, "tester", Secret("wrong"))) as registry, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(upload, registry, Blob(1000, seed)) for seed in range(4)]
        assert {type(one.exception()) for one in asked} == {UnauthorizedError}


def test_memory_holds_one_chunk(pauses: Any) -> None:
    """tracemalloc counts every byte that Python allocates: bytes, bytearrays, and what urllib3 and ssl copy."""
    blob = Blob(64 * MIB)
    with (
        FakeRegistry() as fake,
        CuttingProxy(fake.host, cuts(blob.size, 3, 5)) as proxy,
        Registry(proxy.host, "a/b", pause=pauses) as registry,
    ):
        registry.has_blob(blob.digest)
        upload(registry, Blob(1000, 7))  # loads modules
        tracemalloc.start()
        upload(registry, blob)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # Beside the chunk: a piece of the generator and its copy of 1 MiB each, and the fake's and the proxy's buffers.
    assert CHUNK < peak < CHUNK + 5 * MIB


def test_errors_of_the_source_are_its_own() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"x" * 10
        raise PermissionError("model.pkl")

    with (
        FakeRegistry() as fake,
        Registry(fake.host, "a/b") as registry,
        pytest.raises(PermissionError, match=r"model\.pkl"),
    ):
        registry.upload_blob(Blob(1000).digest, 1000, chunks)
    assert fake.blobs == {}
