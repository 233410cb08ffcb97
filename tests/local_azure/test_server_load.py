"""Several clients at once: whatever they do in whatever order, the state is the one that they were told."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from contract.azure import VERSION, LocalAzure, account, group, plan, site
from contract.wire import Names
from requests import Response

CLIENTS, ACTIONS = 8, 80
CONTESTED = tuple(f"contested{number}" for number in range(4))
_ACCOUNT = {"location": "westus", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
_PLAN = {"location": "westus", "sku": {"name": "B1"}, "properties": {"reserved": True}}


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    azure = LocalAzure(tmp_path_factory.mktemp("azure"))
    try:
        yield azure.start()
    finally:
        azure.stop()


class Owners:
    """Who has which of the names that all want."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owners: dict[str, int] = {}

    def take(self, name: str, client: int) -> None:
        """Somebody was told that the name is theirs."""
        with self._lock:
            assert name not in self._owners, f"{client} got {name}, which {self._owners[name]} has"
            self._owners[name] = client

    def leave(self, name: str) -> None:
        """Somebody is about to give it up."""
        with self._lock:
            self._owners.pop(name, None)


class Client:
    """One client: does things in a random order, and knows what there has to be of its own.

    Args:
        azure: what it talks to.
        number: of the client; the order of its actions comes from it.
        shared: names of a group in which all clients work.
        owners: of the names that all want.
    """

    def __init__(self, azure: LocalAzure, number: int, shared: Names, owners: Owners) -> None:
        self._azure = azure
        self._session = azure.client()
        self._random = random.Random(number)
        self._number = number
        self._shared = shared
        self._owners = owners
        self._made = 0
        self.groups: list[Names] = []
        self.plans: list[Names] = []
        self.accounts: list[Names] = []
        self.sites: dict[str, Names] = {}
        self.settings: dict[str, dict[str, str]] = {}

    def work(self) -> None:
        actions = [
            *(self.make_group, self.delete_group),
            *(self.make_plan, self.make_plan, self.delete_plan),
            *(self.make_account, self.make_account, self.want_account, self.want_account, self.delete_account),
            *(self.make_site, self.make_site, self.make_site, self.delete_site),
            *(self.write_settings, self.write_settings, self.read_settings, self.read, self.list),
            *(self.read_what_another_has, self.read_what_another_has),
        ]
        for _ in range(ACTIONS):
            self._random.choice(actions)()
        self.list()

    @property
    def paths(self) -> set[str]:
        """What there is of this client's."""
        return {
            *map(group, self.groups),
            *map(plan, self.plans),
            *map(account, self.accounts),
            *self.sites,
        }

    # -- actions; each does nothing where there is nothing to do it with

    def make_group(self) -> None:
        names = self._names() | {"group": f"group{self._number}x{self._made}"}
        assert self._send("PUT", group(names), {"location": "westus"}).status_code == 201
        self.groups.append(names)

    def delete_group(self) -> None:
        if not self.groups or self._random.random() < 0.5:
            return
        names = self.groups.pop(self._random.randrange(len(self.groups)))
        inside = f"{group(names)}/"
        for each in [each for each in self.accounts if account(each).startswith(inside)]:
            self._forget_account(each)
        self.plans = [each for each in self.plans if not plan(each).startswith(inside)]
        for path in [path for path in self.sites if path.startswith(inside)]:
            del self.sites[path], self.settings[path]
        assert self._follow(self._send("DELETE", group(names))).status_code == 200

    def make_plan(self) -> None:
        names = self._in_some_group()
        made = self._send("PUT", plan(names), _PLAN)
        assert (made.status_code, made.json()["name"]) == (200, names["plan"])
        self.plans.append(names)

    def delete_plan(self) -> None:
        if not self.plans:
            return
        names = self._random.choice(self.plans)
        used = any(plan(each) == plan(names) for each in self.sites.values())
        assert self._send("DELETE", plan(names)).status_code == (409 if used else 200)
        if not used:
            self.plans.remove(names)

    def make_account(self) -> None:
        names = self._in_some_group()
        assert self._follow(self._send("PUT", account(names), _ACCOUNT)).json()["name"] == names["account"]
        self.accounts.append(names)

    def want_account(self) -> None:
        """Ask for an account of a name that others want, too."""
        names = self._in_some_group() | {"account": self._random.choice(CONTESTED)}
        if any(account(each) == account(names) for each in self.accounts):
            return
        answer = self._send("PUT", account(names), _ACCOUNT)
        end = self._follow(answer) if answer.status_code == 202 else answer
        if end.status_code == 409:
            assert end.json()["error"]["code"] == "StorageAccountAlreadyTaken"
        elif group(names) == group(self._shared):
            # the same account for whoever asks for it in this group: the one who asks gives it up at once
            assert end.status_code == 200
            assert self._send("DELETE", account(names)).status_code in (200, 204)
        else:
            assert end.status_code == 200
            self._owners.take(names["account"], self._number)
            self.accounts.append(names)

    def delete_account(self) -> None:
        if self.accounts:
            names = self._random.choice(self.accounts)
            self._forget_account(names)
            assert self._send("DELETE", account(names)).status_code == 200

    def make_site(self) -> None:
        if not self.plans:
            return
        names = self._random.choice(self.plans) | {"name": self._name("site")}
        settings = self._some_settings()
        listed = [{"name": name, "value": value} for name, value in settings.items()]
        properties = {"serverFarmId": names["plan"], "siteConfig": {"appSettings": listed}}
        body = {"kind": "functionapp,linux", "location": "West US", "properties": properties}
        made = self._send("PUT", site(names), body)
        assert (made.status_code, made.json()["name"]) == (200, names["name"])
        self.sites[site(names)] = names
        self.settings[site(names)] = settings

    def delete_site(self) -> None:
        if not self.sites:
            return
        path = self._random.choice(list(self.sites))
        names = self.sites.pop(path)
        del self.settings[path]
        keep = self._random.random() < 0.5
        query = "?deleteEmptyServerFarm=false" if keep else ""
        assert self._send("DELETE", path + query).status_code == 200
        if not keep and not any(plan(each) == plan(names) for each in self.sites.values()):
            self.plans = [each for each in self.plans if plan(each) != plan(names)]

    def write_settings(self) -> None:
        if self.sites:
            path = self._random.choice(list(self.sites))
            self.settings[path] = self._some_settings()
            written = self._send("PUT", f"{path}/config/appsettings", {"properties": self.settings[path]})
            assert written.json()["properties"] == self.settings[path]

    def read_settings(self) -> None:
        if self.sites:
            path = self._random.choice(list(self.sites))
            read = self._send("POST", f"{path}/config/appsettings/list")
            assert read.json()["properties"] == self.settings[path]

    def read(self) -> None:
        there = sorted(self.paths)
        if there:
            path = self._random.choice(there)
            assert self._send("GET", path).json()["id"].lower() == path.lower()
        assert (
            self._send("GET", f"{group(self._shared)}/providers/Microsoft.Web/sites/{self._name('no')}").status_code
            == 404
        )

    def read_what_another_has(self) -> None:
        """It may be on its way out: there is all of it, or nothing."""
        found = [each for each in self._azure.control("resources") if "/storageAccounts/" in each]
        if found:
            path = self._random.choice(found)
            for below in ("", "/blobServices/default/containers"):
                assert self._send("GET", path + below).status_code in (200, 404)
            assert self._send("POST", f"{path}/listKeys").status_code in (200, 404)

    def list(self) -> None:
        """Of this client's own, just what there is; what others have comes and goes."""
        listed = self._send("GET", f"{group(self._shared)}/resources").json()["value"]
        groups = self._send("GET", f"/subscriptions/{self._azure.subscription}/resourceGroups").json()["value"]
        own = {each["id"].lower() for each in [*listed, *groups] if f"{self._number}x" in each["name"]}
        expected = {path.lower() for path in self.paths if not self._in_own_group(path)}
        assert own == {path for path in expected if "contested" not in path}

    # -- parts of them

    def _in_own_group(self, path: str) -> bool:
        return path.count("/") > 4 and not path.startswith(f"{group(self._shared)}/")

    def _forget_account(self, names: Names) -> None:
        self.accounts.remove(names)
        if names["account"] in CONTESTED:
            self._owners.leave(names["account"])

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self._number}x{self._made}"

    def _names(self) -> Names:
        """New names in the shared group."""
        return self._shared | {kind: self._name(kind) for kind in ("name", "plan", "account")}

    def _in_some_group(self) -> Names:
        """New names, in one of this client's groups or in the shared one."""
        return self._names() | {"group": self._random.choice([self._shared, *self.groups])["group"]}

    def _some_settings(self) -> dict[str, str]:
        return {f"SETTING_{number}": self._name("value") for number in range(self._random.randrange(5))}

    def _send(self, method: str, path: str, body: Any = None) -> Response:
        return self._azure.send(method, path, body, VERSION, session=self._session)

    def _follow(self, answer: Response) -> Response:
        return self._azure.follow(answer, self._session)[-1]


def test_clients_beside_each_other_leave_what_they_were_told(azure: LocalAzure) -> None:
    shared, owners = azure.fresh(), Owners()
    clients = [Client(azure, number, shared, owners) for number in range(CLIENTS)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client.work) for client in clients]:
            done.result()

    expected = {path.lower() for client in clients for path in client.paths} | {group(shared).lower()}
    assert {each.lower() for each in azure.control("resources")} == expected
    assert len(expected) > CLIENTS
    for client in clients:
        for path, settings in client.settings.items():
            assert azure.send("POST", f"{path}/config/appsettings/list").json()["properties"] == settings
        for names in client.accounts:  # what runs behind it is there, too
            assert azure.get(f"{account(names)}/blobServices/default/containers").json() == {"value": []}
    assert {each["status"] for each in azure.control("requests")} <= {200, 201, 202, 204, 404, 409}
    assert "Traceback" not in azure.log()
