"""`az ml-func deploy` as named steps: image, blueprint, plan, apply, readiness."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.deploying.apply import Applied, apply_plan
from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.blueprint import Blueprint, Surroundings, draw
from azext_mlfunc.deploying.image import DeployedImage, read_image
from azext_mlfunc.deploying.plan import Plan, make_plan
from azext_mlfunc.deploying.readiness import scoring_uri, wait_until_ready
from azext_mlfunc.deploying.request import DeployRequest
from azext_mlfunc.findings import report
from azext_mlfunc.progress import Progress
from azext_mlfunc.registry.client import Registry
from azext_mlfunc.registry.reference import parse_reference

READY_STEP = "function loaded"


@dataclass(frozen=True)
class Azure:
    """What deploy reaches Azure with.

    :param arm: Azure Resource Manager.
    :param open_registry: opens a repository of a registry: host, name.
    :param is_azure_registry: whether a host is one of Azure Container Registry.
    :param storage_suffix: what the cloud's storage host names end in.
    """

    arm: Arm
    open_registry: Callable[[str, str], Registry]
    is_azure_registry: Callable[[str], bool]
    storage_suffix: str


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
    applied = apply_plan(plan, azure.arm, progress)
    started = time.monotonic()
    app = plan.blueprint.app
    wait_until_ready(app, image.function, applied.app_written_at, azure.arm, timeout, progress)
    seconds = time.monotonic() - started
    changed = any(step.outcome != "unchanged" for step in applied.steps)
    progress.step(f"The function is loaded ({seconds:.1f} s)" if changed else "Nothing had to be changed.")
    return _result(request, image, plan.blueprint, applied, seconds, azure.arm)


def _result(
    request: DeployRequest, image: DeployedImage, blueprint: Blueprint, applied: Applied, seconds: float, arm: Arm
) -> dict[str, Any]:
    state = blueprint.app.read(arm)
    assert state is not None
    steps = [{"name": step.name, "outcome": step.outcome, "seconds": step.seconds} for step in applied.steps]
    steps.append({"name": READY_STEP, "outcome": "unchanged", "seconds": round(seconds, 1)})
    return {
        "name": request.app,
        "resourceGroup": request.group,
        "state": state.properties["state"],
        "image": image.location,
        "trigger": image.trigger.describe(),
        "scoringUri": scoring_uri(state.document) if image.trigger.name == "http" else None,
        "steps": steps,
    }
