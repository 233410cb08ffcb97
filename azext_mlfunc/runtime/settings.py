"""What the process is told from outside: environment variables, and the manifest beside this package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST = "mlfunc.json"
SCHEMA_VERSION = 1
DEFAULT_APP_ROOT = "/var/azureml-app"

# Settings of Azure ML's server that have no effect here, and what takes their place.
UNSUPPORTED: Mapping[str, str] = {
    "SCORING_TIMEOUT_MS": "a thread cannot be interrupted; functionTimeout in host.json limits an invocation",
    "AML_CORS_ORIGINS": "the Function App answers for CORS; set its origins with 'az functionapp cors add'",
    "AZUREML_CONFIG_FILE": "use app settings of the Function App",
}


class SettingsError(ValueError):
    """A setting or the manifest does not make sense; the function cannot be loaded."""


@dataclass(frozen=True)
class Settings:
    """What the runtime needs to know.

    :param app_root: folder of the user's code (AML_APP_ROOT).
    :param source_directory: a folder below it for imports (AZUREML_SOURCE_DIRECTORY), or None.
    :param entry_script: path of the entry script below `app_root` (AZUREML_ENTRY_SCRIPT, else the
        manifest's); None where neither says: then it is the module `main`, as in Azure ML.
    :param model_directory: folder of the models (AZUREML_MODEL_DIR), "" where unset.
    :param auth_level: the HTTP trigger's: anonymous, function or admin.
    :param connection: name of the setting that holds the trigger's connection string; None for HTTP.
    :param concurrent_runs: how many calls of run() may be under way at once in this process
        (MLFUNC_CONCURRENT_RUNS).
    :param service_name: title of the API description (SERVICE_NAME).
    :param service_version: its version (SERVICE_VERSION).
    :param service_path_prefix: what stands before the paths in it, "" or "/…" (SERVICE_PATH_PREFIX).
    :param warnings: one line for each setting that has no effect here.
    """

    app_root: Path
    source_directory: Path | None
    entry_script: str | None
    model_directory: str
    auth_level: str
    connection: str | None
    concurrent_runs: int
    service_name: str
    service_version: str
    service_path_prefix: str
    warnings: tuple[str, ...]


def read_settings(environ: Mapping[str, str], wwwroot: Path) -> Settings:
    """Read the settings.

    The names and defaults are those of azureml-inference-server-http (server/config.py).

    :param environ: the environment variables.
    :param wwwroot: the folder that holds the manifest.
    :raises SettingsError: a value or the manifest does not make sense.
    """
    manifest = _read_manifest(wwwroot / MANIFEST)
    app_root = Path(environ.get("AML_APP_ROOT") or DEFAULT_APP_ROOT)
    source_directory = environ.get("AZUREML_SOURCE_DIRECTORY")
    prefix = environ.get("SERVICE_PATH_PREFIX", "").strip("/")
    return Settings(
        app_root=app_root,
        source_directory=app_root / source_directory if source_directory else None,
        entry_script=environ.get("AZUREML_ENTRY_SCRIPT") or manifest.get("entryScript"),
        model_directory=environ.get("AZUREML_MODEL_DIR", ""),
        auth_level=manifest.get("trigger", {}).get("authLevel", "function"),
        connection=manifest.get("trigger", {}).get("connection"),
        concurrent_runs=_positive(environ, "MLFUNC_CONCURRENT_RUNS", default=1),
        service_name=environ.get("SERVICE_NAME", "ML service"),
        service_version=environ.get("SERVICE_VERSION", "1.0"),
        service_path_prefix=f"/{prefix}" if prefix else "",
        warnings=tuple(f"{name} has no effect: {why}." for name, why in UNSUPPORTED.items() if environ.get(name)),
    )


def _read_manifest(path: Path) -> dict[str, Any]:
    """The manifest's content; empty where there is none, for then the environment says all."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}. Package the image again.") from error
    found = manifest.get("schemaVersion") if isinstance(manifest, dict) else None
    if found != SCHEMA_VERSION:
        raise SettingsError(
            f"{path} has schemaVersion {found!r}, this runtime reads {SCHEMA_VERSION}: "
            "the manifest and mlfunc_runtime must come from the same release of ml-func."
        )
    return manifest  # type: ignore[no-any-return]


def _positive(environ: Mapping[str, str], name: str, *, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"{name} is {text!r}; expected a whole number of at least 1.")
    return int(text)
