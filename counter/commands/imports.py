"""`counter import …`."""

import os
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from counter.clock import system_clock
from counter.commands.histories import add_histories
from counter.commands.running import counts, runs, say
from counter.config import Settings
from counter.imports.file import LogFile
from counter.imports.importer import Importer
from counter.imports.lane import open_lane
from counter.imports.plan import BOTS, REQUESTS, Bots, Options, Requests
from counter.imports.tally import Tally
from counter.sites.store import SiteStore

MOST_DAYS: Final = 14


@click.group("import")
def import_group() -> None:
    """Bring in numbers from before the counter."""


add_histories(import_group)


@import_group.command("log")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", "key", required=True, help="Key of the site.")
@click.option(
    "--requests",
    type=click.Choice(REQUESTS),
    default="pages",
    show_default=True,
    help="Which count: pages that were shown, or all requests.",
)
@click.option(
    "--bots",
    type=click.Choice(BOTS),
    default="apart",
    show_default=True,
    help="Count bots apart from people, among people, or not at all.",
)
@runs
async def log_command(settings: Settings, file: Path, key: str, *, requests: Requests, bots: Bots) -> None:
    """Import an access log of Apache or nginx (common or combined format, plain or gzip).

    The same file again changes nothing; an import that was cut short goes on. Put rotated logs together
    first (cat works for gzip, too), oldest first, so that visits over a rotation stay whole, and leave out
    what was counted live, as both add up.
    """
    console = Console(stderr=True)
    async with counts(settings) as both:
        site = await SiteStore(both.connection).find(key)
        lane = partial(open_lane, settings.redis_url.get_secret_value(), settings.redis_timeout_seconds)
        importer = Importer(both.connection, both.rollup, lane, system_clock)
        with Progress(console=console, disable=not console.is_terminal) as progress:

            def watch(raw: BinaryIO, doing: str) -> BinaryIO:
                return progress.wrap_file(raw, os.fstat(raw.fileno()).st_size, description=doing)

            tally = await importer.run(LogFile(file, watch), site, Options(requests, bots))
    if tally is None:
        say(f"{file.name} is already imported, nothing changes")
    else:
        _report(tally)


def _report(tally: Tally) -> None:
    say(f"{tally.lines} lines: {tally.views} views counted, {tally.bots} by bots apart")
    for reason, lines in tally.skipped.most_common():
        say(f"skipped {lines}: {reason}")
    if tally.late:
        say(f"{tally.late} came far out of order, so their visits may be counted wrongly")
    if tally.malformed:
        say(f"malformed {tally.malformed}, such as")
        for number, text in tally.examples:
            say(f"  line {number}: {text!a}")
    if 0 < len(tally.days) <= MOST_DAYS:
        table = Table("day", "views", "visits", "visitors", "bots")
        for day, gained in sorted(tally.days.items()):
            figures = (gained.views, gained.visits, gained.visitors, gained.bots)
            table.add_row(day.isoformat(), *map(str, figures))
        Console().print(table)
    else:
        say(f"{len(tally.days)} days")
