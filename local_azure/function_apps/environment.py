"""What an app finds in its environment, and what its settings tell App Service itself.

Sources: App Service docs, "Environment variables and app settings in Azure App Service", and on Linux names ("Configure
an App Service app": periods become underscores); the ``docker run`` lines of
public logs (2017 to 2024).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from local_azure.function_apps.spec import AppSpec

DEFAULT_PORT = 80
_START_LIMIT, _LONGEST_START_LIMIT = 230.0, 1800.0  # seconds
_NOT_FOR_THE_APP = ("DOCKER_REGISTRY_SERVER_URL", "DOCKER_REGISTRY_SERVER_USERNAME", "DOCKER_REGISTRY_SERVER_PASSWORD")


def container_environment(
    spec: AppSpec, image: Mapping[str, str], platform: Mapping[str, str], secrets: str
) -> dict[str, str]:
    """The environment of an app's container: the image's, overridden by the app settings, and App Service's own.

    Args:
        spec: the app.
        image: the image's ENV.
        platform: variables that this local Azure gives to every app; the app's settings win.
        secrets: the folder of the app's keys, as the container sees it.
    """
    # A shell, which starts most images, would drop a variable with a dot in its name.
    settings = {name.replace(".", "_"): text for name, text in spec.settings.items() if name not in _NOT_FOR_THE_APP}
    return {**image, **platform, **settings, **_of_app_service(spec), "FUNCTIONS_SECRETS_PATH": secrets}


def expected_port(settings: Mapping[str, str]) -> int:
    """The port at which App Service expects a container to listen."""
    return _number(settings.get("WEBSITES_PORT")) or _number(settings.get("PORT")) or DEFAULT_PORT


def listening_port(environment: Mapping[str, str], command: Sequence[str]) -> int:
    """The port at which a Functions host listens in a container with this environment and command.

    Source: Azure/azure-functions-docker, start.sh of the ``-appservice`` images, which has its own idea.
    """
    if command and command[-1].endswith("/start.sh"):
        return _number(environment.get("PORT")) or DEFAULT_PORT
    first = environment.get("ASPNETCORE_URLS", "").split(";")[0]
    return urlsplit(first.replace("+", "host").replace("*", "host")).port or DEFAULT_PORT


def start_limit(settings: Mapping[str, str]) -> float:
    """How long a container may take until it answers, in seconds."""
    limit = _number(settings.get("WEBSITES_CONTAINER_START_TIME_LIMIT"))
    return min(float(limit or _START_LIMIT), _LONGEST_START_LIMIT)


def keeps_storage(settings: Mapping[str, str]) -> bool:
    """Whether /home is the app's storage, which hides what the image has there."""
    return settings.get("WEBSITES_ENABLE_APP_SERVICE_STORAGE", "").lower() in ("true", "1")


def _of_app_service(spec: AppSpec) -> dict[str, str]:
    return {
        "PORT": str(expected_port(spec.settings)),
        "WEBSITE_SITE_NAME": spec.name,
        "WEBSITE_AUTH_ENABLED": "False",
        "WEBSITE_ROLE_INSTANCE_ID": "0",
        "WEBSITE_HOSTNAME": spec.host_name,
        "WEBSITE_INSTANCE_ID": hashlib.sha256(spec.host_name.encode()).hexdigest(),
        "WEBSITE_USE_DIAGNOSTIC_SERVER": "False",
    }


def _number(text: str | None) -> int | None:
    return int(text) if text and text.strip().isdecimal() else None
