"""The Functions host in an app, as ARM calls it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import aiohttp

from local_azure.functions_host.host_view import KEY_HEADER
from local_azure.functions_host.keys import Keys

_TIMEOUT = aiohttp.ClientTimeout(total=30)


class HostUnavailable(Exception):
    """The host does not answer as it should.

    Attributes:
        status: in ARM's words, as in "Encountered an error (ServiceUnavailable) from host runtime."
        reason: why, for people; ARM does not say it.
    """

    def __init__(self, reason: str, status: str = "ServiceUnavailable") -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class HostAnswer:
    """What the host answered; ``document`` is None unless it is JSON."""

    status: int
    document: Any = None


@dataclass(frozen=True)
class RunningHost:
    """A host that answers.

    Attributes:
        url: ``http://127.0.0.1:PORT``.
        host_name: where clients reach it.
        master_key: opens its admin pages.
    """

    url: str
    host_name: str
    master_key: str = field(repr=False)
    session: aiohttp.ClientSession = field(repr=False, compare=False)

    async def call(self, method: str, path: str, document: Any = None) -> HostAnswer:
        """Ask an admin page, such as GET ``/admin/functions`` or PUT ``/admin/host/functionkeys/mine``.

        Raises:
            HostUnavailable: it does not answer.
        """
        headers = {KEY_HEADER: self.master_key, "Host": self.host_name, "X-Forwarded-Proto": "https"}
        try:
            async with self.session.request(
                method, f"{self.url}{path}", headers=headers, json=document, timeout=_TIMEOUT
            ) as answer:
                is_json = answer.content_type == "application/json"
                return HostAnswer(answer.status, await answer.json() if is_json else None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise HostUnavailable(f"{method} {path}: {type(error).__name__}: {error}") from error

    async def keys(self) -> Keys:
        """All keys of the app.

        Raises:
            HostUnavailable: it does not answer, or has no storage for keys (status InternalServerError).
        """
        functions = await self._read("/admin/functions")
        host, system = await self._keys("/admin/host/functionkeys"), await self._keys("/admin/host/systemkeys")
        names = [str(each["name"]) for each in functions]
        by_function = {name.lower(): await self._keys(f"/admin/functions/{name}/keys") for name in names}
        return Keys(self.master_key, host, by_function, system)

    async def _keys(self, path: str) -> dict[str, str]:
        document = await self._read(path)
        return {key["name"]: key["value"] for key in document["keys"]}

    async def _read(self, path: str) -> Any:
        answer = await self.call("GET", path)
        if answer.status != 200:
            status = "InternalServerError" if answer.status == 500 else "ServiceUnavailable"
            raise HostUnavailable(f"GET {path} was answered {answer.status}", status)
        return answer.document
