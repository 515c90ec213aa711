"""What a round happens to: Valkey, Postgres, workers of one host behind links that can break."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import asyncpg
import psutil
import redis.asyncio as redis
from pydantic import SecretStr

from counter.aggregates.store import AggregateStore
from counter.clock import system_clock
from counter.config import Settings
from counter.database import Connection, connected, migrate
from counter.embedded.engine import Engine
from counter.embedded.postgres import Postgres
from counter.embedded.valkey import Valkey
from counter.errors import GenerationEndedError
from counter.rollup.rollup import Rollup
from counter.sites.model import SiteSettings
from counter.sites.registry import SiteRegistry
from counter.sites.store import SiteStore
from counter.wiring.hot import open_buckets
from tests.chaos.control import Control
from tests.chaos.lives import Slot
from tests.chaos.plan import SITES, WORKERS, Plan
from tests.chaos.power import lose_power
from tests.chaos.worker import CONTROL, NOTES
from tests.proxy import proxied

FRESH_MILLISECONDS: Final = 100
DAY_MS: Final = 86_400_000
SAIGON_MIDNIGHT_MS: Final = 17 * 3_600_000
"""When a day begins in Saigon, after midnight UTC."""
PATIENCE_SECONDS: Final = 90.0
"""After everything is mended, what has not happened by then never will."""
_PINGS: Final = 3
_NUMBERS: Final = count(1)


class Part:
    """A server that faults kill, stop, and let go on."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lock = asyncio.Lock()

    async def kill(self) -> None:
        async with self.lock:
            self.kill_now()

    async def pause(self) -> None:
        async with self.lock:
            if self.engine.running:
                self._signal(signal.SIGSTOP)

    async def mend(self) -> None:
        async with self.lock:
            await self.mend_now()

    def kill_now(self) -> None:
        """End the server; the lock is held, or nobody else is about."""
        if self.engine.running:
            self._signal(signal.SIGCONT)  # the children of a dead Postgres end by themselves, if they run
        self.engine.kill()

    async def mend_now(self) -> None:
        """Let the server run and answer; the lock is held."""
        if self.engine.running:
            self._signal(signal.SIGCONT)
        await self.engine.start()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(self.engine.pid)
            for process in (server, *server.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)


class Cluster:
    """A Postgres for many rounds, with a database for each."""

    def __init__(self, engine: Postgres) -> None:
        self.engine = engine

    @classmethod
    @asynccontextmanager
    async def running(cls, folder: Path) -> AsyncIterator["Cluster"]:
        """Run it, with a migrated database to be cloned."""
        async with Postgres(folder, options=("-c", "fsync=off")) as engine:
            cluster = cls(engine)
            await cluster._run("create database template_of_rounds")
            await migrate(cluster._url("template_of_rounds"))
            yield cluster

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """Yield the URL of a fresh database with the sites."""
        name = f"round_{next(_NUMBERS)}"
        await self._run(f"create database {name} template template_of_rounds")
        async with connected(self._url(name)) as connection:
            for site in SITES:
                settings = SiteSettings(
                    time_zone=site.time_zone, visit_timeout_seconds=86_400, metric="views"
                )
                await SiteStore(connection).add(site.key, settings)
        try:
            yield self._url(name)
        finally:
            await self.engine.start()
            await self._run(f"drop database {name} with (force)")

    def _url(self, name: str) -> str:
        return self.engine.url.replace("/counter?", f"/{name}?")

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.engine.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Leader:
    """Rolls up without asking for the lease, straight to the stores."""

    rollup: Rollup
    connection: Connection
    redis: redis.Redis
    clock_offset_ms: int

    async def run(self) -> None:
        await self.rollup.run(AggregateStore(self.connection), system_clock() + self.clock_offset_ms)


class World:
    """One service in one round.

    Attributes:
        redis, postgres: the servers.
        slots: the workers.
        spool: the folder that they share.
        links_lock: held while links are changed, or kept as they are.
        offset_ms: from the machine's time to the true time of this world.
    """

    def __init__(self, folder: Path, plan: Plan, valkey: Valkey, cluster: Cluster, database_url: str) -> None:
        self.folder = folder
        self.plan = plan
        self.redis = Part(valkey)
        self.postgres = Part(cluster.engine)
        self.database_url = database_url
        self.spool = folder / "spool"
        self.notes = folder / "notes"
        self.links_lock = asyncio.Lock()
        self.offset_ms = _offset_ms(system_clock(), plan.midnight_in_seconds)
        self.slots: list[Slot] = []
        self.notes.mkdir()

    @classmethod
    @asynccontextmanager
    async def of(cls, plan: Plan, folder: Path, cluster: Cluster) -> AsyncIterator["World"]:
        """Run everything; the folder keeps the logs."""
        async with AsyncExitStack() as rooms:
            database_url = await rooms.enter_async_context(cluster.database())
            valkey = await rooms.enter_async_context(Valkey(folder / "valkey"))
            world = cls(folder, plan, valkey, cluster, database_url)
            rooms.callback(world.redis.kill_now)
            for number in range(WORKERS):
                redis_link = await rooms.enter_async_context(proxied(valkey.url))
                postgres_link = await rooms.enter_async_context(proxied(database_url))
                control = Control(folder / f"control-{number}")
                control.offset_ms = world.offset_ms
                environment = world.environment(number, redis_link.url, postgres_link.url)
                log = folder / f"worker-{number}.log"
                slot = Slot(number, environment, control, redis=redis_link, postgres=postgres_link, log=log)
                rooms.push_async_callback(slot.close)
                world.slots.append(slot)
            yield world

    def environment(self, number: int, redis_url: str, database_url: str) -> Mapping[str, str]:
        """Return the settings of a worker: everything is quicker than in an office, and the spool is small."""
        return {
            "COUNTER_PORT": "0",
            "COUNTER_ADMIN_PORT": "0",
            "COUNTER_REDIS_URL": redis_url,
            "COUNTER_DATABASE_URL": database_url,
            "COUNTER_TRUSTED_PROXIES": "127.0.0.1/32",
            # The clients send as many hits as they like, and are never told so.
            "COUNTER_ADDRESS_HITS_PER_SECOND": "0",
            "COUNTER_NETWORK_HITS_PER_SECOND": "0",
            "COUNTER_NEW_VISITORS_PER_MINUTE": "0",
            "COUNTER_DRAIN_SECONDS": "1",
            "COUNTER_LANES": str(self.plan.lanes),
            "COUNTER_REDIS_TIMEOUT_SECONDS": "0.5",
            "COUNTER_PATIENCE_SECONDS": "0.3",
            "COUNTER_SPOOL_DIR": str(self.spool),
            "COUNTER_SPOOL_MB": "1",
            "COUNTER_ROLLUP_SECONDS": "0.4",
            "COUNTER_SITES_SECONDS": "2",
            "COUNTER_SNAPSHOT_MILLISECONDS": str(FRESH_MILLISECONDS),
            CONTROL: str(self.folder / f"control-{number}"),
            NOTES: str(self.notes),
        }

    @property
    def spool_is_empty(self) -> bool:
        """Whether nothing waits to be replayed."""
        return not any(self.spool.rglob("*.spool"))

    @asynccontextmanager
    async def leader(self) -> AsyncIterator[Leader]:
        """Yield a leader of the harness's own."""
        settings = Settings(
            redis_url=SecretStr(self.redis.engine.url),
            database_url=SecretStr(self.database_url),
            lanes=self.plan.lanes,
        )

        def clock() -> int:
            return system_clock() + self.offset_ms

        async with (
            connected(self.database_url) as connection,
            open_buckets(settings, clock) as buckets,
            redis.from_url(self.redis.engine.url) as client,
        ):
            sites = SiteRegistry()
            sites.replace(await SiteStore(connection).list_all())
            yield Leader(Rollup(buckets.store, sites.known), connection, client, self.offset_ms)

    @asynccontextmanager
    async def isolated(self, *, held: bool) -> AsyncIterator[Leader]:
        """Keep every worker from Redis, and yield when all that Redis has counted is rolled up.

        Only the servers are mended for it; what a worker is waiting for goes on waiting.

        Args:
            held: what is on the way waits there; else connections are cut.
        """
        async with self.redis.lock, self.postgres.lock, self.links_lock:
            await self.redis.mend_now()
            await self.postgres.mend_now()
            refused = [slot.redis.refuses for slot in self.slots]
            for slot in self.slots:
                if held:
                    slot.redis.flows.clear()
                else:
                    slot.redis.refuses = True
                    slot.redis.cut()
            try:
                async with self.leader() as leader:
                    await self._roll_up(leader)
                    yield leader
            finally:
                for slot, was in zip(self.slots, refused, strict=True):
                    slot.redis.refuses = was
                    slot.redis.flows.set()

    async def _roll_up(self, leader: Leader) -> None:
        for _ in range(_PINGS):
            await leader.redis.ping()  # what was sent before is counted by now
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await self.dirty(leader.redis):
                    with suppress(GenerationEndedError):
                        await leader.run()
        except TimeoutError:
            raise TimeoutError("what Redis has counted cannot be rolled up") from None

    async def dirty(self, client: redis.Redis) -> int:
        """Return how many buckets are not rolled up yet."""
        return sum([await client.scard(f"counter:{{{lane}}}:dirty") for lane in range(self.plan.lanes)])

    def copy_append_only_file(self) -> Path:
        """Keep the append-only file as it is now; nobody writes."""
        copy = self.folder / f"older-{len(list(self.folder.glob('older-*')))}"
        shutil.copytree(self._append_only_folder, copy)
        return copy

    async def restore_append_only_file(self, copy: Path) -> None:
        """Kill Redis, and let it start from an older file; the lock is held."""
        self.redis.kill_now()
        shutil.rmtree(self._append_only_folder)
        shutil.copytree(copy, self._append_only_folder)
        await self.redis.mend_now()

    def lose_power(self) -> None:
        """End all workers at once, and take what was never fsynced."""
        for slot in self.slots:
            slot.kill()
        lose_power(self.spool, self.notes)

    async def heal(self) -> None:
        """Mend everything, and set every clock right."""
        async with self.links_lock:
            for slot in self.slots:
                slot.redis.heal()
                slot.postgres.heal()
                slot.control.crash_at(None)
                slot.control.offset_ms = self.offset_ms
                slot.signal(signal.SIGCONT)
                if slot.life:
                    slot.life.limit_files(-1)
        await self.redis.mend()
        await self.postgres.mend()

    @property
    def _append_only_folder(self) -> Path:
        return self.redis.engine.data_dir / "appendonlydir"


def _offset_ms(now_ms: int, midnight_in_seconds: float) -> int:
    """Return what to add to a time, so that a day begins in Saigon in so many seconds."""
    midnight_ms = now_ms - (now_ms - SAIGON_MIDNIGHT_MS) % DAY_MS + DAY_MS
    return midnight_ms - now_ms - int(midnight_in_seconds * 1000)
