"""The arguments of the commands. Those of a trigger come from the trigger itself."""

from __future__ import annotations

from typing import Any


def load_arguments(self: Any, _: str) -> None:
    """Register every argument of the extension on the loader `self`."""
    from azure.cli.core.commands.parameters import get_enum_type
    from knack.arguments import CLIArgumentType

    from azext_mlfunc._validators import validate_package
    from azext_mlfunc.packaging.builders import NAMES as BUILDERS
    from azext_mlfunc.packaging.environment import DEFAULT_PYTHON, PYTHON_VERSIONS
    from azext_mlfunc.triggers import NAMES as TRIGGER_NAMES
    from azext_mlfunc.triggers import TRIGGERS
    from azext_mlfunc.triggers.base import flag

    path = CLIArgumentType(completer=None)
    with self.argument_context("ml-func package") as c:
        c.argument(
            "model",
            path,
            nargs="+",
            action="extend",
            options_list=["--model", "-m"],
            validator=validate_package,
            help="Model files or folders. Each lies in AZUREML_MODEL_DIR under its own name.",
        )
        c.argument("entry_script", path, help="The script with init() and run(), as Azure Machine Learning runs it.")
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
        c.argument("trigger", arg_type=get_enum_type(TRIGGER_NAMES), help="What the function is called by.")
        c.argument(
            "registry",
            help="The name of an Azure Container Registry, or any registry's login server, to push to with the "
            "credentials that Docker holds. Without it the image stays in the engine.",
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
            help=f"The image's Python version: {', '.join(PYTHON_VERSIONS)}. Default: that of the conda file, else "
            f"{DEFAULT_PYTHON}.",
        )
        c.argument("base_image", help="The image to build on, instead of the official Functions image for the Python.")
        for trigger in TRIGGERS:
            for field in trigger.options():
                choices = field.metadata["choices"]
                c.extra(
                    field.name,
                    options_list=[flag(field)],
                    help=f"{field.metadata['help']} Default: {field.default}.",
                    arg_group="Trigger",
                    **({"arg_type": get_enum_type(choices)} if choices else {}),
                )
