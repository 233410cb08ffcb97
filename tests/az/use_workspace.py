"""Looks at a workspace as azure-ai-ml does, beside what ``register_model.py`` does; run as that is.

``$MLFUNC_ML_PYTHON use_workspace.py SUBSCRIPTION GROUP WORKSPACE MODEL CONDA_FILE``: registers an environment of the
conda file, and archives and restores the model's latest version. On stdout: what it saw, as JSON.
"""

from __future__ import annotations

import json
import sys

from register_model import connect, shown


def main(subscription: str, group: str, workspace: str, model: str, conda_file: str) -> None:
    """Do all of it, and print what was seen."""
    from azure.ai.ml.entities import Environment
    from azure.core.exceptions import ResourceNotFoundError

    client = connect(subscription, group, workspace)
    seen = {
        "versions": [each.version for each in client.models.list(model)],
        "models": [(each.name, each.latest_version) for each in client.models.list()],
        "latest": shown(client.models.get(model, label="latest")),
    }
    latest = seen["latest"]["version"]
    client.models.archive(model, latest)
    seen["after archiving"] = [each.version for each in client.models.list(model)]
    seen["latest after archiving"] = client.models.get(model, label="latest").version
    client.models.restore(model, latest)
    seen["after restoring"] = [each.version for each in client.models.list(model)]
    for version, text in (("1", "one"), ("2", "two")):
        environment = Environment(
            name="env", version=version, image="an/image:1", conda_file=conda_file, description=text
        )
        client.environments.create_or_update(environment)
    environment = client.environments.get("env", label="latest")
    seen["environment"] = {"version": environment.version, "image": environment.image, "conda": environment.conda_file}
    seen["environments"] = [each.version for each in client.environments.list("env")]
    try:
        client.models.get(model, "99")
    except ResourceNotFoundError as missing:
        seen["missing"] = missing.error.code
    seen["datastore"] = client.datastores.get_default().name
    print(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
