"""The import names under which entry scripts know AMLRequest, rawhttp and AMLResponse.

Four modules are always ours, even where an environment holds Azure ML's own packages: those bring a Flask
request, and a `rawhttp` that this runtime would not hear of. The packages above them are the real ones where
there are any, and else are made up, so that `azureml-defaults` and its hundreds of megabytes are not needed
in the image.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .aml_request import AMLRequest, rawhttp
from .aml_response import AMLResponse

_REQUEST: Mapping[str, Any] = {"AMLRequest": AMLRequest, "rawhttp": rawhttp}
_RESPONSE: Mapping[str, Any] = {"AMLResponse": AMLResponse}
MODULES: Mapping[str, Mapping[str, Any]] = {
    "azureml.contrib.services.aml_request": _REQUEST,
    "azureml.contrib.services.aml_response": _RESPONSE,
    "azureml_inference_server_http.api.aml_request": _REQUEST,
    "azureml_inference_server_http.api.aml_response": _RESPONSE,
}
PACKAGES: Mapping[str, Mapping[str, Any]] = {
    "azureml": {},
    "azureml.contrib": {},
    "azureml.contrib.services": {},
    "azureml_inference_server_http": {},
    "azureml_inference_server_http.api": {},
}


def install() -> None:
    """Make the names importable in this process: the modules before all finders, the packages after."""
    sys.meta_path.insert(0, _Finder(MODULES, are_packages=False))
    sys.meta_path.append(_Finder(PACKAGES, are_packages=True))


class _Finder(MetaPathFinder, Loader):
    """Finds and loads modules that consist of given names only."""

    def __init__(self, modules: Mapping[str, Mapping[str, Any]], *, are_packages: bool) -> None:
        self._modules = modules
        self._are_packages = are_packages

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._modules:
            return None
        return ModuleSpec(fullname, self, is_package=self._are_packages)

    def create_module(self, spec: ModuleSpec) -> None:
        return None  # the import system's own empty module will do

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._modules[module.__name__])
