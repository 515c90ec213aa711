"""A site with imported history: what the tests of imports share."""

import gzip
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from counter.aggregates.store import AggregateStore
from counter.commands.running import counts
from counter.config import Settings
from counter.imports.file import LogFile, in_time_order
from counter.imports.importer import Importer
from counter.imports.plan import Options
from counter.imports.progress import FOLDER, Keeper
from counter.imports.sketches import open_sketches
from counter.imports.tally import Tally
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.conftest import SetClock
from tests.rights import with_least_rights

LOG = Path(__file__).parent.parent / "data" / "semicomplete-2015-05.access.log.gz"
EVERYTHING = Options("all", "in")
VIEWS = [1632, 2893, 2896, 2579]
"""Of the log's four days, everything counted."""

TABLES = (
    "aggregates",
    "page_aggregates natural join (select id as page_id, path from pages) as named",
    "pages",
    "imports",
    "adjustments",
    "sites",
)
SERIALS = ("id", "site_id", "page_id", "created_at", "changed_at", "rolled_up_at", "finished_at", "secret")

Rows = dict[str, list[Any]]


@dataclass
class Archive:
    """Imports into the site `old`, and looks at what came of it."""

    settings: Settings
    redis: Redis
    said: list[str] = field(default_factory=list)

    async def add_site(self, **chosen: Any) -> None:
        async with counts(self.settings) as both:
            await SiteStore(both.connection).add("old", SiteSettings(**{"time_zone": "UTC", **chosen}))

    async def remove_site(self) -> None:
        async with counts(self.settings) as both:
            await SiteStore(both.connection).remove("old")
            await both.rollup.clear_removed(AggregateStore(both.connection))  # the key is free at once

    async def take(
        self, *paths: Path, options: Options = EVERYTHING, jobs: int = 0, adds: bool = False
    ) -> Tally | None:
        """Import files as the command does."""
        least = with_least_rights(self.settings)
        sketches = partial(open_sketches, least.redis_url.get_secret_value(), 5)
        async with counts(least) as both:
            site = await SiteStore(both.connection).find("old")
            keeper = Keeper(self.settings.spool_dir / FOLDER, self.said.append, SetClock())
            importer = Importer(
                both.connection, both.rollup, sketches, SetClock(), jobs, keeper=keeper, adds=adds
            )
            log = LogFile(*in_time_order(paths or [LOG], options.format))
            return await importer.run(log, site, options)

    async def rows(self, *, without: tuple[str, ...] = ()) -> Rows:
        """All rows of all tables, but for some columns; pages by their paths."""
        found = {}
        async with counts(self.settings) as both:
            for table in TABLES:
                records = await both.connection.fetch(f"select * from {table}")
                kept = [{name: row[name] for name in row.keys() if name not in without} for row in records]  # noqa: SIM118
                found[table.partition(" ")[0]] = sorted(kept, key=repr)
        return found

    async def history(self) -> Rows:
        """What must be the same whenever and however often a file was imported."""
        return await self.rows(without=SERIALS)

    async def days(self) -> list[Any]:
        return sorted((await self.rows())["aggregates"], key=lambda row: row["day"])

    async def leftovers(self) -> list[bytes]:
        """What is in Redis of any import."""
        return sorted([key async for key in self.redis.scan_iter("counter:{import*")])

    async def command(self, *words: str | Path) -> Process:
        """Start `counter import log` with all requests and bots counted, as a person does."""
        least = with_least_rights(self.settings)
        environment = {
            **os.environ,
            "COUNTER_REDIS_URL": least.redis_url.get_secret_value(),
            "COUNTER_DATABASE_URL": least.database_url.get_secret_value(),
            "COUNTER_SPOOL_DIR": str(self.settings.spool_dir),
        }
        options = ("--site", "old", "--requests", "all", "--bots", "in")
        command = (sys.executable, "-m", "counter", "import", "log", *options, *map(str, words))
        return await create_subprocess_exec(*command, env=environment, stdout=PIPE, stderr=STDOUT)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Archive]:
    """Yield an archive with an empty site whose days are those of UTC."""
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        found = Archive(settings.model_copy(update={"redis_timeout_seconds": 5}), redis)
        await found.add_site()
        yield found


def unpacked() -> list[bytes]:
    """The lines of the log, with their ends."""
    return gzip.decompress(LOG.read_bytes()).splitlines(keepends=True)
