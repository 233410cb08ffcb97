"""An app: when it runs, and how it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_azure.function_apps.life import WATCH_INTERVAL, Life, Platform
from local_azure.function_apps.platform_log import PlatformLog
from local_azure.function_apps.spec import COMING, AppSpec, AppStatus, Phase


class App:
    """One app. It has one life at a time: what ends one waits until it is over before the next begins.

    Args:
        spec: what App Service knows of it.
        folder: its own.
        platform: what all apps share.
    """

    def __init__(self, spec: AppSpec, folder: Path, platform: Platform) -> None:
        self.spec = spec
        self.folder = folder
        self.log = PlatformLog(spec.name)
        self._platform = platform
        self._status = AppStatus(Phase.NO_IMAGE)
        self._changed = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._life: Life | None = None
        self._lives = 0
        self._last_used = self._up_since = self._failed_at = platform.clock()
        self._in_flight = 0
        self._settle()

    # -- what is asked of it

    @property
    def status(self) -> AppStatus:
        return self._status

    @property
    def url(self) -> str | None:
        """Where it answers, while it does."""
        return self._life.url if self._life is not None and self._status.phase is Phase.RUNNING else None

    def apply(self, spec: AppSpec) -> None:
        """Take over what App Service knows now; what is awake is started again, what sleeps sleeps on."""
        if spec != self.spec:
            self.spec = spec
            self._settle("AppSettingsChange")

    def restart(self) -> None:
        """Start it again, if it is meant to run and does not sleep."""
        self._settle("SiteRestart")

    def wake(self) -> None:
        """Somebody wants to use it: load it when it sleeps, and try again when it failed some time ago."""
        now = self._platform.clock()
        self._last_used = now
        failed = self._status.phase is Phase.FAILED and now - self._failed_at >= self._platform.limits.retry_when_asked
        if failed or self._status.phase is Phase.ASLEEP:
            self._cancel()
            self._begin()

    async def settled(self, limit: float) -> AppStatus:
        """Its status as soon as it is not on its way up any more, or after ``limit`` seconds."""
        try:
            async with asyncio.timeout(limit):
                while self._status.phase in COMING:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self._status

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """It is not idle meanwhile."""
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1
            self._last_used = self._platform.clock()

    async def output(self, limit: int) -> str:
        """The last ``limit`` bytes that it has written in this life, or in its last one."""
        return await self._life.output(limit) if self._life is not None else ""

    async def close(self) -> None:
        """End it; returns when nothing of it runs any more."""
        self._cancel()
        self._enter(Phase.STOPPED)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- from one life to the next

    def _settle(self, reason: str = "") -> None:
        """Be what the spec says; an app that sleeps or did not come up is not woken by that."""
        awake = self._status.phase in (*COMING, Phase.RUNNING)
        self._cancel()
        if self.spec.image is None:
            self._enter(Phase.NO_IMAGE)
        elif not self.spec.enabled:
            self._enter(Phase.STOPPED)
        elif self.spec.sleeps and not awake:
            self._enter(Phase.ASLEEP)
        else:
            if awake:
                self.log.recycling(reason)
            self._begin()

    def _begin(self) -> None:
        self._enter(Phase.PULLING)
        self._task = asyncio.get_running_loop().create_task(self._run(self.spec), name=f"app {self.spec.name}")
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> None:
        """A task is cancelled once only, so that it takes down what it started undisturbed."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    def _enter(self, phase: Phase, digest: str | None = None, reason: str | None = None) -> None:
        self._status = AppStatus(phase, reason, digest or self._status.digest)
        if phase is Phase.RUNNING:
            self._last_used = self._up_since = self._platform.clock()
        self._changed.set()
        self._changed = asyncio.Event()

    async def _run(self, spec: AppSpec) -> None:
        """Live; live again at once when that went well for a while, else after some time, unless it sleeps."""
        platform = self._platform
        async with self._one_at_a_time:
            while True:
                self._lives += 1
                self._life = Life(
                    spec, self.folder, self._lives - 1, platform, self.log, self._enter, lambda: self._idle(spec)
                )
                try:
                    failure = await self._life.run()
                except Exception as error:  # of the registry, the engine, the disk: the app failed, not the platform
                    failure = f"{type(error).__name__}: {error}"
                    self.log.error(failure)
                    self.log.gave_up()
                if failure is None:
                    self._enter(Phase.ASLEEP)
                    return
                self._failed_at = platform.clock()
                lasted = self._status.phase is Phase.RUNNING and self._failed_at - self._up_since
                if lasted < platform.limits.retry_when_asked:
                    self._enter(Phase.FAILED, reason=failure)
                    if spec.sleeps:
                        return
                    while platform.clock() - self._failed_at < platform.limits.retry:
                        await asyncio.sleep(WATCH_INTERVAL)
                self._enter(Phase.PULLING)

    def _idle(self, spec: AppSpec) -> bool:
        unused = self._platform.clock() - self._last_used
        return spec.sleeps and not self._in_flight and unused >= self._platform.limits.idle
