"""One Azure or the other: the same tests run in the local one and, with ``MLFUNC_LIVE=1``, in a real subscription.

They reach it with az, curl, and the SDK of Service Bus. docs/live-test.md says how a real one is tested, and what only
that can prove.
"""

from __future__ import annotations

import json
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from helpers import AZ, OWN, Answer

from local_azure.waiting import wait_for

from .cloud import LOCATION, VERSION, Cloud, unique

LIVE = os.environ.get("MLFUNC_LIVE") == "1"
TRIGGERS = ("http", "blob", "service-bus-queue")
SCORE = """
import json
import os


def init():
    global factor
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")) as file:
        factor = json.load(file)["factor"]


def run(data):
    return [factor * value for value in json.loads(data)["data"]]
"""
FACTOR, OTHER_FACTOR = 2, 3
SAMPLE = {"data": [1, 2, 3]}
_OF_AZURE = ("smartdetectoralertrules", "actiongroups")
PATIENCE = 600.0 if LIVE else 60.0
"""Seconds that the answer to an event may take; Azure looks for new blobs every few minutes."""


def prediction(factor: int = FACTOR) -> list[int]:
    """What a model says of the sample."""
    return [factor * value for value in SAMPLE["data"]]


@dataclass(frozen=True)
class Packaged:
    """An image in the registry.

    Attributes:
        tag: ``REGISTRY.azurecr.io/REPOSITORY:TAG``.
        location: the same by its digest.
        trigger: what its labels say of it.
    """

    tag: str
    location: str
    trigger: Mapping[str, Any]


class Azure(ABC):
    """An Azure that az is signed in to.

    Args:
        scratch: a folder for projects and samples.
    """

    location = LOCATION

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.groups: list[str] = []
        self._packaged: dict[tuple[Any, ...], Packaged] = {}
        (scratch / "sample.json").write_text(json.dumps(SAMPLE))

    # -- what is different

    @property
    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """What a shell has exported."""

    @abstractmethod
    def remove(self, group: str) -> None:
        """Remove a resource group with all that is in it, if it is there."""

    @abstractmethod
    def unwritten(self, app: App) -> AbstractContextManager[None]:
        """Nothing is written meanwhile: nothing of this app, where not all of ARM can be watched."""

    # -- shells

    def shell(self, script: str, **variables: str) -> Answer:
        """Have a shell run commands until one fails, with more variables."""
        path = f"{AZ.parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, **OWN, **self.environment, "PATH": path, **variables}
        call = subprocess.run(
            ["bash", "-e", "-c", script], cwd=self.scratch, env=environment, capture_output=True, text=True
        )
        return Answer(call.returncode, call.stdout, call.stderr)

    def az(self, line: str, **variables: str) -> Answer:
        """Type an az command: what comes after ``az``, quoted as for a shell."""
        return self.shell(f"az {line}", **variables)

    def run(self, line: str) -> Any:
        """Type an az command that has to go well; its result."""
        return self.az(line).result

    # -- what tests need

    def group_name(self) -> str:
        """The name of a resource group that is not there yet."""
        self.groups.append(unique(os.environ.get("MLFUNC_LIVE_PREFIX", "group")))
        return self.groups[-1]

    def group(self) -> str:
        """A new resource group; its name."""
        name = self.group_name()
        self.run(f"group create --name {name} --location {self.location}")
        return name

    def app(self, group: str | None = None) -> App:
        """An app that is not there yet, and its group, which need not be either."""
        return App(self, group or self.group_name(), unique("app"))

    @cached_property
    def subscription(self) -> str:
        """The GUID of the subscription."""
        return str(self.run("account show")["id"])

    @cached_property
    def registry(self) -> str:
        """A registry for all tests, with its admin user enabled; its name."""
        name = unique("registry")
        self.run(f"acr create --name {name} --resource-group {self.group()} --sku Basic --admin-enabled")
        return name

    @cached_property
    def registry_password(self) -> str:
        """That of its admin user."""
        return str(self.run(f"acr credential show --name {self.registry}")["passwords"][0]["value"])

    def package(
        self, trigger: str, factor: int = FACTOR, options: str = "", score: str = SCORE, registry: str = ""
    ) -> Packaged:
        """The image of a model that multiplies; made once.

        Args:
            trigger: one of ``TRIGGERS``.
            factor: what the model multiplies with.
            options: of the command.
            score: the entry script.
            registry: another one than that of all tests.
        """
        key = (trigger, factor, options, score, registry)
        if key not in self._packaged:
            project = self.scratch / unique("project")
            project.mkdir()
            (project / "model.json").write_text(json.dumps({"factor": factor}))
            (project / "score.py").write_text(score)
            files = f"--model {project}/model.json --entry-script {project}/score.py"
            image = f"--registry {registry or self.registry} --image-name {trigger} --image-tag {unique('t')}"
            result = self.run(f"ml-func package --build direct {files} {image} --trigger {trigger} {options}")
            self._packaged[key] = Packaged(result["tag"], result["location"], result["trigger"])
        return self._packaged[key]


@dataclass(frozen=True)
class App:
    """A function app that a test deploys to."""

    azure: Azure
    group: str
    name: str

    @property
    def of(self) -> str:
        """How an az command names it."""
        return f"--resource-group {self.group} --name {self.name}"

    @property
    def id(self) -> str:
        """Its ID."""
        subscription = self.azure.subscription
        return f"/subscriptions/{subscription}/resourceGroups/{self.group}/providers/Microsoft.Web/sites/{self.name}"

    def deploy(self, image: Packaged | str, options: str = "", **variables: str) -> Answer:
        """Type ``az ml-func deploy``."""
        named = image if isinstance(image, str) else image.tag
        return self.azure.az(f"ml-func deploy {self.of} --image {named} {options}", **variables)

    def deployed(self, image: Packaged | str, options: str = "", **variables: str) -> Any:
        """Deploy, which has to go well; the result."""
        return self.deploy(image, f"--location {self.azure.location} {options}", **variables).result

    def show(self) -> Any:
        """The app as a GET answers it."""
        return self.azure.run(f"resource show {self.of} --resource-type Microsoft.Web/sites")

    def config(self) -> Any:
        """Its configuration."""
        return self.azure.run(f"functionapp config show {self.of}")

    def settings(self) -> dict[str, str]:
        """Its settings; `az functionapp config appsettings list` would leave the registry's password out."""
        path = f"{self.id}/config/appsettings/list?api-version={VERSION}"
        return dict(self.azure.run(f"rest --method post --url '{path}'")["properties"])

    def resources(self) -> list[Any]:
        """Everything in its group but the alerts that Azure itself adds to Application Insights."""
        listed = self.azure.run(f"resource list --resource-group {self.group}")
        return [each for each in listed if each["type"].split("/")[-1].lower() not in _OF_AZURE]

    # -- events

    def send(self, trigger: str, deployed: Mapping[str, Any]) -> Any:
        """Send the sample through the trigger; what comes back.

        Args:
            trigger: one of ``TRIGGERS``.
            deployed: what its deploy returned.
        """
        ways = {"http": self._request, "blob": self._upload, "service-bus-queue": self._message}
        return ways[trigger](deployed)

    def _request(self, deployed: Mapping[str, Any]) -> Any:
        keys = self.azure.run(f"functionapp keys list {self.of}")
        key = f'--header "x-functions-key: {keys["functionKeys"]["default"]}"'
        return json.loads(self.azure.shell(f"curl --silent {key} --data @sample.json {deployed['scoringUri']}").stdout)

    def _upload(self, deployed: Mapping[str, Any]) -> Any:
        there, name = f'--connection-string "{self.settings()["TriggerConnectionString"]}"', unique("blob")
        (inputs, _, _), (outputs, _, _) = (
            deployed["trigger"][each].partition("/") for each in ("inputPath", "outputPath")
        )
        azure, prediction = self.azure, self.azure.scratch / f"{name}.out"
        azure.run(f"storage blob upload --container-name {inputs} --name {name}.json --file sample.json {there}")
        listing = f"storage blob list --container-name {outputs} --prefix {name} --query [].name {there}"
        [found] = wait_for(lambda: azure.run(listing), PATIENCE, f"a blob in {outputs}")
        azure.run(f"storage blob download --container-name {outputs} --name {found} --file {prediction} {there}")
        return json.loads(prediction.read_text())

    def _message(self, deployed: Mapping[str, Any]) -> Any:
        from azure.servicebus import ServiceBusClient, ServiceBusMessage

        trigger, connection = deployed["trigger"], self.settings()["TriggerConnectionString"]
        with ServiceBusClient.from_connection_string(connection) as client:
            with client.get_queue_sender(trigger["inputQueue"]) as sender:
                sender.send_messages(ServiceBusMessage(json.dumps(SAMPLE)))
            with client.get_queue_receiver(trigger["outputQueue"], max_wait_time=PATIENCE) as receiver:
                [message] = receiver.receive_messages()
                receiver.complete_message(message)
        return json.loads(b"".join(message.body))


class LocalAzure(Azure):
    """That of this machine.

    Args:
        cloud: it.
        scratch: see ``Azure``.
    """

    def __init__(self, cloud: Cloud, scratch: Path) -> None:
        super().__init__(scratch)
        self.cloud = cloud

    @property
    def environment(self) -> Mapping[str, str]:
        return self.cloud.environment

    def remove(self, group: str) -> None:
        self.cloud.delete(f"{self.cloud.subscription}/resourceGroups/{group}")

    def writes(self) -> list[str]:
        """What was written of ARM's resources, since the log of requests began."""
        own = [each for each in self.cloud.requests() if each["host"] == "localhost"]
        return [f"{each['method']} {each['path']}" for each in own if each["method"] in ("PUT", "PATCH", "DELETE")]

    @contextmanager
    def unwritten(self, app: App) -> Iterator[None]:
        self.cloud.control("requests", "DELETE")
        yield
        assert self.writes() == []


class LiveAzure(Azure):
    """A subscription: that of who is signed in with ``az login``.

    Args:
        scratch: see ``Azure``.
    """

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.location = os.environ.get("MLFUNC_LIVE_LOCATION", LOCATION)

    @property
    def environment(self) -> Mapping[str, str]:
        return {"AZURE_CONFIG_DIR": os.environ["MLFUNC_LIVE_CONFIG"]}

    def remove(self, group: str) -> None:
        if self.run(f"group exists --name {group}"):
            self.run(f"group delete --name {group} --yes --no-wait")

    @contextmanager
    def unwritten(self, app: App) -> Iterator[None]:
        before = self._written(app)
        yield
        assert self._written(app) == before

    def _written(self, app: App) -> Any:
        """What is in the group, and when the app was last written: that tells also what leaves it the same."""
        if self.run(f"group exists --name {app.group}") is False:
            return None
        there = {each["id"]: each.get("tags") for each in app.resources()}
        listed = self.run(f"functionapp list --resource-group {app.group} --query [].lastModifiedTimeUtc")
        return there, listed
