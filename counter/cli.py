"""The command line, put together."""

import click

from counter import __version__
from counter.commands.administration import changes_command, token_group
from counter.commands.backups import backup_command, restore_command
from counter.commands.checks import audit_command, check_command
from counter.commands.doctor import doctor_command
from counter.commands.exports import export_command
from counter.commands.imports import import_group
from counter.commands.ledger import adjust_command
from counter.commands.service import (
    config_command,
    migrate_command,
    rollup_command,
    serve_command,
    up_command,
    worker_command,
)
from counter.commands.sites import site_group


@click.group()
@click.version_option(__version__, prog_name="counter")
def counter() -> None:
    """A self-hosted visitor counter."""


for _command in (
    up_command,
    serve_command,
    worker_command,
    rollup_command,
    migrate_command,
    site_group,
    adjust_command,
    token_group,
    changes_command,
    import_group,
    export_command,
    backup_command,
    restore_command,
    check_command,
    audit_command,
    doctor_command,
    config_command,
):
    counter.add_command(_command)
