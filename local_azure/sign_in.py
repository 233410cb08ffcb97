"""``python -m local_azure.sign_in CLOUD URL``: the az commands with which one signs in to one's own cloud."""

from __future__ import annotations

import io
import sys


def main(cloud: str, url: str) -> int:
    """Run them; returns the first exit code that is not 0."""
    from azure.cli.core import get_default_cli

    for command in (
        ["cloud", "register", "--name", cloud, "--endpoint-resource-manager", url],
        ["cloud", "set", "--name", cloud],
        ["login", "--identity"],
    ):
        code: int = get_default_cli().invoke([*command, "--only-show-errors"], out_file=io.StringIO())
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
