"""`az ml-func deploy` as named steps: image, blueprint, plan, apply, readiness."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.deploying.apply import Step, apply_plan
from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.blueprint import Blueprint, Surroundings, draw
from azext_mlfunc.deploying.image import DeployedImage, read_image
from azext_mlfunc.deploying.looking import AskPage, Awaited, scoring_uri
from azext_mlfunc.deploying.plan import Plan, make_plan
from azext_mlfunc.deploying.readiness import curl, wait_until_ready
from azext_mlfunc.deploying.request import DeployRequest
from azext_mlfunc.findings import report
from azext_mlfunc.progress import Progress
from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.reference import parse_reference
from azext_mlfunc.triggers.http import HttpTrigger

READY_STEP = "function loaded"


@dataclass(frozen=True)
class Azure:
    """What deploy reaches Azure with.

    :param arm: Azure Resource Manager.
    :param open_registry: opens a repository of a registry: host, name.
    :param is_azure_registry: whether a host is one of Azure Container Registry.
    :param storage_suffix: what the cloud's storage host names end in.
    :param ask_page: asks apps themselves.
    """

    arm: Arm
    open_registry: Callable[[str, str], Registry]
    is_azure_registry: Callable[[str], bool]
    storage_suffix: str
    ask_page: AskPage


def plan_deployment(request: DeployRequest, azure: Azure, progress: Progress) -> tuple[DeployedImage, Plan]:
    """Find out what is there and what has to be done; nothing is written.

    :raises azure.cli.core.azclierror.ValidationError: it cannot be done; the text holds everything that was found.
    """
    reference = parse_reference(request.image)
    progress.step(f"Reading {request.image}")
    with azure.open_registry(reference.host, reference.repository) as registry:
        image = read_image(request, registry)
    progress.step("Reading what is there")
    blueprint = draw(Surroundings(request, azure.storage_suffix), image, azure.is_azure_registry(reference.host))
    plan, findings = make_plan(blueprint, azure.arm)
    report([*image.trigger.check(), *findings], "nothing was written")
    return image, plan


def deploy(request: DeployRequest, azure: Azure, timeout: float, progress: Progress) -> dict[str, Any]:
    """Make everything around an image, and return when its function answers.

    :param timeout: seconds to wait for the function once all is written.
    :returns: the command's result.
    """
    image, plan = plan_deployment(request, azure, progress)
    started = time.monotonic()
    applied = apply_plan(plan, azure.arm, progress)
    written = time.monotonic()
    app = plan.blueprint.app
    awaited = Awaited(app, image.trigger, image.function, applied.app_written_at)
    wait_until_ready(awaited, azure.arm, azure.ask_page, timeout, progress)
    ready = time.monotonic()
    changed = any(step.outcome != "unchanged" for step in applied.steps)
    progress.step(f"The function is loaded ({ready - written:.1f} s)" if changed else "Nothing had to be changed.")
    # as every step says it of itself: the app's is the last one that is written
    loaded = Step(READY_STEP, applied.steps[-1].outcome, round(ready - written, 1), (app.title,))
    steps = [dataclasses.asdict(step) for step in (*applied.steps, loaded)]
    result = _result(request, image, plan.blueprint, azure.arm) | {"seconds": round(ready - started, 1), "steps": steps}
    if isinstance(image.trigger, HttpTrigger):
        progress.step(f"Score with: {curl(result['scoringUri'], app, image.trigger.auth_level)}")
    return result


def _result(request: DeployRequest, image: DeployedImage, blueprint: Blueprint, arm: Arm) -> dict[str, Any]:
    state = blueprint.app.read(arm)
    assert state is not None
    return {
        "name": request.app,
        "resourceGroup": request.group,
        "state": state.properties["state"],
        "image": image.location,
        "trigger": image.trigger.describe(),
        "scoringUri": scoring_uri(state.document) if isinstance(image.trigger, HttpTrigger) else None,
    }
