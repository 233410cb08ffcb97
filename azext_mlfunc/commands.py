"""The commands: a name, the function behind it, and how its result reads as a table."""

from __future__ import annotations

from typing import Any


def load_command_table(self: Any, _: list[str]) -> None:
    """Register every command of the extension on the loader `self`."""
    from azext_mlfunc._format import transform_deploy, transform_package, transform_test

    with self.command_group("ml-func", is_preview=True) as g:
        g.custom_command("package", "package", table_transformer=transform_package)
        g.custom_command("deploy", "deploy", table_transformer=transform_deploy)
        g.custom_command("test", "test", table_transformer=transform_test)
