"""The commands' functions: each wires its dependencies together and hands over."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def package(
    cmd: Any,
    model: list[str],
    entry_script: str,
    source_directory: str | None = None,
    conda_file: str | None = None,
    requirements: str | None = None,
    trigger: str = "http",
    registry: str | None = None,
    image_name: str = "package",
    image_tag: str | None = None,
    build: str = "auto",
    build_network: str | None = None,
    lock: str | None = None,
    no_cache: bool = False,
    context_only: str | None = None,
    python_version: str | None = None,
    base_image: str | None = None,
    **kwargs: str | None,
) -> dict[str, Any]:
    """Package a model and its entry script as the image of a function app. The arguments are those of the
    command; `kwargs` are the options of all triggers (`az` knows catch-all parameters by this name only)."""
    from azext_mlfunc._client_factory import builders
    from azext_mlfunc._validators import default_tag, find_script, resolve_registry
    from azext_mlfunc.packaging import package as packaging
    from azext_mlfunc.packaging.builders import choose_builder
    from azext_mlfunc.packaging.request import PackageRequest
    from azext_mlfunc.progress import AzProgress
    from azext_mlfunc.triggers import make_trigger

    script = find_script(entry_script, source_directory)
    request = PackageRequest(
        models=tuple(Path(path) for path in model),
        entry_script=script,
        source_directory=Path(source_directory) if source_directory else script.parent,
        trigger=make_trigger(trigger, kwargs),
        image_name=image_name,
        image_tag=image_tag or default_tag(),
        conda_file=Path(conda_file) if conda_file else None,
        requirements=Path(requirements) if requirements else None,
        lock=Path(lock) if lock else None,
        python_version=python_version,
        base_image=base_image,
        registry=resolve_registry(cmd.cli_ctx, registry),
    )
    progress = AzProgress(cmd.cli_ctx)
    try:
        image = packaging.plan(request)
        if context_only:
            return packaging.write_context(image, Path(context_only), progress)
        ways = builders(cmd.cli_ctx, build_network=build_network, use_cache=not no_cache)
        return packaging.package(image, choose_builder(build, image, ways, progress), progress)
    finally:
        progress.done()  # whatever happened, no live line stays behind
