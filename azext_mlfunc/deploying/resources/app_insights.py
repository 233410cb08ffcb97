"""Application Insights: a component, and the Log Analytics workspace that it writes to.

`az functionapp create` takes a default workspace of the subscription for all apps, and makes it in a group of its own
when there is none. Here it is in the app's group, so that it goes when the group goes.
Source: azure-cli's recorded traffic, test_acr_create_function_app (component); REST API docs, Workspaces.
"""

from __future__ import annotations

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Known, Resource, State, location_of_group

_API = "2020-02-02"
_WORKSPACE_API = "2022-10-01"


class Workspace(Resource):
    """A Log Analytics workspace; one that is there is used as it is.

    :param workspace_id: its ID.
    :param location: of a new one; None: that of the group.
    :param tags: of a new one.
    """

    key = "workspace"
    needs = ("group",)

    def __init__(self, workspace_id: str, location: str | None, tags: dict[str, str]) -> None:
        self.id = workspace_id
        self._name = workspace_id.rsplit("/", 1)[-1]
        self.title = f"Log Analytics workspace '{self._name}'"
        self._location = location
        self._tags = tags

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _WORKSPACE_API)
        return None if document is None else State(document)

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [] if state else [Change("location", None, self._location or location_of_group(known))]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        body = {
            "location": self._location or location_of_group(known),
            "tags": self._tags,
            "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30},
        }
        arm.put(self.id, _WORKSPACE_API, body)

    def command(self) -> str:
        group = self.id.split("/")[4]
        return f"az monitor log-analytics workspace create --resource-group {group} --workspace-name {self._name}"


class Component(Resource):
    """A component; one that is there is used as it is.

    :param component_id: its ID.
    :param workspace: what it writes to.
    :param location: of a new one; None: that of the group.
    :param tags: of a new one.
    """

    key = "insights"

    def __init__(self, component_id: str, workspace: Workspace, location: str | None, tags: dict[str, str]) -> None:
        self.id = component_id
        self._name = component_id.rsplit("/", 1)[-1]
        self.title = f"Application Insights '{self._name}'"
        self.needs = (workspace.key,)
        self._workspace = workspace
        self._location = location
        self._tags = tags

    def read(self, arm: Arm) -> State | None:
        document = arm.get(self.id, _API)
        return None if document is None else State(document)

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return [] if state else [Change("workspace", None, self._workspace.title)]

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        body = {
            "location": self._location or location_of_group(known),
            "kind": "web",
            "tags": self._tags,
            "properties": {"Application_Type": "web", "WorkspaceResourceId": self._workspace.id},
        }
        arm.put(self.id, _API, body)

    def connection_string(self, known: Known) -> str | None:
        """None while there is no component."""
        state = known[self.key]
        return None if state is None else str(state.properties["ConnectionString"])

    def command(self) -> str:
        group = self.id.split("/")[4]
        return f"az monitor app-insights component create --resource-group {group} --app {self._name} --kind web"
