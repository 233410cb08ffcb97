"""`make test-live`: the end-to-end tests of deploy in a real subscription, that of who is signed in with `az login`.

It says first what it will make and what that costs, asks, and removes everything at the end, also after Ctrl-C.
docs/live-test.md tells more.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
AZ = Path(sys.executable).with_name("az")
TESTS = "tests/az/test_deploy.py"
PLAN = """\
The end-to-end tests of az ml-func deploy will run in this subscription:

  subscription  {name} ({id})
  signed in as  {user}
  regions       {location}, northeurope

They make, in resource groups named {prefix}…, one after the other, each removed after its tests:

  1   container registry (Basic)             about 0.17 USD a day
  10  function apps: 9 plans B1, 1 plan EP1  about 0.02 and 0.22 USD an hour each
  3   Service Bus namespaces (Standard)      about 0.014 USD an hour each
  14  storage accounts, 8 Application Insights with a workspace each: some cents at most

All together well under 2 USD (list prices, an estimate), and 1 to 2 hours: Azure takes its time to make apps and to
look for new blobs. At the end every group of that name is deleted.
"""


def main() -> int:
    """Say, ask, run, remove. Returns the exit code of pytest."""
    config = os.environ.get("MLFUNC_LIVE_CONFIG", str(Path.home() / ".azure"))
    own = {**os.environ, "AZURE_CONFIG_DIR": config, "MLFUNC_LIVE_CONFIG": config}
    account = _az(own, "account", "show")
    if account is None:
        print(f"Nobody is signed in, by what {config} says. Sign in first: az login", file=sys.stderr)
        return 1
    prefix = f"mlfunc-live-{secrets.token_hex(2)}-"
    location = own.setdefault("MLFUNC_LIVE_LOCATION", "westeurope")
    named = {"name": account["name"], "id": account["id"], "user": account["user"]["name"]}
    print(PLAN.format(**named, location=location, prefix=prefix), flush=True)
    if not _agreed():
        return 1
    try:
        pytest = [str(Path(sys.executable).with_name("pytest")), TESTS, *sys.argv[1:]]
        return subprocess.run(
            pytest, cwd=CHECKOUT, env={**own, "MLFUNC_LIVE": "1", "MLFUNC_LIVE_PREFIX": prefix}
        ).returncode
    finally:
        _remove(own, prefix)


def _agreed() -> bool:
    if os.environ.get("MLFUNC_LIVE_YES") == "1":
        return True
    if not sys.stdin.isatty():
        print("Nobody can be asked here. To agree beforehand: MLFUNC_LIVE_YES=1", file=sys.stderr)
        return False
    return input("Type yes to go on: ").strip().lower() == "yes"


def _remove(environment: Mapping[str, str], prefix: str) -> None:
    """Have Azure delete what is left of the groups, and say which."""
    left = _az(environment, "group", "list", "--query", f"[?starts_with(name, '{prefix}')].name") or []
    for name in left:
        _az(environment, "group", "delete", "--name", name, "--yes", "--no-wait")
    print(f"Deleting, in the background: {', '.join(left)}" if left else "Nothing is left of it.")


def _az(environment: Mapping[str, str], *arguments: str) -> Any:
    """The result of an az command; None when it failed, or has none."""
    command = [str(AZ), *arguments, "--only-show-errors", "--output", "json"]
    call = subprocess.run(command, env=dict(environment), stdout=subprocess.PIPE, text=True)
    return json.loads(call.stdout) if call.returncode == 0 and call.stdout.strip() else None


if __name__ == "__main__":
    sys.exit(main())
