"""What lies where in the image, and for which platform it is: the same for every builder.

Sources: Azure Functions images (github.com/Azure/azure-functions-docker); how the Python worker finds packages
(azure-functions-python-worker, worker.py); azureml-inference-server-http, DEFAULT_APP_ROOT.
"""

from __future__ import annotations

import os

from azext_mlfunc.manifest import FILE_NAME

PLATFORM = "linux/amd64"
"""The one platform that Functions runs containers on; an image built on an Arm machine must have it, too."""
WWWROOT = "/home/site/wwwroot"
"""The script root of every Functions image."""
APP_ROOT = "/var/azureml-app"
"""Where an Azure ML deployment keeps its code."""
MODEL_DIR = f"{APP_ROOT}/azureml-models"
"""Where an Azure ML deployment keeps its models."""
SITE_PACKAGES = f"{WWWROOT}/.python_packages/lib/site-packages"
"""The one place where the Python worker looks for packages in Azure; PYTHONPATH says so elsewhere."""

MODELS, FUNCTION_APP, CODE = "models", "wwwroot", "app"
LAYERS: tuple[tuple[str, str], ...] = ((MODELS, MODEL_DIR), (FUNCTION_APP, WWWROOT), (CODE, APP_ROOT))
"""The folders of the build context and where they go, a layer each above the dependencies: from what changes least to
what changes most, so that a changed score.py gives one new layer of kilobytes."""


PARTIAL = ".mlfunc-partial"
"""What the name of a folder ends in, in which a context is being written."""


def is_context(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a build context that this command wrote, or is about to write."""
    return os.fspath(folder).endswith(PARTIAL) or os.path.isfile(os.path.join(folder, FUNCTION_APP, FILE_NAME))
