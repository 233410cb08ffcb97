"""Application Insights: a component, and the Log Analytics workspace that it writes to.

`az functionapp create` takes a default workspace of the subscription for all apps, and makes it in a group of its own
when there is none. Here it is in the app's group, so that it goes when the group goes.
Source: azure-cli's recorded traffic, test_acr_create_function_app (component); REST API docs, Workspaces.
"""

from __future__ import annotations

import json
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Home, Known, Resource, State, asked, az, group_of, name_of
from azext_mlfunc.deploying.settings import Setting

_API = "2020-02-02"
_WORKSPACE_API = "2022-10-01"
SETTING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
_SETTINGS = (SETTING, "APPINSIGHTS_INSTRUMENTATIONKEY")  # an app has one of them


class Workspace(Resource):
    """A Log Analytics workspace; one that is there is used as it is.

    :param workspace_id: its ID.
    :param home: of a new one.
    """

    key = "workspace"
    needs = ("group",)

    def __init__(self, workspace_id: str, home: Home) -> None:
        self.id = workspace_id
        self._name = name_of(workspace_id)
        self.title = f"Log Analytics workspace '{self._name}'"
        self._home = home

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _WORKSPACE_API)
        return None if document is None else State(document)

    def is_needed(self, known: Known) -> bool:
        return known[self.key] is not None or (known[Component.key] is None and not _has_insights(known))

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [] if state else [Change("location", None, self._home.location(known))]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        body = {
            "location": self._home.location(known),
            "tags": self._home.tags,
            "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30},
        }
        arm.put(self.id, _WORKSPACE_API, body)

    def commands(self, state: State | None, known: Known) -> list[str]:
        named = ("--resource-group", group_of(self.id), "--workspace-name", self._name)
        return [az("monitor", "log-analytics", "workspace", "create", *named, *self._home.options(known))]


class Component(Resource):
    """A component; one that is there is used as it is.

    :param component_id: its ID.
    :param workspace: what it writes to.
    :param home: of a new one.
    """

    key = "insights"

    def __init__(self, component_id: str, workspace: Workspace, home: Home) -> None:
        self.id = component_id
        self.name = name_of(component_id)
        self.title = f"Application Insights '{self.name}'"
        self.needs = (workspace.key,)
        self._workspace = workspace
        self._home = home

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        return None if document is None else State(document)

    def is_needed(self, known: Known) -> bool:
        return known[self.key] is not None or not _has_insights(known)

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [] if state else [Change("workspace", None, self._workspace.title)]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        arm.put(self.id, _API, self._body(known))

    def _body(self, known: Known) -> dict[str, Any]:
        return {
            "location": self._home.location(known),
            "kind": "web",
            "tags": dict(self._home.tags),
            "properties": {"Application_Type": "web", "WorkspaceResourceId": self._workspace.id},
        }

    def setting(self, known: Known) -> Setting:
        """What the app is told of it."""
        state = known[self.key]
        shell = asked("resource", "show", "--ids", self.id, "--query", "properties.ConnectionString")
        return Setting(None if state is None else str(state.properties["ConnectionString"]), shell)

    def commands(self, state: State | None, known: Known) -> list[str]:
        """Not `az monitor app-insights`: that needs an extension."""
        named = ("--id", self.id, "--api-version", _API)
        return [az("resource", "create", *named, "--is-full-object", "--properties", json.dumps(self._body(known)))]


def _has_insights(known: Known) -> bool:
    """Whether there is an app, and it writes to a component already."""
    app = known["app"]
    return app is not None and any(app.secrets.get(name) for name in _SETTINGS)
