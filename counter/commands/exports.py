"""`counter export`."""

import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import click

from counter.commands.running import database, runs
from counter.config import Settings
from counter.exports.files import replaced
from counter.exports.source import Wanted, read_rows
from counter.exports.tables import COLUMNS, TABLES, Table
from counter.exports.writers import FORMATS, Format, writing
from counter.sites.store import SiteStore

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("export")
@click.argument("key", required=False)
@click.option("--all", "everything", is_flag=True, help="Export all sites.")
@click.option("--table", type=click.Choice(TABLES), default="days", show_default=True, help="What to export.")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--from", "first", type=_DAY, help="First day.")
@click.option("--to", "last", type=_DAY, help="Last day.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default="-",
    help="File to write; .gz at the end of its name compresses it.  [default: -, the terminal]",
)
@runs
async def export_command(
    settings: Settings,
    key: str | None,
    *,
    everything: bool,
    table: Table,
    format_: Format,
    first: datetime | None,
    last: datetime | None,
    output: Path,
) -> None:
    """Export what is in Postgres, of the site KEY or of all. docs/export.md explains each column."""
    if (key is None) != everything:
        raise click.UsageError("name a site, or say --all")
    async with database(settings) as connection:
        sites = None if key is None else [(await SiteStore(connection).find(key)).id]
        wanted = Wanted(table, sites, first.date() if first else None, last.date() if last else None)
        with ExitStack() as open_:
            is_file = str(output) != "-"
            file = open_.enter_context(replaced(output)) if is_file else sys.stdout.buffer
            writer = open_.enter_context(
                writing(file, format_, COLUMNS[table], compressed=output.suffix == ".gz")
            )
            async for rows in read_rows(connection, wanted):
                writer.write(rows)
