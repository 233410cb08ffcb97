"""What Microsoft.Web passes on to an app's own host: an app that runs, and one that does not."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import requests
from function_app_parts import tar_layer

from local_azure.base_image import CONFIG
from local_azure.waiting import wait_for

from .azure import LocalAzure, account, registry, site
from .wire import FOLDER, NEEDED, Names, Recording

Wire = Callable[[str], Recording]
_CODE = """
import azure.functions as func

def create_cert(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("a certificate")
"""
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CALLS = ("web-sites-host-listkeys.json", "web-sites-functions-list.json", "web-sites-syncfunctiontriggers.json")
_START_LIMIT = 300.0  # seconds; an environment for the app's worker may have to be made first


def _push(azure: LocalAzure, names: Names, files: dict[str, str]) -> str:
    """Push an image with these files to the registry of these names, as its admin user; its reference."""
    credentials = azure.send("POST", registry(names) + "/listCredentials").json()
    session = requests.Session()
    session.trust_env = False
    session.verify = azure.environment["REQUESTS_CA_BUNDLE"]
    session.proxies = {"https": azure.environment["HTTPS_PROXY"]}
    session.auth = (credentials["username"], credentials["passwords"][0]["value"])
    host = f"{names['name']}.azurecr.io"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    settings = {**CONFIG.env, "FUNCTIONS_WORKER_RUNTIME_VERSION": version}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": [f"{name}={value}" for name, value in settings.items()], "Cmd": list(CONFIG.cmd)},
    }

    def blob(content: bytes) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        begun = session.post(f"https://{host}/v2/app/blobs/uploads/")
        assert begun.status_code == 202, begun.text
        place = requests.compat.urljoin(begun.url, begun.headers["Location"])
        mark = "&" if "?" in place else "?"
        assert session.put(f"{place}{mark}digest={digest}", data=content).status_code == 201
        return {"digest": digest, "size": len(content)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(json.dumps(config).encode())},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **blob(tar_layer(files))}],
    }
    url = f"https://{host}/v2/app/manifests/v1"
    pushed = session.put(url, data=json.dumps(manifest), headers={"Content-Type": _MANIFEST})
    assert pushed.status_code == 201, pushed.text
    return f"{host}/app:v1"


@pytest.fixture(scope="module")
def running(azure: LocalAzure) -> Names:
    """An app that runs: with the function of which the recorded list tells, as it was written."""
    if not FOLDER.is_dir():
        pytest.skip(NEEDED)
    listed = Recording.read("web-sites-functions-list.json").answer.expected["body"]["value"]
    config = listed[0]["properties"]["config"]
    names = azure.fresh("eastus")
    azure.make_registry(names)
    azure.make_account(names)
    wwwroot = "home/site/wwwroot"
    image = _push(
        azure,
        names,
        {
            f"{wwwroot}/host.json": json.dumps({"version": "2.0"}),
            f"{wwwroot}/create_cert/function.json": json.dumps(config),
            f"{wwwroot}/create_cert/function_app.py": _CODE,
        },
    )
    credentials = azure.send("POST", registry(names) + "/listCredentials").json()
    key = azure.send("POST", account(names) + "/listKeys").json()["keys"][0]["value"]
    suffix = "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net"
    settings = {
        "AzureWebJobsStorage": f"{suffix};AccountName={names['account']};AccountKey={key}",
        "DOCKER_REGISTRY_SERVER_URL": f"https://{names['name']}.azurecr.io",
        "DOCKER_REGISTRY_SERVER_USERNAME": credentials["username"],
        "DOCKER_REGISTRY_SERVER_PASSWORD": credentials["passwords"][0]["value"],
    }
    azure.make_plan(names, location="eastus")
    azure.make_site(
        names,
        linuxFxVersion=f"DOCKER|{image}",
        alwaysOn=True,
        appSettings=[{"name": name, "value": value} for name, value in settings.items()],
    )
    wait_for(lambda: _settled(azure, names), _START_LIMIT, "the app's container")
    listed = azure.send("POST", site(names) + "/host/default/listkeys")
    assert listed.ok, listed.text + azure.send("POST", site(names) + "/containerlogs").text
    return names


def _settled(azure: LocalAzure, names: Names) -> bool:
    return azure.control("apps")[names["name"]]["phase"] in ("running", "failed")


def test_keys(azure: LocalAzure, running: Names, wire: Wire) -> None:
    put, listed = wire("web-sites-host-functionkeys-put.json"), wire("web-sites-host-listkeys.json")
    elsewhere = {"location": "another region"}

    created = put.answer.replay(azure, running, bare=True, varies=elsewhere).json()
    replaced = put.answer.send(azure, running)
    keys = listed.answer.replay(azure, running, bare=True).json()

    assert created["location"] == "East US"
    assert replaced.status_code == 200
    assert keys["functionKeys"]["keyname1"] == put.answer.sent(running)["properties"]["value"]
    assert azure.send("POST", site(running) + "/host/default/listKeys").json() == keys


def test_functions(azure: LocalAzure, running: Names, wire: Wire) -> None:
    own_file = "a function that has a function.json"
    in_folder = {
        "value[].properties.script_root_path_href": own_file,
        "value[].properties.config_href": own_file,
        "value[].properties.script_href": own_file,
    }

    listed = wire("web-sites-functions-list.json").answer.replay(azure, running, bare=True, varies=in_folder)

    properties = listed.json()["value"][0]["properties"]
    folder = f"https://{running['name']}.azurewebsites.net/admin/vfs/home/site/wwwroot/create_cert/"
    assert properties["script_root_path_href"] == folder
    assert properties["config_href"] == f"{folder}function.json"
    assert properties["script_href"] == f"{folder}function_app.py"


def test_sync_triggers(azure: LocalAzure, running: Names, wire: Wire) -> None:
    wire("web-sites-syncfunctiontriggers.json").answer.replay(azure, running)


@pytest.mark.parametrize("file", _CALLS)
def test_an_app_whose_image_is_not_there(azure: LocalAzure, names: Names, wire: Wire, file: str) -> None:
    azure.make_registry(names)
    azure.make_plan(names)
    azure.make_site(names, linuxFxVersion=f"DOCKER|{names['name']}.azurecr.io/none:v1", alwaysOn=True)

    assert azure.get(site(names)).json()["properties"]["state"] == "Running"
    [error] = wire(file).errors
    error.replay(azure, names)


@pytest.mark.parametrize("file", _CALLS)
def test_an_app_that_is_not_there(azure: LocalAzure, names: Names, wire: Wire, file: str) -> None:
    missing = wire(file).answer.send(azure, names)

    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "ResourceNotFound")
