"""All function apps of this local Azure."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
from aiohttp import web

from local_azure.function_apps import front_end
from local_azure.function_apps.app import App
from local_azure.function_apps.compute import Compute
from local_azure.function_apps.image import ImageSource
from local_azure.function_apps.life import Platform
from local_azure.function_apps.running_host import HostUnavailable, RunningHost
from local_azure.function_apps.spec import AppSpec, AppStatus, Limits, Phase
from local_azure.functions_host.keys import load_keys

_SITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,59}")
_LOG_KEPT = 64 * 1024  # bytes


class FunctionApps:
    """Runs apps as App Service does. Sites are named without regard to case.

    Args:
        folder: for the apps' keys, storage and images; nothing else of the machine is written.
        images: where images come from.
        compute: where apps run.
        environment: variables for every app: how the names of Azure are reached from it.
        limits: App Service's times, if not its own.
        clock: tells the time in seconds; sleep and retries go by it.
    """

    def __init__(
        self,
        folder: Path,
        images: ImageSource,
        compute: Compute,
        environment: Mapping[str, str],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = Path(folder)
        self._limits = limits or Limits()
        self._compute = compute
        self._platform = Platform(images, compute, self._prepare, environment, self._limits, clock, self._client)
        self._apps: dict[str, App] = {}
        self._prepared: asyncio.Future[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def apply(self, spec: AppSpec) -> None:
        """Make an app what its spec says, in the background; a newer spec ends what an older one began.

        Raises:
            ValueError: it is not the name of a site.
        """
        if _SITE_NAME.fullmatch(spec.name) is None:
            raise ValueError(f"'{spec.name}' is not the name of a site.")
        app = self._apps.get(spec.name.lower())
        if app is None:
            folder = self._folder / spec.name.lower()
            self._apps[spec.name.lower()] = App(spec, folder, self._platform)
        else:
            app.apply(spec)

    async def delete(self, name: str) -> None:
        """End an app and forget it, with its keys and its storage; nothing happens when there is none."""
        app = self._apps.pop(name.lower(), None)
        if app is not None:
            await app.close()
            await asyncio.to_thread(shutil.rmtree, app.folder, ignore_errors=True)

    async def close(self) -> None:
        """End all apps; returns when nothing runs any more. Keys and storage stay."""
        await asyncio.gather(*(app.close() for app in self._apps.values()))
        self._apps.clear()
        await self._compute.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def status(self, name: str) -> AppStatus:
        """How an app is.

        Raises:
            KeyError: there is no such app; the text lists those there are.
        """
        return self._app(name).status

    async def host(self, name: str) -> RunningHost:
        """The Functions host of an app; wakes one that sleeps, and waits a little for one that is being started.

        Raises:
            HostUnavailable: its container is not up.
            KeyError: there is no such app.
        """
        app = self._app(name)
        app.wake()
        status = await app.settled(self._limits.host_call)
        url = app.url
        if url is None:
            raise HostUnavailable(status.reason or f"The app is {status.phase.value}.")
        master = await asyncio.to_thread(lambda: load_keys(app.folder / "secrets" / "host.json", []).master)
        return RunningHost(url, app.spec.host_name, master, self._client())

    async def container_log(self, name: str, limit: int = _LOG_KEPT) -> str:
        """What the platform logged of an app's container, and then what the app has written, of which the end.

        Raises:
            KeyError: there is no such app.
        """
        app = self._app(name)
        return app.log.text() + await app.output(limit)

    async def restart(self, name: str) -> None:
        """Start an app again, with what the image's tag names now; one that is stopped or sleeps stays so.

        Raises:
            KeyError: there is no such app.
        """
        self._app(name).restart()

    async def handle(self, name: str, request: web.BaseRequest) -> web.StreamResponse:
        """Answer what arrives for the host name of an app; waits while it is being started."""
        app = self._apps.get(name.lower())
        if app is None:
            return front_end.not_found()
        if app.status.phase is Phase.STOPPED:
            return front_end.stopped()
        began = time.monotonic()
        with app.in_use():
            app.wake()
            await app.settled(self._limits.front_end)
            url = app.url
            if url is None:
                return front_end.application_error(app.spec.host_name)
            left = self._limits.front_end - (time.monotonic() - began)
            return await front_end.forward(self._client(), request, url, app.spec.host_name, left)

    def _app(self, name: str) -> App:
        app = self._apps.get(name.lower())
        if app is None:
            raise KeyError(f"There is no app '{name}'; there are {', '.join(sorted(self._apps)) or 'none'}.")
        return app

    async def _prepare(self) -> None:
        if self._prepared is None:
            self._prepared = asyncio.ensure_future(self._compute.prepare(self._folder))
        await asyncio.shield(self._prepared)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session
