"""Downloads a model with azure-ai-ml, into ``FOLDER/NAME``; run as ``register_model.py`` is.

``$MLFUNC_ML_PYTHON download_model.py SUBSCRIPTION GROUP WORKSPACE NAME VERSION FOLDER``
"""

from __future__ import annotations

import sys

from register_model import connect

if __name__ == "__main__":
    subscription, group, workspace, name, version, folder = sys.argv[1:]
    connect(subscription, group, workspace).models.download(name, version, download_path=folder)
