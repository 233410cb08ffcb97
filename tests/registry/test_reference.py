"""Names of images."""

from __future__ import annotations

import pytest
from azure.cli.core.azclierror import InvalidArgumentValueError

from azext_mlfunc.registry.reference import Reference, parse_reference

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", Reference("docker.io", "library/python", "latest", None)),
        ("python:3.13", Reference("docker.io", "library/python", "3.13", None)),
        ("team/python", Reference("docker.io", "team/python", "latest", None)),
        ("docker.io/python", Reference("docker.io", "library/python", "latest", None)),
        ("index.docker.io/team/python:1", Reference("docker.io", "team/python", "1", None)),
        ("localhost/a", Reference("localhost", "a", "latest", None)),
        ("127.0.0.1:5000/a/b:c", Reference("127.0.0.1:5000", "a/b", "c", None)),
        ("[::1]:5000/a", Reference("[::1]:5000", "a", "latest", None)),
        (f"acr.azurecr.io/a@{DIGEST}", Reference("acr.azurecr.io", "a", None, DIGEST)),
        (f"acr.azurecr.io/a:v1@{DIGEST}", Reference("acr.azurecr.io", "a", "v1", DIGEST)),
        (
            "mcr.microsoft.com/azure-functions/python:4-python3.13",
            Reference("mcr.microsoft.com", "azure-functions/python", "4-python3.13", None),
        ),
    ],
)
def test_takes_names_apart_as_docker_does(text: str, expected: Reference) -> None:
    assert parse_reference(text) == expected
    assert parse_reference(str(expected)) == expected


def test_the_digest_is_asked_for_rather_than_the_tag() -> None:
    assert parse_reference(f"a:v1@{DIGEST}").identifier == DIGEST
    assert parse_reference("a:v1").identifier == "v1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "'' is no repository"),
        ("a/B", "'a/B' is no repository"),
        ("a:", "'' is no tag"),
        ("a:.b", "'.b' is no tag"),
        ("a:" + "b" * 129, "is no tag"),
        ("a@sha256:12", "'sha256:12' is no digest"),
        (f"a@{DIGEST.upper()}", "is no digest"),
        ("bad_host.io/a", "'bad_host.io' is no registry"),
        ("host:123456/a", "'host:123456' is no registry"),
        ("https://host/a", "'https:' is no registry"),
        ("a.io/" + "b" * 256, "its repository has 256 characters"),
    ],
)
def test_says_what_is_wrong_with_a_name(text: str, found: str) -> None:
    with pytest.raises(InvalidArgumentValueError) as caught:
        parse_reference(text)
    assert found in str(caught.value)
    assert "expected" in str(caught.value)
