"""What a test needs before it begins, made by ARM itself: that is faster than az."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from requests import Response

from local_azure.waiting import wait_for

from .cloud import LOCATION, Cloud, unique

START = 120.0
"""Seconds that an app has to come up: its first image is pulled, and its container made."""


@dataclass(frozen=True)
class Image:
    """An image in a registry, with the credentials of its admin user.

    Attributes:
        registry: name of the registry.
        tag: ``REGISTRY.azurecr.io/REPOSITORY:TAG``.
        location: the same by its digest.
    """

    registry: str
    tag: str
    location: str
    user: str
    password: str

    @property
    def server(self) -> str:
        return f"{self.registry}.azurecr.io"

    @property
    def login(self) -> dict[str, str]:
        """The app settings with which it is pulled."""
        return {
            "DOCKER_REGISTRY_SERVER_URL": f"https://{self.server}",
            "DOCKER_REGISTRY_SERVER_USERNAME": self.user,
            "DOCKER_REGISTRY_SERVER_PASSWORD": self.password,
        }


class Group:
    """A resource group.

    Args:
        cloud: where it is.
        name: its name.
    """

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud, self.name = cloud, name

    @classmethod
    def make(cls, cloud: Cloud, prefix: str = "group") -> Group:
        made = cls(cloud, unique(prefix))
        cloud.put(made.id, {"location": LOCATION})
        return made

    def delete(self) -> None:
        """Take it away with all that is in it; returns when it is gone."""
        self.cloud.delete(self.id)

    @property
    def id(self) -> str:
        return f"{self.cloud.subscription}/resourceGroups/{self.name}"

    def path(self, kind: str, name: str) -> str:
        """The path of a resource, by its type without ``Microsoft.`` and its name."""
        return f"{self.id}/providers/Microsoft.{kind}/{name}"

    def plan(self, sku: str = "B1") -> str:
        """A plan for Linux; its name."""
        name = unique("plan")
        body = {"location": LOCATION, "sku": {"name": sku}, "properties": {"reserved": True}}
        self.cloud.put(self.path("Web/serverfarms", name), body)
        return name

    def storage(self) -> tuple[str, str]:
        """A storage account; its name and its connection string."""
        name = unique("storage")
        path = self.path("Storage/storageAccounts", name)
        self.cloud.put(path, {"location": LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"})
        key = self.cloud.arm("POST", f"{path}/listKeys").json()["keys"][0]["value"]
        return name, (
            f"DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;AccountName={name};AccountKey={key}"
        )

    def container(self, account: str, name: str) -> None:
        """A blob container."""
        self.cloud.put(f"{self.path('Storage/storageAccounts', account)}/blobServices/default/containers/{name}", {})

    def registry(self, admin: bool = True) -> str:
        """A container registry; its name."""
        name = unique("registry")
        body = {"location": LOCATION, "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": admin}}
        self.cloud.put(self.path("ContainerRegistry/registries", name), body, "2026-01-01-preview")
        return name

    def namespace(self, *queues: str) -> str:
        """A Service Bus namespace with queues; its name."""
        name = unique("namespace")
        path = self.path("ServiceBus/namespaces", name)
        self.cloud.put(path, {"location": LOCATION, "sku": {"name": "Standard"}})
        wait_for(lambda: self.cloud.arm("GET", path).json()["properties"]["status"] == "Active", START, "the namespace")
        for queue in queues:
            self.cloud.put(f"{path}/queues/{queue}", {"properties": {}})
        return name

    def service_bus_connection(self, namespace: str) -> str:
        """The connection string that allows everything in a namespace."""
        path = f"{self.path('ServiceBus/namespaces', namespace)}/authorizationRules/RootManageSharedAccessKey/listKeys"
        return str(self.cloud.arm("POST", path).json()["primaryConnectionString"])

    def app(
        self,
        image: Image,
        settings: Mapping[str, str | None] | None = None,
        plan: str | None = None,
        reference: str | None = None,
        **config: Any,
    ) -> App:
        """A function app from an image, all in one write; it need not be up yet.

        Args:
            image: which one.
            settings: beside those with which az makes an app; None takes one of them away.
            plan: its name; None: one of its own.
            reference: instead of the image's tag.
            config: of siteConfig; ``alwaysOn`` is on unless it is given.
        """
        name, plan = unique("app"), plan or self.plan()
        site = {
            "kind": "functionapp,linux,container",
            "location": LOCATION,
            "properties": {
                "serverFarmId": self.path("Web/serverfarms", plan),
                "reserved": True,
                "siteConfig": {
                    "linuxFxVersion": f"DOCKER|{reference or image.tag}",
                    "alwaysOn": True,
                    "appSettings": _named(self.settings(image) | dict(settings or {})),
                    **config,
                },
            },
        }
        self.cloud.put(self.path("Web/sites", name), site)
        return App(self, name)

    def settings(self, image: Image) -> dict[str, str | None]:
        """The settings that az gives an app of an image; with a storage account of its own."""
        return {
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "WEBSITES_ENABLE_APP_SERVICE_STORAGE": "false",
            "AzureWebJobsStorage": self.storage()[1],
            **image.login,
        }


def _named(settings: Mapping[str, str | None]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in settings.items() if value is not None]


@dataclass(frozen=True)
class App:
    """A function app."""

    group: Group
    name: str

    @property
    def of(self) -> str:
        """How an az command names it."""
        return f"--name {self.name} --resource-group {self.group.name}"

    @property
    def host(self) -> str:
        return f"{self.name}.azurewebsites.net"

    @property
    def path(self) -> str:
        return self.group.path("Web/sites", self.name)

    def arm(self, method: str, below: str = "", body: Any = None) -> Response:
        """Ask ARM about it."""
        return self.group.cloud.arm(method, f"{self.path}{below}", body)

    def call(self, path: str = "/", method: str = "GET", **options: Any) -> Response:
        """Ask the app itself, by its host name; it may have to start first."""
        return self.group.cloud.web.request(method, f"https://{self.host}{path}", timeout=START, **options)

    def change(self, settings: Mapping[str, str | None]) -> None:
        """Change settings; None takes one away."""
        now = self.arm("POST", "/config/appsettings/list").json()["properties"]
        wanted = {name: value for name, value in {**now, **settings}.items() if value is not None}
        answer = self.arm("PUT", "/config/appsettings", {"properties": wanted})
        assert answer.ok, answer.text

    def configure(self, **config: Any) -> None:
        """Change config/web."""
        answer = self.arm("PATCH", "/config/web", {"properties": config})
        assert answer.ok, answer.text

    def logs(self) -> str:
        """What the platform and the app have written."""
        return self.arm("POST", "/containerlogs").text

    @property
    def phase(self) -> str:
        """Where it is in its life, which ARM does not tell."""
        return str(self.group.cloud.control("apps")[self.name]["phase"])

    def wait_for(self, phase: str) -> None:
        """Wait until it is there in its life."""
        wait_for(lambda: self.phase == phase, START, f"{self.name} to be {phase}; its log:\n{self.logs()}")

    def wait_until_loaded(self) -> None:
        """Wait until the host has all functions running."""
        wait_for(lambda: self.status().get("state") == "Running", START, f"{self.name} to have loaded")

    def status(self) -> dict[str, Any]:
        """What its host says of itself; empty while it does not answer."""
        answer = self.arm("GET", "/host/default/properties/status")
        return dict(answer.json()["properties"]) if answer.ok else {}

    @property
    def key(self) -> str:
        """Its host's default key."""
        return str(self.arm("POST", "/host/default/listkeys").json()["functionKeys"]["default"])
