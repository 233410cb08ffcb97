"""The front end before the apps: what it passes on, and what it answers itself."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from function_app_parts import app_files, bench, tar_layer
from yarl import URL

from local_azure.function_apps import HostUnavailable, Limits, Phase
from local_azure.function_apps.compute import nobodys_port
from local_azure.function_apps.front_end import forward

HOST = "app.azurewebsites.net"
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """A server on loopback; gives its URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def in_front_of(app: str, limit: float = 60) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """A client, and the URL of the front end before an app."""
    async with aiohttp.ClientSession(auto_decompress=False) as inner:

        async def front(request: web.BaseRequest) -> web.StreamResponse:
            return await forward(inner, request, app, HOST, limit)

        async with served(front) as url, aiohttp.ClientSession(auto_decompress=False) as client:
            yield client, url


def run(handler: Handler, scenario: Callable[[aiohttp.ClientSession, str], Awaitable[None]], **options: float) -> None:
    async def within() -> None:
        async with served(handler) as app, in_front_of(app, **options) as (client, url):
            await scenario(client, url)

    asyncio.run(within())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"])
def test_a_request_is_passed_on_as_it_is(method: str) -> None:
    async def app(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request.method, request.raw_path, list(request.headers.items()), await request.read()))
        return web.Response(status=299, reason="Odd")

    async def scenario(client: aiohttp.ClientSession, url: str) -> None:
        headers = [("A", "1"), ("A", "2"), ("Connection", "keep-alive"), ("Content-Type", "a/b")]
        target = URL(f"{url}/a%2Fb/%C3%A9?x=%20&x=2&empty=", encoded=True)
        skipped = ("Accept", "Accept-Encoding", "User-Agent")
        async with client.request(method, target, headers=headers, data=b"body", skip_auto_headers=skipped) as answer:
            assert (answer.status, answer.reason) == (299, "Odd")

    seen: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
    run(app, scenario)
    [(seen_method, path, headers, body)] = seen
    assert (seen_method, path, body) == (method, "/a%2Fb/%C3%A9?x=%20&x=2&empty=", b"body")
    assert sorted(headers) == [
        ("A", "1"),
        ("A", "2"),
        ("Content-Length", "4"),
        ("Content-Type", "a/b"),
        ("Host", HOST),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "https"),
    ]


def test_an_answer_is_passed_back_as_it_is() -> None:
    async def app(_: web.BaseRequest) -> web.StreamResponse:
        headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Encoding", "gzip"), ("Location", "/x")]
        return web.Response(status=302, body=gzip.compress(b"text"), headers=headers)

    async def scenario(client: aiohttp.ClientSession, url: str) -> None:
        async with client.get(url, allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert answer.headers["Location"] == "/x"
            assert gzip.decompress(await answer.read()) == b"text"
        async with client.head(url, allow_redirects=False) as answer:
            assert int(answer.headers["Content-Length"]) == len(gzip.compress(b"text"))

    run(app, scenario)


def test_bodies_stream_both_ways() -> None:
    async def app(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk.upper())
        return response

    async def scenario(client: aiohttp.ClientSession, url: str) -> None:
        got = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"first"
            await got.wait()  # until the answer to it is here
            yield b"second" * 1_000_000

        async with client.post(url, data=body()) as answer:
            assert await answer.content.readexactly(5) == b"FIRST"
            got.set()
            assert await answer.read() == b"SECOND" * 1_000_000

    run(app, scenario)


def test_an_app_that_breaks_off_breaks_off_its_answer() -> None:
    async def app(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"begun")
        assert request.transport is not None
        request.transport.abort()
        return response

    async def scenario(client: aiohttp.ClientSession, url: str) -> None:
        with pytest.raises(aiohttp.ClientError):
            async with client.get(url) as answer:
                await answer.read()

    run(app, scenario)


def test_an_app_that_does_not_answer_in_time() -> None:
    async def app(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario(client: aiohttp.ClientSession, url: str) -> None:
        async with client.get(url) as answer:
            assert (answer.status, "GatewayTimeout" in await answer.text()) == (504, True)

    run(app, scenario, limit=0.2)


def test_an_app_that_is_gone() -> None:
    async def scenario() -> None:
        nobody, port = nobodys_port()
        async with in_front_of(f"http://127.0.0.1:{port}") as (client, url), client.get(url) as answer:
            assert answer.status == 503
            assert 'href="https://app.scm.azurewebsites.net/detectors"' in await answer.text()
        nobody.close()

    asyncio.run(scenario())


def test_what_app_service_answers_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path) as its:
            its.images.add(tar_layer(app_files()))
            unknown = await its.call(name="other")
            assert (unknown.status, b"404 Web Site not found." in unknown.body) == (404, True)
            its.apply(enabled=False)
            stopped = await its.call()
            assert (stopped.status, b"Error 403 - This web app is stopped." in stopped.body) == (403, True)
            assert stopped.headers["Content-Type"].startswith("text/html")
            its.apply(image=None)
            assert (await its.call()).status == 503
            its.images.gate.clear()
            its.apply()
            waiting = asyncio.create_task(its.call())
            await its.phase(Phase.PULLING)
            its.images.gate.set()
            assert (await waiting).body == b"hello"

    asyncio.run(scenario())


def test_a_request_waits_for_a_start_no_longer_than_the_limit(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with bench(tmp_path, limits=Limits(front_end=0.2, host_call=0.2)) as its:
            its.images.gate.clear()
            its.apply()
            assert (await its.call()).status == 503
            with pytest.raises(HostUnavailable, match="The app is pulling"):
                await its.apps.host("app")
            its.images.gate.set()

    asyncio.run(scenario())
