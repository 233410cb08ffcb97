"""A program: pip with the environment markers of another machine. Arguments: their values as JSON, then pip's own.

pip has options for the target's platform and Python, but evaluates markers such as `python_version < "3.13"` for the
interpreter that runs it (pip documentation, "pip download", --python-version). Every marker takes its values from one
function, which is replaced here; pip 22.2 to 26.3 were tried.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module


def main() -> int:
    # The modules beside this file must not stand in for ones of the same name.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or os.curdir) != here]
    markers = import_module("pip._vendor.packaging.markers")
    values = json.loads(sys.argv[1])
    markers.default_environment = lambda: dict(values)  # type: ignore[attr-defined]
    return int(import_module("pip._internal.cli.main").main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
