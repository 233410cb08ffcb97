"""The admin pages for keys: as the portal and `az functionapp keys` use them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from function_apps import Answer, FunctionApp, StartHost, blob_trigger, call, http_trigger

from local_azure.functions_host import FunctionsHost

HELLO = """
    def main(request: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("hello")
"""


class Pages:
    """The admin pages of a host, asked with its master key."""

    def __init__(self, host: FunctionsHost) -> None:
        self.host = host
        self.master = host.keys.master

    def __call__(self, page: str, method: str = "GET", body: Any = None) -> Answer:
        content = None if body is None else json.dumps(body).encode()
        return call(self.host, f"/admin/{page}", method, content, {"x-functions-key": self.master})

    def names(self, page: str) -> list[str]:
        return [key["name"] for key in self(page).json()["keys"]]


@pytest.fixture
def pages(app: FunctionApp, start_host: StartHost) -> Iterator[Pages]:
    app.add("locked", http_trigger(authLevel="function"), HELLO).add("other", http_trigger(), HELLO)
    yield Pages(start_host(app))


def opens(pages: Pages, key: str) -> bool:
    return call(pages.host, f"/locked?code={key}").status == 200


@pytest.mark.parametrize("page", ["host/keys", "host/functionKeys", "functions/locked/keys"])
def test_a_key_is_made_changed_and_deleted_and_each_holds_at_once(pages: Pages, page: str) -> None:
    assert pages.names(page) == ["default"]
    made = pages(f"{page}/mine", "PUT", {"name": "mine", "value": "a-value=="})
    assert (made.status, made.json()["name"], made.json()["value"]) == (201, "mine", "a-value==")
    assert opens(pages, "a-value==")
    assert pages(f"{page}/mine", "PUT", {"name": "mine", "value": "b"}).status == 200
    assert not opens(pages, "a-value==")
    again = pages(f"{page}/MINE", "POST")
    assert again.status == 200
    assert not opens(pages, "b")
    assert opens(pages, again.json()["value"])
    assert pages(f"{page}/mine").json()["value"] == again.json()["value"]
    assert pages(f"{page}/mine", "DELETE").status == 204
    assert not opens(pages, again.json()["value"])
    assert pages(f"{page}/mine").status == pages(f"{page}/mine", "DELETE").status == 404
    assert pages.names(page) == ["default"]


def test_the_key_of_a_function_opens_that_function_only(pages: Pages) -> None:
    pages("functions/other/keys/mine", "PUT", {"name": "mine", "value": "of-other"})
    assert not opens(pages, "of-other")
    assert pages("functions/nothing/keys").status == 404
    assert pages("functions/nothing/keys/mine", "PUT", {"value": "a"}).status == 404


def test_the_master_key_is_replaced(pages: Pages) -> None:
    assert pages("host/systemkeys/_master").json()["value"] == pages.master
    assert pages("host/keys/_master", "PUT", {"name": "_master", "value": "new"}).status == 200
    assert pages("host/keys").status == 401
    pages.master = "new"
    made = pages("host/systemkeys/_master", "POST")
    assert made.status == 201
    assert opens(pages, made.json()["value"])
    pages.master = made.json()["value"]
    assert pages("host/keys/_master", "DELETE").status == 400


@pytest.mark.parametrize("body", [None, {}, {"name": "mine"}, {"value": None}, {"value": 1}, []])
def test_a_key_needs_a_value(pages: Pages, body: Any) -> None:
    assert pages("host/keys/mine", "PUT", body).status == 400
    assert pages.names("host/keys") == ["default"]


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("page", ["host/keys/default", "host/systemkeys/a", "functions/locked/keys/default"])
def test_keys_need_the_master_key(pages: Pages, page: str, method: str) -> None:
    pages.master = pages.host.keys.host["default"]
    assert pages(page, method, {"name": "default", "value": "mine"}).status == 401


def test_changes_survive_a_restart(app: FunctionApp, start_host: StartHost, pages: Pages) -> None:
    pages("host/systemkeys/an_extension", "PUT", {"name": "an_extension", "value": "e"})
    pages("functions/locked/keys/mine", "PUT", {"name": "mine", "value": "f"})
    pages.host.stop()
    host = start_host(app)
    assert host.keys.system == {"an_extension": "e"}
    assert opens(Pages(host), "f")


def test_a_new_key_is_not_logged(app: FunctionApp, start_host: StartHost) -> None:
    code = "def main(request: func.HttpRequest): print('got', request.params['text'])"
    host = start_host(app.add("prints", http_trigger(), code))
    Pages(host)("host/keys/mine", "PUT", {"name": "mine", "value": "not-to-be-seen"})
    call(host, "/prints?text=not-to-be-seen")
    assert "got [Hidden Credential]" in host.logs()


def test_the_blob_extension_has_its_system_key(app: FunctionApp, start_host: StartHost, storage: str) -> None:
    app.add("blobs", blob_trigger(), "def main(input, output): ...")
    settings = {"Trigger": storage, "AzureWebJobsStorage": storage}
    host = start_host(app, settings)
    key = Pages(host)("host/systemkeys").json()["keys"][0]
    assert key["name"] == "blobs_extension"
    host.stop()
    assert Pages(start_host(app, settings))("host/systemkeys").json()["keys"] == [key]


def test_triggers_are_synchronised(pages: Pages) -> None:
    done = pages("host/synctriggers", "POST")
    assert (done.status, done.json()) == (200, {"status": "success"})
    pages.master = "wrong"
    assert pages("host/synctriggers", "POST").status == 401
