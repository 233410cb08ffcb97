"""What App Service knows of an app, and what it says of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class AppSpec:
    """Everything that App Service knows of one app; a change of it restarts the app.

    Attributes:
        name: of the site.
        host_name: where clients reach it, ``{name}.azurewebsites.net``.
        image: of linuxFxVersion ``DOCKER|…``; None: the app has no container.
        settings: the app settings in clear; they do not show in the ``repr``.
        enabled: False: it is stopped.
        always_on: siteConfig.alwaysOn.
        dedicated: its plan is Basic, Standard or Premium, not Elastic Premium.
        identity_may_pull: it pulls with its managed identity, which has a role for that.
    """

    name: str
    host_name: str
    image: str | None
    settings: Mapping[str, str] = field(repr=False)
    enabled: bool = True
    always_on: bool = False
    dedicated: bool = False
    identity_may_pull: bool = False

    @property
    def sleeps(self) -> bool:
        """Whether it is loaded by a request only, and unloaded without them.

        Source: Azure Functions docs, "Dedicated hosting plans", Always On. Elastic Premium keeps an instance ready.
        """
        return self.dedicated and not self.always_on


class Phase(enum.Enum):
    """Where an app is in its life."""

    NO_IMAGE = "no-image"
    STOPPED = "stopped"
    ASLEEP = "asleep"
    PULLING = "pulling"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"


COMING = (Phase.PULLING, Phase.STARTING)


@dataclass(frozen=True)
class AppStatus:
    """How an app is.

    Attributes:
        phase: RUNNING means that its container answers; its functions may still be loading, or in error.
        reason: why it failed.
        digest: of the image that runs, or ran last.
    """

    phase: Phase
    reason: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Limits:
    """App Service's own times, in seconds.

    Attributes:
        idle: an app without Always On is unloaded after this time without a request. Source: App Service docs,
            "Configure an App Service app", Always On.
        front_end: a request is given up after this time without an answer. Source: Azure Functions docs,
            "functions-scale", 230 seconds.
        host_call: how long a call of ARM to the app's host waits for an app that is being started. A recorded one took
            13 s right after the app's creation (azure-cli, test_functionapp_keys_list).
        retry: between two attempts to start an app that does not come up; in a public log of 2022 they are 145 s apart.
        retry_when_asked: the same, when a request comes meanwhile (general knowledge).
    """

    idle: float = 20 * 60.0
    front_end: float = 230.0
    host_call: float = 25.0
    retry: float = 145.0
    retry_when_asked: float = 10.0
