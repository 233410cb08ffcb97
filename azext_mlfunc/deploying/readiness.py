"""Waiting until the function really answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from azext_mlfunc.deploying.arm import Arm
from azext_mlfunc.deploying.looking import AskPage, Awaited, Look, container_log, last_lines, look_at
from azext_mlfunc.deploying.resource import asked, group_of
from azext_mlfunc.deploying.resources.function_app import FunctionApp
from azext_mlfunc.progress import Progress

_PAUSE = 2.0  # seconds between two looks
_SETTLED = 60.0  # seconds after which what was found is taken for final, as long as it stays the same


def wait_until_ready(
    awaited: Awaited,
    arm: Arm,
    ask_page: AskPage,
    timeout: float,
    progress: Progress,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Return once the function is loaded by a host that was started after the app was written.

    :param timeout: in seconds.
    :raises azure.cli.core.azclierror.DeploymentError: it is not, in time; the text says why.
    """
    deadline = time.monotonic() + timeout
    same_since, last = time.monotonic(), Look(False)
    try:
        while not (look := look_at(awaited, arm, ask_page)).is_ready:
            now = time.monotonic()
            if (look.errors, look.is_doubtful) != (last.errors, last.is_doubtful):
                same_since = now
            last = look
            has_settled = now - same_since > _SETTLED
            if look.is_doubtful and (has_settled or awaited.written_at is None):
                progress.step(f"{look.why_not}; by all else that Azure says, the function is loaded.")
                return
            is_final = look.is_final or (bool(look.errors) and has_settled)
            if is_final or now + _PAUSE > deadline:
                raise _not_ready(awaited.app, look, arm, timeout, is_final)
            progress.live(f"Waiting for the function to be loaded: {look.why_not}")
            pause(_PAUSE)
    except KeyboardInterrupt:
        progress.step("Interrupted. All is written; the same command waits until the function is loaded.")
        raise


def _not_ready(app: FunctionApp, look: Look, arm: Arm, timeout: float, is_final: bool) -> Exception:
    from azure.cli.core.azclierror import DeploymentError

    found = ("; ".join(look.errors) or look.why_not).rstrip(".")
    took = "it stays so" if is_final else f"it was waited for {timeout:g} s"
    text = f"The {app.title} is written, and its function is not loaded ({took}): {found}."
    log = last_lines(container_log(app.id, arm))
    if log:
        text += f"\nThe last lines of the container's log:\n{log}"
    error: Exception = DeploymentError(
        text,
        recommendation=[
            "Mend what it says, and run the same command again; where the image needs longer to start, with a higher "
            "--timeout.",
            f"The whole log: az webapp log tail --name {app.name} --resource-group {group_of(app.id)}",
        ],
    )
    return error


def curl(uri: str, app: FunctionApp, auth_level: str) -> str:
    """A command that scores; it asks for the key, and does not hold it.

    :param auth_level: of the HTTP trigger.
    """
    keys = {"function": "functionKeys.default", "admin": "masterKey"}
    key = ""
    if auth_level in keys:
        named = ("--resource-group", group_of(app.id), "--name", app.name)
        asking = asked("functionapp", "keys", "list", *named, "--query", keys[auth_level])
        key = f' --header "x-functions-key: {asking}"'
    return f'curl{key} --header "Content-Type: application/json" --data @sample.json {uri}'
