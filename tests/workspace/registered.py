"""A Resource Manager with workspaces in it, in memory, with the contract of the recorded operations."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import HttpResponseError

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/ml"
PROVIDER = "providers/Microsoft.MachineLearningServices"
WORKSPACE = f"{GROUP}/{PROVIDER}/workspaces/lab"
REGISTRY = f"{GROUP}/{PROVIDER}/registries/shared"


class MemoryArm:
    """An `Arm` whose documents are in memory; paths are compared without case, as Azure does.

    :param subscription: see `Arm`.
    """

    def __init__(self, subscription: str = SUBSCRIPTION) -> None:
        self.subscription = subscription
        self.asked: list[tuple[str, str]] = []
        self._documents: dict[str, dict[str, Any]] = {}
        self._actions: dict[str, Callable[[Any], Any]] = {}
        self._refused: set[str] = set()

    # What tests put in.

    def add(self, path: str, properties: dict[str, Any], created: str = "2026-01-01T00:00:00.0000000+00:00") -> None:
        """Put a resource at its ID, and the containers of a version around it."""
        name, kind = path.rpartition("/")[2], "/".join(path.split("/providers/")[-1].split("/")[1::2])
        self._documents[path.lower()] = {
            "id": path,
            "name": name,
            "type": f"Microsoft.MachineLearningServices/{kind}",
            "properties": properties,
            "systemData": {"createdAt": created},
        }

    def on(self, path: str, answer: Callable[[Any], Any]) -> None:
        """Answer an action: gets the body, gives the document."""
        self._actions[path.lower()] = answer

    def refuse(self, path: str) -> None:
        """Answer 403 there."""
        self._refused.add(path.lower())

    # The contract of `Arm`.

    def get(self, path: str, api_version: str) -> dict[str, Any] | None:
        path, query = self._take("GET", path)
        if path.endswith("/versions"):
            found = self._below(path)
            return None if found is None else {"value": _sorted(found, query)}
        return self._documents.get(path)

    def list(self, path: str, api_version: str) -> list[dict[str, Any]]:
        path, query = self._take("GET", path)
        found = self._below(path)
        if found is None:
            raise refusal(404, "UserError")
        return _sorted(found, query)

    def post(self, path: str, api_version: str, body: Any = None) -> Any:
        path, _ = self._take("POST", path)
        if path not in self._actions:
            raise refusal(404, "NotFound")
        return self._actions[path](body)

    def _take(self, method: str, path: str) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(path)
        self.asked.append((method, parts.path))
        if parts.path.lower() in self._refused:
            raise refusal(403, "AuthorizationFailed")
        return parts.path.lower(), parse_qs(parts.query)

    def _below(self, path: str) -> list[dict[str, Any]] | None:
        """What a list holds; None where its parent is missing."""
        if path.endswith("/versions"):
            found = [each for key, each in self._documents.items() if key.rpartition("/")[0] == path]
            return found or None
        if path.endswith(("/models", "/environments")):
            names = sorted(
                {key[len(path) + 1 :].split("/")[0] for key in self._documents if key.startswith(f"{path}/")}
            )
            return [{"id": f"{path}/{name}", "name": name, "properties": {}} for name in names]
        kind = path.rpartition("/")[2]
        return [each for key, each in self._documents.items() if key.split("/")[-2] == kind]


def _sorted(found: list[dict[str, Any]], query: dict[str, list[str]]) -> list[dict[str, Any]]:
    if query.get("listViewType", ["ActiveOnly"]) == ["ActiveOnly"]:
        found = [each for each in found if not each["properties"].get("isArchived")]
    if query.get("$orderBy") == ["createdtime desc"]:
        found = sorted(found, key=lambda each: each["systemData"]["createdAt"], reverse=True)
    return found[: int(query.get("$top", ["1000"])[0])]


def refusal(status: int, code: str) -> HttpResponseError:
    """What azure-core raises for an answer of Resource Manager."""
    return HttpResponseError(f"({code})", response=SimpleNamespace(status_code=status, reason=code, text=lambda: ""))


def add_workspace(arm: MemoryArm, path: str = WORKSPACE, registry: str | None = None) -> None:
    """A workspace with its usual datastore."""
    arm.add(path, {"storageAccount": f"{GROUP}/providers/Microsoft.Storage/storageAccounts/labstore",
                   "containerRegistry": registry})  # fmt: skip
    add_datastore(arm, "workspaceblobstore", workspace=path)


def add_datastore(
    arm: MemoryArm,
    name: str,
    credentials: str = "AccountKey",
    secret: dict[str, Any] | None = None,
    workspace: str = WORKSPACE,
    **properties: Any,
) -> None:
    """A datastore as it was recorded, and what its secret is."""
    arm.add(
        f"{workspace}/datastores/{name}",
        {
            "credentials": {"credentialsType": credentials},
            "datastoreType": "AzureBlob",
            "accountName": "labstore",
            "containerName": "models",
            "endpoint": "core.windows.net",
            "protocol": "https",
        }
        | properties,
    )
    answer = {"secretsType": "AccountKey", "key": "a2V5"} if secret is None else secret
    arm.on(f"{workspace}/datastores/{name}/listSecrets", lambda body: answer)


def add_model(arm: MemoryArm, name: str, version: str, parent: str = WORKSPACE, **more: Any) -> None:
    """A model's version as it was recorded."""
    created = more.pop("created", "2026-01-01T00:00:00.0000000+00:00")
    uri = f"azureml:/{parent.replace(f'/{PROVIDER}', '')}/datastores/workspaceblobstore/paths/LocalUpload/1/{name}"
    properties = {"isArchived": False, "isAnonymous": False, "flavors": {}, "modelType": "custom_model",
                  "modelUri": uri, "jobName": None}  # fmt: skip
    arm.add(f"{parent}/models/{name}/versions/{version}", properties | more, created)
