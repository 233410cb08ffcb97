"""Images in memory and what runs them, for the tests of App Service's part."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import sys
import tarfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from aiohttp import web

from local_azure import base_image
from local_azure.function_apps import AppSpec, Compute, FunctionApps, Layer, Limits, Phase, PulledImage, PullFailed
from local_azure.function_apps.process import ProcessCompute

CHECKOUT = Path(__file__).parents[2]
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
IMAGE = "registry.azurecr.io/app:v1"
LOGIN = {"DOCKER_REGISTRY_SERVER_USERNAME": "user", "DOCKER_REGISTRY_SERVER_PASSWORD": "a-password"}
HTTP = {
    "bindings": [
        {"type": "httpTrigger", "direction": "in", "name": "request", "route": "{*path}", "authLevel": "anonymous"},
        {"type": "http", "direction": "out", "name": "$return"},
    ]
}
HELLO = """
import azure.functions as func

def main(request: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")
"""
Found = TypeVar("Found")


def tar_layer(files: Mapping[str, str | bytes | tarfile.TarInfo], compressed: bool = True) -> bytes:
    """A layer: files by name, with their content or an entry that is no file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(stream.getvalue(), mtime=0) if compressed else stream.getvalue()


def app_files(code: str = HELLO, function: Mapping[str, Any] = HTTP, name: str = "score") -> dict[str, str | bytes]:
    """The files of a function app with one function, as an image has them."""
    return {
        "home/site/wwwroot/host.json": json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}),
        f"home/site/wwwroot/{name}/function.json": json.dumps(function),
        f"home/site/wwwroot/{name}/__init__.py": code,
    }


class Images:
    """Registries in memory, which ask for a login; the same contract as App Service's real ones have."""

    def __init__(self) -> None:
        self._images: dict[str, PulledImage] = {}
        self._layers: dict[str, bytes] = {}
        self.pulls: list[str] = []
        self.opened: list[str] = []
        self.gate = asyncio.Event()  # pulls wait while it is not set
        self.gate.set()
        self.broken: Exception | None = None

    def add(
        self,
        *layers: bytes,
        reference: str = IMAGE,
        env: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        local_reference: str = "",
    ) -> str:
        """Push an image: layers on the environment of Azure's base images; returns its digest."""
        settings = {**base_image.CONFIG.env, "FUNCTIONS_WORKER_RUNTIME_VERSION": PYTHON_VERSION, **(env or {})}
        document = {
            "architecture": "amd64",
            "config": {"Env": [f"{name}={value}" for name, value in settings.items()], "Cmd": ["/start.bin"]},
            **(config or {}),
        }
        digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
        self._layers.update(zip(digests, layers, strict=True))
        digest = f"sha256:{hashlib.sha256(json.dumps([document, digests]).encode()).hexdigest()}"
        described = tuple(Layer(each, "application/vnd.oci.image.layer.v1.tar+gzip") for each in digests)
        self._images[reference] = PulledImage(digest, document, described, local_reference, self._open)
        return digest

    async def pull(self, image: str, settings: Mapping[str, str], identity: bool) -> PulledImage:
        self.pulls.append(image)
        await self.gate.wait()
        if self.broken is not None:
            raise self.broken
        if not identity and any(settings.get(name) != value for name, value in LOGIN.items()):
            raise PullFailed(f'Head "https://{image}": unauthorized: authentication required')
        if image not in self._images:
            raise PullFailed(f"manifest for {image} not found: manifest unknown")
        return self._images[image]

    async def _open(self, digest: str) -> AsyncIterator[bytes]:
        self.opened.append(digest)
        for start in range(0, len(self._layers[digest]), 1000):
            yield self._layers[digest][start : start + 1000]


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self._reads = 0

    def __call__(self) -> float:
        self._reads += 1
        return self.now

    async def was_looked_at(self) -> None:
        """Wait until whoever goes by it must have seen what it shows now."""
        wanted = self._reads + 3
        await until(lambda: self._reads >= wanted, "a look at the clock")


@dataclass
class Answer:
    """What a client got."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Bench:
    """Function apps behind a front end on loopback.

    Attributes:
        url: of the front end; the Host header says which app is meant.
    """

    apps: FunctionApps
    images: Images
    clock: Clock
    folder: Path
    url: str
    session: aiohttp.ClientSession = field(repr=False)

    def apply(self, name: str = "app", settings: Mapping[str, str] | None = None, **more: Any) -> AppSpec:
        """Tell App Service of an app, by default one that is always on and logs in as it should."""
        spec = AppSpec(name, f"{name}.azurewebsites.net", IMAGE, {**LOGIN, **(settings or {})}, always_on=True)
        spec = replace(spec, **more)
        self.apps.apply(spec)
        return spec

    async def phase(self, *phases: Phase, name: str = "app") -> Phase:
        """Wait for one of these phases."""
        await until(lambda: self.apps.status(name).phase in phases, f"{phases}; {self.apps.status(name)}")
        return self.apps.status(name).phase

    async def running(self, name: str = "app") -> None:
        """Wait until it runs; fails at once when it does not come up."""
        if await self.phase(Phase.RUNNING, Phase.FAILED, name=name) is Phase.FAILED:
            raise AssertionError(await self.apps.container_log(name))

    async def call(self, target: str = "/", method: str = "GET", name: str = "app", **more: Any) -> Answer:
        """A request to an app from outside."""
        headers = {"Host": f"{name}.azurewebsites.net", **more.pop("headers", {})}
        async with self.session.request(method, f"{self.url}{target}", headers=headers, **more) as answer:
            return Answer(answer.status, answer.headers.copy(), await answer.read())


@asynccontextmanager
async def bench(
    folder: Path,
    compute: Compute | None = None,
    environment: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] | None = None,
) -> AsyncIterator[Bench]:
    """Function apps of a test's own; nothing of them runs afterwards."""
    images, manual = Images(), Clock()
    compute = compute or ProcessCompute(sys.executable, CHECKOUT / ".venv" / "apps")
    apps = FunctionApps(folder / "apps", images, compute, environment or {}, limits, clock or manual)
    server = web.Server(lambda request: apps.handle(request.host.split(".")[0], request))  # type: ignore[arg-type]
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        try:
            yield Bench(apps, images, manual, folder / "apps", f"http://127.0.0.1:{port}", session)
        finally:
            await apps.close()
            await runner.cleanup()
    left = processes_of(folder / "apps")
    assert not left, left


async def until(probe: Callable[[], Found | None] | Callable[[], Awaitable[Found | None]], what: str) -> Found:
    """Wait until ``probe`` gives something true, and return that."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found: Any = probe()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found  # type: ignore[no-any-return]
        await asyncio.sleep(0.05)
    raise AssertionError(f"Waited in vain for {what}.")


def processes_of(folder: Path) -> list[str]:
    """The command lines of processes that have to do with a folder."""
    return [line for line in _command_lines() if str(folder) in line]


def _command_lines() -> Iterable[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


async def tunnel(ports: Mapping[str, int]) -> tuple[asyncio.Server, str]:
    """An HTTP proxy that leads to ports of this machine, by the beginning of the wanted name; and its URL."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        name = head.split()[1].decode().partition(":")[0]
        port = next(port for service, port in ports.items() if f".{service}." in name)
        there = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer), return_exceptions=True)

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(1 << 16):
        writer.write(chunk)
        await writer.drain()
    writer.close()
