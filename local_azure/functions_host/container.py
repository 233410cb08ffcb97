"""Start the host inside an image: ``python -I container.py``, configured by the environment alone.

Isolated mode (``-I``) keeps the image's PYTHONPATH, which is the app's, away from the host, and the packages that the
host needs are put on its own path here, so that the worker inherits nothing of them. They are searched in
LOCAL_AZURE_PATH (folders, colon-separated), by default the folder that contains ``local_azure`` and
``site-packages`` in it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    folders = os.environ.pop("LOCAL_AZURE_PATH", f"{root}:{root / 'site-packages'}").split(":")
    sys.path[:0] = folders
    from local_azure.functions_host.command import main

    sys.exit(main(["--settings-from-environment", *sys.argv[1:]]))
