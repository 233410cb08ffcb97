"""``az ml-func deploy``: from an image to a function app that answers, in the local Azure or in a real one.

What these tests ask of Azure they ask with az, so that ``make test-live`` runs the very same ones in a subscription.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from helpers import Answer

from .azures import LIVE, OTHER_FACTOR, TRIGGERS, App, Azure, LiveAzure, LocalAzure, Packaged, prediction
from .cloud import unique


@pytest.fixture(scope="module")
def azure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    """The local Azure, or with ``MLFUNC_LIVE=1`` a real one."""
    scratch = tmp_path_factory.mktemp("deploy")
    made: Azure = LiveAzure(scratch) if LIVE else LocalAzure(request.getfixturevalue("cloud"), scratch)
    yield made
    for group in made.groups:
        made.remove(group)


@pytest.fixture
def app(azure: Azure) -> Iterator[App]:
    """An app and a resource group that are not there yet."""
    made = azure.app()
    yield made
    azure.remove(made.group)


@dataclass(frozen=True)
class Deployed:
    """An app that was deployed from nothing, and what the command said."""

    app: App
    trigger: str
    image: Packaged
    answer: Answer

    @property
    def result(self) -> Any:
        return self.answer.result


@pytest.fixture(scope="module", params=TRIGGERS)
def deployed(azure: Azure, request: pytest.FixtureRequest) -> Iterator[Deployed]:
    app, image = azure.app(), azure.package(request.param)
    yield Deployed(app, request.param, image, app.deploy(image, f"--location {azure.location}"))
    azure.remove(app.group)


def outcomes(result: Any) -> dict[str, str]:
    """What became of each step."""
    return {step["name"]: step["outcome"] for step in result["steps"]}


def secrets_of(app: App) -> set[str]:
    """What must not be in any output: the app's settings that are secret, whole and in parts."""
    names = ("AzureWebJobsStorage", "TriggerConnectionString", "MACHINEKEY_DecryptionKey")
    login, settings = "DOCKER_REGISTRY_SERVER_PASSWORD", app.settings()
    values = {settings[name] for name in (*names, login) if name in settings}
    keys = {part.partition("=")[2] for value in values for part in value.split(";") if "Key=" in part}
    return values | keys


# -- from nothing, for each trigger


def test_an_event_comes_back_as_a_prediction(deployed: Deployed):
    assert deployed.app.send(deployed.trigger, deployed.result) == prediction()


def test_the_result_says_what_was_made(deployed: Deployed):
    result, app = deployed.result, deployed.app
    assert list(result) == sorted(
        ["image", "name", "resourceGroup", "scoringUri", "seconds", "state", "steps", "trigger"]
    )
    assert (result["name"], result["resourceGroup"], result["state"]) == (app.name, app.group, "Running")
    assert result["image"] == deployed.image.location and result["trigger"] == deployed.image.trigger
    uri = f"https://{app.show()['properties']['defaultHostName']}/score" if deployed.trigger == "http" else None
    assert result["scoringUri"] == uri
    assert all(sorted(step) == ["name", "needs", "outcome", "seconds"] for step in result["steps"])
    assert {name.split(" '")[0]: outcome for name, outcome in outcomes(result).items()} == {
        "resource group": "created",
        "registry": "unchanged",
        "plan": "created",
        "storage account": "created",
        **{
            "http": {},
            "blob": {"container": "created"},
            "service-bus-queue": dict.fromkeys(("Service Bus namespace", "queue", "access rule"), "created"),
        }[deployed.trigger],
        "Log Analytics workspace": "created",
        "Application Insights": "created",
        "function app": "created",
        "function loaded": "created",
    }


def test_everything_that_is_made_carries_the_name_of_its_app(deployed: Deployed):
    tag, found = {"ml-func-app": deployed.app.name}, deployed.app.resources()
    kinds = ["components", "serverFarms", "sites", "storageAccounts", "workspaces"]
    of_trigger = {"http": [], "blob": ["storageAccounts"], "service-bus-queue": ["namespaces"]}[deployed.trigger]
    assert sorted(each["type"].split("/")[-1].lower() for each in found) == sorted(
        kind.lower() for kind in kinds + of_trigger
    )
    assert [each["tags"] for each in found] == [tag] * len(found)
    assert deployed.app.azure.run(f"group show --name {deployed.app.group}")["tags"] == tag


def test_what_the_documented_steps_leave_to_the_user_is_done(deployed: Deployed):
    site, config, settings = deployed.app.show(), deployed.app.config(), deployed.app.settings()
    assert site["properties"]["httpsOnly"] is True
    wanted = {"alwaysOn": True, "minTlsVersion": "1.2", "ftpsState": "Disabled", "httpLoggingEnabled": True}
    assert {name: config[name] for name in wanted} == wanted
    assert config["linuxFxVersion"] == f"DOCKER|{deployed.image.location}"
    wanted = {
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "WEBSITES_ENABLE_APP_SERVICE_STORAGE": "false",
        "WEBSITES_CONTAINER_START_TIME_LIMIT": "1800",
    }
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["APPLICATIONINSIGHTS_CONNECTION_STRING"].startswith("InstrumentationKey=")
    accounts = deployed.app.azure.run(f"storage account list --resource-group {deployed.app.group}")
    assert [(each["allowBlobPublicAccess"], each["minimumTlsVersion"]) for each in accounts] == [
        (False, "TLS1_2")
    ] * len(accounts)


def test_progress_is_on_stderr_and_names_what_is_made(deployed: Deployed):
    lines = [line.removeprefix("WARNING: ") for line in deployed.answer.stderr.splitlines()]
    made = [name for name, outcome in outcomes(deployed.result).items() if outcome == "created"]
    for name in made[:-1]:
        begun, ended = (
            lines.index(f"Creating {name}"),
            next(i for i, x in enumerate(lines) if x.startswith(f"Created {name} (")),
        )
        assert begun < ended
    assert any(line.startswith("The function is loaded (") for line in lines)


def test_no_secret_is_told(deployed: Deployed):
    app = deployed.app
    debug = app.deploy(deployed.image, "--debug")
    planned = app.deploy(deployed.image, "--dry-run --settings SECRET=do-not-tell")
    said = (
        deployed.answer.stdout + deployed.answer.stderr + debug.stdout + debug.stderr + planned.stdout + planned.stderr
    )
    secrets = secrets_of(app)
    assert len(secrets) >= 4
    assert [each for each in secrets if each in said] == []
    assert "do-not-tell" not in planned.stdout + planned.stderr


def test_the_curl_line_that_it_prints_scores(deployed: Deployed):
    printed = [line for line in deployed.answer.stderr.splitlines() if "Score with: " in line]
    if deployed.trigger != "http":
        assert printed == []
        return
    [line] = printed
    assert json.loads(deployed.app.azure.shell(line.partition("Score with: ")[2]).stdout) == prediction()


# -- again


def test_the_same_command_again_changes_nothing_and_says_so(deployed: Deployed, azure: Azure):
    with azure.unwritten(deployed.app):
        again = deployed.app.deploy(deployed.image, f"--location {azure.location}")
    assert set(outcomes(again.result).values()) == {"unchanged"}
    assert outcomes(again.result).keys() == outcomes(deployed.result).keys()
    assert "Nothing had to be changed." in again.stderr
    assert again.result["image"] == deployed.image.location


def test_errors_only_means_silence(deployed: Deployed, azure: Azure):
    with azure.unwritten(deployed.app):
        quiet = deployed.app.deploy(deployed.image.location, "--only-show-errors")
    assert (quiet.code, quiet.stderr) == (0, "")


def test_tables_are_short(deployed: Deployed, azure: Azure):
    with azure.unwritten(deployed.app):
        table = deployed.app.deploy(deployed.image, "--output table").stdout.splitlines()
        other = azure.package(deployed.trigger, OTHER_FACTOR)
        planned = deployed.app.deploy(other, "--dry-run --output table").stdout.splitlines()
    steps = deployed.result["steps"]
    assert table[0].split() == ["Step", "Outcome", "Seconds"]
    assert [line.split("  ")[0] for line in table[2:]] == [step["name"] for step in steps]
    assert planned[0].split() == ["Resource", "Action", "Change"]
    now, then = (each.location.partition("@")[2][:19] for each in (deployed.image, other))
    assert [line for line in planned[2:] if "unchanged" not in line] == [
        line for line in planned if now in line and then in line
    ]
    assert max(map(len, planned)) < 220


def test_another_image_updates_just_the_app(deployed: Deployed, azure: Azure):
    other = azure.package(deployed.trigger, OTHER_FACTOR)
    before = deployed.app.settings()
    updated = deployed.app.deploy(other, f"--location {azure.location}")
    changed = {name for name, outcome in outcomes(updated.result).items() if outcome != "unchanged"}
    assert changed == {f"function app '{deployed.app.name}'", "function loaded"}
    assert set(outcomes(updated.result).values()) == {"unchanged", "updated"}
    assert deployed.app.settings() == before | {"DOCKER_CUSTOM_IMAGE_NAME": other.location}
    assert deployed.app.send(deployed.trigger, updated.result) == prediction(OTHER_FACTOR)


# -- options


def test_settings_are_merged(azure: Azure, app: App):
    image = azure.package("http", options="--auth-level anonymous")
    app.deployed(image, "--settings FIRST=1 'SECOND=two words'")
    azure.run(f"functionapp config appsettings set {app.of} --settings OTHERS=kept FIRST=changed")
    azure.run(f"resource tag --tags ours=too --ids {app.id}")
    azure.run(f"functionapp config set {app.of} --number-of-workers 2")
    before = app.settings()
    result = app.deploy(image, "--settings SECOND=2 --settings THIRD=a=b").result
    assert app.settings() == before | {"SECOND": "2", "THIRD": "a=b"}
    assert before["OTHERS"] == "kept" and before["FIRST"] == "changed"
    assert app.show()["tags"] == {"ours": "too"} and app.config()["numberOfWorkers"] == 2
    assert {name for name, outcome in outcomes(result).items() if outcome == "updated"} == {
        f"function app '{app.name}'",
        "function loaded",
    }


def test_what_is_there_is_used_by_name_and_by_id(azure: Azure, app: App):
    elsewhere, plan, storage, trigger = azure.group(), unique("plan"), unique("storage"), unique("trigger")
    azure.run(f"group create --name {app.group} --location {azure.location}")
    azure.run(f"appservice plan create --name {plan} --resource-group {app.group} --sku B1 --is-linux")
    own = azure.run(f"storage account create --name {storage} --resource-group {elsewhere} --sku Standard_LRS")
    azure.run(f"storage account create --name {trigger} --resource-group {app.group} --sku Standard_LRS --tags a=b")
    registry = azure.run(f"acr show --name {azure.registry}")["id"]
    named = f"--plan {plan} --storage-account {own['id']} --trigger-storage-account {trigger} --registry {registry}"
    result = app.deploy(azure.package("blob"), named).result
    made = {name for name, outcome in outcomes(result).items() if outcome == "created"}
    assert made == {
        f"container 'input' of storage account '{trigger}'",
        f"container 'output' of storage account '{trigger}'",
        f"Log Analytics workspace '{app.name}-logs'",
        f"Application Insights '{app.name}'",
        f"function app '{app.name}'",
        "function loaded",
    }
    assert {each["name"]: each["tags"] for each in app.resources() if each["name"] in (plan, trigger)} == {
        plan: None,
        trigger: {"a": "b"},
    }
    settings = app.settings()
    assert f"AccountName={storage};" in settings["AzureWebJobsStorage"]
    assert f"AccountName={trigger};" in settings["TriggerConnectionString"]
    assert app.send("blob", result) == prediction()


def test_a_namespace_and_a_plan_of_another_group(azure: Azure, app: App):
    elsewhere, plan, namespace = azure.group(), unique("plan"), unique("namespace")
    farm = azure.run(f"appservice plan create --name {plan} --resource-group {elsewhere} --sku B1 --is-linux")
    bus = azure.run(f"servicebus namespace create --name {namespace} --resource-group {elsewhere} --sku Standard")
    there = f"--resource-group {elsewhere} --namespace-name {namespace}"
    azure.run(f"servicebus queue create --name inqueue --max-delivery-count 3 {there}")
    result = app.deployed(
        azure.package("service-bus-queue"),
        f"--plan {farm['id']} --service-bus-namespace {bus['id']} --storage-account {unique('storage')}",
    )
    assert outcomes(result)[f"queue 'inqueue' of Service Bus namespace '{namespace}'"] == "unchanged"
    assert outcomes(result)[f"queue 'outqueue' of Service Bus namespace '{namespace}'"] == "created"
    assert azure.run(f"servicebus queue show --name inqueue {there}")["maxDeliveryCount"] == 3
    assert app.show()["properties"]["serverFarmId"].lower() == farm["id"].lower()
    assert app.send("service-bus-queue", result) == prediction()


def test_elastic_premium_without_insights_and_with_a_login_of_ones_own(azure: Azure, app: App):
    azure.run(f"group create --name {app.group} --location northeurope")
    image = azure.package("http")
    own = f"--registry-username {azure.registry}"
    result = app.deploy(
        image, f"--sku ep1 --disable-app-insights {own}", MLFUNC_REGISTRY_PASSWORD=azure.registry_password
    ).result
    # no location was named: it is that of the group
    locations = {each["location"].replace(" ", "").lower() for each in app.resources()}
    assert locations == {"northeurope"}
    assert sorted(each["type"].split("/")[-1].lower() for each in app.resources()) == [
        "serverfarms",
        "sites",
        "storageaccounts",
    ]
    [plan] = azure.run(f"appservice plan list --resource-group {app.group}")
    assert plan["sku"]["name"] == "EP1" and plan["reserved"] is True
    settings = app.settings()
    assert app.config()["alwaysOn"] is False  # there is none on such a plan
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" not in settings
    assert settings["DOCKER_REGISTRY_SERVER_USERNAME"] == azure.registry
    assert settings["WEBSITE_CONTENTAZUREFILECONNECTIONSTRING"] == settings["AzureWebJobsStorage"]
    assert app.send("http", result) == prediction()


# -- the dry run


@pytest.mark.parametrize("trigger", ["blob", "service-bus-queue"])
def test_a_dry_run_writes_nothing_and_its_commands_do_the_same(azure: Azure, app: App, trigger: str):
    image, options = azure.package(trigger), f"--location {azure.location} --settings 'A.B=some words'"
    with azure.unwritten(app):
        planned = app.deploy(image, f"{options} --dry-run").result
    assert azure.run(f"group exists --name {app.group}") is False
    assert {each["action"] for each in planned if not each["resource"].startswith("registry")} == {"create"}
    assert all(sorted(each) == ["action", "changes", "commands", "resource"] for each in planned)
    commands = [command for each in planned for command in each["commands"]]
    done = azure.shell("\n".join(commands), A_B="some words")
    assert done.code == 0, done.stderr
    with azure.unwritten(app):
        result = app.deploy(image, options).result
    assert set(outcomes(result).values()) == {"unchanged"}


def test_the_commands_of_an_update_do_the_same(azure: Azure, app: App):
    app.deployed(azure.package("http"), "--disable-app-insights --settings FIRST=1")
    azure.run(f"functionapp update {app.of} --set httpsOnly=false")
    azure.run(f"functionapp config set {app.of} --always-on false --ftps-state AllAllowed")
    other, options = azure.package("http", OTHER_FACTOR), "--disable-app-insights --settings FIRST=2 --sku B2"
    with azure.unwritten(app):
        planned = app.deploy(other, f"{options} --dry-run").result
    changes = {each["property"]: (each["before"], each["after"]) for step in planned for each in step["changes"]}
    assert {name for step in planned if step["action"] == "update" for name in [step["resource"].split()[0]]} == {
        "plan",
        "function",
    }
    assert changes == {
        "sku": ("B1", "B2"),
        "httpsOnly": (False, True),
        "linuxFxVersion": (f"DOCKER|{azure.package('http').location}", f"DOCKER|{other.location}"),
        "alwaysOn": (False, True),
        "ftpsState": ("AllAllowed", "Disabled"),
        "settings.DOCKER_CUSTOM_IMAGE_NAME": (azure.package("http").location, other.location),
        "settings.FIRST": ("***", "***"),
    }
    done = azure.shell("\n".join(command for step in planned for command in step["commands"]), FIRST="2")
    assert done.code == 0, done.stderr
    with azure.unwritten(app):
        result = app.deploy(other, options).result
    assert set(outcomes(result).values()) == {"unchanged"}
    assert app.send("http", result) == prediction(OTHER_FACTOR)
