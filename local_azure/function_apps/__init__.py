"""App Service, as far as it runs function apps from images: what ARM is told becomes an app that answers.

:class:`FunctionApps` has an :class:`~.app.App` for each site: when it runs (:mod:`.app`) and what happens then, from
pull to unload (:mod:`.life`); what it finds in its environment (:mod:`.environment`), what the platform logs of it
(:mod:`.platform_log`), and the front end before it (:mod:`.front_end`). Where an app runs is a
:class:`~.compute.Compute`: a container (:mod:`.container`), or a process (:mod:`.process`) on what :mod:`.layers` takes
out of the image.

The platform says nothing of all this in ARM. Sources are named where they are used; "public log" is the platform log of
a real app that its owner published.
"""

from local_azure.function_apps.apps import FunctionApps
from local_azure.function_apps.choice import choose_compute
from local_azure.function_apps.compute import Compute, ComputeUnavailable
from local_azure.function_apps.image import ImageSource, Layer, PulledImage, PullFailed
from local_azure.function_apps.running_host import HostAnswer, HostUnavailable, RunningHost
from local_azure.function_apps.spec import AppSpec, AppStatus, Limits, Phase

__all__ = [
    "AppSpec",
    "AppStatus",
    "Compute",
    "ComputeUnavailable",
    "FunctionApps",
    "HostAnswer",
    "HostUnavailable",
    "ImageSource",
    "Layer",
    "Limits",
    "Phase",
    "PullFailed",
    "PulledImage",
    "RunningHost",
    "choose_compute",
]
