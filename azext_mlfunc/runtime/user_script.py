"""The user's entry script: loading it, running its init(), and finding out how its run() wants to be called.

Source: azureml-inference-server-http, server/user_script.py.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import logging
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from .aml_request import raw_requested
from .inputs import Input, ObjectInput, RawInput, TextInput
from .settings import Settings

MODULE_NAME = "entry_module"
_LISTED_FILES = 200

logger = logging.getLogger("mlfunc")


class ScriptError(Exception):
    """The entry script cannot serve; the message says what was found and what was expected."""


@dataclass(frozen=True)
class UserScript:
    """A loaded script whose init() has run.

    :param run: the function to call, with keyword arguments.
    :param input: how a request becomes these arguments.
    :param wants_headers: whether it also takes `request_headers`, a dict.
    """

    run: Callable[..., Any]
    input: Input
    wants_headers: bool


def start(settings: Settings) -> UserScript:
    """Load the script and run its init().

    :raises ScriptError: it cannot be loaded, is not an entry script, or init() failed.
    """
    sys.path.append(str(settings.app_root))
    if settings.source_directory:
        sys.path.append(str(settings.source_directory))
    module = _load(settings)
    script = _analyse(_run_of(module), key_in_query=settings.auth_level != "anonymous")
    try:
        module.init()
    except BaseException as error:
        _log_models(settings.model_directory)
        raise _failed(f"init() of {module.__file__}", error) from error
    logger.info("init() of %s has run; run() gets its input by %s.", module.__file__, type(script.input).__name__)
    return script


def _load(settings: Settings) -> ModuleType:
    """Import the script and see that it has init() and run()."""
    if settings.entry_script:
        module = _import_file(settings.app_root / settings.entry_script)
    else:
        try:
            module = importlib.import_module("main")
        except BaseException as error:
            what = f"Module 'main' (AZUREML_ENTRY_SCRIPT is not set) of {settings.app_root}"
            raise _failed(what, error) from error
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            raise ScriptError(f"{module.__file__} has no function {name}(); an entry script needs init() and run().")
    return module


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        folder = path.parent
        held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        raise ScriptError(
            f"There is no entry script {path}; its folder holds: "
            f"{', '.join(held[:_LISTED_FILES]) or 'nothing'}. AML_APP_ROOT and AZUREML_ENTRY_SCRIPT say where it is."
        )
    spec = importlib.util.spec_from_file_location(MODULE_NAME, path)
    if spec is None or spec.loader is None:
        raise ScriptError(f"The entry script {path} is not a Python file: its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    # Registered, so that the script can pickle and unpickle its own classes.
    sys.modules[MODULE_NAME] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[MODULE_NAME]
        raise _failed(f"The entry script {path}", error) from error
    return module


def _run_of(module: ModuleType) -> Callable[..., Any]:
    """The function to call: that of the script behind a generated driver if there is one, else the module's.

    Drivers that Azure ML's SDK generates hold the script as `driver_module`, and hand arguments on badly.
    """
    driven = getattr(module, "driver_module", None)
    run: Callable[..., Any] = getattr(driven if isinstance(driven, ModuleType) else module, "run", module.run)
    return run


def _analyse(run: Callable[..., Any], *, key_in_query: bool) -> UserScript:
    """Find out from its parameters and decorators how run() wants to be called."""
    parameters = list(inspect.signature(run).parameters.values())
    allowed = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    refused = [str(p) for p in parameters if p.kind not in allowed]
    if refused:
        raise ScriptError(
            f"run() has the parameters {', '.join(refused)}; expected named ones only: "
            "no *args, no **kwargs and none that are positional-only."
        )
    inputs = [p for p in parameters if p.name != "request_headers"]
    if not inputs:
        raise ScriptError("run() takes no input; expected a parameter for it, besides request_headers.")
    has_schema = is_schema_decorated(run)
    if raw_requested() and has_schema:
        raise ScriptError("run() is decorated with both @rawhttp and @input_schema; expected one of them.")
    chosen: Input
    if raw_requested():
        chosen = RawInput(inputs[0].name)
    elif has_schema:
        chosen = ObjectInput(tuple(inputs), key_in_query)
    else:
        chosen = TextInput(inputs[0].name, key_in_query)
    return UserScript(run, chosen, wants_headers=len(inputs) < len(parameters))


def is_schema_decorated(run: Callable[..., Any]) -> bool:
    """Whether inference-schema knows `run`. Where the script did not import that package, it cannot."""
    schema_util = sys.modules.get("inference_schema.schema_util")
    return schema_util is not None and bool(schema_util.is_schema_decorated(run))


def _failed(what: str, error: BaseException) -> ScriptError:
    logger.error("%s failed.", what, exc_info=error)
    return ScriptError(f"{what} raised {describe_error(error)}")


def describe_error(error: BaseException) -> str:
    """The last line of its traceback: type and message, even where the message itself cannot be made."""
    return traceback.format_exception_only(type(error), error)[-1].strip()


def _log_models(directory: str) -> None:
    """Log what is in the models' folder: what init() looked for is often one folder deeper, or missing."""
    root = Path(directory)
    if not directory or not root.is_dir():
        logger.info("AZUREML_MODEL_DIR is %r, which is not a folder.", directory)
        return
    files = (str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    listed = list(itertools.islice(files, _LISTED_FILES))
    logger.info(
        "AZUREML_MODEL_DIR is %s; files in it (at most %d): %s",
        root,
        _LISTED_FILES,
        ", ".join(sorted(listed)),
    )
