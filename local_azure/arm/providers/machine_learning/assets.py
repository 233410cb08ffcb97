"""Assets: models, environments and code, each a container of versions, in a workspace or in a registry."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local_azure.arm.operation import GROUP, Answer, Call, Operation
from local_azure.arm.providers.machine_learning import artifacts
from local_azure.arm.providers.machine_learning.answers import (
    REGISTRY,
    WORKSPACE,
    UserError,
    answered,
    page,
    put,
    system_data,
)
from local_azure.arm.store import Resource

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}")
_VIEWS = ("ActiveOnly", "ArchivedOnly", "All")


@dataclass(frozen=True)
class Kind:
    """A kind of asset.

    Attributes:
        segment: of the path, such as ``models``.
        name: for people.
        defaults: the properties that each version has, in addition to those that all kinds have.
        optional: those that only some have.
        uri: the one that says where its content is.
        fixed: those that no later write can change.
        wire: of the recordings of a version; None: there are none.
    """

    segment: str
    name: str
    defaults: dict[str, Any]
    optional: Sequence[str] = ()
    uri: str | None = None
    fixed: Sequence[str] = ()
    wire: str | None = None
    fields: dict[str, type] = field(default_factory=dict)


KINDS = (
    Kind(
        "models",
        "model",
        {"flavors": {}, "modelType": "custom_model", "modelUri": None, "jobName": None},
        optional=("stage",),
        uri="modelUri",
        wire="ml-model-version-{}.json",
        fields={"properties.modelUri": str, "properties.modelType": str, "properties.flavors": dict},
    ),
    Kind(
        "environments",
        "environment",
        {"environmentType": "UserCreated", "osType": "Linux"},
        optional=("image", "condaFile", "build", "inferenceConfig", "stage"),
        fixed=("image", "condaFile", "build"),
        fields={"properties.image": str, "properties.condaFile": str, "properties.build": dict},
    ),
    Kind("codes", "code", {"codeUri": None}, uri="codeUri", fields={"properties.codeUri": str}),
)
SCOPES = ((WORKSPACE, "workspace"), (REGISTRY, "registry"))
"""Where assets are: the type, and what the path calls its name."""


@dataclass(frozen=True)
class Assets:
    """The operations for a kind of asset in workspaces, or in registries.

    Args:
        kind: of assets.
        scope: type of what they are in.
        parameter: of the path, that names what they are in.
    """

    kind: Kind
    scope: str
    parameter: str

    @property
    def container_type(self) -> str:
        return f"{self.scope}/{self.kind.segment}"

    @property
    def version_type(self) -> str:
        return f"{self.container_type}/versions"

    # -- containers

    async def get_container(self, call: Call) -> Answer:
        """REST API docs, Model Containers - Get, and those of the other kinds."""
        return answered(self._seen(call, self._shown(call, self._container(call))))

    async def list_containers(self, call: Call) -> Answer:
        """REST API docs, Model Containers - List; without ``listViewType`` those that are not archived."""
        found = call.azure.store.select(self.container_type, call.get(self.scope, self.parameter).id)
        found = [each for each in found if _in_view(call, each.properties["isArchived"])]
        return page(call, [self._seen(call, self._shown(call, each)) for each in found])

    async def put_container(self, call: Call) -> Answer:
        """REST API docs, Model Containers - Create Or Update."""
        found = self._find_container(call)
        container = found or self._make_container(call)
        for name in ("description", "tags", "properties", "isArchived"):
            if call.properties.get(name) is not None:
                container.properties[name] = call.properties[name]
        call.azure.store.changed()
        return put(call, self._seen(call, self._shown(call, container)), found is None)

    async def delete_container(self, call: Call) -> Answer:
        """REST API docs, Model Containers - Delete: 200, or 204 when there is none."""
        found = self._find_container(call)
        if found is None:
            return Answer(204)
        await call.azure.remove(found)
        return Answer(200, "")

    def _find_container(self, call: Call) -> Resource | None:
        """Names of assets are case-sensitive, other than those of resources (REST API docs)."""
        call.get(self.scope, self.parameter)
        found = call.find(self.container_type, self.parameter, "name")
        return found if found is not None and found.name == call.parameters["name"] else None

    def _container(self, call: Call) -> Resource:
        found = self._find_container(call)
        if found is None:
            raise self._missing(call, f"{self.kind.name} with name {call.parameters['name']}")
        return found

    def _make_container(self, call: Call) -> Resource:
        name = call.parameters["name"]
        if _NAME.fullmatch(name) is None:
            raise UserError(400, "BadArgument", f"'{name}' is not a name that a {self.kind.name} can have.")
        document = {
            "id": f"{call.get(self.scope, self.parameter).id}/{self.kind.segment}/{name}",
            "name": name,
            "type": self.container_type,
            "properties": {"description": None, "tags": {}, "properties": {}, "isArchived": False},
            "systemData": system_data(),
        }
        return call.azure.store.put(Resource(self.container_type, document))

    def _shown(self, call: Call, container: Resource) -> dict[str, Any]:
        """A container with its latest version, the last that was made, and the number that the next one would get."""
        document = container.copy()
        made = [each.name for each in call.azure.store.select(self.version_type, container.id)]
        numbers = [int(name) for name in made if name.isdecimal()]
        following = str(max(numbers, default=0) + 1) if numbers or not made else None
        document["properties"] |= {"latestVersion": made[-1] if made else None, "nextVersion": following}
        return document

    def _seen(self, call: Call, document: dict[str, Any]) -> dict[str, Any]:
        """A document as the caller sees it: a registry's own front has IDs of its own.

        General knowledge: azure-ai-ml takes only these, and `az ml model show --registry-name` prints them.
        """
        if not call.api_version.endswith("-dataplanepreview"):
            return document
        inside = document["id"].split("/registries/", 1)[1]
        return {**document, "id": f"azureml://registries/{inside}", "type": self.kind.segment}

    def _missing(self, call: Call, what: str) -> UserError:
        where = f"{self.parameter} {call.parameters[self.parameter]}"
        return UserError(404, "NotFound", f"The {what} was not found in {where}.")

    # -- versions

    async def get_version(self, call: Call) -> Answer:
        """Get a version (ml-model-version-get.json; REST API docs, Environment Versions - Get, Code Versions - Get)."""
        return answered(self._seen(call, self._version(call).document))

    async def list_versions(self, call: Call) -> Answer:
        """REST API docs, Model Versions - List: ``$orderBy``, ``$top``, ``$skip``, ``version``, ``listViewType``.

        Without ``$orderBy`` the newest comes first, as with ``createdtime desc``, by which azure-ai-ml asks for the
        latest; without ``listViewType`` those come that are not archived. Both are general knowledge, and so is that
        the list of a model that is not there is empty: azure-ai-ml could not register the first version otherwise.
        """
        container = self._find_container(call)
        if container is None:
            return page(call, [])
        found = call.azure.store.select(self.version_type, container.id)
        if not re.fullmatch(r"createdtime\s+asc", call.query.get("$orderBy", "").lower()):
            found.reverse()
        archived = container.properties["isArchived"]
        found = [each for each in found if _in_view(call, archived or each.properties["isArchived"])]
        if call.query.get("version"):
            found = [each for each in found if each.name == call.query["version"]]
        return page(call, [self._seen(call, each.document) for each in found])

    async def put_version(self, call: Call) -> Answer:
        """Register a version (ml-model-version-put.json; REST API docs, Environment Versions - Create Or Update).

        What is fixed once it is registered is general knowledge: azure-ai-ml knows the answers.
        """
        found = self._find_version(call)
        asked = {**self._common(call), **self._own(call)}
        if found is not None:
            self._change(call, found, asked)
            call.azure.store.changed()
            return answered(self._seen(call, found.document))
        version = call.parameters["version"]
        if _NAME.fullmatch(version) is None:
            raise UserError(400, "BadArgument", f"'{version}' is not a version that a {self.kind.name} can have.")
        if self.kind.uri and not asked[self.kind.uri]:
            raise UserError(400, "BadArgument", f"{self.kind.uri} is required.")
        container = self._find_container(call) or self._make_container(call)
        sent = asked[self.kind.uri] if self.kind.uri else None
        if self.kind.uri:
            asked[self.kind.uri] = await artifacts.settled(call, asked[self.kind.uri])
        if asked.get("modelType") == "mlflow_model":
            asked["flavors"] = {**await artifacts.flavors(call, asked["modelUri"]), **asked["flavors"]}
        document = {
            "id": f"{container.id}/versions/{version}",
            "name": version,
            "type": self.version_type,
            "properties": asked,
            "systemData": system_data(),
        }
        made = call.azure.store.put(Resource(self.version_type, document, {"sent": sent}))
        return put(call, self._seen(call, made.document), is_new=True)

    async def delete_version(self, call: Call) -> Answer:
        """REST API docs, Model Versions - Delete: 200, or 204 when there is none; its files stay."""
        found = self._find_version(call)
        if found is None:
            return Answer(204)
        await call.azure.remove(found)
        return Answer(200, "")

    def _find_version(self, call: Call) -> Resource | None:
        if self._find_container(call) is None:
            return None
        return call.find(self.version_type, self.parameter, "name", "version")

    def _version(self, call: Call) -> Resource:
        found = self._find_version(call)
        if found is None:
            what = f"{self.kind.name} with name {call.parameters['name']} and version {call.parameters['version']}"
            raise self._missing(call, what)
        return found

    def _common(self, call: Call) -> dict[str, Any]:
        asked = call.properties
        return {
            "description": asked.get("description"),
            "tags": asked.get("tags") or {},
            "properties": asked.get("properties") or {},
            "isArchived": bool(asked.get("isArchived")),
            "isAnonymous": bool(asked.get("isAnonymous")),
        }

    def _own(self, call: Call) -> dict[str, Any]:
        asked = {name: value for name, value in call.properties.items() if value is not None}
        return {
            **{name: asked.get(name, default) for name, default in self.kind.defaults.items()},
            **{name: asked[name] for name in self.kind.optional if name in asked},
        }

    def _change(self, call: Call, found: Resource, asked: dict[str, Any]) -> None:
        """Update a version.

        Raises:
            ApiError: what cannot be changed would be another one.
        """
        if self.kind.uri:
            if asked[self.kind.uri] not in (None, found.properties[self.kind.uri], found.hidden["sent"]):
                raise UserError(400, "BadArgument", "Asset paths cannot be updated.")
            asked[self.kind.uri] = found.properties[self.kind.uri]
        if any(asked.get(name) != found.properties.get(name) for name in self.kind.fixed):
            text = f"The {self.kind.name} {call.parameters['name']} with version {found.name} is already registered."
            raise UserError(409, "Conflict", f"{text} Its content cannot be changed.")
        asked["isAnonymous"] = found.properties["isAnonymous"]
        if "flavors" in asked:
            asked["flavors"] = {**found.properties["flavors"], **asked["flavors"]}
        found.properties.update(asked)

    # -- all of them

    def operations(self) -> tuple[Operation, ...]:
        """What Resource Manager is asked for assets of this kind."""
        containers = f"{GROUP}/providers/{self.scope}/{{{self.parameter}}}/{self.kind.segment}"
        container, version = f"{containers}/{{name}}", f"{containers}/{{name}}/versions/{{version}}"
        fields = {"properties.tags": dict, "properties.tags.*": str, "properties.isArchived": bool,
                  "properties.isAnonymous": bool, **self.kind.fields}  # fmt: skip
        wire = self.kind.wire.format if self.kind.wire and self.scope == WORKSPACE else lambda _: None
        return (
            Operation("GET", containers, self.list_containers),
            Operation("GET", container, self.get_container),
            Operation("PUT", container, self.put_container, fields=fields),
            Operation("DELETE", container, self.delete_container),
            Operation("GET", f"{container}/versions", self.list_versions),
            Operation("GET", version, self.get_version, wire("get")),
            Operation("PUT", version, self.put_version, wire("put"), fields),
            Operation("DELETE", version, self.delete_version),
        )


def _in_view(call: Call, archived: bool) -> bool:
    """Whether ``listViewType`` asks for what is archived, or is not."""
    asked = call.query.get("listViewType", _VIEWS[0])
    view = next((each for each in _VIEWS if each.lower() == asked.lower()), None)
    if view is None:
        raise UserError(400, "BadArgument", f"listViewType '{asked}' is not one of {', '.join(_VIEWS)}.")
    return view == "All" or archived == (view == "ArchivedOnly")


OPERATIONS = tuple(
    operation
    for kind in KINDS
    for scope, parameter in SCOPES
    for operation in Assets(kind, scope, parameter).operations()
)
