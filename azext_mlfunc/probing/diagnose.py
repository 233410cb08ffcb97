"""Finding out why no answer came: one cause after the other is looked for, the most likely first."""

from __future__ import annotations

from collections.abc import Iterator

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.looking import container_log, last_lines
from azext_mlfunc.probing.event import Event
from azext_mlfunc.probing.prober import Cause, Prober
from azext_mlfunc.probing.target import Target

_API = "2024-04-01"
_PULL_FAILED = ("pull image failed", "image pull failed", "unauthorized: authentication required", "manifest unknown")
"""Words of App Service's log for an image that cannot be had; from public logs."""


def diagnose(target: Target, prober: Prober, event: Event, arm: Arm) -> list[Cause]:
    """Why an event was not answered; never empty."""
    causes = [*_of_the_app(target, arm), *prober.causes(event)]
    return causes or [
        Cause(
            "the app runs, its function is loaded, and what its trigger needs is there",
            "look into its log: az webapp log tail --name "
            f"{target.name} --resource-group {target.group}; or wait longer with --timeout",
        )
    ]


def _of_the_app(target: Target, arm: Arm) -> Iterator[Cause]:
    """Causes that lie in the app itself."""
    from azure.core.exceptions import HttpResponseError

    if target.state.lower() != "running":
        yield Cause(
            f"the app is {target.state.lower() or 'not running'}",
            f"start it: az functionapp start --name {target.name} --resource-group {target.group}",
        )
        return
    connection = target.trigger.connection
    if connection and not target.settings.get(connection):
        yield Cause(f"the app has no setting {connection}", "deploy the app again: az ml-func deploy sets it")
    try:
        status = arm.get(f"{target.id}/hostruntime/admin/host/status", _API) or {}
        functions = arm.list(f"{target.id}/functions", _API)
    except HttpResponseError as problem:
        if problem.status_code not in (400, 502, 503, 504):  # relayed from a host that is not up
            raise
        yield _not_up(target, last_lines(container_log(target.id, arm)))
        return
    for error in status.get("errors") or ():
        yield Cause(f"the app's host is in error: {error}", "mend what it says, and deploy the app again")
    found = {str(each["properties"]["name"]).lower(): each["properties"] for each in functions}
    function = found.get(target.function.lower())
    if function is None:
        there = ", ".join(found) or "none"
        yield Cause(
            f"the function '{target.function}' is not loaded; the app has {there}",
            "deploy the app again, or name another function with --function",
        )
    elif function.get("isDisabled"):
        setting = f"AzureWebJobs.{target.function}.Disabled"
        yield Cause(
            f"the function '{target.function}' is disabled",
            f"enable it: az functionapp config appsettings delete --setting-names {setting} --name {target.name} "
            f"--resource-group {target.group}",
        )


def _not_up(target: Target, log: str) -> Cause:
    """Why the app's host is not up, by the container's log."""
    lines = [line.strip() for line in log.splitlines()]
    pull = next((line for line in lines if any(words in line.lower() for words in _PULL_FAILED)), None)
    if pull:
        return Cause(
            f"the image {target.image} cannot be pulled: {pull}",
            "deploy the app again: az ml-func deploy checks the image and writes the registry's credentials anew",
        )
    last = f"; its log ends with:\n{log}" if log else ""
    return Cause(
        f"the app's host is not up{last}",
        f"look into the whole log: az webapp log tail --name {target.name} --resource-group {target.group}",
    )
