"""Carrying out a plan: whatever is ready is written at once. It only writes, and reads what it has written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.deploying import graph
from azext_mlfunc.deploying.arm import NETWORK, Arm
from azext_mlfunc.deploying.plan import Plan
from azext_mlfunc.deploying.resource import Resource, State
from azext_mlfunc.progress import Progress

_OUTCOMES = {"create": "created", "update": "updated", "unchanged": "unchanged"}
_DOING = {"create": "Creating", "update": "Updating"}
_AGAIN = "Run the same command again: it goes on from here."
_PAUSE = 2.0  # seconds between two looks for what was just written
_LOOKS = 30


@dataclass(frozen=True)
class Step:
    """What became of one resource.

    :param name: what people call it.
    :param outcome: created, updated or unchanged.
    :param seconds: how long it took.
    :param needs: the names of those that it waited for.
    """

    name: str
    outcome: str
    seconds: float
    needs: tuple[str, ...]


@dataclass(frozen=True)
class Applied:
    """What a plan came to.

    :param steps: one for each resource, in the order of the plan.
    :param app_written_at: when the app began to be written, on the monotonic clock; None: it was not.
    """

    steps: tuple[Step, ...]
    app_written_at: float | None


def apply_plan(plan: Plan, arm: Arm, progress: Progress, pause: Callable[[float], None] = time.sleep) -> Applied:
    """Write everything that the plan says, each as soon as what it needs is there.

    :param pause: waits that many seconds.
    :raises azure.cli.core.azclierror.DeploymentError: something could not be written; the text says what was made and
        what was not, and that the same command goes on.
    """
    resources, states = plan.blueprint.resources, dict(plan.states)
    planned = {step.key: step for step in plan.steps}
    begun: dict[str, float] = {}
    finished: set[str] = set()

    def write(key: str) -> State | None:
        if planned[key].action == "unchanged":
            return states[key]
        begun[key] = time.monotonic()
        resource = resources[key]
        resource.write(arm, states[key], states)
        return _written(resource, arm, pause) if key != plan.blueprint.app.key else states[key]

    def on_start(key: str) -> None:
        if planned[key].action in _DOING:
            progress.step(f"{_DOING[planned[key].action]} {resources[key].title}")

    def on_done(done: graph.Done[State | None]) -> None:
        finished.add(done.key)
        if done.error is None:
            states[done.key] = done.result
            if planned[done.key].action in _DOING:
                outcome = _OUTCOMES[planned[done.key].action]
                progress.step(f"{outcome.capitalize()} {resources[done.key].title} ({done.seconds:.1f} s)")

    try:
        ended = graph.run(plan.blueprint.needs, write, on_start, on_done)
    except KeyboardInterrupt:
        under_way = [resources[key].title for key in begun if key not in finished]
        progress.step(f"Interrupted while writing {', '.join(under_way) or 'nothing'}. {_AGAIN}")
        raise
    failures = [(resources[done.key].title, done.error) for done in ended if done.error is not None]
    seconds = {done.key: done.seconds for done in ended if done.error is None}
    if failures:
        changed = [resources[key].title for key in seconds if planned[key].action != "unchanged"]
        open_ones = [step for step in plan.steps if step.action != "unchanged" and step.key not in seconds]
        raise _failed(failures, changed, [resources[step.key].title for step in open_ones])
    steps = tuple(
        Step(
            resources[step.key].title,
            _OUTCOMES[step.action],
            round(seconds[step.key], 1),
            tuple(resources[key].title for key in plan.blueprint.needs[step.key]),
        )
        for step in plan.steps
    )
    return Applied(steps, begun.get(plan.blueprint.app.key))


def _written(resource: Resource, arm: Arm, pause: Callable[[float], None]) -> State | None:
    """A resource that was just written, as it is now: for a while, not all of ARM knows it.

    Source: Azure Resource Manager docs, "Troubleshoot common errors", ResourceNotFound: "wait and try again".
    """
    state = resource.read(arm)
    for _ in range(_LOOKS):
        if state is not None:
            break
        pause(_PAUSE)
        state = resource.read(arm)
    return state


def _failed(failures: Sequence[tuple[str, BaseException]], made: list[str], left: list[str]) -> Exception:
    from azure.cli.core.azclierror import DeploymentError

    text = "\n".join(f"The {title} could not be written: {explain(error)}" for title, error in failures)
    text += f"\nWritten and kept: {', '.join(made) or 'nothing'}.\nNot written: {', '.join(left)}."
    error: Exception = DeploymentError(text, recommendation=[*_advice(failures), _AGAIN])
    return error


def explain(error: Any) -> str:
    """What an error of Azure says, in its own words; both its envelopes are understood.

    Source: azure-cli's recorded traffic: Microsoft.Web answers ``{"Code", "Message"}`` where the others answer
    ``{"error": {"code", "message"}}``.
    """
    response = getattr(error, "response", None)
    if response is None:
        return " ".join(str(error).split()) or type(error).__name__
    try:
        body = response.json()
    except Exception:
        body = None
    if isinstance(body, dict):
        nested = body.get("error")
        inner: dict[str, Any] = nested if isinstance(nested, dict) else body
        code, message = inner.get("code") or inner.get("Code"), inner.get("message") or inner.get("Message")
        if message:
            return f"({code}) {message}" if code else str(message)
        state = (body.get("properties") or {}).get("provisioningState")
        if state:  # the resource itself is the answer, and says that it came to nothing
            return f"it could not be made (provisioning state {state})"
    return f"HTTP {response.status_code} {response.reason}"


def _advice(failures: Sequence[tuple[str, BaseException]]) -> list[str]:
    """What to do about failures that are known by their kind or their words."""
    from azure.cli.core.azclierror import AzureConnectionError

    texts = " ".join(explain(error) for _, error in failures)
    advice = []
    if any(isinstance(error, AzureConnectionError) for _, error in failures):
        advice.append(f"What Azure did not answer to, it may have done all the same. {NETWORK}")
    if "quota" in texts:
        advice.append("There is no quota for this SKU in this region: choose another --sku or --location.")
    if "AuthorizationFailed" in texts:
        advice.append("Ask an owner of the subscription for the role Contributor on the resource group.")
    if "RequestDisallowedByPolicy" in texts:
        advice.append("A policy of the subscription forbids this: ask who administers it.")
    return advice
