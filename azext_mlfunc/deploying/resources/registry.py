"""The registry of the image: found, never written; the app gets its credentials.

Source: azure-cli's recorded traffic, test_acr_create_function_app.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resource import Change, Known, Resource, State, asked, name_of, variable
from azext_mlfunc.deploying.settings import Setting
from azext_mlfunc.findings import Finding
from azext_mlfunc.registry.credentials import Secret

_API = "2023-07-01"
_USER, _PASSWORD = "username", "password"
PASSWORD_VARIABLE = "MLFUNC_REGISTRY_PASSWORD"
"""Where the password of a registry may be, so that it is in no command line and no history."""


class Registry(Resource):
    """Where the image is pulled from.

    :param host: the login server, as the image names it.
    :param registry_id: its ID, if the user gave it; else it is looked for in the subscription.
    :param login: user name and password, if the user gave them: then nothing is looked for.
    :param is_azure: whether the host is one of Azure Container Registry.
    """

    key = "registry"

    def __init__(self, host: str, registry_id: str | None, login: tuple[str, Secret] | None, is_azure: bool) -> None:
        self.host = host
        self.title = f"registry '{host}'"
        self._id = registry_id
        self._login = login
        self._is_azure = is_azure

    def read(self, arm: Arm) -> State | None:
        if self._login is not None:
            return State({}, {_USER: self._login[0], _PASSWORD: self._login[1].reveal()})
        document = self._find(arm)
        if document is None:
            return None
        if not (document.get("properties") or {}).get("adminUserEnabled"):
            return State(document)
        credentials = arm.post(f"{document['id']}/listCredentials", _API)
        return State(document, {_USER: credentials["username"], _PASSWORD: credentials["passwords"][0]["value"]})

    def _find(self, arm: Arm) -> dict[str, Any] | None:
        if self._id is not None:
            return arm.get(self._id, _API)
        if not self._is_azure:
            return None
        path = f"/subscriptions/{arm.subscription}/providers/Microsoft.ContainerRegistry/registries"
        registries = arm.list(path, _API)
        hosts = {str(each["properties"]["loginServer"]).lower(): each for each in registries}
        return hosts.get(self.host.lower())

    def check(self, state: State | None, known: Known, arm: Arm) -> Iterator[Finding]:
        own = f"give its credentials: --registry-username, and --registry-password or the variable {PASSWORD_VARIABLE}"
        server = str(state.properties.get("loginServer") or self.host) if state else self.host
        if state is None:
            where = f"by the ID {self._id}" if self._id else "in the subscription" if self._is_azure else "in Azure"
            yield Finding(
                self.title,
                f"there is no such registry {where}",
                "a registry that the app can pull its image from",
                f"name its ID with --registry, if it is in another subscription; or {own}" if self._is_azure else own,
            )
        elif server.lower() != self.host.lower():
            yield Finding(
                f"--registry {name_of(str(self._id))}",
                f"its login server is {server}",
                f"the registry of the image, {self.host}",
                "name the ID of that registry, or leave --registry out: it is looked for in the subscription",
            )
        elif not state.secrets:
            name = state.document.get("name")
            yield Finding(
                self.title,
                "its admin user is disabled, so that there are no credentials that the app could pull with",
                "an enabled admin user, or credentials of your own",
                f"enable it: az acr update --name {name} --admin-enabled true; or {own} (of a token or a service "
                "principal with the role AcrPull)",
            )

    def changes(self, state: State | None, known: Known) -> list[Change]:
        return []

    def write(self, arm: Arm, state: State | None, known: Known) -> None:
        raise AssertionError("a registry is never written")

    def settings(self, known: Known) -> dict[str, Setting]:
        """The app settings with which App Service pulls the image."""
        state = known[self.key]
        secrets = state.secrets if state else {}
        return {
            "DOCKER_REGISTRY_SERVER_URL": Setting(f"https://{self.host}"),
            "DOCKER_REGISTRY_SERVER_USERNAME": Setting(secrets.get(_USER, "")),
            "DOCKER_REGISTRY_SERVER_PASSWORD": Setting(secrets.get(_PASSWORD, ""), self._password()),
        }

    def _password(self) -> str:
        """How a shell gets the password."""
        if self._login is not None:
            return variable(PASSWORD_VARIABLE)
        name = name_of(self._id) if self._id else self.host.split(".")[0]
        return asked("acr", "credential", "show", "--name", name, "--query", "passwords[0].value")

    def commands(self, state: State | None, known: Known) -> list[str]:
        return []
