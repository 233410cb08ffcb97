"""Operations that take their time, in the shapes that Azure really has.

====================================  ==================================================================
synchronous but slow                  the router waits before the handler is called; nothing of it is here
Azure-AsyncOperation                  ``async_operation``, as acr-registry-put.json
Location, the resource at the end     ``location_of_resource``, as storage-account-put.json
Location, empty at the end            ``location_of_nothing``, as arm-resource-group-delete.json
body polling                          ``settling``, as servicebus-namespace-put.json
====================================  ==================================================================

A poll interval below a second goes out as ``retry-after-ms``, which the Azure SDKs honour: they take a Retry-After of 0
for none, and then wait 30 s.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from local_azure.arm.errors import ApiError
from local_azure.arm.operation import Answer, Call

_FASTEST = 0.05  # seconds between two polls
_CERTIFICATE_LENGTH = 2800  # characters, as recorded
_SIGNATURE_LENGTH = 256  # bytes: of RSA with a key of 2,048 bits, so that the whole URL is as long as recorded

Finish = Callable[[], Awaitable[Any]]


@dataclass
class Job:
    """One operation under way; its poll URLs lead here."""

    task: asyncio.Task[Any]
    interval: float  # seconds between two polls
    answer: Callable[[Job, Call | None], Answer]
    urls: set[str] = field(default_factory=set)  # every one that was given out

    @property
    def done(self) -> bool:
        return self.task.done()


class LongRunning:
    """The operations under way, by the path at which they are polled."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._settling: dict[str, asyncio.Task[Any]] = {}

    def add(self, path: str, job: Job) -> None:
        self._jobs[path.lower()] = job

    def find(self, path: str) -> Job | None:
        return self._jobs.get(path.lower())

    def settle(self, identifier: str, task: asyncio.Task[Any]) -> None:
        self._settling[identifier.lower()] = task

    def is_settling(self, identifier: str) -> bool:
        """Whether the resource with this ID is still being made."""
        task = self._settling.get(identifier.lower())
        return task is not None and not task.done()

    async def close(self) -> None:
        """End what is under way."""
        tasks = [job.task for job in self._jobs.values()] + list(self._settling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to poll again."""
    if seconds >= 1:
        return {"Retry-After": str(round(seconds))}
    return {"retry-after-ms": str(round(max(seconds, _FASTEST) * 1000))}


def begin(call: Call, finish: Finish) -> asyncio.Task[Any]:
    """Have ``finish`` called when the operation's time is over."""
    seconds = call.azure.latency.finish(call.operation)

    async def run() -> Any:
        await asyncio.sleep(seconds)
        return await finish()

    return asyncio.get_running_loop().create_task(run())


def async_operation(call: Call, status_path: str, body: Any, finish: Finish) -> Answer:
    """201 with the resource as it is, and an Azure-AsyncOperation that says just ``{"status": …}``.

    Args:
        call: the PUT.
        status_path: of the operation's status, without the operation's own name.
        body: the resource, being made.
        finish: completes it.
    """
    path = f"{status_path}-{uuid.uuid4()}"
    url = f"{call.base_url}{path}?api-version={call.api_version}"

    def answer(job: Job, _: Call | None) -> Answer:
        status = "Succeeded" if _result(job) is not _RUNNING else "Creating"
        wait = {} if job.done else retry_after(job.interval)
        return Answer(200, {"status": status}, {"Azure-AsyncOperation": url} | wait)

    job = Job(begin(call, finish), call.azure.latency.interval(call.operation), answer)
    call.azure.long_running.add(path, job)
    return Answer(201, body, {"Azure-AsyncOperation": url} | retry_after(job.interval))


def location_of_resource(call: Call, poll_path: str, finish: Finish) -> Answer:
    """202 without a body; polling the Location ends in 200 with the resource, which ``finish`` returns."""
    path = f"{poll_path}/{uuid.uuid4()}"
    headers = {"Location": f"{call.base_url}{path}?monitor=true&api-version={call.api_version}"}

    def answer(job: Job, _: Call | None) -> Answer:
        result = _result(job)
        if result is _RUNNING:
            return Answer(202, "", headers | retry_after(job.interval), "text/plain")
        return Answer(200, result)

    job = Job(begin(call, finish), call.azure.latency.interval(call.operation), answer)
    call.azure.long_running.add(path, job)
    return Answer(202, "", headers | retry_after(job.interval), "text/plain")


def location_of_nothing(call: Call, poll_path: str, finish: Finish, signed: bool = False) -> Answer:
    """202 without a body; polling the Location ends in 200 without one.

    Args:
        call: the DELETE or POST.
        poll_path: of the operation's result, but for the operation's own name.
        finish: does the work.
        signed: the URL carries a long signature, another one at each poll, and is taken only as it was given out.
    """
    path = f"{poll_path}{uuid.uuid4()}"
    job = Job(begin(call, finish), call.azure.latency.interval(call.operation), lambda *_: Answer())

    def location() -> dict[str, str]:
        signature = ""
        if signed:
            signature = f"&t={secrets.randbits(60)}&c={'MII' + secrets.token_urlsafe(_CERTIFICATE_LENGTH * 3 // 4)}"
            signature += f"&s={secrets.token_urlsafe(_SIGNATURE_LENGTH)}&h={secrets.token_urlsafe(32)}"
        url = f"{call.base_url}{path}?api-version={call.api_version}{signature}"
        job.urls.add(urlsplit(url).query)
        return {"Location": url} | retry_after(job.interval)

    def answer(job: Job, poll: Call | None) -> Answer:
        if _result(job) is _RUNNING:
            return Answer(202, "", location())
        return Answer(200, "")

    job.answer = answer
    call.azure.long_running.add(path, job)
    return Answer(202, "", location())


def settling(call: Call, identifier: str, finish: Finish) -> None:
    """Let the resource with this ID settle: ``LongRunning.is_settling`` tells its GET whether it has.

    The first answer has no header; what polls does so in its own time.
    """
    call.azure.long_running.settle(identifier, begin(call, finish))


_RUNNING = object()


def _result(job: Job) -> Any:
    """What the job came to, or ``_RUNNING``.

    Raises:
        ApiError: what ended it.
    """
    if not job.done:
        return _RUNNING
    failure = job.task.exception()
    if failure is None:
        return job.task.result()
    if isinstance(failure, ApiError):
        raise failure
    raise RuntimeError("an operation failed") from failure
