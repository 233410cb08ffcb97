"""One look at an app: is its function loaded, and by a host that runs what was written?

ARM says Running whatever the container does, so the app's own host is asked. It tells its own errors, those of a
function in that function's status, and that the worker could not load one in its log only; over HTTP the function
itself answers. Source: azure-cli's recorded traffic, test_functionapp_keys_list (what comes from the app's own host
fails until it is up); azure-functions-host, HostController, FunctionsController and GrpcWorkerChannel.LoadResponse.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azext_mlfunc.deploying.apply import explain
from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.resources.function_app import FunctionApp
from azext_mlfunc.triggers.base import Trigger
from azext_mlfunc.triggers.http import HttpTrigger

_API = "2024-04-01"
_LOG_LINES = 50
_STARTS = "Starting container for site"
"""Begins what App Service logs of each container: what stands before is of another one."""
_NOT_LOADED = re.compile(r"Worker failed to load function.*(?:(?:\n.*){0,2}?\n[ \t]*Exception: .*)?")

AskPage = Callable[[str, Mapping[str, str]], "int | None"]
"""Asks for a page, with headers; returns the status of the answer, or None when there is none."""


@dataclass(frozen=True)
class Awaited:
    """What is waited for.

    :param app: the function app.
    :param trigger: what calls its function.
    :param function: the function's name, where the image's labels say it; else any function will do.
    :param written_at: when the app began to be written, on the monotonic clock; None: it was not.
    """

    app: FunctionApp
    trigger: Trigger
    function: str | None
    written_at: float | None


@dataclass(frozen=True)
class Look:
    """What one look at the app found.

    :param is_ready: the function is loaded.
    :param why_not: what is missing, in words.
    :param errors: what the host itself says is wrong.
    :param is_final: waiting does not change it.
    :param is_doubtful: all that can be asked from here says that it is loaded.
    """

    is_ready: bool
    why_not: str = ""
    errors: tuple[str, ...] = ()
    is_final: bool = False
    is_doubtful: bool = False


def look_at(awaited: Awaited, arm: Arm, ask_page: AskPage) -> Look:
    """Ask the app's host, through ARM, how it is, and the function itself, where it answers requests."""
    from azure.cli.core.azclierror import AzureConnectionError
    from azure.core.exceptions import HttpResponseError

    try:
        return _look(awaited, arm, ask_page)
    except HttpResponseError as problem:
        if problem.status_code in (401, 403):
            return Look(False, f"its host cannot be asked: {explain(problem)}", is_final=True)
        return Look(False, "its host is not up")  # of which many a status is relayed: 400, 404, 500, 502 …
    except AzureConnectionError as problem:
        return Look(False, str(problem))


def _look(awaited: Awaited, arm: Arm, ask_page: AskPage) -> Look:
    app = awaited.app
    status = arm.get(f"{app.id}/hostruntime/admin/host/status", _API) or {}
    errors = tuple(str(error) for error in status.get("errors") or ())
    uptime = float(status.get("processUptime", 0)) / 1000
    if awaited.written_at is not None and uptime > time.monotonic() - awaited.written_at:
        return Look(False, "the host of before is still running")
    if status.get("state") != "Running":
        return Look(False, f"its host says {status.get('state', 'nothing')}", errors)
    if errors:
        return Look(False, errors[0], errors)
    loaded = [each["properties"] for each in arm.list(f"{app.id}/functions", _API)]
    if awaited.function is not None:
        loaded = [each for each in loaded if str(each["name"]).lower() == awaited.function.lower()]
    if not loaded:
        return Look(False, f"its host has no function{f' {awaited.function!r}' if awaited.function else ''}")
    if all(each.get("isDisabled") for each in loaded):
        return Look(False, f"the function '{loaded[0]['name']}' is disabled")
    name = loaded[0]["name"]
    own = arm.get(f"{app.id}/hostruntime/admin/functions/{name}/status", _API) or {}
    if own.get("errors"):
        return Look(False, str(own["errors"][0]), tuple(map(str, own["errors"])))
    if awaited.function is not None and isinstance(awaited.trigger, HttpTrigger):
        return _look_at_page(app, awaited.trigger, arm, ask_page)
    failure = load_failure(container_log(app.id, arm))
    return Look(False, failure, (failure,)) if failure else Look(True)


def _look_at_page(app: FunctionApp, trigger: HttpTrigger, arm: Arm, ask_page: AskPage) -> Look:
    """Ask the function itself: `/` is the page of the runtime in the image that says that it is healthy."""
    site = arm.get(app.id, _API) or {}
    url = f"https://{site['properties']['defaultHostName']}/"
    key = _key(app, trigger, arm)
    answer = ask_page(url, {"x-functions-key": key} if key else {})
    if answer == 200:
        return Look(True)
    if answer is None:
        return Look(False, f"{url} cannot be reached from here", is_doubtful=True)
    if answer < 404:  # another login, or addresses that are not let in, are set before the app
        return Look(False, f"{url} answers {answer}", is_doubtful=True)
    failure = load_failure(container_log(app.id, arm))
    return Look(False, failure or f"{url} answers {answer}", (failure,) if failure else ())


def _key(app: FunctionApp, trigger: HttpTrigger, arm: Arm) -> str | None:
    """The key that the function asks for, if it asks for one."""
    if trigger.auth_level == "anonymous":
        return None
    keys = arm.post(f"{app.id}/host/default/listkeys", _API)
    return str(keys["masterKey"] if trigger.auth_level == "admin" else keys["functionKeys"]["default"])


def container_log(app_id: str, arm: Arm) -> str:
    """The container's log, where it can be had; else nothing.

    :param app_id: the ID of the app.
    """
    from azure.cli.core.azclierror import AzureConnectionError
    from azure.core.exceptions import HttpResponseError

    try:
        return arm.text(f"{app_id}/containerlogs", _API)
    except (AzureConnectionError, HttpResponseError):
        return ""


def last_lines(log: str) -> str:
    """The end of a log, set off."""
    return "\n".join(f"  {line}" for line in log.strip().splitlines()[-_LOG_LINES:])


def load_failure(log: str) -> str:
    """What the log of the latest container says of a function that its worker could not load; else nothing."""
    _, _, latest = log.rpartition(_STARTS)
    found = _NOT_LOADED.search(latest)
    return " ".join(found[0].split()) if found else ""


def scoring_uri(site: dict[str, Any]) -> str:
    """Where an app that was packaged for HTTP scores."""
    return f"https://{site['properties']['defaultHostName']}/score"
