"""`counter import nukeviet …`: the history of other counters."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import reduce
from getpass import getuser
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from counter.clock import system_clock
from counter.commands.running import counts, runs, say
from counter.config import Settings
from counter.imports.history import History
from counter.imports.reading import TableFiles
from counter.imports.records import Record
from counter.imports.redis_source import BUSUANZI, VERCOUNT, Keys, read_live
from counter.imports.sources.drupal import Drupal
from counter.imports.sources.exports import ChosenUmami, Generic, GoatCounter, Matomo, Plausible, Umami
from counter.imports.sources.joomla import Joomla
from counter.imports.sources.nukeviet import NukeViet
from counter.imports.sources.redis_keys import busuanzi, hashes, read_entries, read_sitemap, vercount
from counter.imports.sources.tables import Source, Tables, checked, read_source
from counter.imports.sources.wp_statistics import WpStatistics
from counter.imports.writer import HistoryWriter, Order, Outcome
from counter.sites.model import Site
from counter.sites.store import SiteStore
from counter.tracing.opening import followed

FIGURES: Final = (
    "views", "visits", "visitors", "today", "week", "month", "page_views", "days", "first_day",
)  # fmt: skip
_TITLES: Final = {
    "views": "total views", "visits": "total visits", "visitors": "total visitors", "today": "visits today",
    "week": "visits this week", "month": "visits this month", "page_views": "views of pages",
    "days": "days with figures", "first_day": "first day",
}  # fmt: skip

_FILES: Final = click.argument(
    "files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
_SHARED: Final = (
    click.option("--site", "key", required=True, help="Key of the site."),
    click.option(
        "--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day that is imported; leave later ones out."
    ),
    click.option("--dry-run", is_flag=True, help="Show before and after, and change nothing."),
    click.option("--skip-bad", is_flag=True, help="Leave bad rows out instead of importing nothing."),
    click.option("--add", "adds", is_flag=True, help="Add to days and totals that are there already."),
)
_PREFIX: Final = click.option("--prefix", help="Prefix of the tables, where a dump has several.")

Reads = Callable[[Site, date, Any], Iterable[Record]]


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda wrapped, option: option(wrapped), reversed(_SHARED), command)


_NO_OPTIONS: Final = frozenset(("key", "until", "dry_run", "skip_bad", "adds", "redis_url", "sitemap"))


async def _import(
    settings: Settings, source: str, files: Sequence[Path] | Keys, reads: Reads, chosen: Mapping[str, Any]
) -> None:
    """Read files and write what they tell, showing on a terminal how far they are read."""
    told = {name: value for name, value in chosen.items() if name not in _NO_OPTIONS and value}
    until: datetime | None = chosen["until"]
    if until:
        told["until"] = until.date().isoformat()
    if not files:
        raise click.UsageError("name a file")
    console = Console(stderr=True)
    told_of = {"counter.source": source, "counter.site": chosen["key"], "counter.dry_run": chosen["dry_run"]}
    async with followed("import", told_of), counts(settings) as both:
        site = await SiteStore(both.connection).find(chosen["key"])
        today = site.span_of(system_clock()).day
        history = History(until.date() if until else None)
        with Progress(console=console, disable=not console.is_terminal) as progress:

            def watch(raw: BinaryIO, doing: str) -> BinaryIO:
                return progress.wrap_file(raw, os.fstat(raw.fileno()).st_size, description=doing)

            read = files if isinstance(files, Keys) else TableFiles(files, watch)
            history.take(reads(site, today, read))
        order = Order(
            source, read.names, read.digest, " ".join(f"{name}={value}" for name, value in told.items()),
            getuser(), chosen["dry_run"], chosen["skip_bad"], chosen["adds"],
        )  # fmt: skip
        outcome = await HistoryWriter(both.connection, both.rollup, system_clock).run(history, site, order)
    if outcome is None:
        say(f"{read.names} is already imported, nothing changes")
    else:
        _report(history, outcome, dry_run=order.dry_run)


def _report(history: History, outcome: Outcome, *, dry_run: bool) -> None:
    say(f"{history.records} records: {len(history.days)} days, {history.pages} pages")
    if history.left_out:
        say(f"left out {len(history.left_out)} days after --until")
    for metric, amount in outcome.settled.undated.items():
        say(f"without a day, so in the ledger: {amount} {metric}")
    if history.bad:
        say(f"left out {history.bad} bad rows, such as")
        for bad in history.examples:
            say(f"  {bad.file!a} line {bad.line}: {bad.reason}")
    show_change(outcome.before, outcome.after, dry_run=dry_run)


def show_change(before: Mapping[str, Any], after: Mapping[str, Any], *, dry_run: bool) -> None:
    """Print what a site showed before and after an import."""
    table = Table("", "before", "after")
    for name in FIGURES:
        shown = ("–" if figures[name] is None else str(figures[name]) for figures in (before, after))
        table.add_row(_TITLES[name], *shown)
    Console().print(table)
    if dry_run:
        say("a dry run: nothing was changed")


def _tables(source: Callable[[Site], Source], prefix: str | None = None) -> Reads:
    """Return how the files of a source with tables are read."""

    def reads(site: Site, today: date, files: TableFiles) -> Iterable[Record]:
        made = source(site)
        tables = Tables(made.kinds, prefix)
        return read_source(made, files.rows(tables), tables, site, today)

    return reads


def _simple(name: str, source: Callable[..., Source], description: str) -> click.Command:
    """Return the command of a source without options of its own."""

    @runs
    async def command(settings: Settings, files: tuple[Path, ...], **chosen: Any) -> None:
        await _import(settings, name, files, _tables(source), chosen)

    command.__doc__ = description
    return click.command(name)(_FILES(_shared(command)))


def _prefixed(name: str, source: Callable[[Site], Source], description: str) -> click.Command:
    """Return the command of a source whose tables have a prefix."""

    @runs
    async def command(
        settings: Settings, files: tuple[Path, ...], *, prefix: str | None, **chosen: Any
    ) -> None:
        await _import(settings, name, files, _tables(source, prefix), {**chosen, "prefix": prefix})

    command.__doc__ = description
    return click.command(name)(_FILES(_shared(_PREFIX(command))))


@click.command("nukeviet")
@_FILES
@_shared
@_PREFIX
@click.option("--language", help="Count this language alone, such as vi.")
@click.option(
    "--page-path",
    help="How an article's path is made.  [default: /{module}/{category}/{alias}-{id}.html, with "
    "/{language} before it where there are several]",
)
@runs
async def nukeviet_command(
    settings: Settings,
    files: tuple[Path, ...],
    *,
    prefix: str | None,
    language: str | None,
    page_path: str | None,
    **chosen: Any,
) -> None:
    """Import a portal of NukeViet: its total, the days of this month, and the views of its articles.

    FILES are a dump of MySQL, or CSV of the tables …_counter, …_news_rows and …_news_cat.
    """
    told = {**chosen, "prefix": prefix, "language": language, "page_path": page_path}

    def made(site: Site) -> Source:
        return NukeViet(site, language, page_path)

    await _import(settings, "nukeviet", files, _tables(made, prefix), told)


@click.command("umami")
@_FILES
@_shared
@click.option("--website", help="Id of the website, where a table has several.")
@runs
async def umami_command(
    settings: Settings, files: tuple[Path, ...], *, website: str | None, **chosen: Any
) -> None:
    """Import the export of Umami (its zip, or website_event.csv), or a dump of its MySQL."""

    def made(site: Site) -> Source:
        return ChosenUmami(site, website) if website else Umami(site)

    await _import(settings, "umami", files, _tables(made), {**chosen, "website": website})


_HOST: Final = click.option("--host", required=True, help="Host of the site as it was counted.")
_REDIS: Final = click.option(
    "--redis", "redis_url", help="Read the keys from this Redis instead, redis://HOST:PORT/DB."
)


@click.command("busuanzi")
@_FILES
@_shared
@_HOST
@_REDIS
@click.option(
    "--sitemap",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sitemap, or list of addresses, which tells the pages behind the hashes.",
)
@runs
async def busuanzi_command(
    settings: Settings,
    files: tuple[Path, ...],
    *,
    host: str,
    redis_url: str | None,
    sitemap: Path | None,
    **chosen: Any,
) -> None:
    """Import a host from the keys of busuanzi, out of its Redis or a dump (JSON or CSV)."""
    maps = TableFiles([sitemap] if sitemap else []).texts()
    pages = hashes([address for _name, text in maps for address in read_sitemap(text)], host)

    def reads(site: Site, today: date, read: Any) -> Iterable[Record]:
        for name, text in read.texts():
            records = busuanzi(read_entries(text, name), host, pages, name)
            yield from checked(records, site, today, name)

    source = await read_live(redis_url, BUSUANZI) if redis_url else files
    await _import(settings, "busuanzi", source, reads, {**chosen, "host": host})


@click.command("vercount")
@_FILES
@_shared
@_HOST
@_REDIS
@runs
async def vercount_command(
    settings: Settings, files: tuple[Path, ...], *, host: str, redis_url: str | None, **chosen: Any
) -> None:
    """Import a host from the keys of vercount, out of its Redis or a dump (JSON or CSV)."""

    def reads(site: Site, today: date, read: Any) -> Iterable[Record]:
        for name, text in read.texts():
            yield from checked(vercount(read_entries(text, name), host, name), site, today, name)

    source = await read_live(redis_url, VERCOUNT) if redis_url else files
    await _import(settings, "vercount", source, reads, {**chosen, "host": host})


def add_histories(group: click.Group) -> None:
    """Add the commands of all other counters."""
    for command in (
        nukeviet_command,
        _prefixed(
            "joomla", Joomla, "Import Vinaora Visitors Counter or VCNT from a dump, or CSV of its table."
        ),
        _prefixed(
            "drupal",
            lambda _site: Drupal(),
            "Import the views of nodes from a dump, or CSV of node_counter and path_alias or url_alias.",
        ),
        _prefixed(
            "wp-statistics",
            lambda _site: WpStatistics(),
            "Import WP-Statistics from a dump, or CSV of its tables statistics_visit, …_visitor, …_pages.",
        ),
        _simple("goatcounter", GoatCounter, "Import the CSV that GoatCounter exports, plain or gzip."),
        _simple("matomo", lambda _site: Matomo(), "Import CSV of Matomo: days, views of pages, or both."),
        umami_command,
        _simple("plausible", lambda _site: Plausible(), "Import the export of Plausible: its zip, or CSV."),
        busuanzi_command,
        vercount_command,
        _simple("csv", lambda _site: Generic(), "Import CSV with date, path, views, visits, visitors, bots."),
    ):
        group.add_command(command)
