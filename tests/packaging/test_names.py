"""Names that a registry takes or refuses."""

from __future__ import annotations

import pytest

from azext_mlfunc.packaging.names import check, login_server


@pytest.mark.parametrize("name", ["package", "team/diabetes", "a.b_c__d-e--f/x1"])
@pytest.mark.parametrize("tag", ["20261122010203", "v1.2_x-Y", "_x", "a" * 128])
@pytest.mark.parametrize("registry", [None, "myreg.azurecr.io", "localhost:5000", "127.0.0.1:5000"])
def test_sound_names(project, name, tag, registry):
    assert list(check(project.request(image_name=name, image_tag=tag, registry=registry))) == []


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"image_name": name}, "--image-name")
        for name in ("Package", "a//b", "/a", "a/", "a___b", ".a", "a b", "", "a:b", "x" * 300)
    ]
    + [({"image_tag": tag}, "--image-tag") for tag in ("", "-a", ".a", "a b", "a/b", "a" * 129)]
    + [
        ({"registry": host}, "--registry")
        for host in ("https://x.azurecr.io", "x.azurecr.io/team", "a b", "-x", "x:port")
    ],
)
def test_names_that_a_registry_would_refuse(project, changes, option):
    [finding] = check(project.request(**changes))
    assert finding.where == option


@pytest.mark.parametrize("name", [" ", "a b", "--flag", "x\nRUN touch /evil", "Upper/Case", "x@sha256:1"])
def test_a_base_image_that_is_none(project, name):
    [finding] = check(project.request(base_image=name))
    assert finding.where == "--base-image"


@pytest.mark.parametrize(
    "name", ["python", "mcr.microsoft.com/azure-functions/python:4-python3.13", "localhost:5000/a/b"]
)
def test_a_sound_base_image(project, name):
    assert list(check(project.request(base_image=name))) == []


@pytest.mark.parametrize(
    ("given", "server"),
    [
        ("myRegistry", "myregistry.azurecr.io"),
        ("myregistry.azurecr.io", "myregistry.azurecr.io"),
        ("ghcr.io", "ghcr.io"),
        ("localhost", "localhost"),
        ("localhost:5000", "localhost:5000"),
    ],
)
def test_an_azure_registry_can_be_named_without_its_server(given, server):
    assert login_server(given, ".azurecr.io") == login_server(given, "azurecr.io") == server
