"""The plan of a deployment: what is there, what is missing, what differs. It only reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.deploying import graph
from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.blueprint import Blueprint
from azext_mlfunc.deploying.resource import Action, Change, State
from azext_mlfunc.findings import Finding


@dataclass(frozen=True)
class PlannedStep:
    """What is to be done with one resource."""

    key: str
    action: Action
    changes: tuple[Change, ...]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what was found.

    :param blueprint: all resources.
    :param states: the resources as they are, by key.
    :param steps: one for each resource, in an order in which they could be made.
    """

    blueprint: Blueprint
    states: Mapping[str, State | None]
    steps: tuple[PlannedStep, ...]

    def describe(self) -> list[dict[str, Any]]:
        """The plan as a result: secrets are hidden in it."""
        described = []
        for step in self.steps:
            resource = self.blueprint.resources[step.key]
            changes = [{"property": c.property, "before": c.before, "after": c.after} for c in step.changes]
            described.append(
                {
                    "resource": resource.title,
                    "action": step.action,
                    "changes": changes,
                    "commands": list(step.commands),
                }
            )
        return described


def make_plan(blueprint: Blueprint, arm: Arm) -> tuple[Plan, list[Finding]]:
    """Read all resources at once, compare them with what they should be, and check them.

    :returns: the plan, and everything that would keep it from being carried out.
    :raises azure.core.exceptions.HttpResponseError: a resource cannot be read, and not because there is none.
    """
    everything = blueprint.resources
    states: dict[str, State | None] = _all(list(everything), lambda key: everything[key].read(arm))
    blueprint = blueprint.needed(states)
    resources = blueprint.resources
    found = _all(list(resources), lambda key: list(resources[key].check(states[key], states, arm)))
    steps = []
    for key in graph.sort(blueprint.needs):
        changes = tuple(resources[key].changes(states[key], states))
        action: Action = "unchanged" if not changes else "create" if states[key] is None else "update"
        commands = resources[key].commands(states[key], states) if changes else []
        steps.append(PlannedStep(key, action, changes, tuple(commands)))
    return Plan(blueprint, states, tuple(steps)), [finding for key in resources for finding in found[key]]


def _all(keys: list[str], action: Any) -> dict[str, Any]:
    """An action's results for all keys, called at once.

    :raises Exception: what one of them raised.
    """
    done = graph.run(dict.fromkeys(keys, ()), action)
    for each in done:
        if each.error is not None:
            raise each.error
    return {each.key: each.result for each in done}
