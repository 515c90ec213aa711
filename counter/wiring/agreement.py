"""Lets all processes put sites into the same number of lanes, and moves everything when that number changes.

    share ──► is the number ours? ──yes──► keep the share as long as this process runs
                    │ no
                    ▼
    nobody else has a share? ──no──► refused: others run with another number
                    │ yes
                    ▼
    every lane is claimed: who counted before learns that its generation is over, and the lanes are not its
    every bucket goes to Postgres, and is removed
    every lane is claimed for the new number: each base is made anew from Postgres when it is asked for

A share is a lock of a connection. Whoever loses its connection, and so the share, is still told by Redis, as
each lane is noted to be kept in a number (`begin_generation.lua`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import structlog

from counter.aggregates.store import AggregateStore
from counter.background import end
from counter.buckets.store import BucketStore
from counter.clock import Clock
from counter.config import Settings
from counter.database import Connection, connected, read_query, translated
from counter.errors import (
    AggregatesUnavailableError,
    BucketsCorruptError,
    BucketsUnavailableError,
    ConfigError,
    OtherLanesError,
)
from counter.rollup.rollup import Rollup
from counter.sites.registry import SiteRegistry
from counter.sites.store import SiteStore
from counter.wiring.hot import open_buckets

SHARE_KEY: Final = 0x6C616E6573  # "lanes"
MOVING: Final = "moving"
"""What a lane is noted to be kept in while its buckets are written down: nobody else may count or look."""
TRY_SECONDS: Final = 0.1
LOOK_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 1.0
TRIES: Final = 5

log = structlog.get_logger(__name__)


class Division(NamedTuple):
    """How the hot data are divided, as Postgres knows it.

    Attributes:
        used: into how many lanes sites are put.
        known: how many there ever were.
        moved: whether all is written down that lanes held under another number.
    """

    used: int
    known: int
    moved: bool


async def read_division(connection: Connection) -> Division | None:
    """Return how the hot data are divided, None if nobody has said so yet."""
    with translated():
        row = await connection.fetchrow(read_query("lanes.read"))
    return Division(*row.values()) if row else None


async def known_lanes(connection: Connection, settings: Settings) -> int:
    """Return how many lanes a command has to look at.

    Raises:
        ConfigError: the service puts sites into another number of lanes, or is changing it.
    """
    found = await read_division(connection)
    if found and found.used != settings.lanes:
        raise ConfigError(
            f"COUNTER_LANES is {settings.lanes} here, but {found.used} in the service: set it to {found.used}"
        )
    if found and not found.moved:
        raise ConfigError("the number of lanes is being changed: start the service, which completes that")
    return found.known if found else settings.lanes


async def lanes_to_look_at(settings: Settings) -> int:
    """Return the same to a command that goes on without Postgres, and then looks at those that are in use.

    Raises:
        ConfigError: as `known_lanes`.
    """
    try:
        async with connected(settings.database_url.get_secret_value()) as connection:
            return await known_lanes(connection, settings)
    except AggregatesUnavailableError:
        return settings.lanes


class Agreement:
    """Brings the processes of all hosts to one number of lanes.

    Args:
        settings: have this process's number.
        clock: names generations.
        look_seconds: how often a connection is looked at that does nothing but hold a share.
    """

    def __init__(self, settings: Settings, clock: Clock, look_seconds: float = LOOK_SECONDS) -> None:
        self.known = settings.lanes
        self._settings = settings
        self._clock = clock
        self._look_seconds = look_seconds
        self._store: BucketStore | None = None

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Keep a share while the block runs. Where Postgres is away, get it as soon as it answers.

        Raises:
            ConfigError: other processes run with another number, or it cannot be changed now.
        """
        looked = asyncio.Event()
        keeper = asyncio.create_task(self._keep(looked), name="lanes")
        looking = asyncio.create_task(looked.wait())
        try:
            await asyncio.wait([keeper, looking], return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                keeper.result()
            yield
        finally:
            await end(looking)
            await end(keeper)

    def guard(self, store: BucketStore) -> None:
        """Keep the lanes of a store ours from now on, and let it know of all lanes there ever were."""
        self._store = store

    async def _keep(self, looked: asyncio.Event) -> None:
        url = self._settings.database_url.get_secret_value()
        while True:
            try:
                async with connected(url, "counter lanes") as connection:
                    await self._agree(connection)
                    looked.set()
                    await self._hold(connection)
            except AggregatesUnavailableError as error:
                looked.set()
                log.warning("share in the lanes lost", reason=str(error))
            except ConfigError as error:
                if not looked.is_set():
                    raise
                log.error("lanes not agreed on", reason=str(error))  # noqa: TRY400 - it is told in full
            await asyncio.sleep(AGAIN_SECONDS)

    async def _agree(self, connection: Connection) -> None:
        """Take a share, after a change of the number if it needs one."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + self._settings.patience_seconds
        while not await self._shares(connection) and not await self._changes(connection):
            found = await read_division(connection)
            if found and found.used != self._settings.lanes and loop.time() > gives_up_at:
                raise ConfigError(
                    f"COUNTER_LANES is {self._settings.lanes}, but other processes are running with "
                    f"{found.used}: stop all of them before you start one with another number, "
                    f"or set it to {found.used}"
                )
            await asyncio.sleep(TRY_SECONDS)

    async def _shares(self, connection: Connection) -> bool:
        """Take a share if the number is ours already."""
        if not await connection.fetchval(read_query("lanes.try_share"), SHARE_KEY):
            return False
        if await self._is_ours(connection):
            return True
        await connection.execute(read_query("lanes.give_up_share"), SHARE_KEY)
        return False

    async def _changes(self, connection: Connection) -> bool:
        """Make the number ours, and take a share, if nobody else has one."""
        if not await connection.fetchval(read_query("lanes.try_change"), SHARE_KEY):
            return False
        try:
            await connection.execute(read_query("lanes.begin"), self._settings.lanes)
            if not await self._is_ours(connection):
                await self._change(connection)
            return bool(await connection.fetchval(read_query("lanes.try_share"), SHARE_KEY))
        finally:
            await connection.execute(read_query("lanes.give_up_change"), SHARE_KEY)

    async def _is_ours(self, connection: Connection) -> bool:
        found = await read_division(connection)
        if found is None or not found.moved or found.used != self._settings.lanes:
            return False
        self.known = found.known
        return True

    async def _change(self, connection: Connection) -> None:
        before = await read_division(connection)
        self.known = await connection.fetchval(read_query("lanes.change"), self._settings.lanes)
        try:
            await self._move(connection)
        except (BucketsUnavailableError, BucketsCorruptError) as error:
            raise ConfigError(
                f"COUNTER_LANES was changed to {self._settings.lanes}, for which Redis has to be read, "
                f"and it cannot be ({error}): mend that, and start again"
            ) from error
        await connection.execute(read_query("lanes.changed"))
        log.info("lanes changed", before=before.used if before else None, lanes=self._settings.lanes)

    async def _move(self, connection: Connection) -> None:
        """Write down all that lanes hold under another number, and begin a generation in each of them."""
        sites = SiteRegistry()
        sites.replace(await SiteStore(connection).list_all())
        async with open_buckets(self._settings, self._clock, self.known, kept=MOVING) as (store, *_others):
            await _claim(store)
            rollup, tries = Rollup(store, sites.known), 1
            while (await rollup.close_all(AggregateStore(connection))).postponed:
                if tries == TRIES:
                    raise BucketsUnavailableError("buckets change although nobody may count")
                tries += 1
        async with open_buckets(self._settings, self._clock, self.known) as (store, *_others):
            await _claim(store)

    async def _hold(self, connection: Connection) -> None:
        """Hold a share until the connection breaks; take back lanes that somebody without one has taken."""
        while await self._is_ours(connection):
            if self._store is not None:
                await self._guard(self._store)
            await asyncio.sleep(self._look_seconds)

    async def _guard(self, store: BucketStore) -> None:
        store.know(self.known)
        for lane in store.lanes:
            try:
                await store.generation(lane)
            except OtherLanesError:
                log.warning("lane taken back", lane=lane.lane)
                await store.generation(lane, claim=True)


async def _claim(store: BucketStore) -> None:
    for lane in store.lanes:
        await store.generation(lane, claim=True)
