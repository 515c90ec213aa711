"""The way back: what each migration added goes, what was counted stays, and the next upgrade finds what it needs."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count, pairwise
from pathlib import Path

import pytest

from counter.administration.tokens import Tokens
from counter.aggregates.adjustments import Ledger
from counter.aggregates.entries import Entry
from counter.database import Connection, connected, migrate, migration_versions, revert, sql_folder
from counter.embedded.postgres import Postgres
from counter.embedded.wheels import postgres_programs
from counter.errors import ConfigError
from tests.integration.conftest import AddSite
from tests.integration.test_retention import TODAY, Sweeper, written
from tests.integration.test_retention import sweeper as sweeper  # noqa: PLC0414 - the fixture
from tests.rights import OWNER, SERVICE, database_url_of

NUMBERS = count(1)
FIRST_WITHOUT_ADMINISTRATION = "0004"
TOTALS = "select site, views, visits, visitors from site_totals order by site"
RIGHTS = (
    "select table_name, grantee, privilege_type from information_schema.table_privileges order by 1, 2, 3"
)
# The carried views of a page are in its column, or in the ledger.
PAGES = """
select key, path, coalesce((to_jsonb(pages) ->> 'carried_views')::bigint, 0) + coalesce((
    select sum(views) from page_aggregates where page_id = pages.id
), 0) + coalesce((
    select sum(amount) from adjustments where adjustments.site_id = pages.site_id and page = path
), 0)
from pages join sites on sites.id = pages.site_id
order by 1, 2
"""


@pytest.fixture
async def fresh_url(postgres: Postgres, here: Path) -> AsyncIterator[str]:
    """The address of a database with the roles that we ship and nothing else, for who owns it."""
    name = f"migrated_{next(NUMBERS)}"
    url = postgres.url.replace("/counter?", f"/{name}?")
    async with connected(postgres.url) as connection:
        await connection.execute(f"create database {name}")
    async with connected(url) as connection:
        await connection.execute((here / "deploy" / "postgres-roles.sql").read_text(encoding="utf-8"))
    yield database_url_of(OWNER, url)
    async with connected(postgres.url) as connection:
        await connection.execute(f"drop database {name} with (force)")


async def schema(url: str) -> str:
    """Return all of a database but its rows and rights, as `pg_dump` tells it."""
    words = ("--schema-only", "--no-privileges", "--restrict-key=same", f"--dbname={url}")
    process = await asyncio.create_subprocess_exec(
        postgres_programs() / "pg_dump", *words, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def migrate_up_to(url: str, last: str) -> None:
    """Migrate an empty database as a version of the program did that knew no later migration."""
    async with connected(url) as connection:
        await connection.execute("create table schema_migrations (version text primary key)")
        for version in [each for each in migration_versions() if each <= last]:
            (file,) = sql_folder().joinpath("migrations").glob(f"{version}_*.sql")  # type: ignore[attr-defined]
            await connection.execute(file.read_text(encoding="utf-8").partition("-- migrate:down")[0])
            await connection.execute("insert into schema_migrations (version) values ($1)", version)


async def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await connection.fetch(query)]


async def fill(connection: Connection, add_site: AddSite, sweeper: Sweeper) -> None:
    """Put something into all that the migrations after the fourth brought, and let old rows be carried forward."""
    portal = await add_site("portal", day_months=24, language="vi")
    ward = await add_site("ward", page_months=13)
    for site in (portal, ward):
        await written(connection, site)
    await connection.execute("update sites set changed_at = now() - interval '1 day'")
    await sweeper.sweep()
    ledger = Ledger(connection)
    await ledger.add(portal.id, {"visits": 1000, "views": 5000}, "before", "a test")
    day = Entry("visits", 7, TODAY - timedelta(days=1))
    (mistake,) = await ledger.enter(portal.id, [day], "a day", "a test")
    await ledger.enter(portal.id, [day, Entry("views", 40, None, "/a")], "a list", "a test", "digest")
    await ledger.reverse(portal.id, [mistake], "a mistake", "a test")
    await Tokens(connection).add("one", "site", "portal", "a test")
    gone = await add_site("gone")
    await connection.execute("delete from sites where id = $1", gone.id)
    for found in (
        "select sum(carried_views) from pages",
        "select sum(visits) from carried",
        "select count(*) from aggregates where hour_views is null",
        "select count(*) from removed_sites",
        "select count(*) from audit_log where action = 'token.add'",
    ):
        assert await connection.fetchval(found) > 0, found


async def test_going_back_keeps_what_was_counted(
    connection: Connection, database_url: str, add_site: AddSite, sweeper: Sweeper, fresh_url: str
) -> None:
    """Step by step totals and views of pages stay, until the ledger knows no pages; then all can come again."""
    await fill(connection, add_site, sweeper)
    totals, pages = await rows(connection, TOTALS), await rows(connection, PAGES)
    rights, whole = await rows(connection, RIGHTS), await schema(database_url)
    versions = migration_versions()
    steps = [version for version in versions if version >= FIRST_WITHOUT_ADMINISTRATION]
    async with connected(database_url_of(OWNER, database_url)) as owner:
        for stays, leaves in reversed([*pairwise(steps)]):
            (taken,) = await revert(owner, stays)
            assert taken.partition("_")[0] == leaves
            assert await rows(connection, TOTALS) == totals, taken
            if stays > FIRST_WITHOUT_ADMINISTRATION:
                assert await rows(connection, PAGES) == pages, taken
    await migrate_up_to(fresh_url, FIRST_WITHOUT_ADMINISTRATION)
    assert (await schema(database_url)).splitlines() == (await schema(fresh_url)).splitlines()

    applied = await migrate(database_url_of(OWNER, database_url), SERVICE)
    assert [name.partition("_")[0] for name in applied] == steps[1:]
    assert await rows(connection, TOTALS) == totals
    assert await schema(database_url) == whole
    assert await rows(connection, RIGHTS) == rights
    await migrate(fresh_url)
    assert await schema(fresh_url) == whole


async def test_all_at_once(
    connection: Connection, database_url: str, add_site: AddSite, sweeper: Sweeper
) -> None:
    """Several steps are one transaction, and nothing of a database in use stands in the way."""
    await fill(connection, add_site, sweeper)
    totals = await rows(connection, TOTALS)
    async with connected(database_url_of(OWNER, database_url)) as owner:
        assert len(await revert(owner, FIRST_WITHOUT_ADMINISTRATION)) == len(migration_versions()) - 4
        assert await rows(connection, TOTALS) == totals
        await revert(owner)
        assert await owner.fetchval("select to_regclass('sites') is null")


@pytest.mark.parametrize(
    ("back_to", "complaint"),
    [
        ("0999", "the database has no migration 0999 to go back to"),
        ("4", "the database has no migration 4 to go back to"),
        ("0004", "this version does not know migration 9999, only a later one does"),
    ],
)
async def test_only_known_ways_are_gone(connection: Connection, back_to: str, complaint: str) -> None:
    """Nothing is taken back to a version that never was, or over a migration of a later program."""
    if back_to == FIRST_WITHOUT_ADMINISTRATION:
        await connection.execute("insert into schema_migrations values ('9999')")
    before = await rows(connection, "select version from schema_migrations order by 1")
    with pytest.raises(ConfigError, match=complaint):
        await revert(connection, back_to)
    assert await rows(connection, "select version from schema_migrations order by 1") == before
