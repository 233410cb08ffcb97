"""A registry of Azure that fetches a base by itself: what is asked of ARM, through Azure's own client library."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from azure.cli.core.azclierror import ResourceNotFoundError
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from requests import Response, Session
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from azext_mlfunc.registry.importing import AcrImport
from azext_mlfunc.registry.reference import parse_reference

BASE = parse_reference("mcr.microsoft.com/azure-functions/python:4-python3.13")
DIGEST = "sha256:" + "a" * 64
GROUP = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries"
REGISTRY = {
    "id": f"{GROUP}/MyReg",
    "name": "MyReg",
    "location": "westeurope",
    "properties": {"loginServer": "myreg.azurecr.io"},
}


class Arm(BaseAdapter):
    """ARM in memory, behind requests: lists one registry, and takes imports or refuses them."""

    def __init__(self, refusal: int | None = None) -> None:
        super().__init__()
        self.refusal = refusal
        self.imports: list[tuple[str, Any]] = []

    def send(self, request: Any, **_: Any) -> Response:
        answer = Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        answer.headers["Content-Type"] = "application/json"
        document: dict[str, Any] = {"value": [REGISTRY]}
        if request.method == "POST":
            self.imports.append((request.url.partition("?")[0], json.loads(request.body)))
            answer.status_code = self.refusal or 200
            document = {"error": {"code": "AuthorizationFailed", "message": "no right to import"}}
        answer.raw = HTTPResponse(io.BytesIO(json.dumps(document).encode()), preload_content=False)
        return answer

    def close(self) -> None: ...


class Credential:
    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("token", 2**40)


class Repository:
    """A repository that has the base, or not."""

    def __init__(self, has_base: bool) -> None:
        self.has_base = has_base

    def manifest(self, digest: str) -> None:
        assert digest == DIGEST
        if not self.has_base:
            raise ResourceNotFoundError("there is no such image")


def importer(arm: Arm, has_base: bool = False) -> AcrImport:
    session = Session()
    session.mount("https://", arm)
    transport = RequestsTransport(session=session, session_owner=False)
    client = ContainerRegistryManagementClient(Credential(), "s", transport=transport, polling_interval=0)
    return AcrImport("azurecr.io", lambda host, name: Repository(has_base), lambda: client.registries)


def test_the_registry_is_asked_to_import_the_very_image_under_its_own_name():
    arm = Arm()
    assert importer(arm)("myreg.azurecr.io", BASE, DIGEST) == "azure-functions/python"
    [(url, body)] = arm.imports
    assert url.endswith(f"{GROUP}/MyReg/importImage")
    assert body == {
        "source": {"registryUri": "mcr.microsoft.com", "sourceImage": f"azure-functions/python@{DIGEST}"},
        "targetTags": ["azure-functions/python:4-python3.13"],
        "mode": "Force",
    }


def test_what_was_imported_before_is_not_imported_again():
    arm = Arm()
    assert importer(arm, has_base=True)("myreg.azurecr.io", BASE, DIGEST) == "azure-functions/python"
    assert arm.imports == []


@pytest.mark.parametrize("host", ["docker.io", "localhost:5000", "azurecr.io.example.com"])
def test_other_registries_cannot(host):
    assert importer(Arm())(host, BASE, DIGEST) is None


def test_without_the_right_or_the_registry_the_layers_are_sent_from_here_and_it_is_said(caplog):
    assert importer(Arm(refusal=403))("myreg.azurecr.io", BASE, DIGEST) is None
    assert importer(Arm())("another.azurecr.io", BASE, DIGEST) is None
    said = [record.getMessage() for record in caplog.records]
    assert any("no right to import" in line and "sent from here" in line for line in said)
    assert any("no such registry" in line for line in said)
