"""The command line, put together."""

import click

from counter import __version__
from counter.commands.checks import audit_command, check_command
from counter.commands.doctor import doctor_command
from counter.commands.imports import import_group
from counter.commands.service import (
    config_command,
    migrate_command,
    rollup_command,
    serve_command,
    up_command,
)
from counter.commands.sites import adjust_command, site_group


@click.group()
@click.version_option(__version__, prog_name="counter")
def counter() -> None:
    """A self-hosted visitor counter."""


for _command in (
    up_command,
    serve_command,
    rollup_command,
    migrate_command,
    site_group,
    adjust_command,
    import_group,
    check_command,
    audit_command,
    doctor_command,
    config_command,
):
    counter.add_command(_command)
