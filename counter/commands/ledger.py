"""`counter adjust`."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counter.administration.acting import acting
from counter.administration.balances import (
    ALL,
    checked_day,
    checked_page,
    entries_of,
    metrics_of,
    read_balances,
)
from counter.aggregates.adjustments import MOST_ROWS, Adjustment, Ledger
from counter.aggregates.entries import Entry
from counter.aggregates.store import AggregateStore
from counter.clock import system_clock
from counter.commands.running import Counts, actor, counts, database, json, runs, say
from counter.config import Settings
from counter.sites.model import METRICS, Site
from counter.sites.store import SiteStore

SHOWN_PAGES: Final = 10
_ADDING: Final = ("total", "amount", "file", "reversed_ids", "reversed_file", "listing")


@click.command("adjust")
@click.argument("key")
@click.option("--total", type=click.IntRange(min=0), help="Let the total start at this number.")
@click.option("--add", "amount", type=int, help="Add this to the total; negative takes away.")
@click.option(
    "--metric",
    type=click.Choice([ALL, *METRICS]),
    default=ALL,
    show_default=True,
    help="Whose total. An old counter had one number, so it opens all of them.",
)
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The day to which --add belongs.")
@click.option("--page", help="The page whose views are adjusted.")
@click.option(
    "--csv",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Add old views of many pages: lines of path,views.",
)
@click.option("--dry-run", is_flag=True, help="Say what --csv would do, and do nothing.")
@click.option("--list", "listing", is_flag=True, help="Print the ledger.")
@click.option("--json", "as_json", is_flag=True, help="Print --list as JSON.")
@click.option("--reverse", "reversed_ids", type=int, multiple=True, help="Take this row back; repeat it.")
@click.option(
    "--reverse-csv",
    "reversed_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take back all that this file added.",
)
@click.option("--reason", default="", help="Why; it stays in the ledger.")
@click.option("--author", help="Who says so.  [default: you]")
@runs
async def adjust_command(settings: Settings, key: str, **options: Any) -> None:
    """Add opening balances and corrections to a site's ledger, list it, and take rows back.

    Rows are never edited. The amount of a page is in its views alone: the old total of the site has them
    already, so open that with --total.
    """
    _check_options(options)
    if options["listing"]:
        await _list(settings, key, as_json=options["as_json"])
        return
    async with counts(settings) as both:
        site = await SiteStore(both.connection).find(key)
        if options["file"] and options["dry_run"]:
            _preview(site, options["file"])
            return
        # What Redis has is written down first, and it is told the new sums afterwards.
        aggregates = AggregateStore(both.connection)
        await both.rollup.refresh_base(key, aggregates, system_clock())
        async with acting(both.connection, actor()):
            said = await _enter(both, site, options)
        await both.rollup.refresh_base(key, aggregates, system_clock())
        shown = await Ledger(both.connection).totals(key)
    if said:
        say(said)
    for name in METRICS if options["page"] or said else metrics_of(options["metric"], None):
        say(f"total {name} of {key}: {shown[name]}")


def print_ledger(rows: Sequence[Adjustment]) -> None:
    """Print rows of a ledger for people."""
    table = Table("id", "when", "metric", "amount", "day", "page", "reason", "author", title="ledger")
    for row in rows:
        reason = f"{row.reason} (takes back {row.reverses})" if row.reverses else row.reason
        cells = (
            str(row.id),
            f"{row.created_at:%F %T%z}",
            row.metric,
            f"{row.amount:+d}",
            str(row.day or ""),
            row.page or "",
            reason,
            row.author,
        )
        table.add_row(*map(Text, cells))
    Console().print(table)


def _check_options(options: dict[str, Any]) -> None:
    # Not by equality: a total of 0 is a number that was said.
    given = [
        name
        for name in _ADDING
        if not (options[name] is None or options[name] is False or options[name] == ())
    ]
    if len(given) != 1:
        raise click.UsageError("say either --total or --add, or --csv, --list, --reverse or --reverse-csv")
    if options["day"] and options["amount"] is None:
        raise click.UsageError("--day goes with --add")
    if options["page"] is not None and options["amount"] is None:
        raise click.UsageError("--page goes with --add")
    if options["dry_run"] and not options["file"]:
        raise click.UsageError("--dry-run goes with --csv")


async def _enter(both: Counts, site: Site, options: dict[str, Any]) -> str:
    """Do what the options say, and return what is to be said of it."""
    ledger = Ledger(both.connection)
    reason, author = options["reason"], options["author"] or actor()
    query_allow = site.settings.query_allow
    if file := options["file"]:
        balances = read_balances(file.read_bytes(), file.name, query_allow)
        added = await ledger.enter(site.id, entries_of(balances), reason, author, balances.source)
        return f"added views of {len(added):,} pages"
    if file := options["reversed_file"]:
        balances = read_balances(file.read_bytes(), file.name, query_allow)
        added = await ledger.reverse_source(site.id, balances.source, reason, author)
        return f"took back {len(added):,} rows"
    if options["reversed_ids"]:
        added = await ledger.reverse(site.id, options["reversed_ids"], reason, author)
        return f"took back {len(added):,} rows"
    page = checked_page(options["page"], query_allow)
    day = checked_day(_date(options["day"]), site.span_of(system_clock()).day)
    metrics = metrics_of(options["metric"], page)
    if options["amount"] is None:
        totals = dict.fromkeys(metrics, options["total"])
        await ledger.set_totals(site.id, site.key, totals, reason, author)
        return ""
    amount = options["amount"]
    await ledger.enter(
        site.id, [Entry(name, amount, day, page) for name in metrics if amount], reason, author
    )
    return f"{amount:+,} views of {page}" if page else ""


def _preview(site: Site, file: Path) -> None:
    balances = read_balances(file.read_bytes(), file.name, site.settings.query_allow)
    most = sorted(balances.views.items(), key=lambda found: (-found[1], found[0]))
    say(
        f"{balances.lines:,} lines: {len(most):,} pages, {sum(balances.views.values()):,} views; "
        "nothing was added"
    )
    for page, views in most[:SHOWN_PAGES]:
        say(f"  {views:+,} {page}")
    if len(most) > SHOWN_PAGES:
        say(f"  … and {len(most) - SHOWN_PAGES:,} more")


async def _list(settings: Settings, key: str, *, as_json: bool) -> None:
    async with database(settings) as connection:
        site = await SiteStore(connection).find(key)
        ledger, rows = Ledger(connection), list[Adjustment]()
        while more := await ledger.list_of(site.id, rows[-1].id if rows else 0, MOST_ROWS):
            rows += more
    if as_json:
        say(json({"adjustments": [row._asdict() for row in rows]}))
    else:
        print_ledger(rows)


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
