"""`counter token …` and `counter changes`."""

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counter.administration.audit import Change, list_changes
from counter.administration.scopes import SCOPES, Scope
from counter.administration.tokens import Tokens
from counter.commands.running import actor, database, json, runs, say
from counter.config import Settings


@click.group("token")
def token_group() -> None:
    """Add, list and revoke the tokens of the administration over HTTP."""


@token_group.command("add")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default="read",
    show_default=True,
    help="read looks at everything, site changes one site, all does everything.",
)
@click.option("--site", "key", help="Key of the one site, for the scope site.")
@runs
async def add_command(settings: Settings, name: str, *, scope: Scope, key: str | None) -> None:
    """Make a token and print it; only its hash is kept, so it cannot be shown again."""
    async with database(settings) as connection:
        say(await Tokens(connection).add(name, scope, key, actor()))


@token_group.command("list")
@runs
async def list_command(settings: Settings) -> None:
    """List all tokens, which does not show them."""
    async with database(settings) as connection:
        tokens = await Tokens(connection).list_all()
    table = Table("name", "scope", "site", "made", "last used", "revoked")
    for token in tokens:
        revoked = f"{token.revoked_at:%F}" if token.revoked_at else ""
        used = str(token.last_used_on or "never")
        cells = (token.name, token.scope, token.site or "", f"{token.created_at:%F}", used, revoked)
        table.add_row(*map(Text, cells))
    Console().print(table)


@token_group.command("revoke")
@click.argument("name")
@runs
async def revoke_command(settings: Settings, name: str) -> None:
    """Let a token be worth nothing from now on."""
    async with database(settings) as connection:
        await Tokens(connection).revoke(name, actor())
    say(f"revoked {name}")


@click.command("changes")
@click.option("--site", "key", help="Only changes of this site.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many.")
@click.option("--before", type=int, help="Only those before the one of this id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@runs
async def changes_command(
    settings: Settings, *, key: str | None, limit: int, before: int | None, as_json: bool
) -> None:
    """List who changed what, newest first: sites, tokens, the ledger."""
    async with database(settings) as connection:
        changes = await list_changes(connection, before=before, site=key, limit=limit)
    if as_json:
        say(json({"changes": [change._asdict() for change in changes]}))
        return
    table = Table("id", "when", "who", "what", "site", "change")
    for change in changes:
        cells = (
            str(change.id),
            f"{change.at:%F %T%z}",
            change.actor,
            change.action,
            change.site or "",
            _difference(change),
        )
        table.add_row(*map(Text, cells))
    Console().print(table)


def _difference(change: Change) -> str:
    before, after = change.before or {}, change.after or {}
    if not before or not after:
        return ""
    return ", ".join(
        f"{name}: {before.get(name)} → {after[name]}" for name in after if after[name] != before.get(name)
    )
