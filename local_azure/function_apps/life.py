"""One life of an app: pulled, started, waited for, watched until its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from local_azure.function_apps.compute import Compute, Launch, Running, StartFailed
from local_azure.function_apps.environment import container_environment, expected_port, keeps_storage, start_limit
from local_azure.function_apps.image import ImageSource, PulledImage, PullFailed
from local_azure.function_apps.platform_log import PlatformLog
from local_azure.function_apps.spec import AppSpec, Limits, Phase

SECRETS = "/azure-functions-host/Secrets"
WATCH_INTERVAL = 0.5  # seconds
_PING = "/admin/host/ping"  # any answer will do
_PING_TIMEOUT = aiohttp.ClientTimeout(total=5)
_PING_INTERVAL = 0.1  # seconds
_WAITING_INTERVAL = 15.0  # seconds between two lines that say so
_OUTPUT_KEPT = 1 << 20  # bytes of what an app wrote, after its end


@dataclass(frozen=True)
class Platform:
    """What all apps share.

    Attributes:
        images: where images come from.
        compute: where apps run.
        prepare: waited for before an app is started.
        environment: variables for every app.
        limits: App Service's times.
        clock: tells the time in seconds.
        session: makes requests to apps, once there is an event loop.
    """

    images: ImageSource
    compute: Compute
    prepare: Callable[[], Awaitable[None]]
    environment: Mapping[str, str]
    limits: Limits
    clock: Callable[[], float]
    session: Callable[[], aiohttp.ClientSession]


class Life:
    """From one start to its end.

    Args:
        spec: what App Service knows of the app.
        folder: the app's own.
        number: how many starts there were before.
        platform: what all apps share.
        log: what the platform says of it.
        enter: called as a phase begins, with the digest of the image.
        idle: whether it is to be unloaded.
    """

    def __init__(
        self,
        spec: AppSpec,
        folder: Path,
        number: int,
        platform: Platform,
        log: PlatformLog,
        enter: Callable[[Phase, str], None],
        idle: Callable[[], bool],
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._container = f"{spec.name}_{number}_{secrets.token_hex(4)}"
        self._platform = platform
        self._log = log
        self._enter = enter
        self._idle = idle
        self._running: Running | None = None
        self._last_output = ""

    @property
    def url(self) -> str | None:
        """Where the platform reaches the app once it is started; it need not answer there."""
        return self._running.url if self._running is not None else None

    async def output(self, limit: int) -> str:
        """The last ``limit`` bytes that the app has written."""
        if self._running is not None:
            return await self._running.output(limit)
        return self._last_output.encode()[-limit:].decode(errors="replace")

    async def run(self) -> str | None:
        """Live; returns why that ended, or None when the app was idle. Nothing of it is left then."""
        try:
            launch = await self._fetch()
            self._enter(Phase.STARTING, launch.image.digest)
            self._log.starting(self._spec, self._container, launch.port)
            self._running = await self._platform.compute.start(launch)
        except PullFailed as failed:
            self._log.pull_failed(str(failed))
            self._log.gave_up()
            return str(failed)
        except StartFailed as failed:
            self._log.error(str(failed))
            self._log.gave_up()
            return str(failed)
        ready = False
        try:
            failure = await self._warm_up(self._running, launch)
            if failure is not None:
                self._log.gave_up()
                return failure
            ready = True
            self._log.ready(self._container)
            self._enter(Phase.RUNNING, launch.image.digest)
            return await self._watch(self._running)
        finally:
            running, self._running = self._running, None
            try:
                self._last_output = await running.output(_OUTPUT_KEPT)
            finally:
                await running.stop(gently=ready)

    async def _fetch(self) -> Launch:
        spec, platform = self._spec, self._platform
        assert spec.image is not None
        await platform.prepare()
        self._log.pulling(spec.image)
        began = platform.clock()
        image = await platform.images.pull(spec.image, spec.settings, spec.identity_may_pull)
        self._enter(Phase.PULLING, image.digest)
        launch = self._launch(image)
        await platform.compute.fetch(launch)
        self._log.pulled(spec.image, image.digest, platform.clock() - began)
        return launch

    def _launch(self, image: PulledImage) -> Launch:
        spec, platform = self._spec, self._platform
        return Launch(
            site=spec.name,
            container=self._container,
            folder=self._folder,
            image=image,
            environment=container_environment(spec, image.environment, platform.environment, SECRETS),
            of_this_machine=platform.environment,
            port=expected_port(spec.settings),
            storage=keeps_storage(spec.settings),
        )

    async def _warm_up(self, running: Running, launch: Launch) -> str | None:
        """Wait until it answers; returns why it does not, if so."""
        limit = start_limit(self._spec.settings)
        self._log.warming_up(self._container)
        began = said = self._platform.clock()
        while not await self._answers(running.url):
            now = self._platform.clock()
            if await running.exited():
                self._log.exited(self._container)
                return self._log.no_answer(self._container, launch.port)
            if now - began > limit:
                self._log.too_late(self._container, now - began)
                return self._log.no_answer(self._container, launch.port)
            if now - said >= _WAITING_INTERVAL:
                said = now
                self._log.waiting(self._container, now - began)
            await asyncio.sleep(_PING_INTERVAL)
        return None

    async def _answers(self, url: str) -> bool:
        try:
            async with self._platform.session().get(url + _PING, timeout=_PING_TIMEOUT):
                return True
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _watch(self, running: Running) -> str | None:
        """Wait for its end; returns why it ended by itself, or None when it was idle for too long."""
        while not self._idle():
            await asyncio.sleep(WATCH_INTERVAL)
            if await running.exited():
                self._log.died(self._container)
                return f"Container {self._container} has exited."
        self._log.unloading()
        return None
