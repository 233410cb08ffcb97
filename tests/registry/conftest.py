"""What the tests of the registry client share: a real docker-registry. It starts in a tenth of a second.

Where Debian's `docker-registry` or `htpasswd` is missing a test is skipped and says so; with MLFUNC_REQUIRE_ENGINE=1,
as in CI, it fails instead.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))  # for registry_parts

from registry_parts import Certificate, DockerRegistry, TokenServer

StartRegistry = Callable[..., DockerRegistry]


class Pauses:
    """Takes the place of waiting, and remembers how long it would have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture(autouse=True)
def apart_from_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the Docker configuration, the netrc file or the proxy of whoever runs it."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def start_registry(tmp_path: Path) -> Iterator[StartRegistry]:
    """Starts docker-registries with the options of `DockerRegistry`; they end with the test."""
    missing = [name for name in ("docker-registry", "htpasswd") if shutil.which(name) is None]
    if missing:
        reason = f"no {' and no '.join(missing)} here: .ci/run shows the Debian packages that bring it"
        if os.environ.get("MLFUNC_REQUIRE_ENGINE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with contextlib.ExitStack() as running:
        yield lambda **options: running.enter_context(
            DockerRegistry(tmp_path / f"registry{len(os.listdir(tmp_path))}", **options)
        )


@pytest.fixture
def token_server(tmp_path: Path) -> Iterator[Callable[..., TokenServer]]:
    """Starts token servers, with the rights of their users."""
    with contextlib.ExitStack() as running:
        yield lambda rights: running.enter_context(TokenServer(tmp_path / "tokens", rights))


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A certificate for 127.0.0.1 that is trusted during the test."""
    made = Certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(made.file))
    return made
