"""What ``az ml-func deploy`` refuses before it writes anything, and what it says of an app that does not come up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from helpers import Answer

from .azures import SCORE, App, LocalAzure, prediction
from .cloud import LOCATION, Cloud, unique
from .parts import Group
from .variants import Repository

SECRET = "c0nfidential"
EXIT_CODES = {"ResourceNotFoundError": 3}
"""Of az, by the class of the error; 1 for all others that are here."""


@pytest.fixture(scope="module")
def azure(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAzure]:
    made = LocalAzure(cloud, tmp_path_factory.mktemp("errors"))
    yield made
    for group in made.groups:
        made.remove(group)


class Place:
    """A resource group with what the cases need in it, each made when it is first asked for.

    Args:
        azure: the local Azure.
        group: the group.
    """

    def __init__(self, azure: LocalAzure, group: Group) -> None:
        self.azure, self.group = azure, group
        self.image = azure.package("http")

    @cached_property
    def shared_plan(self) -> str:
        """A plan for the apps of all cases."""
        return self.plan()

    @cached_property
    def locked(self) -> str:
        """An image in a registry whose admin user is disabled."""
        return self.azure.package("http", registry=self.group.registry(admin=False)).tag

    def put(self, kind: str, name: str, body: dict[str, Any]) -> str:
        """A resource in the group; its name."""
        self.group.cloud.put(self.group.path(kind, name), {"location": LOCATION, **body})
        return name

    def plan(self, sku: str = "B1", linux: bool = True) -> str:
        return self.put("Web/serverfarms", unique("plan"), {"sku": {"name": sku}, "properties": {"reserved": linux}})

    def site(self, kind: str, linux: bool = True, **config: Any) -> str:
        plan = self.group.path("Web/serverfarms", self.plan(linux=linux))
        return self.put(
            "Web/sites", unique("site"), {"kind": kind, "properties": {"serverFarmId": plan, "siteConfig": config}}
        )

    def storage(self, kind: str = "StorageV2", sku: str = "Standard_LRS", **properties: Any) -> str:
        body = {"sku": {"name": sku}, "kind": kind, "properties": properties}
        return self.put("Storage/storageAccounts", unique("storage"), body)

    def namespace(self, **properties: Any) -> str:
        body = {"sku": {"name": "Standard"}, "properties": properties}
        return self.put("ServiceBus/namespaces", unique("namespace"), body)

    def sessions(self) -> str:
        """A namespace with an input queue that requires sessions."""
        name = self.group.namespace()
        path = f"{self.group.path('ServiceBus/namespaces', name)}/queues/inqueue"
        self.group.cloud.put(path, {"properties": {"requiresSession": True}})
        return name

    def variant(self, **options: Any) -> str:
        """Another image of the same layers, see ``Repository.variant``."""
        return f"--image {Repository(self.azure, self.image).variant(**options)}"

    def id(self, kind: str, name: str, group: str = "") -> str:
        """The ID of a resource in this group, or in another one."""
        path = self.group.path(kind, name)
        return path.replace(f"/{self.group.name}/", f"/{group}/") if group else path


@pytest.fixture(scope="module")
def place(azure: LocalAzure, shared_group: Group) -> Place:
    return Place(azure, shared_group)


@dataclass(frozen=True)
class Case:
    """A deploy that is refused.

    Attributes:
        options: of the command, which win over those for an image that could be deployed.
        kind: the class of the error.
        says: what stands in its message and its advice.
    """

    options: Callable[[Place], str]
    kind: str
    says: tuple[str, ...]


def blob(options: Callable[[Place], str]) -> Callable[[Place], str]:
    """The options, for an image with a blob trigger."""
    return lambda place: f"--image {place.azure.package('blob').tag} {options(place)}"


def queue(options: Callable[[Place], str]) -> Callable[[Place], str]:
    """The options, for an image with a queue trigger."""
    return lambda place: f"--image {place.azure.package('service-bus-queue').tag} {options(place)}"


def invalid(options: str, *says: str) -> Case:
    return Case(lambda place: options, "InvalidArgumentValueError", says)


def found(options: Callable[[Place], str], *says: str) -> Case:
    return Case(options, "ValidationError", ("; nothing was written.", *says))


NO_SKU = {"F1": "Free", "D1": "Shared", "Y1": "Consumption", "FC1": "Flex Consumption"}
CASES = {
    # the app
    "a name that is taken": found(
        lambda place: f"--name {place.site('app,linux')} --resource-group {unique('other')}",
        "already exists. Please select a different name.",
        "choose another name",
    ),
    "a web app": found(
        lambda place: f"--name {place.site('app,linux', linuxFxVersion='DOCKER|nginx')}",
        "there is an app of this name, of the kind app,linux,container",
        "az functionapp delete --name",
    ),
    "a function app of code": found(
        lambda place: f"--name {place.site('functionapp,linux', linuxFxVersion='Python|3.13')}",
        "of the kind functionapp,linux",
        "expected: a function app on Linux that runs a container",
    ),
    "a function app on Windows": found(
        lambda place: f"--name {place.site('functionapp', linux=False)}", "of the kind functionapp\n"
    ),
    "an app on another plan": found(
        lambda place: f"--name {place.site('functionapp,linux,container', linuxFxVersion='DOCKER|nginx')}",
        "it runs on the plan 'plan",
        "name the plan that it runs on: --plan /subscriptions/",
    ),
    "a name that is no host name": invalid("--name my_app", "--name my_app: it becomes a host name", "my-model"),
    "a group that is no name": invalid("--resource-group my/group", "--resource-group my/group: expected 1 to 90"),
    # the plan
    **{
        f"the SKU {sku}": found(
            lambda place, sku=sku: f"--sku {sku.lower()}",
            f"--sku {sku}: {kind} plans run no containers",
            "choose --sku B1",
        )
        for sku, kind in NO_SKU.items()
    },
    **{
        f"a plan of the SKU {sku}": found(
            lambda place, sku=sku: f"--plan {place.plan(sku)}", f"{kind} plans run no containers", "or EP1"
        )
        for sku, kind in (("Y1", NO_SKU["Y1"]), ("FC1", NO_SKU["FC1"]))
    },
    "an SKU that is not known": found(
        lambda place: "--sku X9", "--sku X9: no plan is made with this SKU", "B1, B2, B3", "EP1, EP2, EP3"
    ),
    "an SKU of another kind of plan": found(
        lambda place: f"--plan {place.plan('B1')} --sku EP1",
        "has the SKU B1, and Azure changes none between Elastic Premium and others",
    ),
    "a Windows plan": found(lambda place: f"--plan {place.plan(linux=False)}", "it is a Windows plan", "--plan"),
    "a plan of another region": found(
        lambda place: f"--plan {place.plan()} --location 'North Europe'",
        "it is in West Europe",
        "expected: --location northeurope",
        "leave --location out",
    ),
    "the ID of something else": Case(
        lambda place: f"--plan {place.id('Storage/storageAccounts', 'x')}",
        "InvalidArgumentValueError",
        ("neither a name nor the ID of a resource of the type Microsoft.Web/serverfarms", "An ID looks like"),
    ),
    "an ID of another group that leads nowhere": found(
        lambda place: f"--plan {place.id('Web/serverfarms', 'gone', 'elsewhere')}",
        "there is none with the ID",
        "give --plan a name only",
    ),
    # the group
    "no group and no location": found(
        lambda place: f"--resource-group {unique('absent')}",
        "there is no such resource group",
        "name the region with --location",
    ),
    # the image
    "an image that does not exist": Case(
        lambda place: f"--image {place.image.tag}x",
        "ResourceNotFoundError",
        ("has not what was asked for", "Check the name"),
    ),
    "a repository that does not exist": Case(
        lambda place: f"--image {place.azure.registry}.azurecr.io/none:1", "ResourceNotFoundError", ("none",)
    ),
    "a registry that does not exist": Case(
        lambda place: "--image nosuchregistry1.azurecr.io/package:1",
        "AzureConnectionError",
        ("nosuchregistry1.azurecr.io could not be reached",),
    ),
    "an image for another machine": Case(
        lambda place: place.variant(architecture="arm64"),
        "ValidationError",
        ("is for linux/arm64; Azure Functions runs linux/amd64 only", "--platform linux/amd64"),
    ),
    "an index without an image for ours": Case(
        lambda place: place.variant(architecture="arm64", index=True), "ResourceNotFoundError", ("linux/amd64", "arm64")
    ),
    "no image name": invalid("--image registry.azurecr.io/Package:1", "names no image", "REGISTRY/REPOSITORY:TAG"),
    # the trigger
    "a trigger that nobody says": Case(
        lambda place: place.variant(labelled=False),
        "RequiredArgumentMissingError",
        ("does not say what its function is called by", "--trigger http | blob | service-bus-queue"),
    ),
    "another trigger than the labels'": invalid(
        "--trigger blob", "was packaged for --trigger http (--auth-level function), and not for --trigger blob"
    ),
    "an option that the labels contradict": Case(
        blob(lambda place: "--input-path in/{name}.csv"),
        "InvalidArgumentValueError",
        ("--input-path input/{blobname}.{blobextension}", "and not for --input-path in/{name}.csv"),
    ),
    "an option of another trigger": Case(
        lambda place: "--input-queue q",
        "MutuallyExclusiveArgumentError",
        ("--input-queue (of --trigger service-bus-queue)",),
    ),
    # storage
    "storage without shared keys": found(
        lambda place: f"--storage-account {place.storage(allowSharedKeyAccess=False)}",
        "its shared keys are switched off (allowSharedKeyAccess: false)",
        "name another account with --storage-account, or switch them on: az storage account update",
    ),
    "the trigger's storage without shared keys": found(
        blob(lambda place: f"--trigger-storage-account {place.storage(allowSharedKeyAccess=False)}"),
        "(of the trigger): its shared keys are switched off",
        "--trigger-storage-account",
    ),
    "storage for blobs only": found(
        lambda place: f"--storage-account {place.storage('BlockBlobStorage', 'Premium_LRS')}",
        "it has no queue service (kind BlockBlobStorage)",
    ),
    "a storage account of somebody else": found(
        lambda place: f"--storage-account {place.storage()} --resource-group {unique('other')}",
        "is already taken.",
        "one that you have in another resource group by its ID",
    ),
    "no name for storage": found(
        lambda place: "--storage-account My_Storage", "My_Storage is not a valid storage account name"
    ),
    # the registry
    "a registry without its admin user": found(
        lambda place: f"--image {place.locked}",
        "its admin user is disabled",
        "az acr update --name registry",
        "--registry-username, and --registry-password or the variable MLFUNC_REGISTRY_PASSWORD",
        "role AcrPull",
    ),
    "the ID of another registry": found(
        lambda place: f"--registry {place.id('ContainerRegistry/registries', place.group.registry())}",
        "its login server is registry",
        "the registry of the image,",
    ),
    "the ID of no registry": found(
        lambda place: f"--registry {place.id('ContainerRegistry/registries', 'gone')}",
        "there is no such registry by the ID /subscriptions/",
        "name its ID with --registry, if it is in another subscription",
    ),
    "a registry outside of Azure": found(
        lambda place: "--image mcr.microsoft.com/azure-functions/python:4-python3.13 --trigger http",
        "registry 'mcr.microsoft.com': there is no such registry in Azure",
        "give its credentials: --registry-username",
    ),
    "a user name alone": Case(
        lambda place: "--registry-username me",
        "RequiredArgumentMissingError",
        ("--registry-password, or the variable MLFUNC_REGISTRY_PASSWORD is missing",),
    ),
    "a password alone": Case(
        lambda place: f"--registry-password {SECRET}",
        "RequiredArgumentMissingError",
        ("--registry-username is missing",),
    ),
    "wrong credentials": Case(
        lambda place: f"--registry-username me --registry-password {SECRET}",
        "UnauthorizedError",
        ("refused the credentials that were given",),
    ),
    # Service Bus
    "a namespace without shared access keys": found(
        queue(lambda place: f"--service-bus-namespace {place.namespace(disableLocalAuth=True)}"),
        "its shared access keys are switched off (disableLocalAuth: true)",
        "--service-bus-namespace, or switch them on: az servicebus namespace update",
    ),
    "a queue with sessions": found(
        queue(lambda place: f"--service-bus-namespace {place.sessions()}"),
        "queue 'inqueue' of Service Bus namespace",
        "it requires sessions",
    ),
    "a namespace of somebody else": found(
        queue(lambda place: f"--service-bus-namespace {place.namespace()} --resource-group {unique('other')}"),
        "is in use",
        "one that you have in another resource group by its ID",
    ),
    # the rest
    "a setting that is none": invalid(
        f"--settings A=1 'B= {SECRET}' {SECRET}", "--settings: its word 3, after B=… is no NAME=VALUE."
    ),
    "a setting without a name": invalid(f"--settings ={SECRET}", "--settings: its word 1 is no NAME=VALUE."),
    "no time at all": invalid("--timeout 0", "--timeout 0: expected seconds, 1 or more"),
    "an empty value": invalid("--plan ''", "--plan: empty."),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_is_refused_before_anything_is_written(azure: LocalAzure, place: Place, case: Case):
    app = App(azure, place.group.name, unique("app"))
    options = f"--location {LOCATION} {case.options(place)}"
    if "there is no such resource group" in case.says:
        options = options.removeprefix(f"--location {LOCATION} ")
    with azure.unwritten(app):
        answer = app.deploy(place.image, f"{options} --debug")
    error = answer.stderr.partition("\nERROR: ")[2]
    assert (kind_of(answer), answer.code) == (case.kind, EXIT_CODES.get(case.kind, 1))
    assert [words for words in case.says if words not in error] == [], error
    assert SECRET not in error and answer.stdout == ""


def kind_of(answer: Answer) -> str:
    """The class of the error that az was ended by, which its log of debugging names."""
    return re.findall(r"^azure\.cli\.core\.azclierror\.(\w+)", answer.stderr, re.MULTILINE)[-1]


def test_all_that_is_wrong_is_said_at_once(azure: LocalAzure, place: Place):
    app = App(azure, place.group.name, unique("app"))
    wrong = f"--plan {place.plan(linux=False)} --sku F1 --storage-account {place.storage(allowSharedKeyAccess=False)}"
    with azure.unwritten(app):
        answer = app.deploy(place.image, f"{wrong} --dry-run")
    assert answer.code == 1 and "3 problems were found; nothing was written." in answer.stderr


# -- an app that is there is not moved to other services unasked


def test_an_app_keeps_its_services_until_others_are_named(azure: LocalAzure, place: Place):
    app, image = App(azure, place.group.name, unique("app")), azure.package("blob")
    storage, trigger = place.storage(), place.storage()
    app.deployed(image, f"--storage-account {storage} --trigger-storage-account {trigger} --disable-app-insights")
    with azure.unwritten(app):
        refused = app.deploy(image)
    assert refused.code == 1
    for setting, account, option in (
        ("AzureWebJobsStorage", storage, "--storage-account"),
        ("TriggerConnectionString", trigger, "--trigger-storage-account"),
    ):
        assert f"its setting {setting} leads to the storage account '{account}'" in refused.stderr
        assert f"name the one that it is to have with {option}, for example {option} {account}" in refused.stderr
    other = place.storage()
    moved = app.deploy(image, f"--storage-account {storage} --trigger-storage-account {other}").result
    assert f"AccountName={other};" in app.settings()["TriggerConnectionString"]
    assert moved["steps"][-1]["outcome"] == "updated"


# -- an app that does not come up


BROKEN = SCORE.replace("global factor\n", "global factor\n    raise LookupError('the model is not there')\n")
TIMEOUT = 20
ELSEWHERE = (
    "DefaultEndpointsProtocol=https;EndpointSuffix=core.windows.net;AccountName=nosuchaccount;AccountKey=c2VjcmV0"
)


NOT_LOADED: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "init over HTTP": ("http", BROKEN, "", ("init() of ", "LookupError: the model is not there")),
    "init of an event": (
        "blob",
        BROKEN,
        "",
        ("Worker failed to load function: 'score'", "LookupError: the model is not"),
    ),
    "another language": (
        "http",
        SCORE,
        "--settings FUNCTIONS_WORKER_RUNTIME=node",
        ("Did not find functions with language [node].",),
    ),
    "storage that is not there": (
        "blob",
        SCORE,
        f"--settings 'TriggerConnectionString={ELSEWHERE}'",
        ("The listener for function 'Functions.score' was unable to start.",),
    ),
    "another port": ("http", SCORE, "--settings WEBSITES_PORT=81", ("its host is not up",)),
}
"""Trigger, entry script and options of a deploy whose function is not loaded, and the reason that is named."""


@pytest.fixture(scope="module")
def waited(azure: LocalAzure, place: Place) -> dict[str, tuple[App, Answer]]:
    """What all of them came to, waited for at once."""
    options = f"--plan {place.shared_plan} --disable-app-insights --timeout {TIMEOUT} --debug"
    images = {case: azure.package(trigger, score=score) for case, (trigger, score, _, _) in NOT_LOADED.items()}

    def deploy(case: str) -> tuple[App, Answer]:
        app = App(azure, place.group.name, unique("app"))
        return app, app.deploy(images[case], f"{options} {NOT_LOADED[case][2]}")

    with ThreadPoolExecutor() as pool:
        return dict(zip(NOT_LOADED, pool.map(deploy, NOT_LOADED), strict=True))


@pytest.mark.parametrize("case", NOT_LOADED)
def test_why_a_function_is_not_loaded_is_said(waited: dict[str, tuple[App, Answer]], case: str):
    app, answer = waited[case]
    assert (kind_of(answer), answer.code) == ("DeploymentError", 1)
    said = answer.stderr.partition("\nERROR: ")[2]
    reason, _, log = said.partition("\nThe last lines of the container's log:\n")
    what = f"The function app '{app.name}' is written, and its function is not loaded (it was waited for {TIMEOUT} s): "
    assert what in reason
    assert [words for words in NOT_LOADED[case][3] if words not in reason] == [], reason
    assert re.search(r"^  .*\d{4}-\d\d-\d\dT\d\d:\d\d", log, re.MULTILINE), log
    assert f"az webapp log tail --name {app.name} --resource-group {app.group}" in log
    assert "c2VjcmV0" not in said


def test_an_app_that_is_mended_goes_on(azure: LocalAzure, place: Place):
    app = App(azure, place.group.name, unique("app"))
    named = f"--plan {place.shared_plan} --disable-app-insights"
    assert app.deploy(azure.package("http", score=BROKEN), f"{named} --timeout 1").code == 1
    result = app.deploy(azure.package("http"), named).result
    assert [step["outcome"] for step in result["steps"]][-2:] == ["updated", "updated"]
    assert app.send("http", result) == prediction()
