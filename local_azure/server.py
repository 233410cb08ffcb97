"""The process that is the local Azure: makes all parts, puts them together, and takes requests by host name."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from local_azure import control, graph, identity, messaging
from local_azure.arm.azure import Azure, Subscription
from local_azure.arm.errors import ArmError
from local_azure.arm.names import REGION_CODES
from local_azure.arm.operation import Answer
from local_azure.arm.providers import PROVIDERS, removed, resume
from local_azure.arm.providers.machine_learning.registries import HOSTS as _MACHINE_LEARNING
from local_azure.arm.router import Router
from local_azure.arm.store import Store
from local_azure.azurite import Azurite
from local_azure.certificates import Certificates
from local_azure.container_registry import ContainerRegistries, PublicRegistry
from local_azure.directory import Directory
from local_azure.faults import Fault, Faults
from local_azure.front import Front
from local_azure.function_apps import FunctionApps, choose_compute
from local_azure.function_apps.container import ContainerCompute
from local_azure.images import RegistryImages
from local_azure.latency import WAITED, Latency
from local_azure.messaging import ServiceBusNamespaces
from local_azure.settled import Settled
from local_azure.storage import StorageAccounts

_REGISTRY, _SITE, _PUBLIC = ".azurecr.io", ".azurewebsites.net", "mcr.microsoft.com"
_FRONT = "/mferp/managementfrontend"  # before the paths of Resource Manager, at Azure Machine Learning's own hosts
_MANAGEMENT_SITE = f".scm{_SITE}"  # Kudu, which is not here
_REGIONS = "appinsights.azureedge.net"  # where az functionapp create looks up a region's short name
_MAXIMUM_BODY = 64 * 1024**3  # bytes: image layers pass through
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How to run it.

    Attributes:
        state: the folder of everything that it keeps.
        compute: auto, docker or process.
        latency: how long Azure takes.
        faults: those that are set from the start.
        azurite: folder where Azurite is installed.
        python: interpreter on which the environments of apps are based.
        environments: folder where those environments are kept.
        cache: folder for the stand-in base's file system.
    """

    state: Path
    compute: str
    latency: Latency
    faults: list[Fault]
    azurite: Path
    python: Path
    environments: Path
    cache: Path


class Server:
    """All of it.

    Args:
        options: how to run it.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        state = options.state
        self.settled = Settled.read_or_make(state / "settled.json")
        self.certificates = Certificates.in_folder(state / "certificates")
        self._azurite = Azurite(
            options.azurite,
            state / "azurite",
            in_memory=False,
            certificate=(self.certificates.chain, self.certificates.key),
        )
        store = Store(state / "resources.json")
        secret = bytes.fromhex(self.settled.secret)
        directory = Directory(store, self.settled.tenant, secret, options.latency.of_a_new_principal)
        self._public = PublicRegistry(state / "mcr")
        registries = ContainerRegistries(state / "registries", directory, secret, self._public)
        images = RegistryImages(registries, self._public)
        compute = choose_compute(options.compute, options.python, options.environments)
        self._runnable = compute.name == ContainerCompute.name
        self.azure = Azure(
            subscription=Subscription(self.settled.subscription, self.settled.tenant),
            store=store,
            latency=options.latency,
            directory=directory,
            storage=StorageAccounts(self._azurite, str(self.certificates.bundle)),
            registries=registries,
            apps=FunctionApps(state / "apps", images, compute, self._app_environment()),
            service_bus=ServiceBusNamespaces(),
            removed=removed(),
        )
        self._router = Router(self.azure, PROVIDERS)
        self._front = Front(self._port)
        self._faults = Faults(options.faults)
        self._requests = control.RequestLog()
        self._runners: list[web.AppRunner] = []

    def _app_environment(self) -> dict[str, str]:
        """What every app's environment has, so that it reaches this Azure by its names."""
        proxy = f"http://127.0.0.1:{self.settled.proxy}"
        bundle = str(self.certificates.bundle)
        return {
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
            "REQUESTS_CA_BUNDLE": bundle,
            "SSL_CERT_FILE": bundle,
        }

    # -- life

    async def start(self) -> None:
        """Start all parts, and what an earlier run has left behind them."""
        self.certificates.make()
        self.azure.store.load()
        await asyncio.gather(asyncio.to_thread(self._azurite.start), self._open_public_registry())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificates.chain, self.certificates.key)
        everything = web.Application(client_max_size=_MAXIMUM_BODY)
        everything.router.add_route("*", "/{path:.*}", self._handle)
        await self._listen(everything, self.settled.arm, context)
        await self._listen(identity.handler(self.azure.directory, self.settled.identity_header), self.settled.identity)
        await self._front.start(self.settled.proxy)
        await resume(self.azure)

    async def _open_public_registry(self) -> None:
        await self._public.open()
        await self._public.publish_base(self._options.cache, self._runnable)

    async def _listen(self, application: web.Application, port: int, context: ssl.SSLContext | None = None) -> None:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        self._runners.append(runner)

    async def close(self) -> None:
        """End all parts; nothing of them is left running."""
        await self.azure.long_running.close()
        await self._front.close()
        for runner in self._runners:
            await runner.cleanup()
        await asyncio.gather(
            self.azure.apps.close(),
            self.azure.registries.close(),
            self._public.close(),
            self.azure.service_bus.close(),
            asyncio.to_thread(self._azurite.stop),
        )
        self.azure.store.save()

    # -- requests

    def _port(self, host: str) -> int | None:
        """Where a host name leads to, for the proxy."""
        is_site = host.endswith(_SITE) and not host.endswith(_MANAGEMENT_SITE)
        if is_site or host.endswith(_MACHINE_LEARNING) or host in (_PUBLIC, _REGIONS, graph.HOST):
            return self.settled.arm
        is_registry = host.endswith(_REGISTRY) and self.azure.directory.registry(host.split(".")[0]) is not None
        if is_registry or self.azure.service_bus.port(host) is not None:
            return self.settled.arm
        return self.azure.storage.port(host)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, by the name of the host that it is for, and write it into the log."""
        if request.path.startswith(control.PREFIX):
            return await control.answer(request, self.azure, self._requests, self._faults)
        host, started, clock = request.host.split(":")[0].lower(), time.time(), time.perf_counter()
        WAITED.set(0.0)
        status = 0
        try:
            response = await self._answer_or_suffer(request, host)
            status = response.status
            return response
        finally:
            seconds = time.perf_counter() - clock
            self._requests.entries.append(
                control.Logged(
                    method=request.method,
                    host=host,
                    path=request.path,
                    query=request.query_string,
                    status=status,
                    started=started,
                    seconds=seconds,
                    own=seconds - WAITED.get(),
                )
            )

    async def _answer_or_suffer(self, request: web.Request, host: str) -> web.StreamResponse:
        fault = await self._faults.hit(request.method, host, request.path)
        if fault is None:
            return await self._answer(request, host)
        if fault.after:
            await self._answer(request, host)
        return self._suffer(request, fault)

    def _suffer(self, request: web.Request, fault: Fault) -> web.Response:
        """The answer of a fault.

        Raises:
            ConnectionAbortedError: the connection is cut.
        """
        if fault.drop:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionAbortedError
        assert fault.status is not None
        return web.Response(
            status=fault.status,
            text=json.dumps(fault.body) if fault.body is not None else None,
            content_type="application/json",
            headers=dict(fault.headers),
        )

    async def _answer(self, request: web.Request, host: str) -> web.StreamResponse:
        name = host.split(".")[0]
        if host == _PUBLIC:
            return await self._public.handle(request)
        if host == _REGIONS:
            return web.json_response({"regions": {name: {"laRegionCode": code} for name, code in REGION_CODES.items()}})
        if host == graph.HOST:
            return graph.answer(request, await request.read(), self.azure.directory)
        if host.endswith(_REGISTRY):
            return await self.azure.registries.handle(name, request)
        if host.endswith(_SITE):
            response: web.StreamResponse = await self.azure.apps.handle(name, request)
            return response
        if host.endswith(messaging.SUFFIX):
            return await self.azure.service_bus.handle(name, request)
        return await self._resource_manager(request)

    async def _resource_manager(self, request: web.Request) -> web.Response:
        principal = self._caller(request)
        if principal is None and not request.path.lower().startswith("/metadata/"):
            text = "Authentication failed. The 'Authorization' header is missing or invalid."
            refused = ArmError(401, "AuthenticationFailed", text, (), True)
            return _response(Answer(401, refused.body, {"WWW-Authenticate": "Bearer", **refused.headers}), request)
        content = await request.read()
        try:
            body = json.loads(content) if content.strip() else None
        except ValueError as error:
            text = f"The request content was invalid and could not be deserialized: '{error}'."
            refused = ArmError(400, "InvalidRequestContent", text, (), True)
            return _response(Answer(400, refused.body, refused.headers), request)
        path = request.rel_url.raw_path
        if request.host.split(":")[0].endswith(_MACHINE_LEARNING):
            path = path.removeprefix(_FRONT)
        base_url = f"https://{request.host}"
        answer = await self._router.answer(
            request.method,
            path,
            request.query,
            request.rel_url.raw_query_string,
            body,
            base_url,
            principal or "",
        )
        return _response(answer, request)

    def _caller(self, request: web.Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.azure.directory.principal(token) if scheme.lower() == "bearer" else None


def _response(answer: Answer, request: web.Request) -> web.Response:
    """An answer with the headers that all of ARM's have."""
    correlation = str(uuid.uuid4())
    kind = "reads" if request.method in ("GET", "HEAD") else "deletes" if request.method == "DELETE" else "writes"
    headers = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "x-ms-request-id": correlation,
        "x-ms-correlation-request-id": correlation,
        "x-ms-routing-request-id": f"LOCAL:{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}:{correlation}",
        f"x-ms-ratelimit-remaining-subscription-{kind}": "799",
        **answer.headers,
    }
    if request.headers.get("x-ms-client-request-id"):
        headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
    if isinstance(answer.body, str) or answer.body is None:
        content = answer.content_type or ("text/plain" if answer.body else None)
        response = web.Response(status=answer.status, text=answer.body or "", headers=headers)
        if content:
            response.content_type = content
        else:
            response.headers.pop("Content-Type", None)
        return response
    text = json.dumps(answer.body)
    return web.Response(status=answer.status, text=text, headers=headers, content_type="application/json")


async def serve(options: Options, ready: Callable[[Server], None]) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        options: how.
        ready: called once everything answers.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(options)
    try:
        await server.start()
        ready(server)
        await stop.wait()
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await server.close()
