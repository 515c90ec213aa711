"""Postgres: the pool, the migrations, and the SQL files, which are one for each query."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit

import asyncpg

from counter.errors import AggregatesUnavailableError, ConfigError

CONNECT_SECONDS: Final = 5
COMMAND_SECONDS: Final = 60
SOON_SECONDS: Final = 3
READ_SECONDS: Final = 5
"""How long a call of the pool may take; the rollup, on a connection of its own, has COMMAND_SECONDS."""
POOL_CONNECTIONS: Final = 8
FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises; the last when a connection breaks in the middle of a reply."""
MIGRATION_LOCK: Final = 0x636F756E746572  # "counter"

if TYPE_CHECKING:  # the driver's classes are generic for the type checker alone
    Connection: TypeAlias = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool


@asynccontextmanager
async def open_pool(url: str) -> AsyncGenerator[Pool]:
    """Yield a pool; it connects when it is first used, so Postgres may come later.

    Raises:
        ConfigError: the URL is none.
    """
    _check(url)
    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=POOL_CONNECTIONS,
        timeout=CONNECT_SECONDS,
        command_timeout=READ_SECONDS,
        server_settings={"application_name": "counter"},
    )
    with translated():
        await pool
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def acquired(pool: Pool) -> AsyncGenerator[Connection]:
    """Yield a connection of the pool, or fail in bounded time.

    Raises:
        AggregatesUnavailableError: none could be had, or Postgres failed within.
    """
    with translated():
        async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
            yield connection


@asynccontextmanager
async def answering_soon() -> AsyncGenerator[None]:
    """Let nobody who waits for an answer wait long for a Postgres that hangs.

    Raises:
        AggregatesUnavailableError: it took too long.
    """
    try:
        async with asyncio.timeout(SOON_SECONDS):
            yield
    except TimeoutError as error:
        raise AggregatesUnavailableError("Postgres takes too long") from error


@asynccontextmanager
async def connected(url: str, name: str = "counter") -> AsyncGenerator[Connection]:
    """Yield a connection of one's own.

    Raises:
        AggregatesUnavailableError: it could not be had, or Postgres failed within.
        ConfigError: the URL is none.
    """
    _check(url)
    with translated():
        connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": name},
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_SECONDS)


@contextmanager
def translated() -> Generator[None]:
    """Turn the driver's errors into the counter's own.

    A connection that is lost at the wrong moment is an `InternalClientError` to the driver.
    """
    try:
        yield
    except (*FAILURES, OSError, TimeoutError) as error:
        raise AggregatesUnavailableError(f"Postgres: {type(error).__name__}: {error}") from error


async def migrate(url: str, grant_to: str = "") -> list[str]:
    """Apply the migrations that the database lacks and return their names; many may call at once.

    Args:
        url: of the database, as a role that may make tables; any role will do where nothing is lacking.
        grant_to: a role that gets the rights of the service, and no others.

    Raises:
        AggregatesUnavailableError: Postgres does not answer, or a migration failed and was rolled back.
    """
    async with connected(url, "counter migrate") as connection, connection.transaction():
        applied = await _migrate(connection)
        if grant_to:
            for (statement,) in await connection.fetch(read_query("migrations.rights"), grant_to):
                await connection.execute(statement)
        return applied


async def revert(connection: Connection, back_to: str = "") -> list[str]:
    """Take back the latest migrations, and return their names.

    Args:
        connection: as the role that owns the tables.
        back_to: the last version that stays; without it all go, and with them every table.

    Raises:
        AggregatesUnavailableError: it cannot be done, and everything stays.
        ConfigError: this program does not know a migration that would have to go, or that would stay last.
    """
    files = {_version(file): file for file in _migrations()}
    with translated():
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            known = {
                row["version"] for row in await connection.fetch("select version from schema_migrations")
            }
            leaving = sorted((version for version in known if version > back_to), reverse=True)
            if later := {*leaving} - files.keys():
                raise ConfigError(f"this version does not know migration {max(later)}, only a later one does")
            if back_to and back_to not in known:
                raise ConfigError(f"the database has no migration {back_to} to go back to")
            for version in leaving:
                text = files[version].read_text(encoding="utf-8")
                await connection.execute(text.partition("-- migrate:down")[2])
                await connection.execute("delete from schema_migrations where version = $1", version)
            if not back_to:
                await connection.execute("drop table schema_migrations")
    return [files[version].name for version in leaving]


def migration_versions() -> list[str]:
    """Return the versions of the migrations that this program has, in their order."""
    return sorted(map(_version, _migrations()))


@lru_cache
def read_query(name: str) -> str:
    """Return the text of `sql/queries/NAME.sql`."""
    return sql_folder().joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")


def sql_folder() -> Traversable:
    """Return the folder `sql/`: inside an installed package, or beside it in a checkout."""
    packaged = files("counter").joinpath("_sql")
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "sql"


def _check(url: str) -> None:
    """Look at a URL before the driver does, whose complaint may quote a piece of the password.

    Raises:
        ConfigError: it is none.
    """
    try:
        parts = urlsplit(url)
        for host in parts.netloc.rpartition("@")[2].split(","):
            _port = urlsplit(f"//{host}").port
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in {"postgresql", "postgres"} or "@" in parts.path:
        raise ConfigError(
            "COUNTER_DATABASE_URL: it cannot be read; it is postgresql://user:password@host:5432/counter, "
            "with %2F for /, %23 for # and %3F for ? in the password"
        ) from None


async def _migrate(connection: Connection) -> list[str]:
    await connection.execute("select pg_advisory_xact_lock($1)", MIGRATION_LOCK)
    if await connection.fetchval("select to_regclass('schema_migrations') is null"):
        await connection.execute("create table schema_migrations (version text primary key)")
    known = {row["version"] for row in await connection.fetch("select version from schema_migrations")}
    found = sorted(_migrations(), key=lambda file: file.name)
    missing = [file for file in found if _version(file) not in known]
    for file in missing:
        text = file.read_text(encoding="utf-8")
        await connection.execute(text.partition("-- migrate:up")[2].partition("-- migrate:down")[0])
        await connection.execute("insert into schema_migrations (version) values ($1)", _version(file))
    return [file.name for file in missing]


def _migrations() -> list[Traversable]:
    return [file for file in sql_folder().joinpath("migrations").iterdir() if file.name.endswith(".sql")]


def _version(file: Traversable) -> str:
    return file.name.partition("_")[0]
