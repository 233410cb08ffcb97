"""Entry point: ``python -P start.py CONNECTION_FD SCRIPT_ROOT [WORKER_PATH]``.

Loads this folder as a package under a private name, so that nothing of the worker is on ``sys.path`` where it could
be taken for a module of the app.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

PACKAGE = "_local_functions_worker"


def load_package() -> None:
    folder = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    load_package()
    program = importlib.import_module(f"{PACKAGE}.program")
    program.main(*sys.argv[1:])
