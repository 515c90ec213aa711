"""`counter site …` and `counter adjust`."""

from collections.abc import Callable
from dataclasses import fields, replace
from functools import reduce
from getpass import getuser
from textwrap import indent
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore
from counter.clock import system_clock
from counter.commands.running import counts, database, runs, say
from counter.commands.snippets import snippets
from counter.config import Settings
from counter.errors import SiteError
from counter.hits.signing import debug_key
from counter.sites.model import METRICS, Site, SiteSettings
from counter.sites.store import SiteStore
from counter.widget.files import pinned

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALL: Final = "all"

_OPTIONS: Final = (
    click.option("--name", help="Name shown to people."),
    click.option(
        "--host", "hosts", multiple=True, help="Host whose pages may count, *. for all below; repeat it."
    ),
    click.option("--time-zone", help="IANA name, such as Asia/Ho_Chi_Minh."),
    click.option("--week-start", "first_weekday", type=click.Choice(WEEKDAYS), help="First day of the week."),
    click.option(
        "--visit-timeout", "visit_timeout_seconds", type=int, help="Seconds without a view that end a visit."
    ),
    click.option(
        "--online-window", "online_window_seconds", type=int, help="Seconds that a visitor counts as online."
    ),
    click.option("--page-cap", type=int, help="Distinct pages kept a day."),
    click.option(
        "--query", "query_allow", multiple=True, help="Query parameter that tells pages apart; repeat it."
    ),
    click.option("--metric", type=click.Choice(METRICS), help="What the widget shows by default."),
    click.option(
        "--public-stats/--private-stats", default=None, help="Let anybody see history and top pages."
    ),
    click.option(
        "--respect-gpc/--ignore-gpc", default=None, help="Leave out who sends Global Privacy Control."
    ),
    click.option("--signed/--unsigned", default=None, help="Ask each hit for a token."),
    click.option(
        "--repeat-seconds", type=int, help="Seconds until the same page counts again for the same visitor."
    ),
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each of a site's settings."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given on the command line, as the model spells them."""
    given = {name: value for name, value in options.items() if value not in {None, ()}}
    if "first_weekday" in given:
        given["first_weekday"] = WEEKDAYS.index(given["first_weekday"]) + 1
    return given


@click.group("site")
def site_group() -> None:
    """Add, list, show, change and remove sites."""


@site_group.command("add")
@click.argument("key")
@settings_options
@runs
async def add_command(settings: Settings, key: str, **options: Any) -> None:
    """Register a site."""
    async with database(settings) as connection:
        await SiteStore(connection).add(key, SiteSettings(**chosen(options)))
    say(f"added {key}; put this into its pages, or choose from `counter site show {key}`:\n")
    say(snippets(key, settings, pinned(settings.script_path))[0].markup)


@site_group.command("set")
@click.argument("key")
@click.option("--enable/--disable", "enabled", default=None, help="Let the site count, or not.")
@settings_options
@runs
async def set_command(settings: Settings, key: str, *, enabled: bool | None, **options: Any) -> None:
    """Change settings of a site; what is not named stays."""
    async with database(settings) as connection:
        store = SiteStore(connection)
        site = await store.find(key)
        if given := chosen(options):
            site = await store.change(key, replace(site.settings, **given))
        if enabled is not None:
            site = await store.enable(key, enabled=enabled)
    _print_site(site)


@site_group.command("list")
@runs
async def list_command(settings: Settings) -> None:
    """List all sites."""
    async with database(settings) as connection:
        sites = await SiteStore(connection).list_all()
    table = Table("key", "name", "counts", "time zone", "metric", "hosts")
    for site in sites:
        counting = "yes" if site.enabled else "no"
        chosen_ = site.settings
        table.add_row(
            site.key,
            chosen_.name,
            counting,
            chosen_.time_zone,
            chosen_.metric,
            " ".join(chosen_.hosts) or "any",
        )
    Console().print(table)


@site_group.command("show")
@click.argument("key")
@click.option("--secret", is_flag=True, help="Show what signs the tokens of this site, too.")
@runs
async def show_command(settings: Settings, key: str, *, secret: bool) -> None:
    """Show a site: its settings, its totals as rolled up, its ledger, and the markup for its pages."""
    async with database(settings) as connection:
        site = await SiteStore(connection).find(key)
        ledger = Ledger(connection)
        totals, adjustments = await ledger.totals(key), await ledger.list_of(site.id)
    _print_site(site)
    say(f"debug key: {debug_key(site.secret, site.key)}")
    if secret:
        say(f"secret: {site.secret}")
    for metric in METRICS:
        say(f"total {metric}: {totals[metric]}")
    if adjustments:
        table = Table("when", "metric", "amount", "reason", "author", title="ledger")
        for row in adjustments:
            table.add_row(f"{row.created_at:%F %T%z}", row.metric, f"{row.amount:+d}", row.reason, row.author)
        Console().print(table)
    for snippet in snippets(key, settings, pinned(settings.script_path)):
        say(f"\n{snippet.purpose}:\n{indent(snippet.markup, '  ')}")


@site_group.command("remove")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@runs
async def remove_command(settings: Settings, key: str, *, yes: bool) -> None:
    """Remove a site with all its numbers, for good."""
    if not yes and click.prompt(f"type {key} to remove it and all its numbers") != key:
        raise SiteError("nothing was removed")
    async with counts(settings) as both:
        await SiteStore(both.connection).remove(key)
        lane = both.buckets.lane_of(key)
        (index,) = await both.buckets.read_indexes(lane, [key])
        await both.buckets.discard(lane, key, index.names)
    say(f"removed {key}")


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
@click.option("--reason", required=True, help="Why; it stays in the ledger.")
@click.option("--author", default=getuser, help="Who says so.  [default: you]")
@runs
async def adjust_command(
    settings: Settings,
    key: str,
    *,
    total: int | None,
    amount: int | None,
    metric: str,
    reason: str,
    author: str,
) -> None:
    """Add an opening balance or a correction to a site's ledger."""
    if (total is None) == (amount is None):
        raise click.UsageError("say either --total or --add")
    metrics = METRICS if metric == ALL else (metric,)
    async with counts(settings) as both:
        site = await SiteStore(both.connection).find(key)
        ledger, aggregates = Ledger(both.connection), AggregateStore(both.connection)
        # What Redis has is written down first, and it is told the new sums afterwards.
        await both.rollup.refresh_base(key, aggregates, system_clock())
        shown = await ledger.totals(key)
        changes = {name: (total or 0) - shown[name] if amount is None else amount for name in metrics}
        await ledger.add(
            site.id, {name: change for name, change in changes.items() if change}, reason, author
        )
        await both.rollup.refresh_base(key, aggregates, system_clock())
        shown = await ledger.totals(key)
    for name in metrics:
        say(f"total {name} of {key}: {shown[name]}")


def _print_site(site: Site) -> None:
    say(f"key: {site.key}\ncounts: {'yes' if site.enabled else 'no'}")
    for field in fields(SiteSettings):
        value = getattr(site.settings, field.name)
        if field.name == "first_weekday":
            value = WEEKDAYS[value - 1]
        say(f"{field.name}: {' '.join(value) if isinstance(value, tuple) else value}")
