"""Apps as processes of this machine: for where there is no Docker engine.

Of an image only the app is taken, not the operating system; the Functions host of this repository runs it, with
Microsoft's worker on a Python of this machine and the image's own packages.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

from local_azure.app_environment import EnvironmentFailed, python_version, worker_only_environment
from local_azure.function_apps.compute import Launch, StartFailed, nobodys_port, to_the_end
from local_azure.function_apps.environment import listening_port
from local_azure.function_apps.image import PulledImage
from local_azure.function_apps.layers import Extraction, LayerRefused, LayersWithoutApp
from local_azure.functions_host import FunctionsHost, HostFailed

_HOME, _APP_ROOT = "/home", "/var/azureml-app"
PARTS = (f"{_HOME}/site/wwwroot", _APP_ROOT)
"""What of an image is taken: the function app with its packages, and the code and models of an Azure ML deployment."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # of an image that says nothing
_VERSION = "FUNCTIONS_WORKER_RUNTIME_VERSION"
_LOGS = ("host.err", "host.log")
_INTERPRETER = "languageWorkers__python__defaultExecutablePath"


class ProcessCompute:
    """Runs apps as processes.

    Args:
        python: a Python of 3.13 or newer, for all apps.
        environments: the folder where virtual environments are kept between runs, and what is known of layers.
    """

    name: ClassVar[str] = "process"

    def __init__(self, python: str | Path, environments: Path) -> None:
        self._python = python
        self._environments = Path(environments)
        self._without_app = LayersWithoutApp(self._environments / "layers-without-app")

    async def prepare(self, folder: Path) -> None:
        """Nothing is left behind: hosts end with the process that started them."""

    async def fetch(self, launch: Launch) -> None:
        version = await to_the_end(self._python_version)
        _check(launch.image, launch.environment, version)
        await _extract(launch.image, launch.folder, self._without_app)

    async def start(self, launch: Launch) -> RunningProcess:
        root = _root(launch.image, launch.folder)
        home = launch.home if launch.storage else root / _HOME.lstrip("/")
        environment = _local_environment(launch, home, root / _APP_ROOT.lstrip("/"))
        script_root = home / "site" / "wwwroot"  # of every app on App Service, whatever AzureWebJobsScriptRoot says
        script_root.mkdir(parents=True, exist_ok=True)
        for log in _LOGS:
            (launch.folder / log).unlink(missing_ok=True)
        try:
            python = await to_the_end(partial(worker_only_environment, self._python, self._environments))
        except EnvironmentFailed as error:
            raise StartFailed(str(error)) from error
        inherit = {"PATH": environment.get("PATH", _PATH)}
        host = FunctionsHost(script_root, python, environment, launch.folder, inherit=inherit)
        listens = listening_port(launch.environment, launch.image.command) == launch.port
        try:
            await to_the_end(host.start)
        except asyncio.CancelledError:
            await to_the_end(host.stop)
            raise
        except (HostFailed, OSError) as error:
            raise StartFailed(str(error)) from error
        return RunningProcess(host, launch.folder, listens)

    async def close(self) -> None:
        """Nothing is held."""

    def _python_version(self) -> str:
        try:
            return python_version(self._python)
        except EnvironmentFailed as error:
            raise StartFailed(str(error)) from error


class RunningProcess:
    """A Functions host that was started.

    Args:
        host: it.
        folder: has its logs.
        listens: whether it listens at the port at which the platform expects it.
    """

    def __init__(self, host: FunctionsHost, folder: Path, listens: bool) -> None:
        self._host = host
        self._folder = folder
        self.url = host.url
        self._nobody: socket.socket | None = None
        if not listens:
            self._nobody, port = nobodys_port()
            self.url = f"http://127.0.0.1:{port}"

    async def exited(self) -> bool:
        return not self._host.running

    async def output(self, limit: int) -> str:
        written = await asyncio.to_thread(lambda: [_tail(self._folder / log, limit) for log in _LOGS])
        return "".join(written)[-limit:]

    async def stop(self, gently: bool) -> None:
        await to_the_end(self._host.stop)
        if self._nobody is not None:
            self._nobody.close()


def _check(image: PulledImage, environment: Mapping[str, str], python: str) -> None:
    """Raise where the image cannot be run as a process."""
    in_image = image.environment
    if image.architecture != "amd64":
        raise StartFailed(f"exec {' '.join(image.command)}: exec format error (the image is for {image.architecture})")
    if "AzureWebJobsScriptRoot" not in in_image:
        raise StartFailed("The image is not made from one of Azure Functions: it can be run in a container only.")
    if environment.get(_INTERPRETER, "python") != "python":
        raise StartFailed(f"The image brings its own Python ({environment[_INTERPRETER]}): it needs a container.")
    version = in_image.get(_VERSION)
    if version and version != python.rpartition(".")[0]:
        raise StartFailed(
            f"The image is for Python {version}, and apps are run with Python {python} here. "
            f"Name a Python {version}, or run apps in containers."
        )


async def _extract(image: PulledImage, folder: Path, without_app: LayersWithoutApp) -> None:
    """Take the app out of an image, unless that was done before; what another image left is deleted."""
    root = _root(image, folder)
    if root.exists():
        return
    await to_the_end(lambda: shutil.rmtree(root.parent, ignore_errors=True))
    unfinished = root.with_name("unfinished")
    unfinished.mkdir(parents=True)
    stop = threading.Event()
    extraction = Extraction(unfinished, PARTS, stop)
    layer_file = root.with_name("layer")
    try:
        for layer in image.layers:
            if layer.digest in without_app:
                continue
            with layer_file.open("wb") as file:
                async for chunk in image.open_layer(layer.digest):
                    file.write(chunk)
            if not await to_the_end(partial(extraction.add, layer.digest, layer_file), stop):
                without_app.add(layer.digest)
    except LayerRefused as refused:
        raise StartFailed(str(refused)) from refused
    finally:
        layer_file.unlink(missing_ok=True)
    extraction.make_folders()
    unfinished.rename(root)


def _root(image: PulledImage, folder: Path) -> Path:
    """Where what is taken out of an image lies; it stands for the image's root."""
    return folder / "images" / image.digest.replace(":", "-")


def _local_environment(launch: Launch, home: Path, app_root: Path) -> dict[str, str]:
    """The app's environment, with the image's paths turned into those of this machine."""

    def local(path: str) -> str:
        for there, here in ((_HOME, home), (_APP_ROOT, app_root)):
            if path == there or path.startswith(f"{there}/"):
                return str(here) + path[len(there) :]
        return path

    return {
        name: value if launch.of_this_machine.get(name) == value else ":".join(map(local, value.split(":")))
        for name, value in launch.environment.items()
    }


def _tail(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
