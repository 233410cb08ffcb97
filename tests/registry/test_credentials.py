"""Where credentials are found: Docker's configuration and helpers as they are, and az's own exchange of an identity."""

from __future__ import annotations

import base64
import json
import logging
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.cli.core import AzCli, get_default_cli
from registry_parts import Certificate, FakeRegistry, answer

from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.credentials import (
    AzureIdentity,
    Credentials,
    DockerConfiguration,
    FirstOf,
    Given,
    Secret,
    credential_sources,
)

HOST = "registry.example:5000"
HIDDEN = "the-hidden-text"


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def docker_configuration(tmp_path: Path) -> Callable[[dict[str, Any]], None]:
    """Writes Docker's configuration file."""

    def write(document: dict[str, Any]) -> None:
        folder = Path(os.environ["DOCKER_CONFIG"])
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(document))

    return write


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a credential helper `test`, a shell script."""

    def install(script: str) -> None:
        file = tmp_path / "docker-credential-test"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return install


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(HIDDEN)
    credentials = Credentials(secret, "tester", "of the test")
    for text in (str(secret), repr(secret), f"{secret}", f"{secret!r:>5}", repr(credentials), repr([secret])):
        assert HIDDEN not in text
        assert "***" in text
    assert secret.reveal() == HIDDEN
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_reads_what_docker_login_wrote(docker_configuration: Callable[[dict[str, Any]], None]) -> None:
    docker_configuration({"auths": {HOST: {"auth": encoded("tester", HIDDEN)}}})
    found = DockerConfiguration().find(HOST)
    assert found == Credentials(Secret(HIDDEN), "tester", "in Docker's configuration")
    assert DockerConfiguration().find("another.example") is None


def test_reads_docker_hubs_under_its_own_name(docker_configuration: Callable[[dict[str, Any]], None]) -> None:
    docker_configuration({"auths": {"https://index.docker.io/v1/": {"auth": encoded("tester", HIDDEN)}}})
    found = DockerConfiguration().find("docker.io")
    assert found and found.secret.reveal() == HIDDEN


def test_reads_the_refresh_token_that_az_acr_login_left(docker_configuration: Callable[[dict[str, Any]], None]) -> None:
    entry = {"auth": encoded("00000000-0000-0000-0000-000000000000", ""), "identitytoken": HIDDEN}
    docker_configuration({"auths": {HOST: entry}})
    assert DockerConfiguration().find(HOST) == Credentials(Secret(HIDDEN), None, "in Docker's configuration")


@pytest.mark.parametrize(("user", "expected"), [("tester", "tester"), ("<token>", None)])
@pytest.mark.parametrize("kind", ["credHelpers", "credsStore"])
def test_asks_a_credential_helper(
    docker_configuration: Callable[[dict[str, Any]], None],
    helper: Callable[[str], None],
    kind: str,
    user: str,
    expected: str | None,
) -> None:
    docker_configuration({kind: {HOST: "test"} if kind == "credHelpers" else "test"})
    said = json.dumps({"ServerURL": HOST, "Username": user, "Secret": HIDDEN})
    helper(f"[ \"$1 $(cat)\" = 'get {HOST}' ] && echo '{said}'")
    found = DockerConfiguration().find(HOST)
    assert found == Credentials(Secret(HIDDEN), expected, "in Docker's configuration")


@pytest.mark.parametrize("script", [f"echo {HIDDEN}; exit 1", None])
def test_a_helper_that_fails_is_said_but_not_what_it_printed(
    docker_configuration: Callable[[dict[str, Any]], None],
    helper: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
    script: str | None,
) -> None:
    docker_configuration({"credHelpers": {HOST: "test"}})
    if script:
        helper(script)
    with caplog.at_level(logging.WARNING):
        assert DockerConfiguration().find(HOST) is None
    assert f"The credentials of {HOST} could not be read" in caplog.text
    assert HIDDEN not in caplog.text


def test_no_configuration_is_no_credentials() -> None:
    assert DockerConfiguration().find(HOST) is None


def test_the_first_that_has_some_is_taken() -> None:
    first, second = Given(HOST, "first", Secret(HIDDEN)), Given("b.example", "second", Secret(HIDDEN))
    other = Given(HOST, "other", Secret(HIDDEN))
    sources = FirstOf([first, second, other])
    found = sources.find(HOST), sources.find("b.example"), sources.find("c.example")
    assert [one and one.username for one in found] == ["first", "second", None]


class Azure:
    """An Azure Container Registry's token endpoints, and a managed identity that `az` is signed in with."""

    def __init__(self, certificate: Certificate) -> None:
        self.exchanged: list[str] = []
        self.refuses = False
        self.server = FakeRegistry(self._intercept, certificate=certificate)
        self.identity = FakeRegistry(self._identity)

    def _identity(self, handler: Any, number: int) -> bool:
        later = int(time.time()) + 3600
        token = {"access_token": "the-azure-token", "expires_on": str(later), "expires_in": "3600", "resource": "x"}
        answer(handler, 200, {**token, "token_type": "Bearer"})
        return True

    def _intercept(self, handler: Any, number: int) -> bool:
        if handler.command == "POST" and handler.path.startswith("/oauth2/"):
            self._token(handler, handler.rfile.read(int(handler.headers["Content-Length"])).decode())
            return True
        if handler.headers.get("Authorization") == "Bearer the-access-token":
            return False
        realm = f'Bearer realm="https://{self.server.host}/oauth2/token",service="{self.server.host}"'
        answer(handler, 401, headers={"WWW-Authenticate": realm})
        return True

    def _token(self, handler: Any, form: str) -> None:
        self.exchanged.append(f"{handler.path}?{form}")
        if self.refuses:
            answer(handler, 401)
        elif handler.path == "/oauth2/exchange":
            assert "access_token=the-azure-token" in form
            answer(handler, 200, {"refresh_token": HIDDEN})
        else:
            assert f"refresh_token={HIDDEN}" in form
            answer(handler, 200, {"access_token": "the-access-token"})


@pytest.fixture
def azure(certificate: Certificate) -> Any:
    azure = Azure(certificate)
    with azure.server, azure.identity:
        yield azure


@pytest.fixture
def cli_ctx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, azure: Azure) -> AzCli:
    """az, signed in with the managed identity, in a cloud whose registries are called `*.0.0.1`."""
    folder = tmp_path / "azure"
    folder.mkdir()
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(folder))
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{azure.identity.host}/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    subscription = {
        "id": "11111111-1111-1111-1111-111111111111",
        "name": "tests",
        "tenantId": "22222222-2222-2222-2222-222222222222",
        "state": "Enabled",
        "isDefault": True,
        "environmentName": "AzureCloud",
        "user": {"name": "systemAssignedIdentity", "type": "servicePrincipal", "assignedIdentityInfo": "MSI"},
    }
    (folder / "azureProfile.json").write_text(json.dumps({"installationId": "x", "subscriptions": [subscription]}))
    cli = AzCli(
        cli_name="az",
        config_dir=str(folder),
        config_env_var_prefix="AZURE",
        commands_loader_cls=get_default_cli().commands_loader_cls,
    )
    cli.cloud.suffixes.acr_login_server_endpoint = ".0.0.1"
    return cli


def test_exchanges_the_identity_of_az_and_uses_it(cli_ctx: AzCli, azure: Azure) -> None:
    host = azure.server.host
    with Registry(host, "a/b", AzureIdentity(cli_ctx)) as registry:
        assert not registry.has_blob("sha256:" + "0" * 64)
    exchange, token = azure.exchanged
    assert exchange.startswith("/oauth2/exchange?")
    assert token.startswith("/oauth2/token?grant_type=refresh_token")
    assert "scope=repository%3Aa%2Fb%3Apull" in token


def test_the_own_identity_goes_before_dockers_configuration(
    cli_ctx: AzCli, azure: Azure, docker_configuration: Callable[[dict[str, Any]], None]
) -> None:
    host = azure.server.host
    docker_configuration({"auths": {host: {"auth": encoded("docker", "x")}, HOST: {"auth": encoded("docker", "x")}}})
    given = Given("given.example", "given", Secret("x"))
    sources = credential_sources(cli_ctx, given)
    origins = [found and found.origin for found in map(sources.find, (host, HOST, "given.example", "c.example"))]
    expected = ["of your own identity (az login)", "in Docker's configuration", "that were given", None]
    assert origins == expected


def test_an_identity_that_is_refused_is_said_and_the_next_source_asked(
    cli_ctx: AzCli,
    azure: Azure,
    docker_configuration: Callable[[dict[str, Any]], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    host = azure.server.host
    azure.refuses = True
    docker_configuration({"auths": {host: {"auth": encoded("docker", "x")}}})
    with caplog.at_level(logging.WARNING):
        found = credential_sources(cli_ctx).find(host)
    assert found and found.username == "docker"
    assert f"Your own identity was not taken for {host}" in caplog.text
    assert "the-azure-token" not in caplog.text


def test_the_identity_is_shown_to_azures_registries_alone(cli_ctx: AzCli, azure: Azure) -> None:
    for host in ("docker.io", "127.0.0.1.example", "registry-0.0.1", "127.0.0.10", HOST):
        assert AzureIdentity(cli_ctx).find(host) is None
    assert azure.exchanged == []
    assert azure.identity.requests == []
