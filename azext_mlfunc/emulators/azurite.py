"""Azurite, Microsoft's storage emulator: the program on PATH, else its image; in memory, on ports of its own.

Source: Azurite's documentation (github.com/Azure/Azurite): options, AZURITE_ACCOUNTS, connection strings.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from azext_mlfunc import engine
from azext_mlfunc.engine import Container, Network
from azext_mlfunc.progress import Progress

IMAGE = "mcr.microsoft.com/azure-storage/azurite"
_ACCOUNT = "mlfunctest"
_SERVICES = {"blob": 10000, "queue": 10001, "table": 10002}
"""The services and their ports in the image."""
_PORTS = (20_000, 30_000)
"""Below those that systems take for outgoing connections (Linux from 32768, others from 49152)."""
_OPTIONS = ("--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck")
_START = 60.0  # seconds
_PAUSE = 0.1  # seconds between two looks
_END = 10.0  # seconds
_SHOWN = 2000  # characters of what it said


class AzuriteFailed(Exception):
    """It did not come up; the text says why."""


class Azurite:
    """A storage account in memory, for as long as it is open. It is new: nothing of another one is touched.

    :param client: of the Docker engine, for its image where the program is not installed.
    :param network: between this machine and containers.
    """

    def __init__(self, client: Any, network: Network) -> None:
        self._client = client
        self._network = network
        self._key = base64.b64encode(secrets.token_bytes(32)).decode()
        self._ports: dict[str, int] = {}
        self._ends = contextlib.ExitStack()

    def start(self, progress: Progress) -> None:
        """Start it; returns when it answers.

        :raises AzuriteFailed: it is not to be had, or does not answer.
        """
        program = shutil.which("azurite")
        environment = {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{self._key}"}
        try:
            says_why = self._run(program, environment) if program else self._run_image(environment, progress)
            self._await(says_why)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; its data is gone."""
        self._ends.close()

    def connection_string(self, host: str = "127.0.0.1") -> str:
        """Leads to it.

        :param host: this machine, as the caller calls it.
        """
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://{host}:{port}/{_ACCOUNT};" for service, port in self._ports.items()
        )
        return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={self._key};{endpoints}"

    def _run(self, program: str, environment: Mapping[str, str]) -> Callable[[], str | None]:
        """Run the program; returns what says why it ended."""
        self._ports = {service: free_port() for service in _SERVICES}
        folder = self._ends.enter_context(tempfile.TemporaryDirectory(prefix="ml-func-azurite-"))
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, *_OPTIONS, *_addresses(self._ports, "127.0.0.1")],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                start_new_session=True,  # Ctrl-C is ours: it is ended when the container is
            )
        self._ends.callback(_end, process)

        def says_why() -> str | None:
            if process.poll() is None:
                return None
            return f"azurite ended with {process.returncode}: {log.read_text('utf-8', 'replace')[-_SHOWN:].strip()}"

        return says_why

    def _run_image(self, environment: Mapping[str, str], progress: Progress) -> Callable[[], str | None]:
        """Run the image; returns what says why it ended."""
        try:
            engine.inspect_image(self._client, IMAGE, lambda: None, progress)
            if self._network.is_shared:
                self._ports = {service: free_port() for service in _SERVICES}
                container = self._start(environment, self._ports, "127.0.0.1")
            else:
                container = self._start(environment, _SERVICES, "0.0.0.0")
                self._ports = {service: container.port(port) for service, port in _SERVICES.items()}
        except (engine.ImageMissing, engine.EngineError) as problem:
            raise AzuriteFailed(f"neither is there a program azurite, nor can its image be had: {problem}") from problem

        def says_why() -> str | None:
            return None if container.ended() is None else f"azurite ended: {container.log(20).strip()}"

        return says_why

    def _start(self, environment: Mapping[str, str], ports: Mapping[str, int], host: str) -> Container:
        command = ["azurite", *_OPTIONS, *_addresses(ports, host)]
        container = engine.run(self._client, IMAGE, self._network, environment, tuple(ports.values()), {}, command)
        self._ends.callback(container.remove)
        return container

    def _await(self, says_why: Callable[[], str | None]) -> None:
        until = time.monotonic() + _START
        for port in self._ports.values():
            while not _listens(port):
                why = says_why()
                if why is not None:
                    raise AzuriteFailed(why)
                if time.monotonic() > until:
                    raise AzuriteFailed(f"azurite does not answer within {_START:g} s")
                time.sleep(_PAUSE)


def free_port() -> int:
    """A port of the loopback that is free at this moment, and that no system gives to a connection meanwhile."""
    while True:
        port = random.randrange(*_PORTS)
        with contextlib.suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", port))
            return port


def _addresses(ports: Mapping[str, int], host: str) -> list[str]:
    return [word for name, port in ports.items() for word in (f"--{name}Host", host, f"--{name}Port", str(port))]


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it has started."""
    if sys.platform != "win32":
        import signal

        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_END)
