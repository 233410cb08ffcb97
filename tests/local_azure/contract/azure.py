"""A local Azure of the tests' own, started by its own command, as a client sees it."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
from requests import Response

from local_azure.running import Running
from local_azure.waiting import wait_for

from .wire import CHECKOUT, Names

VERSION = "2024-04-01"
_TIMEOUT = 60.0  # seconds


class LocalAzure:
    """One local Azure.

    Args:
        state: its folder.
        options: of its ``up``.
    """

    def __init__(self, state: Path, *options: str) -> None:
        self.running = Running(state)
        self._options = options

    def start(self) -> LocalAzure:
        self._command("up", "--compute", "process", *self._options)
        settled = self.running.settled()
        self.environment = self.running.environment()
        self.url = self.environment["LOCAL_AZURE"]
        self.subscription, self.tenant = settled.subscription, settled.tenant
        self._session = self.client()
        return self

    def stop(self) -> None:
        self._command("down")

    def _command(self, name: str, *options: str) -> None:
        command = [sys.executable, "-m", "local_azure", name, "--state", str(self.running.state), *options]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def client(self) -> requests.Session:
        """A session that is signed in, as ``az login --identity`` does it."""
        session = requests.Session()
        session.trust_env = False
        session.verify = self.environment["REQUESTS_CA_BUNDLE"]
        answer = session.get(
            self.environment["IDENTITY_ENDPOINT"],
            params={"resource": "https://management.core.windows.net/", "api-version": "2019-08-01"},
            headers={"X-IDENTITY-HEADER": self.environment["IDENTITY_HEADER"]},
            timeout=_TIMEOUT,
        )
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    # -- requests

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        version: str | None = VERSION,
        headers: Mapping[str, str] | None = None,
        session: requests.Session | None = None,
    ) -> Response:
        """Ask ARM.

        Args:
            method: of HTTP.
            path: or a whole URL, which is taken as it is.
            body: JSON, or bytes as they are.
            version: the api-version; None: none.
            headers: beside the usual ones.
            session: other than this object's own.
        """
        url = path
        if not path.startswith("https://"):
            mark = "&" if "?" in path else "?"
            url = self.url + path + (f"{mark}api-version={version}" if version else "")
        content: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body}
        session = session or self._session
        return session.request(method, url, headers=headers, timeout=_TIMEOUT, **content)

    def get(self, path: str, version: str | None = VERSION) -> Response:
        return self.send("GET", path, version=version)

    def make(self, path: str, body: Any, version: str = VERSION) -> Any:
        """PUT something, and wait until it is there; its document."""
        answer = self.send("PUT", path, body, version)
        assert answer.status_code in (200, 201, 202), answer.text
        if answer.status_code == 202:
            answer = self.follow(answer)[-1]
        return answer.json() if answer.content else None

    def follow(self, first: Response, session: requests.Session | None = None) -> list[Response]:
        """Poll the latest Location until the operation is over; all answers."""
        answers: list[Response] = []
        location = first.headers["Location"]

        def over() -> bool:
            nonlocal location
            answers.append(self.send("GET", location, session=session))
            location = answers[-1].headers.get("Location", location)
            return answers[-1].status_code != 202

        wait_for(over, _TIMEOUT, f"the end of {first.request.method} {first.request.url}")
        return answers

    # -- control

    def control(self, what: str, method: str = "GET", body: Any = None) -> Any:
        answer = self._session.request(method, f"{self.url}/_control/{what}", json=body, timeout=_TIMEOUT)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    @contextlib.contextmanager
    def fault(self, **fault: Any) -> Iterator[None]:
        """Have a request suffer; see ``local_azure.faults.Fault``."""
        self.control("faults", "POST", fault)
        try:
            yield
        finally:
            self.control("faults", "DELETE")

    def log(self) -> str:
        """What the server has logged."""
        return self.running.log_file.read_text("utf-8")

    # -- things to work on

    def fresh(self, location: str = "brazilsouth") -> Names:
        """A resource group of the test's own, and names for all that may be in it."""
        unique = secrets.token_hex(5)
        kinds = ("group", "name", "plan", "account", "registry", "namespace", "rule", "queue", "workspace")
        names = {kind: f"{kind}{unique}" for kind in kinds}
        names |= {"subscription": self.subscription, "tenantId": self.tenant}
        self.make(group(names), {"location": location})
        return names

    def make_plan(self, names: Names, sku: str = "S1", linux: bool = True, location: str = "brazilsouth") -> Any:
        body = {"location": location, "sku": {"name": sku}, "properties": {"reserved": linux}}
        return self.make(plan(names), body)

    def make_site(self, names: Names, **config: Any) -> Any:
        """A function app on the plan of these names."""
        body = {
            "kind": "functionapp,linux",
            "location": self.get(plan(names)).json()["location"],
            "properties": {"serverFarmId": names["plan"], "reserved": True, "siteConfig": config},
        }
        return self.make(site(names), body)

    def make_registry(self, names: Names, admin: bool = True, sku: str = "Basic") -> Any:
        """A registry, with the api-version by which it is there at once."""
        body = {"location": "brazilsouth", "sku": {"name": sku}, "properties": {"adminUserEnabled": admin}}
        return self.make(registry(names), body, "2026-01-01-preview")

    def make_account(self, names: Names) -> Any:
        body = {"location": "westus", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
        return self.make(account(names), body)

    def make_workspace(self, names: Names, **properties: Any) -> Any:
        """A workspace with a storage account of its own."""
        self.make_account(names)
        needed = {
            "storageAccount": account(names),
            "keyVault": f"{group(names)}/providers/Microsoft.KeyVault/vaults/vault",
        }
        return self.make(workspace(names), {"location": "westeurope", "properties": {**needed, **properties}})

    def make_namespace(self, names: Names) -> Any:
        """A namespace that has settled."""
        self.make(namespace(names), {"location": "westus", "sku": {"name": "Standard"}})
        return wait_for(
            lambda: found if (found := self.get(namespace(names)).json())["properties"]["status"] == "Active" else None,
            _TIMEOUT,
            "the namespace to be active",
        )


def group(names: Names) -> str:
    return f"/subscriptions/{names['subscription']}/resourceGroups/{names['group']}"


def plan(names: Names) -> str:
    return f"{group(names)}/providers/Microsoft.Web/serverfarms/{names['plan']}"


def site(names: Names) -> str:
    return f"{group(names)}/providers/Microsoft.Web/sites/{names['name']}"


def registry(names: Names) -> str:
    return f"{group(names)}/providers/Microsoft.ContainerRegistry/registries/{names['name']}"


def account(names: Names) -> str:
    return f"{group(names)}/providers/Microsoft.Storage/storageAccounts/{names['account']}"


def namespace(names: Names) -> str:
    return f"{group(names)}/providers/Microsoft.ServiceBus/namespaces/{names['namespace']}"


def workspace(names: Names) -> str:
    return f"{group(names)}/providers/Microsoft.MachineLearningServices/workspaces/{names['workspace']}"
