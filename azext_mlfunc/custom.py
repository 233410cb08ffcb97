"""The commands' functions: each wires its dependencies together and hands over."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def package(
    cmd: Any,
    model: list[str] | None = None,
    entry_script: str | None = None,
    source_directory: str | None = None,
    conda_file: str | None = None,
    requirements: str | None = None,
    environment: str | None = None,
    file: list[str] | None = None,
    resource_group_name: str | None = None,
    workspace_name: str | None = None,
    trigger: str | None = None,
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
    from azext_mlfunc import _client_factory
    from azext_mlfunc._validators import default_tag, find_script, resolve_registry
    from azext_mlfunc.packaging import package as packaging
    from azext_mlfunc.packaging.builders import choose_builder
    from azext_mlfunc.packaging.options import Options, Resolver, Surroundings
    from azext_mlfunc.progress import AzProgress

    options = Options(
        models=tuple(model or ()),
        entry_script=entry_script,
        source_directory=source_directory,
        conda_file=conda_file,
        requirements=requirements,
        lock=lock,
        environment=environment,
        python_version=python_version,
        base_image=base_image,
        trigger=trigger,
        trigger_options=kwargs,
        image_name=image_name,
        image_tag=image_tag or default_tag(),
        files=tuple(Path(path) for path in file or ()),
    )
    around = Surroundings(
        open_azure_ml=lambda: _client_factory.azure_ml(cmd.cli_ctx, resource_group_name, workspace_name),
        find_script=find_script,
        read_settings=lambda image: _client_factory.image_settings(cmd.cli_ctx, image),
    )
    progress = AzProgress(cmd.cli_ctx)
    try:
        with Resolver(options, around) as resolver:
            server = resolve_registry(cmd.cli_ctx, registry)
            if server is None and workspace_name and not context_only:
                server = resolver.azure_ml[0].login_server()
            request = resolver.request(server)
            image = packaging.plan(request, resolver.placed)
            for note in resolver.notes:
                progress.step(note)
            if context_only:
                return packaging.write_context(image, Path(context_only), progress)
            ways = _client_factory.builders(cmd.cli_ctx, build_network=build_network, use_cache=not no_cache)
            return packaging.package(image, choose_builder(build, image, ways, progress), progress)
    finally:
        progress.done()  # whatever happened, no live line stays behind


def deploy(
    cmd: Any,
    resource_group_name: str,
    name: str,
    image: str,
    trigger: str | None = None,
    plan: str | None = None,
    sku: str | None = None,
    location: str | None = None,
    storage_account: str | None = None,
    registry: str | None = None,
    registry_username: str | None = None,
    registry_password: str | None = None,
    settings: list[str] | None = None,
    disable_app_insights: bool = False,
    dry_run: bool = False,
    timeout: int = 600,
    **kwargs: str | None,
) -> dict[str, Any] | list[dict[str, Any]]:
    """Make the function app of an image and everything around it. The arguments are those of the command; `kwargs`
    are the options of all triggers, and those of their services."""
    from azext_mlfunc import _client_factory
    from azext_mlfunc._validators import parse_settings, registry_login
    from azext_mlfunc.deploying import deploy as deploying
    from azext_mlfunc.deploying.request import DeployRequest
    from azext_mlfunc.progress import AzProgress
    from azext_mlfunc.registry.credentials import Given
    from azext_mlfunc.registry.reference import parse_reference
    from azext_mlfunc.triggers import SERVICE_OPTIONS

    login = registry_login(registry_username, registry_password)
    azure = _client_factory.azure(cmd.cli_ctx, Given(parse_reference(image).host, *login) if login else None)
    services = {option.name: kwargs.pop(option.name, None) for option in SERVICE_OPTIONS}
    request = DeployRequest(
        subscription=azure.arm.subscription,
        group=resource_group_name,
        app=name,
        image=image,
        trigger=trigger,
        trigger_options=kwargs,
        services=services,
        plan=plan,
        sku=sku,
        location=location,
        storage_account=storage_account,
        registry=registry,
        registry_login=login,
        settings=parse_settings(settings or []),
        app_insights=not disable_app_insights,
    )
    progress = AzProgress(cmd.cli_ctx)
    try:
        if dry_run:
            return deploying.plan_deployment(request, azure, progress)[1].describe()
        return deploying.deploy(request, azure, timeout, progress)
    finally:
        progress.done()


def test(
    cmd: Any,
    resource_group_name: str | None = None,
    name: str | None = None,
    data: str | None = None,
    input_directory: str | None = None,
    output_directory: str | None = None,
    output_file: str | None = None,
    expect: str | None = None,
    tolerance: float = 1e-6,
    concurrency: int = 8,
    report: str | None = None,
    timeout: int = 300,
    keep: bool = False,
    function: str | None = None,
    blob_name: str | None = None,
    path: str = "/score",
    method: str = "POST",
    header: list[str] | None = None,
    content_type: str | None = None,
    trigger: str | None = None,
    local: bool = False,
    image: str | None = None,
    context: str | None = None,
    build_network: str | None = None,
    settings: list[str] | None = None,
    **kwargs: str | None,
) -> dict[str, Any] | None:
    """Send events to a function app and judge its answers. The arguments are those of the command; `kwargs` are the
    options of all triggers."""
    from azext_mlfunc import _client_factory
    from azext_mlfunc._validators import parse_headers, parse_settings
    from azext_mlfunc.interruption import unwind_on_sigterm
    from azext_mlfunc.probing import test as testing
    from azext_mlfunc.probing.azure_app import find_target
    from azext_mlfunc.probing.local_app import LocalRequest
    from azext_mlfunc.probing.prober import ProbeOptions
    from azext_mlfunc.probing.test import Files
    from azext_mlfunc.progress import AzProgress

    options = ProbeOptions(blob_name, path, method, parse_headers(header or []), content_type, keep, concurrency)
    files = Files(data, input_directory, output_directory, output_file, expect, tolerance, report)
    event = files.event()
    progress = AzProgress(cmd.cli_ctx)
    tools = _client_factory.probing(cmd.cli_ctx)
    unwind_on_sigterm()
    try:
        if local:
            folder = Path(context) if context else None
            more = parse_settings(settings or [])
            request = LocalRequest(image, folder, build_network, more, function, trigger, kwargs)
            machine = _client_factory.local(cmd.cli_ctx)
            tested = testing.run_local(tools, request, machine, event, options, files, timeout, progress)
        else:
            assert resource_group_name and name, "the validator was asked first"
            arm = _client_factory.arm(cmd.cli_ctx)
            target = find_target(arm, resource_group_name, name, function, trigger, kwargs, tools.open_registry)
            progress.step(f"'{name}' is called by {target.trigger.name}; its image is {target.image or 'none'}")
            tested = testing.run(tools, target, event, options, files, timeout, progress)
    finally:
        progress.done()
    if tested.failure is not None:
        _fail_after_output(cmd.cli_ctx, tested.failure)
    return tested.result


def _fail_after_output(cli_ctx: Any, error: Exception) -> None:
    """Let `az` print the result, and then end with an error: a pipeline has both, the result and the exit code."""
    from knack.events import EVENT_CLI_SUCCESSFUL_EXECUTE

    def fail(*_: Any, **__: Any) -> None:
        raise error

    cli_ctx.register_event(EVENT_CLI_SUCCESSFUL_EXECUTE, fail)
