"""`counter site …`."""

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from textwrap import indent
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counter.administration.documents import WEEKDAYS, document_of
from counter.administration.file import parse_file
from counter.administration.plan import Wanted, plan_lines
from counter.administration.sites import SiteAdministration
from counter.aggregates.adjustments import Ledger
from counter.aggregates.store import AggregateStore
from counter.commands.ledger import print_ledger
from counter.commands.running import actor, counts, database, json, runs, say
from counter.commands.snippets import snippets
from counter.config import Settings
from counter.hits.signing import debug_key
from counter.sites.model import METRICS, Site
from counter.sites.store import SiteStore
from counter.widget.files import pinned

_OPTIONS: Final = (
    click.option("--name", help="Name shown to people."),
    click.option(
        "--host", "hosts", multiple=True, help="Host whose pages may count, *. for all below; repeat it."
    ),
    click.option("--time-zone", help="IANA name, such as Asia/Ho_Chi_Minh."),
    click.option("--week-start", type=click.Choice(WEEKDAYS), help="First day of the week."),
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
        "--language", help="Two letters: language of block, badge and statistics where none is asked for."
    ),
    click.option(
        "--repeat-seconds", type=int, help="Seconds until the same page counts again for the same visitor."
    ),
    click.option("--hours-days", type=int, help="Days that hours are kept; 0 for ever."),
    click.option("--page-months", type=int, help="Months that page views by day are kept; 0 for ever."),
    click.option("--day-months", type=int, help="Months that days are kept; 0 for ever."),
)


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command an option for each of a site's settings."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given on the command line, as a document spells them."""
    given = {name: value for name, value in options.items() if value not in {None, ()}}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}


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
        await SiteAdministration(connection, actor()).add({"key": key, **chosen(options)})
    say(f"added {key}; put this into its pages, or choose from `counter site show {key}`:\n")
    say(snippets(key, settings, pinned(settings.script_path))[0].markup)


@site_group.command("set")
@click.argument("key")
@click.option("--enable/--disable", "enabled", default=None, help="Let the site count, or not.")
@settings_options
@runs
async def set_command(settings: Settings, key: str, **options: Any) -> None:
    """Change settings of a site; what is not named stays."""
    async with database(settings) as connection:
        site = await SiteAdministration(connection, actor()).change(key, chosen(options))
    _print_site(site)


@site_group.command("list")
@click.option("--search", default="", help="Only sites with this text in their key, name or a host.")
@click.option("--page", type=click.IntRange(min=1), default=1, show_default=True, help="Which page.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Sites on a page."
)
@click.option("--all", "everything", is_flag=True, help="All sites on one page.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@runs
async def list_command(
    settings: Settings, *, search: str, page: int, limit: int, everything: bool, as_json: bool
) -> None:
    """List sites in the order of their keys, page by page."""
    async with database(settings) as connection:
        store = SiteStore(connection)
        number = await store.count(search)
        first, most = (0, number) if everything else ((page - 1) * limit, limit)
        sites = await store.page("", search, first, most)
    if as_json:
        say(json({"sites": [document_of(site) for site in sites], "number": number}))
        return
    _print_table(sites)
    if len(sites) < number:
        say(f"{first + 1:,} to {first + len(sites):,} of {number:,}" if sites else f"{number:,} in all")


@site_group.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.option(
    "--prune", is_flag=True, help="Remove sites that the file does not have, with all their numbers."
)
@click.option("--yes", is_flag=True, help="Do not ask before sites are removed.")
@runs
async def apply_command(settings: Settings, file: Path, *, dry_run: bool, prune: bool, yes: bool) -> None:
    """Let the sites be as a YAML file declares them, all or none. What it does not name is the default."""
    wanted = _declared(file)
    async with database(settings) as connection:
        administration = SiteAdministration(connection, actor())
        plan = await administration.apply(wanted, prune=prune, dry_run=True)
        say("\n".join(plan_lines(plan)))
        if dry_run or plan.is_empty:
            return
        gone = len(plan.removed)
        if gone and not yes:
            gone = click.prompt(f"type {gone} to remove so many sites and all their numbers", type=int)
        await administration.apply(wanted, prune=prune, confirmed=gone)
    say(f"applied {file.name}")


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
        print_ledger(adjustments)
    for snippet in snippets(key, settings, pinned(settings.script_path)):
        say(f"\n{snippet.purpose}:\n{indent(snippet.markup, '  ')}")


@site_group.command("remove")
@click.argument("key")
@click.option("--yes", is_flag=True, help="Do not ask.")
@runs
async def remove_command(settings: Settings, key: str, *, yes: bool) -> None:
    """Remove a site with all its numbers, for good."""
    typed = key if yes else click.prompt(f"type {key} to remove it and all its numbers")
    async with counts(settings) as both:
        await SiteAdministration(both.connection, actor()).remove(key, typed)
        await both.rollup.clear_removed(AggregateStore(both.connection))
    say(f"removed {key}")


def _declared(file: Path) -> list[Wanted]:
    return parse_file(file.read_bytes(), file.name)


def _print_table(sites: Sequence[Site]) -> None:
    table = Table("key", "name", "counts", "time zone", "metric", "hosts")
    for site in sites:
        chosen_ = site.settings
        counting = "yes" if site.enabled else "no"
        hosts = " ".join(chosen_.hosts) or "any"
        table.add_row(
            *map(Text, (site.key, chosen_.name, counting, chosen_.time_zone, chosen_.metric, hosts))
        )
    Console().print(table)


def _print_site(site: Site) -> None:
    say(f"key: {site.key}\ncounts: {'yes' if site.enabled else 'no'}")
    for name, value in document_of(site).items():
        if name not in {"key", "enabled"}:
            say(f"{name}: {' '.join(value) if isinstance(value, list) else value}")
