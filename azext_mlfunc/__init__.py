"""The loader of `az ml-func`. It runs in every `az` call: no I/O and no SDK imports here."""

from __future__ import annotations

from typing import Any

from azure.cli.core import AzCommandsLoader

import azext_mlfunc._help  # noqa: F401  (importing it registers the help texts)


class MlFuncCommandsLoader(AzCommandsLoader):
    """Tells `az` the commands of this extension and their arguments."""

    def __init__(self, cli_ctx: Any = None) -> None:
        from azure.cli.core.commands import CliCommandType

        super().__init__(
            cli_ctx=cli_ctx,
            custom_command_type=CliCommandType(operations_tmpl="azext_mlfunc.custom#{}"),
        )

    def load_command_table(self, args: list[str]) -> dict[str, Any]:
        """Register the commands and return the table that `az` asks for."""
        from azext_mlfunc.commands import load_command_table

        load_command_table(self, args)
        return self.command_table

    def load_arguments(self, command: str) -> None:
        """Register the arguments of `command`."""
        from azext_mlfunc._params import load_arguments

        load_arguments(self, command)


COMMAND_LOADER_CLS = MlFuncCommandsLoader
