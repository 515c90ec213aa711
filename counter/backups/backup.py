"""Makes a backup: everything is rolled up, then Postgres is dumped as of one moment.

Redis holds no number that Postgres has not got then. The open buckets are written down first, and their rows
in the dump's own snapshot must have reached the versions that were read before: so every hit that was
acknowledged before the beginning is in. What else is in Redis names visitors, and does not last on purpose.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from counter import __version__
from counter.aggregates.store import AggregateStore, RowKey
from counter.backups.archive import digest_of, write_archive
from counter.backups.durable import BackupStore
from counter.backups.manifest import FORMAT, Manifest
from counter.backups.programs import find_program, reachable, run_program
from counter.buckets.store import BucketStore
from counter.checks.durable import DurableAudit
from counter.checks.lateness import chunks
from counter.checks.spooled import read_spool
from counter.clock import Clock
from counter.database import Connection
from counter.errors import BackupError
from counter.rollup.rollup import Rollup
from counter.rollup.rows import row_key
from counter.sites.model import Site

AT_ONCE: Final = 200
MAJOR: Final = 10_000
PAUSE_SECONDS: Final = 0.2


class Backup:
    """Makes backups.

    Args:
        connect: opens a connection to the database at `url`.
        spool: folder of this host's spool, None if none is kept.
        folders: where `pg_dump` may be, beside the PATH.
    """

    def __init__(
        self,
        buckets: BucketStore,
        rollup: Rollup,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        url: str,
        clock: Clock,
        *,
        spool: Path | None,
        folders: Iterable[Path],
    ) -> None:
        self._buckets = buckets
        self._rollup = rollup
        self._connect = connect
        self._url = url
        self._clock = clock
        self._spool = spool
        self._folders = folders

    async def run(self, path: Path, sites: Iterable[Site], wait_seconds: float) -> Manifest:
        """Write a backup to a file.

        Args:
            path: of the file.
            sites: all of them.
            wait_seconds: how long hits in the spool may take to be replayed.

        Raises:
            BackupError, ExportError: it cannot be made.
            BucketsUnavailableError, AggregatesUnavailableError: a store does not answer; run it again.
        """
        began_ms = self._clock()
        await self._replayed(wait_seconds)
        ids = {site.key: site.id for site in sites}
        versions = await self._versions(ids)
        async with self._connect() as connection:
            await self._rollup.run(AggregateStore(connection), self._clock())
            async with DurableAudit(connection).one_moment():
                for chunk in chunks(versions, AT_ONCE):
                    if await DurableAudit(connection).unwritten({key: versions[key] for key in chunk}):
                        raise BackupError("not all buckets could be written down; run the command again")
                return await self._dump(connection, path, began_ms)

    async def _replayed(self, wait_seconds: float) -> None:
        """Wait until the spool of this host is empty."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + wait_seconds
        while self._spool:
            reading = await asyncio.to_thread(read_spool, self._spool)
            waiting = sum(segment.waiting_hits for segment in reading.segments)
            if not waiting:
                return
            if loop.time() >= gives_up_at:
                raise BackupError(f"{waiting:,} hits wait in {self._spool}; they have to be replayed first")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _versions(self, ids: Mapping[str, int]) -> dict[RowKey, int]:
        """Return which version each open bucket has, by the key of its row."""
        found: dict[RowKey, int] = {}
        for lane in self._buckets.lanes:
            generation = await self._buckets.generation(lane)
            opened, dirty = await self._buckets.bucket_names(lane)
            for names in chunks((name for name in opened | dirty if name.site in ids), AT_ONCE):
                for bucket in await self._buckets.read_buckets(lane, generation, names):
                    found[row_key(lane, ids, bucket)] = bucket.version
        return found

    async def _dump(self, connection: Connection, path: Path, began_ms: int) -> Manifest:
        store = BackupStore(connection)
        server = await store.server_version()
        program = await find_program("pg_dump", server // MAJOR, self._folders)
        snapshot = await store.export_snapshot()
        figures = await store.figures()
        migrations = sorted(await DurableAudit(connection).migrations())
        with _beside(path) as folder, reachable(self._url) as target:
            dump = Path(folder) / "dump"
            words = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}")
            await run_program(program, *words, f"--file={dump}", f"--dbname={target}")
            digest = await asyncio.to_thread(digest_of, dump)
            manifest = Manifest(
                format=FORMAT,
                version=__version__,
                begun_at=datetime.fromtimestamp(began_ms / 1000, UTC).isoformat(timespec="milliseconds"),
                server_version=server,
                dump_version=program.version,
                migrations=migrations,
                dump_bytes=digest.size,
                dump_sha256=digest.sha256,
                sites=figures,
            )
            await asyncio.to_thread(partial(write_archive, path, manifest, dump))
        return manifest


def _beside(path: Path) -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(dir=path.parent, prefix=".counter-backup-")
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror or error}") from error
