"""A local Azure with a shell at it."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from helpers import ROOT, Answer, az
from requests import Response

from local_azure.running import Running
from local_azure.waiting import wait_for

VERSION = "2024-04-01"
"""The api-version of requests that tests make themselves."""
LOCATION = "westeurope"
_TIMEOUT = 60.0  # seconds


def unique(prefix: str) -> str:
    """A name that nothing else has; it will do for a resource of any kind."""
    return f"{prefix}{secrets.token_hex(4)}"


class Cloud:
    """One local Azure.

    Args:
        state: its folder.
        options: of its ``up``.
    """

    def __init__(self, state: Path, *options: str) -> None:
        self.running = Running(state)
        self._options = options

    # -- its life

    def up(self) -> Cloud:
        """Start it."""
        done = self.command("up", *self._options)
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def down(self) -> None:
        """End it."""
        done = self.command("down")
        assert done.returncode == 0, done.stdout + done.stderr

    def kill(self) -> None:
        """End its process without letting it say goodbye."""
        pid = self.running.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.running.pid() is None, _TIMEOUT, "the server to be gone")

    def command(
        self, name: str, *options: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``python -m local_azure NAME --state …``."""
        words = [sys.executable, "-m", "local_azure", name, "--state", str(self.running.state), *options]
        return subprocess.run(
            words, cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True
        )

    def log(self) -> str:
        """What the server has logged."""
        return self.running.log_file.read_text("utf-8")

    # -- what a shell has of it

    @cached_property
    def environment(self) -> dict[str, str]:
        """What ``env`` exports."""
        return self.running.environment()

    def az(self, line: str, cwd: Path | None = None) -> Answer:
        """Type an az command: what comes after ``az``, quoted as for a shell."""
        return az(*shlex.split(line), cwd=cwd, env=self.environment)

    def run(self, line: str, cwd: Path | None = None) -> Any:
        """Type an az command that has to go well; its result."""
        return self.az(line, cwd).result

    def each(self, *lines: str, shells: int = 2) -> list[Answer]:
        """Type commands that do not wait for one another, in several shells at once; all answers."""
        with ThreadPoolExecutor(shells) as pool:
            return list(pool.map(self.az, lines))

    @property
    def sdk(self) -> dict[str, Any]:
        """What a client of Azure's SDKs for Python is told where it does not look at the environment."""
        return {"connection_verify": self.environment["REQUESTS_CA_BUNDLE"], "proxies": self._proxies}

    @property
    def _proxies(self) -> dict[str, str]:
        return {"https": self.environment["HTTPS_PROXY"]}

    # -- requests of one's own

    @cached_property
    def web(self) -> requests.Session:
        """Reaches the host names of Azure."""
        session = requests.Session()
        session.trust_env = False
        session.verify, session.proxies = self.environment["REQUESTS_CA_BUNDLE"], self._proxies
        return session

    @property
    def subscription(self) -> str:
        """The path of everything in the subscription."""
        return f"/subscriptions/{self.running.settled().subscription}"

    def arm(
        self, method: str, path: str, body: Any = None, version: str | None = VERSION, token: str | None = None
    ) -> Response:
        """Ask ARM.

        Args:
            method: of HTTP.
            path: from the root.
            body: JSON.
            version: the api-version; None: none.
            token: other than that of who has signed in.
        """
        return self._arm.request(
            method,
            self.environment["LOCAL_AZURE"] + path,
            params={"api-version": version} if version else None,
            json=body,
            headers={"Authorization": f"Bearer {token}"} if token is not None else None,
            timeout=_TIMEOUT,
        )

    def put(self, path: str, body: Any, version: str = VERSION) -> Any:
        """PUT a resource, and wait until it is there; its document."""
        answer = self.arm("PUT", path, body, version)
        assert answer.ok, answer.text
        if answer.status_code == 202:
            answer = self._follow(answer)
        return answer.json()

    def delete(self, path: str) -> None:
        """DELETE a resource, and wait until it is gone; there may be none."""
        answer = self.arm("DELETE", path)
        assert answer.ok or answer.status_code == 404, answer.text
        if answer.status_code == 202:
            self._follow(answer)

    def _follow(self, first: Response) -> Response:
        """Poll until a long-running operation is over; its last answer."""
        latest = first

        def over() -> bool:
            nonlocal latest
            latest = self._arm.get(latest.headers["Location"], timeout=_TIMEOUT)
            assert latest.ok, latest.text
            return latest.status_code != 202

        wait_for(over, _TIMEOUT, f"{first.request.method} {first.request.url} to be over")
        return latest

    @cached_property
    def _arm(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = self.environment["REQUESTS_CA_BUNDLE"]
        session.headers["Authorization"] = f"Bearer {self.token('https://management.core.windows.net/')}"
        return session

    def token(self, audience: str) -> str:
        """A token of who has signed in."""
        answer = requests.get(
            self.environment["IDENTITY_ENDPOINT"],
            params={"resource": audience, "api-version": "2019-08-01"},
            headers={"X-IDENTITY-HEADER": self.environment["IDENTITY_HEADER"]},
            proxies={"http": ""},
            timeout=_TIMEOUT,
        )
        assert answer.ok, answer.text
        return str(answer.json()["access_token"])

    # -- control

    def control(self, what: str, method: str = "GET", body: Any = None) -> Any:
        """Ask ``/_control/WHAT``."""
        answer = self._arm.request(method, f"{self.environment['LOCAL_AZURE']}/_control/{what}", json=body)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def requests(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """The requests that it has answered: of this method, and with this in their path."""
        return [
            each
            for each in self.control("requests")
            if method in ("", each["method"]) and path.lower() in each["path"].lower()
        ]
