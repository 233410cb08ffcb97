"""What the documented steps make, typed into an unmodified az, and what one ``az ml-func deploy`` makes.

It is the same but for what is listed here, with its reasons; docs/deploy.md has the same list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient
from helpers import ROOT

from .azures import TRIGGERS, App, LocalAzure, Packaged
from .cloud import Cloud, unique

TABLE = ROOT / "docs" / "deploy.md"
VERSIONS = {
    "resourceGroups": "2022-09-01",
    "Microsoft.Insights": "2020-02-02",
    "Microsoft.OperationalInsights": "2022-10-01",
    "Microsoft.ServiceBus": "2021-11-01",
    "Microsoft.Storage": "2023-05-01",
    "Microsoft.Web": "2024-04-01",
}


@dataclass(frozen=True)
class Difference:
    """One thing that deploy does in another way than the documented steps.

    Attributes:
        resource: what people call it.
        property: as ARM calls it.
        documented: its value after the documented steps; `-` where there is none.
        deployed: its value after deploy.
        why: the reason.
    """

    resource: str
    property: str
    documented: str
    deployed: str
    why: str


EVERYTHING = "everything"
ABSENT, TYPED, DERIVED = "-", "as typed", "derived from the app's"
_CONNECTION = (
    "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;AccountName={trigger storage};AccountKey={key}"
)
DIFFERENCES = (
    Difference(
        EVERYTHING, "tags.ml-func-app", ABSENT, "{app}", "what was made for an app can be found, and removed with it"
    ),
    Difference(
        "plan, storage account of the app, storage account of the trigger, Service Bus namespace, access rule",
        "name",
        TYPED,
        DERIVED,
        "the same command finds them again, and nothing has to be kept on your machine",
    ),
    Difference(
        "Log Analytics workspace",
        "name",
        "az's default one of the region",
        DERIVED,
        "it goes when the group goes, and other apps' logs are not in it",
    ),
    Difference(
        "Log Analytics workspace",
        "id",
        "DefaultResourceGroup-WEU/providers/Microsoft.OperationalInsights/workspaces/{workspace}",
        "{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}",
        "nothing is made in a group that you did not name",
    ),
    Difference(
        "Application Insights",
        "WorkspaceResourceId",
        "DefaultResourceGroup-WEU/providers/Microsoft.OperationalInsights/workspaces/{workspace}",
        "{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}",
        "follows from it",
    ),
    Difference(
        "function app", "linuxFxVersion", "DOCKER\\|{image}:{tag}", "DOCKER\\|{image}@{digest}", "a tag may move"
    ),
    Difference(
        "function app", "settings.DOCKER_CUSTOM_IMAGE_NAME", "{image}:{tag}", "{image}@{digest}", "follows from it"
    ),
    Difference("function app", "httpsOnly", "false", "true", "keys and data do not travel in clear"),
    Difference("function app", "http20Enabled", "false", "true", "clients that can speak HTTP/2 need one connection"),
    Difference("function app", "ftpsState", "FtpsOnly", "Disabled", "nothing is deployed to a container over FTP"),
    Difference("function app", "httpLoggingEnabled", "false", "true", "the container's log can be read"),
    Difference(
        "function app",
        "settings.FUNCTIONS_WORKER_RUNTIME",
        ABSENT,
        "python",
        "without it a host may look for functions of another language, and find none",
    ),
    Difference(
        "function app",
        "settings.TriggerConnectionString",
        f"{_CONNECTION};{{addresses}}",
        _CONNECTION,
        "the same account and key; az adds the addresses of all its services",
    ),
    Difference(
        "function app",
        "settings.WEBSITES_CONTAINER_START_TIME_LIMIT",
        ABSENT,
        "1800",
        "the default, 230 s, is too short for a large image or model",
    ),
)


@pytest.fixture(scope="module")
def azure(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    made = LocalAzure(cloud, tmp_path_factory.mktemp("equivalence"))
    yield made
    for group in made.groups:
        made.remove(group)


# -- the two ways


def documented(azure: LocalAzure, image: Packaged, trigger: str) -> App:
    """Type the documented steps; those for HTTP and Service Bus are the ones for blobs with what these need instead."""
    app, plan, storage, other = azure.app(), unique("plan"), unique("storage"), unique("trigger")
    group, registry = f"--resource-group {app.group}", image.tag.partition("/")[0]
    azure.run(f"group create --name {app.group} --location {azure.location}")
    azure.run(f"appservice plan create --name {plan} {group} --sku B1 --is-linux")
    azure.run(f"storage account create --name {storage} {group} --sku Standard_LRS")
    azure.run(
        f"functionapp create {app.of} --plan {plan} --storage-account {storage} --functions-version 4 "
        f"--deployment-container-image-name {image.tag}"
    )
    connection = ""
    if trigger == "blob":
        azure.run(f"storage account create --name {other} {group} --sku Standard_LRS")
        connection = azure.run(f"storage account show-connection-string --name {other}")["connectionString"]
        for container in ("input", "output"):
            azure.run(f"storage container create --name {container} --connection-string '{connection}'")
    elif trigger == "service-bus-queue":
        azure.run(f"servicebus namespace create --name {other} {group} --sku Standard")
        there = f"{group} --namespace-name {other}"
        for queue in ("inqueue", "outqueue"):
            azure.run(f"servicebus queue create --name {queue} {there}")
        rule = "servicebus namespace authorization-rule"
        azure.run(f"{rule} create --name mine {there} --rights Listen Send")
        connection = azure.run(f"{rule} keys list --name mine {there}")["primaryConnectionString"]
    if connection:
        azure.run(f"functionapp config appsettings set {app.of} --settings 'TriggerConnectionString={connection}'")
    azure.run(
        f"functionapp config container set {app.of} --docker-custom-image-name {image.tag} "
        f"--docker-registry-server-url https://{registry} --docker-registry-server-user {azure.registry} "
        f"--docker-registry-server-password {azure.registry_password}"
    )
    return app


def deployed(azure: LocalAzure, image: Packaged, trigger: str) -> App:
    """One command."""
    app = azure.app()
    app.deployed(image)
    return app


# -- what they made


class Made:
    """Everything that was made for an app, by what it is for, with no name of its own.

    Args:
        azure: where it is.
        app: the app.
        image: it runs this.
    """

    def __init__(self, azure: LocalAzure, app: App, image: Packaged) -> None:
        self._cloud, self._app, self._image = azure.cloud, app, image
        self._group = f"{azure.cloud.subscription}/resourceGroups/{app.group}"
        self._site = f"{self._group}/providers/Microsoft.Web/sites/{app.name}"
        self._names = {app.group: "{group}", app.name: "{app}"}

    def described(self) -> dict[tuple[str, str], str]:
        """The value of each property of each resource."""
        found = {}
        for resource, document in self._documents().items():
            for path, value in flat(document).items():
                found[resource, _PREFIXES.sub("", path)] = value
        return {key: self._neutral(value) for key, value in found.items()}

    def _documents(self) -> dict[str, Any]:
        """Each resource with its configuration, as ARM shows it."""
        site = self._get(self._site)
        del site["properties"]["siteProperties"]  # repeats linuxFxVersion
        settings = self._get(f"{self._site}/config/appsettings/list", "POST")["properties"]
        web = self._get(f"{self._site}/config/web")["properties"]
        slots = self._get(f"{self._site}/config/slotConfigNames")["properties"]
        plan = self._get(site["properties"]["serverFarmId"])
        component = self._get(f"{self._group}/providers/Microsoft.Insights/components/{self._app.name}")
        workspace = self._get(component["properties"]["WorkspaceResourceId"])
        documents = {
            "resource group": self._get(self._group),
            "function app": {**site, "web": web, "settings": settings, "slots": slots},
            "plan": self._named(plan, "{plan}"),
            "storage account of the app": self._account(settings["AzureWebJobsStorage"], "{storage}"),
            "Application Insights": component,
            "Log Analytics workspace": self._named(workspace, "{workspace}"),
            **self._of_trigger(settings.get("TriggerConnectionString", "")),
        }
        self._names[str(plan["properties"]["serverFarmId"])] = "{number}"
        return documents

    def _of_trigger(self, connection: str) -> dict[str, Any]:
        if "AccountName" in connection:
            account = self._account(connection, "{trigger storage}")
            containers = self._get(f"{account['id']}/blobServices/default/containers")["value"]
            with BlobServiceClient.from_connection_string(connection, **self._cloud.sdk) as blobs:
                listed = {each.name: {"public": str(each.public_access)} for each in blobs.list_containers()}
            return {
                "storage account of the trigger": account,
                **{f"container {each['name']}": each for each in containers},
                "containers, as Storage itself lists them": listed,
            }
        if "Endpoint=sb" in connection:
            [namespace] = self._get(f"{self._group}/providers/Microsoft.ServiceBus/namespaces")["value"]
            queues = self._get(f"{namespace['id']}/queues")["value"]
            rules = self._get(f"{namespace['id']}/authorizationRules")["value"]
            [rule] = [each for each in rules if each["name"] != "RootManageSharedAccessKey"]
            return {
                "Service Bus namespace": self._named(namespace, "{namespace}"),
                **{f"queue {each['name']}": each for each in queues},
                "access rule": self._named(rule, "{rule}"),
            }
        return {}

    def _account(self, connection: str, placeholder: str) -> Any:
        name = re.search(r"AccountName=(\w+)", connection)
        assert name is not None
        account = self._get(f"{self._group}/providers/Microsoft.Storage/storageAccounts/{name[1]}")
        return self._named(account, placeholder)

    def _named(self, document: Any, placeholder: str) -> Any:
        """A resource whose name is not the user's: only how it came by its name is compared."""
        name = document["name"]
        self._names[name] = placeholder
        came = DERIVED if self._app.name in name or name == "ml-func" else TYPED
        return document | {"name": "az's default one of the region" if name.startswith("DefaultWorkspace") else came}

    def _get(self, path: str, method: str = "GET") -> Any:
        version = next(version for provider, version in reversed(VERSIONS.items()) if provider in path)
        answer = self._cloud.arm(method, path, version=version)
        assert answer.ok, f"{path}: {answer.text}"
        return answer.json()

    def _neutral(self, value: Any) -> str:
        """A value without what every resource has of its own: names, keys, times."""
        text = value if isinstance(value, str) else json.dumps(value)
        repository, _, tag = self._image.tag.rpartition(":")
        text = text.replace(self._image.location, "{image}@{digest}").replace(f"{repository}:{tag}", "{image}:{tag}")
        names = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        text = re.sub(rf"(?<![A-Za-z0-9])({names})(?![A-Za-z0-9])", lambda found: self._names[found[0]], text)
        for pattern, placeholder in _OF_ITS_OWN:
            text = pattern.sub(placeholder, text)
        return text


_PREFIXES = re.compile(r"^(web\.)?(properties\.)?(siteConfig\.)?")
_OF_ITS_OWN = [
    (re.compile(pattern), placeholder)
    for pattern, placeholder in (
        (r"/subscriptions/[0-9a-f-]{36}/resourceGroups/", ""),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{guid}"),
        (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?", "{time}"),
        (r"\b[0-9A-F]{64}\b", "{64 hex digits}"),
        (r"0x[0-9A-F]{15,16}", "{etag}"),
        (r"(AccountKey|SharedAccessKey)=[^;]+", r"\1={key}"),
        (r"(;\w+Endpoint=https://[^;]+)+", ";{addresses}"),
        (r"sb://localhost:\d+", "sb://{namespace}"),
    )
]


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """All leaves of a document by their paths; what is null or empty is as good as not there."""
    if isinstance(value, Mapping):
        items = [(f"{path}.{name}" if path else name, inner) for name, inner in value.items()]
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        items = [(f"{path}[{number}]", inner) for number, inner in enumerate(value)]
    else:
        return {} if value in (None, []) else {path: value}
    return {key: leaf for name, inner in items for key, leaf in flat(inner, name).items()}


# -- the comparison


@pytest.fixture(scope="module")
def found(azure: LocalAzure) -> dict[str, set[tuple[str, str, str, str]]]:
    """What differs for each trigger: resource, property, value after the documented steps, value after deploy."""
    differing = {}
    for trigger in TRIGGERS:
        image = azure.package(trigger)
        with ThreadPoolExecutor() as pool:
            typed, command = pool.map(lambda way, i=image, t=trigger: way(azure, i, t), (documented, deployed))
        one, other = Made(azure, typed, image).described(), Made(azure, command, image).described()
        assert len(one) > 150, "the documents are compared whole"
        differing[trigger] = {
            (*key, one.get(key, ABSENT), other.get(key, ABSENT))
            for key in {**one, **other}
            if one.get(key, ABSENT) != other.get(key, ABSENT)
        }
    return differing


def is_of(row: Difference, difference: tuple[str, str, str, str]) -> bool:
    """Whether a row of the table is about this."""
    resource, name, one, other = difference
    values = (row.documented.replace("\\|", "|"), row.deployed.replace("\\|", "|"))
    return (row.resource == EVERYTHING or resource in row.resource.split(", ")) and (
        (row.property, *values) == (name, one, other)
    )


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_nothing_differs_but_what_is_listed(found: dict[str, set[tuple[str, str, str, str]]], trigger: str):
    listed = [[row for row in DIFFERENCES if is_of(row, each)] for each in found[trigger]]
    unlisted = [each for each, rows in zip(found[trigger], listed, strict=True) if not rows]
    assert unlisted == []
    assert all(len(rows) == 1 for rows in listed), "each difference is listed once"


def test_everything_that_is_listed_differs(found: dict[str, set[tuple[str, str, str, str]]]):
    differing = [each for differences in found.values() for each in differences]
    assert [row for row in DIFFERENCES if not any(is_of(row, each) for each in differing)] == []
    resources = {resource for row in DIFFERENCES for resource in row.resource.split(", ")} - {EVERYTHING}
    assert resources <= {resource for resource, *_ in differing}


def test_the_page_has_the_same_table():
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \|$", TABLE.read_text("utf-8"), re.MULTILINE)
    shown = [tuple(cell.strip("`") for cell in row) for row in rows]
    assert shown == [(row.resource, row.property, row.documented, row.deployed, row.why) for row in DIFFERENCES]


def test_an_app_of_the_documented_steps_is_taken_over(azure: LocalAzure):
    image = azure.package("http")
    app = documented(azure, image, "http")
    before = {each["id"] for each in app.resources()}
    [plan] = (each["name"] for each in app.resources() if each["type"].endswith("serverfarms"))
    [storage] = (each["name"] for each in app.resources() if each["type"].endswith("storageAccounts"))
    insights = app.settings()["APPLICATIONINSIGHTS_CONNECTION_STRING"]
    result = app.deploy(image, f"--plan {plan} --storage-account {storage}").result
    assert {step["name"] for step in result["steps"] if step["outcome"] != "unchanged"} == {
        f"function app '{app.name}'",
        "function loaded",
    }
    assert {each["id"] for each in app.resources()} == before
    assert app.settings()["APPLICATIONINSIGHTS_CONNECTION_STRING"] == insights
