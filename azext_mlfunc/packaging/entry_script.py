"""The entry script is read, never run: does it hold the init() and run() that Azure ML would accept?

The rules are those of azureml-inference-server-http 1.5 (its user_script.py): both functions are required, and run()
takes named parameters only, at least one of them beside `request_headers`.
"""

from __future__ import annotations

import ast
import platform
import tokenize
from collections.abc import Iterator
from pathlib import Path

from azext_mlfunc.findings import Finding
from azext_mlfunc.packaging.request import PackageRequest

_EXAMPLE = "def run(data): ..."


def check(request: PackageRequest) -> Iterator[Finding]:
    """Yield what would keep Azure ML's contract from holding for the entry script."""
    script = request.entry_script
    if not script.is_file():
        yield Finding(
            script,
            "there is no such file" if not script.exists() else "this is not a file",
            "a Python script with init() and run()",
            "name it with --entry-script",
        )
        return
    if script.suffix != ".py":
        yield Finding(script, f"a file ending in '{script.suffix}'", "a Python script ending in .py", "rename it")
        return
    if not script.resolve().is_relative_to(request.source_directory.resolve()):
        yield Finding(
            script,
            f"it lies outside --source-directory '{request.source_directory}'",
            "an entry script within the source directory",
            "name a source directory that holds it, or leave the option out",
        )
    try:
        tree = parse(script)
    except (SyntaxError, ValueError, UnicodeDecodeError) as problem:
        yield Finding(
            script,
            f"it does not parse: {getattr(problem, 'msg', None) or problem}",
            f"Python source (read with Python {platform.python_version()})",
            "mend the line, and try the script with python first",
            line=getattr(problem, "lineno", None),
        )
        return
    yield from _check_functions(script, tree)


def parse(script: Path) -> ast.Module:
    """Parse a Python file without running any of it.

    :raises SyntaxError, ValueError, UnicodeDecodeError: it is not Python source.
    """
    with tokenize.open(script) as file:
        return ast.parse(file.read(), filename=str(script))


def _check_functions(script: Path, tree: ast.Module) -> Iterator[Finding]:
    defined = dict(_definitions(tree.body))
    if "*" in defined:  # `from x import *` may bring both
        return
    for name in ("init", "run"):
        if name not in defined:
            yield Finding(
                script,
                f"it has no {name}()",
                "init(), called once at start, and run(), called for each event",
                f"add a function {name} at the top level: def {name}({'' if name == 'init' else 'data'}): ...",
            )
    init, run = defined.get("init"), defined.get("run")
    if isinstance(init, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from _check_init(script, init)
    if isinstance(run, ast.FunctionDef | ast.AsyncFunctionDef):
        yield from _check_run(script, run)


def _check_init(script: Path, init: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    required = len(init.args.posonlyargs) + len(init.args.args) - len(init.args.defaults)
    required += sum(default is None for default in init.args.kw_defaults)
    if required:
        yield Finding(
            script, "init() needs arguments", "init() is called without any", "write def init(): ...", line=init.lineno
        )
    if isinstance(init, ast.AsyncFunctionDef):
        yield Finding(
            script, "init() is async", "a plain function: nobody awaits it", "write def init(): ...", line=init.lineno
        )


def _check_run(script: Path, run: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    def finding(found: str, expected: str, remedy: str = f"write for example {_EXAMPLE}") -> Finding:
        return Finding(script, found, expected, remedy, line=run.lineno)

    refused = [f"*{run.args.vararg.arg}"] if run.args.vararg else []
    refused += [f"**{run.args.kwarg.arg}"] if run.args.kwarg else []
    refused += [f"{argument.arg} (positional-only)" for argument in run.args.posonlyargs]
    if refused:
        yield finding(f"run() takes {', '.join(refused)}", "named parameters only")
    elif not (run.args.args or run.args.kwonlyargs):
        yield finding("run() takes no argument", "a parameter for the data")
    elif all(argument.arg == "request_headers" for argument in run.args.args + run.args.kwonlyargs):
        yield finding("run() takes nothing but request_headers", "a parameter for the data, too")
    if isinstance(run, ast.AsyncFunctionDef):
        yield finding("run() is async", "a plain function: Azure ML awaits nothing")
    decorators = {_last_name(decorator) for decorator in run.decorator_list}
    if {"rawhttp", "input_schema"} <= decorators:
        yield finding(
            "run() has both @rawhttp and @input_schema",
            "one of them: the raw request, or arguments made from its JSON",
            "remove one of the two",
        )


def _definitions(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """The names that running the module's top level binds, also within if, try and with."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name, statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0], statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for node in (node for target in targets for node in ast.walk(target)):
                if isinstance(node, ast.Name):
                    yield node.id, statement
        for field in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _definitions(getattr(statement, field, []))
        for handler in getattr(statement, "handlers", []):
            yield from _definitions(handler.body)


def _last_name(decorator: ast.expr) -> str:
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
