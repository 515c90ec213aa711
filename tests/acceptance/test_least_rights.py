"""What the service's accounts may not do, and that a secret is shown nowhere. All other tests here run with them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr

from counter.buckets.connection import open_servers
from counter.buckets.salts import Salts
from counter.clock import system_clock
from counter.config import Settings
from counter.database import connected, migrate, sql_folder
from counter.errors import AggregatesUnavailableError, ConfigError
from tests.acceptance.conftest import Running, SetClock, running
from tests.engines.cluster import Cluster
from tests.engines.sentinel import Sentinels
from tests.engines.server import ServerSet
from tests.rights import PASSWORD, SERVICE, database_url_of, with_least_rights

PIECES = ("s3cret", "0f-redis", "0f-postgres")


@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (x integer)",
        "create temporary table mine (x integer)",
        "create function mine() returns integer language sql as 'select 1'",
        "alter table sites add column mine text",
        "drop table adjustments",
        "truncate aggregates",
        "delete from aggregates",
        "delete from page_aggregates",
        "delete from adjustments",
        "update adjustments set amount = 0",
        "alter table adjustments disable trigger all",
        "delete from imports",
        "insert into audit_log (actor, action) values ('somebody', 'site.add')",
        "update audit_log set actor = 'somebody else'",
        "delete from audit_log",
        "select note_change('site.add', 'x', null, null)",
        "insert into removed_sites values ('x')",
        "update api_tokens set scope = 'all'",
        "update carried set views = 0",
        "update pages set carried_views = 0",
        "insert into schema_migrations values ('x')",
        "create role mine",
        "copy sites to program 'cat'",
        "select pg_read_file('/etc/passwd')",
        "select rolpassword from pg_authid",
    ],
)
async def test_service_role_does_its_work_and_no_more(settings: Settings, statement: str) -> None:
    """Whoever takes over the service can neither change tables nor rewrite history or the ledger."""
    url = with_least_rights(settings).database_url.get_secret_value()
    connection = await asyncpg.connect(url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_every_table_is_readable_and_none_has_rights_by_accident(settings: Settings) -> None:
    """The rights of the role are those that this table lists."""
    async with connected(settings.database_url.get_secret_value()) as connection:
        rows = await connection.fetch(
            "select table_name, string_agg(privilege_type, ' ' order by privilege_type) "
            "from information_schema.table_privileges where grantee = $1 group by 1",
            SERVICE,
        )
    assert dict(map(tuple, rows)) == {
        "sites": "DELETE INSERT SELECT UPDATE",
        "aggregates": "INSERT SELECT UPDATE",
        "page_aggregates": "INSERT SELECT UPDATE",
        "generations": "INSERT SELECT UPDATE",
        "lanes": "INSERT SELECT UPDATE",
        "pages": "INSERT SELECT",
        "adjustments": "INSERT SELECT",
        "imports": "INSERT SELECT",
        "api_tokens": "INSERT SELECT",
        "audit_log": "SELECT",
        "removed_sites": "DELETE SELECT",
        "carried": "SELECT",
        "schema_migrations": "SELECT",
        "site_totals": "SELECT",
    }


async def test_service_does_not_migrate_what_it_does_not_own(settings: Settings) -> None:
    """A database that lacks a migration is left as it is by the service's role, and the reason is said."""
    url = settings.database_url.get_secret_value()
    newest = max(file.name for file in sql_folder().joinpath("migrations").iterdir())
    async with connected(url) as connection:
        await connection.execute("delete from schema_migrations where version = $1", newest.partition("_")[0])
    with pytest.raises(AggregatesUnavailableError, match=r"must be owner|permission denied"):
        await migrate(database_url_of(SERVICE, url))


async def test_site_goes_with_all_its_rows(service: Running) -> None:
    """The role that may delete no row may remove a site, with all that hangs on it."""
    await service.hit()
    while not await service.metric('counter_rollup_rows_total{table="page_aggregates"}'):
        pass
    async with connected(with_least_rights(service.settings).database_url.get_secret_value()) as connection:
        await connection.execute("delete from sites")
        for table in ("aggregates", "page_aggregates", "pages"):
            assert await connection.fetchval(f"select count(*) from {table}") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("config",),
        ("migrate",),
        ("rollup", "--once"),
        ("serve",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    ("redis_url", "database_url"),
    [
        ("redis://counter:s3cret@127.0.0.1:1/0", "postgresql://counter:s3cret@127.0.0.1:1/counter"),
        ("redis://counter:s3cret@127.0.0.1:x/0", "postgresql://counter:s3cret@127.0.0.1:x/counter"),
        ("redis://counter:s3cret/0f-redis@h/0", "postgresql://counter:s3cret/0f-postgres@h/counter"),
        ("redis://counter:s3cret#0f-redis@h/0", "postgresql://counter:s3cret#0f-postgres@h/counter"),
        ("redis+cluster://counter:s3cret/0f-redis@h:1", "postgresql://counter:1/s3cret@h/counter"),
        ("redis+sentinel://:s3cret/0f-redis/s3cret@h", "postgresql:/counter:s3cret@127.0.0.1:1/counter"),
        ("nonsense://counter:s3cret@127.0.0.1:1", "s3cret"),
    ],
    ids=["nobody there", "no port", "slash", "hash", "cluster", "sentinel", "nonsense"],
)
async def test_password_is_never_shown(
    tmp_path: Path, here: Path, redis_url: str, database_url: str, words: tuple[str, ...]
) -> None:
    """Whatever is wrong with an address, neither errors nor logs nor the table of settings show its password."""
    environment = {
        **os.environ,
        "COUNTER_REDIS_URL": redis_url,
        "COUNTER_DATABASE_URL": database_url,
        "COUNTER_LOG_LEVEL": "DEBUG",
        "COUNTER_SPOOL_DIR": str(tmp_path),
        "COUNTER_PORT": "0",
        "COUNTER_ADMIN_PORT": "0",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "counter", *words),
        cwd=here,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    text = said.decode()
    assert [piece for piece in PIECES if piece in text] == []
    assert "Traceback" not in text
    assert (process.returncode == 0) == (words == ("config",)), text


@pytest.mark.parametrize(
    "url",
    [
        "redis://counter:s3cret@h:x/0",
        "redis://counter:s3cret/0f-redis@h/0",
        "redis://counter:s3cret#0f-redis@h/0",
        "nonsense://counter:s3cret@h",
        "redis+cluster://counter:s3cret/0f-redis@h:1",
        "redis+sentinel://:s3cret/0f-redis/s3cret@h",
        "redis+sentinel://counter:s3cret@h:1/",
        "s3cret",
    ],
)
async def test_address_of_redis_is_not_quoted(url: str) -> None:
    """What is wrong with it is said in words alone, as what looks like a port may be a piece of a password."""
    with pytest.raises(ConfigError, match="COUNTER_REDIS_URL") as raised:
        async with open_servers(url, timeout_seconds=1):
            pass
    assert [piece for piece in PIECES if piece in str(raised.value)] == []


@asynccontextmanager
async def shipped_user(servers: ServerSet, here: Path) -> AsyncIterator[str]:
    """Make the user that we ship on each server of a set, and yield the address of the set for it."""
    line = (here / "deploy" / "valkey.acl").read_text(encoding="utf-8").splitlines()[1]
    rules = line.replace("PASSWORD", PASSWORD).split()[2:]
    for server in servers.data_servers:
        await server.ask("ACL", "SETUSER", "counter", *rules)
    yield servers.url.replace("://", f"://counter:{PASSWORD}@")
    for server in servers.data_servers:
        await server.ask("ACL", "DELUSER", "counter")


@pytest.mark.parametrize("kind", ["cluster", "sentinel"])
async def test_shipped_user_is_enough_for_a_set_of_servers(settings: Settings, here: Path, kind: str) -> None:
    """On a cluster and behind Sentinels hits count, are copied, rolled up and shown, and salts destroyed."""
    servers: ServerSet = {"cluster": Cluster, "sentinel": Sentinels}[kind]()
    async with servers, shipped_user(servers, here) as url:
        changes = {"redis_url": SecretStr(url), "lanes": 4, "redis_replicas": 1}
        clock = SetClock(system_clock())
        async with running(settings.model_copy(update=changes), clock) as service:
            await service.add_site()
            assert (await service.hit()).status == 200
            while not await service.metric('counter_rollup_rows_total{table="aggregates"}'):
                pass
            assert (await service.widget(metric="views"))["total"] == 1
        async with open_servers(url, timeout_seconds=5) as opened:
            salts = Salts(opened, clock)
            await salts.foresee()
            clock.now_ms += 7 * 86_400_000
            assert await salts.destroy() == set()
