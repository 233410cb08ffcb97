"""The arguments of the commands. Those of a trigger come from the trigger itself."""

from __future__ import annotations

from typing import Any


def load_arguments(self: Any, _: str) -> None:
    """Register every argument of the extension on the loader `self`."""
    from azure.cli.core.commands.parameters import get_enum_type, get_location_type
    from knack.arguments import CLIArgumentType

    from azext_mlfunc._validators import validate_deploy, validate_package, validate_test
    from azext_mlfunc.deploying.resources.plan import DEFAULT_SKU, SKUS
    from azext_mlfunc.deploying.resources.registry import PASSWORD_VARIABLE
    from azext_mlfunc.packaging.builders import NAMES as BUILDERS
    from azext_mlfunc.packaging.environment import DEFAULT_PYTHON, PYTHON_VERSIONS
    from azext_mlfunc.triggers import NAMES as TRIGGER_NAMES
    from azext_mlfunc.triggers import SERVICE_OPTIONS

    path = CLIArgumentType(completer=None)
    with self.argument_context("ml-func package") as c:
        c.argument(
            "model",
            path,
            nargs="+",
            action="extend",
            options_list=["--model", "-m"],
            validator=validate_package,
            help="Model files or folders, each in AZUREML_MODEL_DIR under its own name; or registered models: "
            "NAME:VERSION, azureml:NAME@latest, a resource ID, azureml://registries/….",
        )
        c.argument(
            "entry_script",
            path,
            help="The script with init() and run(), as Azure Machine Learning runs it. An MLflow model needs none.",
        )
        c.argument(
            "file",
            path,
            nargs="+",
            action="extend",
            options_list=["--file", "-f"],
            help="Deployment files: of an online deployment (az ml), an inferenceconfig.json, package options of the "
            "retired preview. Options of the command win over them.",
        )
        c.argument(
            "resource_group_name",
            help="The resource group of the workspace. You can configure the default group using `az configure "
            "--defaults group=NAME`.",
            arg_group="Azure Machine Learning",
        )
        c.argument(
            "workspace_name",
            options_list=["--workspace-name", "-w"],
            configured_default="workspace",
            help="The Azure Machine Learning workspace that models and environments are registered in. Without "
            "--registry its own container registry is used. You can configure the default workspace using `az "
            "configure --defaults workspace=NAME`.",
            arg_group="Azure Machine Learning",
        )
        c.argument(
            "environment",
            options_list=["--environment", "-e"],
            help="A registered environment: NAME:VERSION, azureml:NAME@latest, a resource ID, azureml://registries/….",
            arg_group="Azure Machine Learning",
        )
        c.argument(
            "source_directory",
            path,
            help="The folder that is packed, whole, as the app's code. Default: the entry script's own. Its "
            ".amlignore, else .gitignore, names what stays out.",
        )
        c.argument("conda_file", path, help="A conda environment file with the packages and the Python version.")
        c.argument(
            "lock",
            path,
            help="Install exactly what this file lists, with checksums: the environment.lock of a manifest, or what "
            "pip-compile and uv write.",
        )
        c.argument(
            "no_cache", action="store_true", help="Make the dependencies' layer anew, though it may be in the cache."
        )
        c.argument("requirements", path, options_list=["--requirements", "-r"], help="A pip requirements file.")
        c.argument(
            "trigger", arg_type=get_enum_type(TRIGGER_NAMES), help="What the function is called by. Default: http."
        )
        c.argument(
            "registry",
            help="The name of an Azure Container Registry, or any registry's login server, to push to with the "
            "credentials that Docker holds. Default: that of --workspace-name; without either the image stays in the "
            "engine.",
        )
        c.argument("image_name", help="The repository's name in the registry.")
        c.argument("image_tag", help="The image's tag. Default: the time as yyyymmddhhmmss, in UTC.")
        c.argument(
            "build",
            arg_type=get_enum_type(BUILDERS),
            help="How the image is made: 'direct' puts it together in the registry without an engine, from packages "
            "that have wheels; 'docker' has a Docker engine build it; 'auto' takes the first that can.",
        )
        c.argument("build_network", help="The network of the build's RUN steps, as docker build --network takes it.")
        c.argument(
            "context_only",
            path,
            help="Write the build context, with its Dockerfile, to this folder and build nothing. A former context "
            "there is replaced.",
        )
        c.argument(
            "python_version",
            help=f"The image's Python version: {', '.join(PYTHON_VERSIONS)}. Default: that of the conda file or of the "
            f"MLflow model, else {DEFAULT_PYTHON}.",
        )
        c.argument("base_image", help="The image to build on, instead of the official Functions image for the Python.")
        _trigger_options(c, "Default: {}.")

    with self.argument_context("ml-func deploy") as c:
        c.argument(
            "name",
            options_list=["--name", "-n"],
            help="The function app's name; it is part of its address, so that nobody else may have it.",
            validator=validate_deploy,
        )
        c.argument("image", help="The image, as `az ml-func package` returned it: its location, or its tag.")
        c.argument(
            "trigger",
            arg_type=get_enum_type(TRIGGER_NAMES),
            help="What the function is called by. The image's own labels say it; only an image without them needs it.",
        )
        c.argument("plan", options_list=["--plan", "-p"], help="Name or ID of the plan. One that is not there is made.")
        c.argument(
            "sku",
            help=f"The plan's SKU: {', '.join(SKUS[:4])}, EP1… Default for a new one: {DEFAULT_SKU}.",
        )
        c.argument(
            "location",
            get_location_type(self.cli_ctx),
            help="The region of what is made. Default: that of the resource group.",
            validator=None,
        )
        c.argument(
            "storage_account",
            options_list=["--storage-account", "-s"],
            help="Name or ID of the app's own storage account. One that is not there is made.",
        )
        c.argument("registry", help="The ID of the image's registry, where it is not to be found in the subscription.")
        c.argument("registry_username", help="The user who pulls the image for the app. Default: the registry's admin.")
        c.argument(
            "registry_password",
            help=f"That user's password. Better in the environment variable {PASSWORD_VARIABLE}: no history holds it.",
        )
        c.argument("settings", nargs="+", action="extend", help="More app settings, as NAME=VALUE.")
        c.argument("disable_app_insights", action="store_true", help="Make no Application Insights for the app.")
        c.argument(
            "dry_run",
            action="store_true",
            help="Only read, and return what would be made or changed, with the az commands that do the same.",
        )
        c.argument("timeout", type=int, help="Seconds to wait for the function, once everything is written.")
        for option in SERVICE_OPTIONS:
            c.extra(option.name, help=option.help, arg_group="Trigger")
        _trigger_options(c, "For images without labels. Default: {}.")

    with self.argument_context("ml-func test") as c:
        c.argument("name", options_list=["--name", "-n"], help="The function app's name.", validator=validate_test)
        c.argument("data", help="The event: text, @FILE, or - for stdin.")
        c.argument("input_directory", path, help="Send every file of this folder as one event.")
        c.argument("output_directory", path, help="The folder that gets the answers, each under its event's own path.")
        c.argument("output_file", path, help="Write the answer's bytes to this file, as they came; - is stdout.")
        c.argument(
            "expect",
            path,
            help="A file with the expected answer, or for a folder of events a folder with a file for each. JSON is "
            "compared as JSON.",
        )
        c.argument("tolerance", type=float, help="How far numbers may be from the expected ones.")
        c.argument("concurrency", type=int, help="How many events of a folder are under way at once.")
        c.argument("report", path, help="Write a page about a folder's events to this HTML file.")
        c.argument("timeout", type=int, help="Seconds to wait for the answer to an event.")
        c.argument("keep", action="store_true", help="Leave the blobs of the test where they are.")
        c.argument("function", help="The app's function. Default: what the image's labels say.")
        c.argument(
            "trigger",
            arg_type=get_enum_type(TRIGGER_NAMES),
            help="What the function is called by, if the image has no labels.",
        )
        c.argument(
            "local",
            action="store_true",
            arg_group="Local",
            help="Run the image on this machine, with the local Docker engine and emulators, instead of an app in "
            "Azure; everything is taken down again.",
        )
        c.argument("image", arg_group="Local", help="The image to run, as `az ml-func package` returned it.")
        c.argument(
            "context",
            path,
            arg_group="Local",
            help="The folder that `az ml-func package --context-only` wrote: it is built, and run.",
        )
        c.argument("build_network", arg_group="Local", help="The network of the build's RUN steps.")
        c.argument("settings", nargs="+", action="extend", arg_group="Local", help="More app settings, as NAME=VALUE.")
        c.argument("blob_name", arg_group="Event", help="Blob trigger: the input's name. Default: a name of its own.")
        c.argument("path", arg_group="Event", help="HTTP trigger: the path of the request.")
        c.argument("method", arg_group="Event", help="HTTP trigger: the method of the request.")
        c.argument(
            "header", nargs="+", action="extend", arg_group="Event", help="HTTP trigger: more headers, as NAME=VALUE."
        )
        c.argument("content_type", arg_group="Event", help="The event's content type. Default: by the data.")
        _trigger_options(c, "For images without labels. Default: {}.")


def _trigger_options(context: Any, default: str) -> None:
    """The options of all triggers.

    :param default: says what the default is.
    """
    from azure.cli.core.commands.parameters import get_enum_type

    from azext_mlfunc.triggers import TRIGGERS
    from azext_mlfunc.triggers.base import flag

    for trigger in TRIGGERS:
        for field in trigger.options():
            choices = field.metadata["choices"]
            context.extra(
                field.name,
                options_list=[flag(field)],
                help=f"{field.metadata['help']} {default.format(field.default)}",
                arg_group="Trigger",
                **({"arg_type": get_enum_type(choices)} if choices else {}),
            )
