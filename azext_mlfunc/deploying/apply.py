"""Carrying out a plan: whatever is ready is written at once. It only writes, and reads what it has written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.deploying import graph
from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.plan import Plan
from azext_mlfunc.deploying.resource import State
from azext_mlfunc.progress import Progress

_OUTCOMES = {"create": "created", "update": "updated", "unchanged": "unchanged"}
_DOING = {"create": "Creating", "update": "Updating"}


@dataclass(frozen=True)
class Step:
    """What became of one resource.

    :param name: what people call it.
    :param outcome: created, updated or unchanged.
    :param seconds: how long it took.
    """

    name: str
    outcome: str
    seconds: float


@dataclass(frozen=True)
class Applied:
    """What a plan came to.

    :param steps: one for each resource, in the order of the plan.
    :param app_written_at: when the app began to be written, on the monotonic clock; None: it was not.
    """

    steps: tuple[Step, ...]
    app_written_at: float | None


def apply_plan(plan: Plan, arm: Arm, progress: Progress) -> Applied:
    """Write everything that the plan says, each as soon as what it needs is there.

    :raises azure.cli.core.azclierror.DeploymentError: something could not be written; the text says what was made and
        what was not, and that the same command goes on.
    """
    resources, states = plan.blueprint.resources, dict(plan.states)
    planned = {step.key: step for step in plan.steps}
    begun: dict[str, float] = {}

    def write(key: str) -> State | None:
        if planned[key].action == "unchanged":
            return states[key]
        begun[key] = time.monotonic()
        resource = resources[key]
        resource.write(arm, states[key], states)
        return resource.read(arm) if key != plan.blueprint.app.key else states[key]

    def on_start(key: str) -> None:
        if planned[key].action in _DOING:
            progress.step(f"{_DOING[planned[key].action]} {resources[key].title}")

    def on_done(done: graph.Done[State | None]) -> None:
        if done.error is None:
            states[done.key] = done.result
            if planned[done.key].action in _DOING:
                outcome = _OUTCOMES[planned[done.key].action]
                progress.step(f"{outcome.capitalize()} {resources[done.key].title} ({done.seconds:.1f} s)")

    ended = graph.run(plan.blueprint.needs, write, on_start, on_done)
    failures = [(resources[done.key].title, done.error) for done in ended if done.error is not None]
    seconds = {done.key: done.seconds for done in ended if done.error is None}
    if failures:
        changed = [resources[key].title for key in seconds if planned[key].action != "unchanged"]
        open_ones = [step for step in plan.steps if step.action != "unchanged" and step.key not in seconds]
        raise _failed(failures, changed, [resources[step.key].title for step in open_ones])
    steps = tuple(
        Step(resources[step.key].title, _OUTCOMES[step.action], round(seconds[step.key], 1)) for step in plan.steps
    )
    return Applied(steps, begun.get(plan.blueprint.app.key))


def _failed(failures: Sequence[tuple[str, BaseException]], made: list[str], left: list[str]) -> Exception:
    from azure.cli.core.azclierror import DeploymentError

    text = "\n".join(f"The {title} could not be written: {explain(error)}" for title, error in failures)
    text += f"\nWritten and kept: {', '.join(made) or 'nothing'}.\nNot written: {', '.join(left)}."
    error: Exception = DeploymentError(
        text, recommendation=[*_advice(failures), "Run the same command again: it goes on from here."]
    )
    return error


def explain(error: Any) -> str:
    """What an error of Azure says, in its own words; both its envelopes are understood.

    Source: azure-cli's recorded traffic: Microsoft.Web answers ``{"Code", "Message"}`` where the others answer
    ``{"error": {"code", "message"}}``.
    """
    response = getattr(error, "response", None)
    try:
        body = response.json() if response is not None else {}
    except Exception:
        body = {}
    if isinstance(body, dict):
        nested = body.get("error")
        inner: dict[str, Any] = nested if isinstance(nested, dict) else body
        code, message = inner.get("code") or inner.get("Code"), inner.get("message") or inner.get("Message")
        if message:
            return f"({code}) {message}" if code else str(message)
    return " ".join(str(error).split()) or type(error).__name__


def _advice(failures: Sequence[tuple[str, BaseException]]) -> list[str]:
    """What to do about failures that are known by their words."""
    texts = " ".join(explain(error) for _, error in failures)
    advice = []
    if "quota" in texts:
        advice.append("There is no quota for this SKU in this region: choose another --sku or --location.")
    if "AuthorizationFailed" in texts:
        advice.append("Ask an owner of the subscription for the role Contributor on the resource group.")
    if "RequestDisallowedByPolicy" in texts:
        advice.append("A policy of the subscription forbids this: ask who administers it.")
    return advice
