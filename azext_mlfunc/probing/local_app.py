"""An app on this machine: the very image in the local Docker engine, emulators behind it, everything gone afterwards.

The image gets what an app in Azure has: a storage account, the connection of its trigger, keys. Sources: Azure
Functions documentation, "Work with containers and Azure Functions", "Azure Functions app settings reference"
(AzureWebJobsSecretStorageType, FUNCTIONS_SECRETS_PATH), azure-functions-host, HostController and FunctionsController.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azext_mlfunc import engine
from azext_mlfunc.deploying.image import labelled_manifest, trigger_of
from azext_mlfunc.deploying.looking import load_failure
from azext_mlfunc.emulators.azurite import Azurite, AzuriteFailed, free_port
from azext_mlfunc.emulators.service_bus import ServiceBus
from azext_mlfunc.manifest import FUNCTION_NAME
from azext_mlfunc.packaging.context import folder_entries, tar_stream
from azext_mlfunc.packaging.layout import PLATFORM, is_context
from azext_mlfunc.probing.prober import Cause
from azext_mlfunc.probing.target import Place, Queues, Target
from azext_mlfunc.progress import Progress
from azext_mlfunc.triggers.base import Trigger

_SECRETS = "/azure-functions-host/Secrets"
_PORT = 80  # of every Functions image
_LOG_LINES = 200
_PAUSE = 0.3  # seconds between two looks
_MAX_DELIVERY = 3  # a failing message is given up sooner than in Azure: nobody waits for others here
_ADVICE = "Without an engine here, test the deployed app: az ml-func test --resource-group GROUP --name APP"


@dataclass(frozen=True)
class LocalRequest:
    """What is run on this machine.

    :param image: the image; None: one is built of `context`.
    :param context: the folder that `package --context-only` wrote.
    :param build_network: the network of the build's RUN steps.
    :param settings: more settings for the app.
    :param function: its function, if the user named it.
    :param trigger: the trigger, if the user named it.
    :param trigger_options: what the user gave of all triggers' options.
    """

    image: str | None
    context: Path | None
    build_network: str | None
    settings: Mapping[str, str] = field(repr=False)
    function: str | None
    trigger: str | None
    trigger_options: Mapping[str, str | None]


@dataclass(frozen=True)
class LocalTools:
    """What an app on this machine is run with.

    :param open_blobs: makes a client of the SDK's blob service from a connection string.
    :param login: the user's name and password for the registry of an image; None: Docker's own.
    :param ask: gets a page: URL, headers; returns its JSON, or None when there is none.
    """

    open_blobs: Callable[[str], Any]
    login: Callable[[str], dict[str, str] | None]
    ask: Callable[[str, Mapping[str, str]], Any]


@contextlib.contextmanager
def local_app(request: LocalRequest, tools: LocalTools, progress: Progress) -> Iterator[tuple[Target, LocalApp]]:
    """Run an image for as long as the context is open; then everything that was started is taken away.

    :raises azure.cli.core.azclierror.ResourceNotFoundError: there is no engine, or no such image.
    :raises azure.cli.core.azclierror.ValidationError: there is no storage emulator.
    :raises azure.cli.core.azclierror.DeploymentError: the context cannot be built, or the container not be started.
    """
    from azure.cli.core.azclierror import DeploymentError, ResourceNotFoundError, ValidationError

    others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = f"127.0.0.1,{others}"  # no proxy leads to this machine
    with contextlib.ExitStack() as ends:
        client = engine.connect(_ADVICE)
        ends.callback(client.close)
        try:
            engine.remove_leftovers(client)
            network = engine.find_network(client)
            image = request.image or _built(client, request, ends, progress)
            found = engine.inspect_image(client, image, lambda: tools.login(image), progress)
            manifest = labelled_manifest({"config": found["Config"]})
            trigger = trigger_of(f"the image {image}", manifest, request.trigger, request.trigger_options)
            app = LocalApp(trigger, tools.ask)
            inside, outside = _emulate(trigger, client, network, tools, app, ends, progress)
            progress.step(f"Starting {image}")
            ends.callback(app.stop)
            app.start(client, image, network, {**inside, **request.settings})
        except engine.ImageMissing as problem:
            raise ResourceNotFoundError(
                f"The image {request.image} is not in the engine, and cannot be pulled: {problem}",
                recommendation="Check its name, and your login to its registry: az acr login, docker login.",
            ) from problem
        except AzuriteFailed as problem:
            raise ValidationError(
                f"There is no storage emulator for the app: {problem}.",
                recommendation="Install Azurite (npm install --global azurite), or let the engine pull its image.",
            ) from problem
        except engine.BuildFailed as problem:
            raise DeploymentError(
                f"The context was not built: {problem}", recommendation="Mend what the last lines say."
            ) from problem
        except engine.EngineError as problem:
            raise DeploymentError(str(problem), recommendation=["Check the engine.", _ADVICE]) from problem
        function = request.function or str(manifest.get("function", FUNCTION_NAME))
        yield Target(image, app.url, outside, image, trigger, function, app), app


def _built(client: Any, request: LocalRequest, ends: contextlib.ExitStack, progress: Progress) -> str:
    """The image of a context; taken away afterwards, but for what the engine keeps to build it faster again."""
    from azure.cli.core.azclierror import FileOperationError

    assert request.context is not None
    if not is_context(request.context):
        raise FileOperationError(
            f"--context {request.context}: this is no context that az ml-func package wrote.",
            recommendation="Name the folder that you gave to az ml-func package --context-only.",
        )
    image = f"ml-func-test:{secrets.token_hex(8)}"
    progress.step(f"Building {request.context} for {PLATFORM}")
    ends.callback(engine.remove_image, client, image)
    context = tar_stream(folder_entries(request.context))
    engine.build(client, context, image, PLATFORM, request.build_network, progress)
    return image


def _emulate(
    trigger: Trigger,
    client: Any,
    network: engine.Network,
    tools: LocalTools,
    app: LocalApp,
    ends: contextlib.ExitStack,
    progress: Progress,
) -> tuple[dict[str, str], dict[str, str]]:
    """Start what is behind the app; returns its settings as the container, and as this machine, has them."""
    inside: dict[str, str] = {}
    outside: dict[str, str] = {}
    if not trigger.connection:
        return inside, outside
    progress.step("Starting emulators")
    azurite = Azurite(client, network)  # the host keeps its own notes there, whatever the trigger
    ends.callback(azurite.stop)
    azurite.start(progress)
    inside["AzureWebJobsStorage"] = azurite.connection_string(network.host)
    emulated = trigger.emulated()
    if emulated.containers:
        inside[trigger.connection] = inside["AzureWebJobsStorage"]
        outside[trigger.connection] = azurite.connection_string()
        with tools.open_blobs(azurite.connection_string()) as service:
            for container in emulated.containers:
                service.create_container(container)
    if emulated.queues:
        bus = ServiceBus()
        ends.callback(bus.stop)
        bus.start()
        for queue in emulated.queues:
            bus.add_queue(queue, _MAX_DELIVERY)
        app.bus = bus
        inside[trigger.connection] = bus.connection_string.replace("//127.0.0.1:", f"//{network.host}:")
        outside[trigger.connection] = bus.connection_string
    return inside, outside


class LocalApp(Place):
    """A container of an image.

    :param trigger: what its function is called by.
    :param ask: see `LocalTools`.
    """

    def __init__(self, trigger: Trigger, ask: Callable[[str, Mapping[str, str]], Any]) -> None:
        self.bus: ServiceBus | None = None
        self.url = ""
        self._trigger = trigger
        self._ask = ask
        self._container: engine.Container | None = None
        self._master, self._function = secrets.token_urlsafe(32), secrets.token_urlsafe(32)

    def start(self, client: Any, image: str, network: engine.Network, settings: Mapping[str, str]) -> None:
        """Start the container.

        :param settings: of the app.
        :raises azext_mlfunc.engine.EngineError: it cannot be started.
        """
        port = free_port() if network.is_shared else _PORT
        environment = {
            "AzureWebJobsSecretStorageType": "files",
            "FUNCTIONS_SECRETS_PATH": _SECRETS,
            **({"ASPNETCORE_URLS": f"http://127.0.0.1:{port}"} if network.is_shared else {}),
            **settings,
        }
        files = {f"{_SECRETS}/host.json": json.dumps(self._keys()).encode()}
        self._container = engine.run(client, image, network, environment, (port,), files)
        self.url = f"http://127.0.0.1:{port if network.is_shared else self._container.port(port)}"

    def stop(self) -> None:
        """Take the container away."""
        if self._container is not None:
            self._container.remove()

    def _keys(self) -> dict[str, Any]:
        """The keys of the app as the host keeps them in a file. Source: azure-functions-host, HostSecrets."""

        def key(name: str, value: str) -> dict[str, Any]:
            return {"name": name, "value": value, "encrypted": False}

        return {
            "masterKey": key("master", self._master),
            "functionKeys": [key("default", self._function)],
            "systemKeys": [],
        }

    def wait_until_ready(self, function: str, timeout: float, progress: Progress) -> list[Cause]:
        """Wait until the function is loaded; returns why it is not, or nothing.

        :param timeout: seconds.
        """
        until = time.monotonic() + timeout
        progress.step("Waiting for the function to be loaded")
        while True:
            is_final = self._is_final()  # asked first: what it knows is then seen, too
            causes = self._look(function)
            if not causes or is_final or time.monotonic() > until:
                return causes
            time.sleep(_PAUSE)

    def log(self) -> list[str]:
        """The last lines of the container's log."""
        return self._container.log(_LOG_LINES).splitlines() if self._container else []

    def _is_final(self) -> bool:
        assert self._container is not None
        return self._container.ended() is not None or bool(load_failure("\n".join(self.log())))

    def _look(self, function: str) -> list[Cause]:
        """Why the function is not loaded; nothing: it is."""
        assert self._container is not None
        code = self._container.ended()
        if code is not None:
            return [Cause(f"the container has ended with exit code {code}", "mend what the end of its log says")]
        failure = load_failure("\n".join(self.log()))
        if failure:
            return [Cause(failure, "mend the entry script or the model, and package it again")]
        status = self._page("/admin/host/status")
        if not isinstance(status, dict):
            return [Cause("the app's host does not answer", "look at the log, or wait longer with --timeout")]
        errors = [*status.get("errors", ())]
        own = self._page(f"/admin/functions/{function}/status")
        errors += own.get("errors", ()) if isinstance(own, dict) else ()
        if errors:
            return [Cause(f"the app's host is in error: {error}", "mend what it says") for error in errors]
        if status.get("state") != "Running":
            return [Cause(f"the app's host says {status.get('state')}", "look at the log")]
        if own is None:
            return [Cause(f"the function '{function}' is not loaded", "name another one with --function")]
        return []

    def _page(self, path: str) -> Any:
        return self._ask(f"{self.url}{path}", {"x-functions-key": self._master})

    def key(self, auth_level: str) -> str | None:
        return self._master if auth_level == "admin" else self._function

    def queues(self, target: Target) -> Queues:
        assert self.bus is not None
        return EmulatedQueues(self.bus)

    def causes(self, target: Target) -> Iterator[Cause]:
        yield from self._look(target.function)

    def last_resort(self, target: Target) -> Cause:
        return Cause("the container runs, and its function is loaded", "look at its log; or wait longer with --timeout")


class EmulatedQueues(Queues):
    """The queues of an emulated namespace.

    :param bus: the emulator.
    """

    def __init__(self, bus: ServiceBus) -> None:
        self._bus = bus

    def make(self, name: str) -> None:
        self._bus.add_queue(name)

    def delete(self, name: str) -> None:
        self._bus.delete_queue(name)

    def count(self, name: str) -> int | None:
        return self._bus.counts(name).get("active")
