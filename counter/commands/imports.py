"""`counter import …`."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial, reduce
from glob import glob
from pathlib import Path
from signal import SIGTERM
from typing import Any, BinaryIO, Final, NamedTuple

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from counter.clock import system_clock
from counter.commands.histories import add_histories, show_change
from counter.commands.running import Counts, counts, runs, say
from counter.config import Settings
from counter.imports.file import LogFile, in_time_order
from counter.imports.importer import Importer
from counter.imports.parsing import AUTO
from counter.imports.plan import BOTS, REQUESTS, Bots, Options, Requests
from counter.imports.progress import FOLDER, Keeper
from counter.imports.sketches import open_sketches
from counter.imports.tally import Tally
from counter.memory import settled
from counter.sites.store import SiteStore
from counter.tracing.opening import followed
from counter.tracing.tracing import Attributes

MOST_DAYS: Final = 14
LARGE_BYTES: Final = 16 * 1024 * 1024


def expand(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> list[Path]:
    """Return the files that are meant: each once, patterns filled in."""
    found: dict[Path, None] = {}
    for name in names:
        paths = [Path(name)] if Path(name).exists() else sorted(map(Path, glob(name)))  # noqa: PTH207 - it may be absolute
        if not paths:
            raise click.BadParameter(f"{name!r} does not exist.")
        found |= dict.fromkeys(path.resolve() for path in paths)
    return list(found)


def jobs_for(files: Iterable[Path], jobs: int | None) -> int:
    """Return how many processes are worth their start."""
    if jobs is not None:
        return jobs
    size = sum(path.stat().st_size for path in files)
    spare = len(os.sched_getaffinity(0)) - 2  # one makes the batches, Redis counts them
    return max(0, spare) if size >= LARGE_BYTES else 0


@click.group("import")
def import_group() -> None:
    """Bring in numbers from before the counter."""


add_histories(import_group)


_CHOSEN: Final = (
    click.option("--site", "key", required=True, help="Key of the site."),
    click.option(
        "--requests",
        type=click.Choice(REQUESTS),
        default="pages",
        show_default=True,
        help="Which count: pages that were shown, or all requests.",
    ),
    click.option(
        "--bots",
        type=click.Choice(BOTS),
        default="apart",
        show_default=True,
        help="Count bots apart from people, among people, or not at all.",
    ),
    click.option(
        "--format",
        "format_",
        default=AUTO,
        show_default=True,
        help="Of the lines: auto (common, combined, or W3C as IIS has it), combined, w3c, or a template "
        """such as '$remote_addr [$time_iso8601] "$request" $status "$http_user_agent"'.""",
    ),
    click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day that is imported."),
    click.option("--dry-run", is_flag=True, help="Show before and after, and change nothing."),
    click.option("--add", "adds", is_flag=True, help="Add to days that have figures."),
    click.option("--afresh", is_flag=True, help="Begin anew, even if the import was cut short before."),
    click.option(
        "--jobs",
        type=click.IntRange(0, 64),
        help="How many processes read the lines; 0 for none besides.  [default: two fewer than "
        "processors; none for small files]",
    ),
)


class Chosen(NamedTuple):
    """What a person chose."""

    key: str
    requests: Requests
    bots: Bots
    format_: str
    until: datetime | None
    dry_run: bool
    adds: bool
    afresh: bool
    jobs: int | None

    @property
    def options(self) -> Options:
        """What of the log counts."""
        return Options(self.requests, self.bots, self.format_, self.until.date() if self.until else None)


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda wrapped, option: option(wrapped), reversed(_CHOSEN), command)


@import_group.command("log")
@click.argument("files", nargs=-1, required=True, callback=expand)
@_with_options
@runs
async def log_command(settings: Settings, files: list[Path], **chosen: Any) -> None:
    """Import access logs of Apache, nginx or IIS, plain or gzip.

    FILES may be many, and patterns such as 'access.log*'; they are read in the order of their first requests,
    as one log, so visits over a rotation stay whole. The same files again change nothing. An import that was
    cut short shows nothing; the same command goes on where it was (--afresh begins anew). Days that have
    figures are refused; leave them out with --until.
    """
    choice = Chosen(**chosen)
    told: Attributes = {
        "counter.source": "log",
        "counter.site": choice.key,
        "counter.files": len(files),
        "counter.dry_run": choice.dry_run,
    }
    with ended_by_sigterm():
        async with followed("import", told) as span, counts(settings) as both:
            tally = await _import(settings, both, files, choice)
            span.note({"counter.views": tally.views if tally else 0})
    if tally is None:
        say(f"{LogFile(*files).name} is already imported, nothing changes")
    else:
        _report(tally)
        show_change(tally.shown[0], tally.shown[1], dry_run=choice.dry_run)


async def _import(settings: Settings, both: Counts, files: list[Path], chosen: Chosen) -> Tally | None:
    """Import files, showing on a terminal how far they are read."""
    site = await SiteStore(both.connection).find(chosen.key)
    sketches = partial(open_sketches, settings.redis_url.get_secret_value(), settings.redis_timeout_seconds)
    folder = settings.spool_dir / FOLDER if settings.spool_mb else None
    keeper = Keeper(folder, partial(say, err=True), system_clock, afresh=chosen.afresh)
    importer = Importer(
        both.connection,
        both.rollup,
        sketches,
        system_clock,
        jobs_for(files, chosen.jobs),
        keeper=keeper,
        adds=chosen.adds,
    )
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress, settled():

        def watch(raw: BinaryIO, doing: str) -> BinaryIO:
            return progress.wrap_file(raw, os.fstat(raw.fileno()).st_size, description=doing)

        log = LogFile(*in_time_order(files, chosen.format_), watch=watch)
        return await importer.run(log, site, chosen.options, dry_run=chosen.dry_run)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, at a moment when it can be left, and then the command."""
    task, loop, came = asyncio.current_task(), asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        came.set()
        if task:
            task.cancel()

    loop.add_signal_handler(SIGTERM, end)
    try:
        yield
    except asyncio.CancelledError:
        if came.is_set():
            raise click.exceptions.Exit(128 + SIGTERM) from None
        raise
    finally:
        loop.remove_signal_handler(SIGTERM)


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
