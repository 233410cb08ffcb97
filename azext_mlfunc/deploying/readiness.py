"""Waiting until the function really answers: ARM says Running whatever the container does.

Source: azure-cli's recorded traffic, test_functionapp_keys_list (what comes from the app's own host fails until it is
up); Azure Functions docs, the host's admin API (`/admin/host/status`, `/admin/functions`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resources.function_app import FunctionApp
from azext_mlfunc.progress import Progress

_API = "2024-04-01"
_PAUSE = 2.0  # seconds between two looks
_SETTLED = 60.0  # seconds after which the same errors are taken for final
_LOG_LINES = 20


@dataclass(frozen=True)
class Look:
    """What one look at the app found.

    :param is_ready: the function is loaded.
    :param why_not: what is missing, in words.
    :param errors: what the host itself says is wrong.
    """

    is_ready: bool
    why_not: str = ""
    errors: tuple[str, ...] = ()


def wait_until_ready(
    app: FunctionApp,
    function: str | None,
    written_at: float | None,
    arm: Arm,
    timeout: float,
    progress: Progress,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the function is loaded by a host that was started after the app was written.

    :param function: its name; None: any function will do.
    :param written_at: when the app began to be written, on the monotonic clock; None: it was not.
    :param timeout: in seconds.
    :raises azure.cli.core.azclierror.DeploymentError: it is not, in time; the text says why.
    """
    deadline = time.monotonic() + timeout
    same_since, last = time.monotonic(), Look(False)
    while True:
        look = look_at(app, function, written_at, arm)
        if look.is_ready:
            return
        now = time.monotonic()
        if look.errors != last.errors:
            same_since = now
        last = look
        is_final = bool(look.errors) and now - same_since > _SETTLED
        if is_final or now + _PAUSE > deadline:
            raise _not_ready(app, look, arm, timeout, is_final)
        progress.live(f"Waiting for the function to be loaded: {look.why_not}")
        pause(_PAUSE)


def look_at(app: FunctionApp, function: str | None, written_at: float | None, arm: Arm) -> Look:
    """Ask the app's host, through ARM, how it is."""
    from azure.core.exceptions import HttpResponseError

    try:
        status = arm.get(f"{app.id}/hostruntime/admin/host/status", _API) or {}
        functions = arm.list(f"{app.id}/functions", _API)
    except HttpResponseError as problem:
        if problem.status_code in (400, 502, 503, 504):  # relayed from a host that is not up
            return Look(False, "its host is not up")
        raise
    errors = tuple(str(error) for error in status.get("errors") or ())
    if written_at is not None and float(status.get("processUptime", 0)) / 1000 > time.monotonic() - written_at:
        return Look(False, "the host of before is still running")
    if status.get("state") != "Running":
        return Look(False, f"its host says {status.get('state', 'nothing')}", errors)
    if errors:
        return Look(False, errors[0], errors)
    loaded = [each["properties"] for each in functions]
    if function is not None:
        loaded = [each for each in loaded if str(each["name"]).lower() == function.lower()]
    if not loaded:
        return Look(False, f"its host has no function{f' {function!r}' if function else ''}")
    if all(each.get("isDisabled") for each in loaded):
        return Look(False, f"the function '{loaded[0]['name']}' is disabled")
    return Look(True)


def _not_ready(app: FunctionApp, look: Look, arm: Arm, timeout: float, is_final: bool) -> Exception:
    from azure.cli.core.azclierror import DeploymentError

    found = "; ".join(look.errors) or look.why_not
    took = "it stays so" if is_final else f"it was waited for {timeout:g} s"
    text = f"The {app.title} is written, and its function is not loaded ({took}): {found}."
    log = container_log(app, arm)
    if log:
        text += f"\nThe last lines of the container's log:\n{log}"
    error: Exception = DeploymentError(
        text,
        recommendation=[
            "Mend what it says, and run the same command again; where the image needs longer to start, with a higher "
            "--timeout.",
            f"The whole log: az webapp log tail --name {app.name} --resource-group {app.id.split('/')[4]}",
        ],
    )
    return error


def container_log(app: FunctionApp, arm: Arm) -> str:
    """The last lines of the container's log, where they can be had; else nothing."""
    from azure.core.exceptions import AzureError

    try:
        log = arm.text(f"{app.id}/containerlogs", _API)
    except AzureError:
        return ""
    return "\n".join(f"  {line}" for line in log.strip().splitlines()[-_LOG_LINES:])


def scoring_uri(site: dict[str, Any]) -> str:
    """Where an app that was packaged for HTTP scores."""
    return f"https://{site['properties']['defaultHostName']}/score"
