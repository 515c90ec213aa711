"""The command line, put together; a command is loaded when it is called: the service carries no other one."""

from importlib import import_module
from typing import Final, cast

import click

from counter import __version__

COMMANDS: Final = {
    "up": "service",
    "serve": "service",
    "worker": "service",
    "rollup": "service",
    "migrate": "service",
    "site": "sites",
    "adjust": "ledger",
    "token": "administration",
    "changes": "administration",
    "import": "imports",
    "export": "exports",
    "backup": "backups",
    "restore": "backups",
    "check": "checks",
    "audit": "checks",
    "doctor": "doctor",
    "config": "service",
}
"""Name of each command → the module in `counter/commands` that has it."""


class Commands(click.Group):
    """Loads a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command, None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"counter.commands.{COMMANDS[cmd_name]}")
        kind = "group" if hasattr(module, f"{cmd_name}_group") else "command"
        return cast("click.Command", getattr(module, f"{cmd_name}_{kind}"))


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="counter")
def counter() -> None:
    """A self-hosted visitor counter."""
