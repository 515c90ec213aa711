"""Brings a backup back into an empty system, and proves that it is the same."""

import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from counter.backups.durable import BackupStore
from counter.backups.manifest import Manifest, check_equal
from counter.backups.programs import Program, find_program, reachable, run_program
from counter.buckets.store import BucketStore
from counter.checks.lateness import chunks
from counter.database import Connection, migrate, migration_versions, read_query, revert, translated
from counter.errors import BackupError
from counter.rollup.loop import LEASE_KEY

AT_ONCE: Final = 500
_SCHEMA: Final = re.compile(rb"^\d+; \d+ \d+ (?:SCHEMA -|COMMENT - SCHEMA) reading\b")
MAJOR: Final = 10_000


class Restore:
    """Restores backups.

    Args:
        buckets: the hot counts of the empty system.
        connect: opens a connection to the database at `url`, as a role that may make tables.
        folders: where `pg_restore` may be, beside the PATH.
    """

    def __init__(
        self,
        buckets: BucketStore,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        url: str,
        folders: Iterable[Path],
    ) -> None:
        self._buckets = buckets
        self._connect = connect
        self._url = url
        self._folders = folders

    async def run(self, manifest: Manifest, dump: Path, grant_to: str = "") -> None:
        """Restore a dump, and compare what is there then with the manifest.

        Args:
            manifest: what the dump must hold.
            dump: the file of `pg_dump`, checked already.
            grant_to: a role that gets the rights of the service.

        Raises:
            BackupError: the system is not empty, or the backup does not fit; nothing was changed.
                Or what was restored differs.
        """
        later = sorted(set(manifest.migrations) - set(migration_versions()))
        if later:
            raise BackupError(
                f"the backup is of a later version; this one lacks migration {', '.join(later)}"
            )
        await self._check_redis([each.site for each in manifest.sites])
        async with self._connect() as connection:
            store = BackupStore(connection)
            server = await store.server_version() // MAJOR
            least = max(server, manifest.dump_version)
            program = await find_program("pg_restore", least, self._folders)
            await self._clear(store)
            await store.make_reading_schema()
        contents = await self._contents(program, dump)
        with reachable(self._url) as target:
            words = (
                "--no-owner",
                "--no-privileges",
                "--single-transaction",
                "--exit-on-error",
                f"--use-list={contents}",
            )
            await run_program(program, *words, f"--dbname={target}", str(dump))
        await migrate(self._url, grant_to)
        async with self._connect() as connection:
            check_equal(manifest.sites, await BackupStore(connection).figures())

    @asynccontextmanager
    async def leading(self) -> AsyncGenerator[None]:
        """Hold the lease of the rollup, as no service does yet."""
        async with self._connect() as connection:
            with translated():
                await connection.fetchval(read_query("rollup.try_lease"), LEASE_KEY)
            yield

    async def _check_redis(self, sites: Sequence[str]) -> None:
        for lane in self._buckets.lanes:
            opened, dirty = await self._buckets.bucket_names(lane)
            mine = (site for site in sites if self._buckets.lane_of(site) is lane)
            kept = [
                index.site
                for chunk in chunks(mine, AT_ONCE)
                for index in await self._buckets.read_indexes(lane, chunk)
                if index.revision or index.names
            ]
            if opened or dirty or kept:
                name = next(iter([*kept, *(name.site for name in opened | dirty)]))
                raise BackupError(f"Redis is not empty: it has counts of {name}; restore into an empty one")

    @staticmethod
    async def _contents(program: Program, dump: Path) -> Path:
        """List what is to be restored: all but the schema of the views, which is whose the roles are."""
        listed = await run_program(program, "--list", str(dump))
        contents = dump.with_name(f"{dump.name}.list")
        contents.write_bytes(
            b"".join(line for line in listed.splitlines(keepends=True) if not _SCHEMA.search(line))
        )
        return contents

    async def _clear(self, store: BackupStore) -> None:
        """Remove the tables of a database that was migrated and never used."""
        if not await store.has_tables():
            return
        if await store.has_sites():
            raise BackupError("the database is not empty: it has sites; restore into an empty one")
        await revert(store.connection)
