"""The import names of AMLRequest, rawhttp and AMLResponse, with and without Azure ML's own packages."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REQUEST_MODULES = ("azureml.contrib.services.aml_request", "azureml_inference_server_http.api.aml_request")
RESPONSE_MODULES = ("azureml.contrib.services.aml_response", "azureml_inference_server_http.api.aml_response")


@pytest.fixture
def environment(tmp_path: Path, runtime: Callable[[str], Any]) -> Path:
    """A folder of packages, the only place where Azure ML's own ones could be found."""
    runtime("aliases")  # and with it werkzeug, which may lie beside Azure ML's packages
    folder = tmp_path / "site-packages"
    folder.mkdir()
    sys.path[:] = [str(folder), *(p for p in sys.path if not _has_azure_ml(Path(p)))]
    return folder


def _has_azure_ml(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("azureml", "azureml_inference_server_http"))


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("environment")
def test_the_names_are_there_without_azure_mls_packages(runtime: Callable[[str], Any]) -> None:
    runtime("aliases").install()
    for name in REQUEST_MODULES:
        module = importlib.import_module(name)
        assert module.AMLRequest is runtime("aml_request").AMLRequest
        assert module.rawhttp is runtime("aml_request").rawhttp
    for name in RESPONSE_MODULES:
        assert importlib.import_module(name).AMLResponse is runtime("aml_response").AMLResponse
    parent = importlib.import_module("azureml.contrib.services")
    assert parent.aml_request.rawhttp is runtime("aml_request").rawhttp


@pytest.mark.usefixtures("environment")
def test_nothing_else_is_made_up(runtime: Callable[[str], Any]) -> None:
    runtime("aliases").install()
    for name in ("azureml.core", "azureml.contrib.services.other", "azureml_inference_server_http.server"):
        with pytest.raises(ModuleNotFoundError, match=name):
            importlib.import_module(name)


def test_our_modules_win_over_real_ones(runtime: Callable[[str], Any], environment: Path) -> None:
    _write(environment, {f"{name.replace('.', '/')}.py": "REAL = True" for name in REQUEST_MODULES + RESPONSE_MODULES})
    runtime("aliases").install()
    for name in REQUEST_MODULES + RESPONSE_MODULES:
        assert not hasattr(importlib.import_module(name), "REAL")


@pytest.mark.parametrize("is_namespace", [True, False], ids=["namespace packages", "packages"])
def test_real_packages_stay_real(runtime: Callable[[str], Any], environment: Path, is_namespace: bool) -> None:
    _write(
        environment,
        {
            "azureml/core.py": "REAL = True",
            "azureml/contrib/other.py": "REAL = True",
            "azureml_inference_server_http/api/other.py": "REAL = True",
        },
    )
    if not is_namespace:
        folders = ("azureml", "azureml/contrib", "azureml_inference_server_http", "azureml_inference_server_http/api")
        _write(environment, {f"{folder}/__init__.py": "REAL = True" for folder in folders})
    runtime("aliases").install()
    for name in ("azureml.core", "azureml.contrib.other", "azureml_inference_server_http.api.other"):
        assert importlib.import_module(name).REAL
    for name in ("azureml", "azureml.contrib", "azureml_inference_server_http.api"):
        assert getattr(importlib.import_module(name), "REAL", False) is not is_namespace
    # The real azureml has no contrib.services; ours are found below it all the same.
    assert importlib.import_module("azureml.contrib.services.aml_request").rawhttp is runtime("aml_request").rawhttp


@pytest.mark.usefixtures("environment")
def test_the_decorator_leaves_the_function_as_it_is(runtime: Callable[[str], Any]) -> None:
    module = runtime("aml_request")

    def run(request: Any) -> Any:
        return request

    assert not module.raw_requested()
    assert module.rawhttp(run) is run
    assert module.raw_requested()
