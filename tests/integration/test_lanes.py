"""Random journeys through numbers of lanes on real engines: every figure is exact, whatever was left behind."""

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count, cycle
from random import Random

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from counter.aggregates.store import AggregateStore
from counter.buckets.batch import Batch, Hit, Kind
from counter.buckets.keys import LaneKeys, lane_of
from counter.buckets.store import BucketStore
from counter.config import Settings
from counter.database import Connection
from counter.errors import ConfigError, GenerationEndedError, OtherLanesError
from counter.rollup.rollup import Rollup
from counter.sites.model import Site
from counter.sites.registry import SiteRegistry
from counter.widget.snapshot import Snapshot, add_up
from counter.wiring.agreement import Agreement, known_lanes
from counter.wiring.hot import open_buckets
from tests.integration.model import person_id

SITES = [f"portal-{number}" for number in range(4)]
NUMBERS = (1, 2, 3, 6)
NOON = int(datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
STEPS = 25
_SEQUENCES = count(1)
_MOMENTS = count(NOON)


@pytest.fixture
def settings(redis_url: str, database_url: str) -> Settings:
    return Settings(
        redis_url=SecretStr(redis_url), database_url=SecretStr(database_url), patience_seconds=0.2
    )


def with_lanes(settings: Settings, lanes: int) -> Settings:
    return settings.model_copy(update={"lanes": lanes})


def batch_of(site: Site, now_ms: int, *people: int) -> Batch:
    batch = Batch()
    for person in people:
        day = site.span_of(now_ms).day
        batch.add(Hit(site, now_ms, Kind.VIEW, "/a", person_id(person, day), person_id(person, day)))
    return batch


class Process:
    """What one process of the service does to the stores, and what it would show."""

    def __init__(self, store: BucketStore, aggregates: AggregateStore, sites: SiteRegistry) -> None:
        self.store = store
        self.aggregates = aggregates
        self.rollup = Rollup(store, sites.known)

    async def count(self, batch: Batch, lane: LaneKeys) -> None:
        generation = await self.store.generation(lane)
        await self.store.record(lane, generation, "worker", next(_SEQUENCES), batch, expires=True)

    async def shown(self, site: Site, now_ms: int) -> Snapshot:
        live = await self.store.read_site(site.key, now_ms)
        if live.base is None:
            await self.rollup.refresh_base(site.key, self.aggregates, now_ms)
            live = await self.store.read_site(site.key, now_ms)
        return add_up(live, now_ms)

    async def page_views(self, site: Site) -> int:
        """Views of /a: what open buckets have, and what all other rows have."""
        found = await self.store.read_pages(site.key, ["/a"])
        lane = self.store.lane_of(site.key)
        index = (await self.store.read_indexes(lane, [site.key]))[0]
        stored = await self.store.read_buckets(lane, await self.store.generation(lane), index.names)
        open_keys = [
            (site.id, bucket.name.day, bucket.name.generation, bucket.part, lane.lane) for bucket in stored
        ]
        closed = await self.aggregates.page_views(site.id, ["/a"], open_keys)  # type: ignore[arg-type]
        return found.views[0] + closed.get("/a", 0)


class Journey:
    """One service that stops and starts with other numbers of lanes, and what it must show."""

    def __init__(self, settings: Settings, connection: Connection, sites: list[Site]) -> None:
        self.settings = settings
        self.connection = connection
        self.sites = SiteRegistry()
        self.sites.replace(sites)
        self.now_ms = NOON
        self.lanes = 1
        self.views: Counter[tuple[str, int]] = Counter()
        self.people: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        self.waiting: list[tuple[LaneKeys, Site, list[int]]] = []
        self.rooms = AsyncExitStack()
        self.outdated: list[Process] = []

    @property
    def day(self) -> int:
        return (self.now_ms - NOON) // DAY_MS

    async def process(self, lanes: int, known: int) -> Process:
        buckets = open_buckets(with_lanes(self.settings, lanes), lambda: next(_MOMENTS), known)
        store = (await self.rooms.enter_async_context(buckets)).store
        return Process(store, AggregateStore(self.connection), self.sites)

    async def start(self, lanes: int) -> Process:
        """Start with a number of lanes, as the only service."""
        agreement = Agreement(with_lanes(self.settings, lanes), lambda: next(_MOMENTS))
        async with agreement.kept():
            self.lanes = lanes
            return await self.process(lanes, agreement.known)

    def note(self, site: Site, people: list[int]) -> None:
        self.views[site.key, self.day] += len(people)
        self.people[site.key, self.day] |= set(people)

    async def replay(self, process: Process) -> None:
        """Count what waited on a disk, in the lanes that it was for."""
        for lane, site, people in self.waiting:
            await process.count(batch_of(site, self.now_ms, *people), lane)
            self.note(site, people)
        self.waiting.clear()
        await process.rollup.run(process.aggregates, self.now_ms)

    async def judge(self, process: Process) -> None:
        for site in self.sites:
            shown = await process.shown(site, self.now_ms)
            by_day = {
                day: (shown.days[date].views, shown.days[date].visitors) if date in shown.days else (0, 0)
                for day in range(self.day + 1)
                for date in [site.span_of(NOON).day + timedelta(days=day)]
            }
            wanted = {day: (self.views[site.key, day], len(self.people[site.key, day])) for day in by_day}
            assert by_day == wanted
            assert shown.total.views == sum(views for views, _people in wanted.values())
            assert shown.total.visitors == sum(people for _views, people in wanted.values())
            assert await process.page_views(site) == shown.total.views

    async def judge_outdated(self) -> None:
        """A process of another number counts nothing, and shows what is right or nothing."""
        for process in self.outdated:
            if process.store.used == self.lanes:
                continue
            for site in self.sites:
                lane = process.store.lane_of(site.key)
                with pytest.raises(OtherLanesError):
                    await process.count(batch_of(site, self.now_ms, 1), lane)
                live = await process.store.read_site(site.key, self.now_ms)
                if live.base:
                    assert lane_of(site.key, self.lanes) == int(lane.lane)
                    views = sum(self.views[site.key, day] for day in range(self.day + 1))
                    assert add_up(live, self.now_ms).total.views == views

    async def step(self, process: Process, random: Random) -> Process:
        site = random.choice(list(self.sites))
        people = [random.randrange(6) for _ in range(random.randint(1, 3))]
        match random.choice(
            ("count", "count", "roll up", "spool", "replay", "start", "start", "day", "wipe")
        ):
            case "count":
                await process.count(batch_of(site, self.now_ms, *people), process.store.lane_of(site.key))
                self.note(site, people)
            case "roll up":
                await process.rollup.run(process.aggregates, self.now_ms)
            case "spool":
                self.waiting.append((process.store.lane_of(site.key), site, people))
            case "replay":
                await self.replay(process)
            case "start":
                self.outdated = [*self.outdated[-2:], process]
                return await self.start(random.choice(NUMBERS))
            case "day":
                self.now_ms += DAY_MS
            case "wipe":
                await process.rollup.run(process.aggregates, self.now_ms)
                async with Redis.from_url(self.settings.redis_url.get_secret_value()) as redis:
                    await redis.flushall()
                for lane in process.store.lanes:  # the service is there before anybody who is outdated
                    await process.store.generation(lane)
        return process


@pytest.mark.parametrize("seed", range(8))
async def test_any_sequence_of_numbers_keeps_every_figure(settings, connection, add_site, seed: int) -> None:
    """Counted, rolled up or not, waiting on a disk, over midnight and after a wipe: every figure is exact."""
    journey = Journey(settings, connection, [await add_site(key, time_zone="UTC") for key in SITES])
    random = Random(seed)
    async with journey.rooms:
        process = await journey.start(random.choice(NUMBERS))
        for _step in range(STEPS):
            process = await journey.step(process, random)
            await journey.judge(process)
            await journey.judge_outdated()
        await journey.replay(process)
        await journey.judge(process)
        totals = await connection.fetch("select site, views, visitors from site_totals")
        for site, views, visitors in totals:
            assert views == sum(journey.views[site, day] for day in range(journey.day + 1))
            assert visitors == sum(len(journey.people[site, day]) for day in range(journey.day + 1))


async def test_a_change_amid_hits_loses_none_and_doubles_none(settings, connection, add_site) -> None:
    """A process that nobody could see counts while all is moved: each batch is counted once, or refused."""
    journey = Journey(settings, connection, [await add_site(key, time_zone="UTC") for key in SITES])

    async def visit(process: Process) -> None:
        """Count until the lanes are others; one batch is in flight at a time."""
        for site in cycle(journey.sites):
            try:
                await process.count(batch_of(site, NOON, 1, 2), process.store.lane_of(site.key))
            except OtherLanesError:
                return
            except GenerationEndedError:
                continue
            journey.note(site, [1, 2])

    async with journey.rooms:
        process = await journey.start(1)
        for lanes in (6, 2, 6, 1):
            before = journey.views.total()
            async with asyncio.TaskGroup() as visitors:
                visitors.create_task(visit(process))
                while journey.views.total() < before + 200:
                    await asyncio.sleep(0)
                process = await journey.start(lanes)
            assert journey.views.total() > before + 200
            await journey.judge(process)


async def test_many_processes_agree_at_once(settings: Settings, connection: Connection) -> None:
    """Of several that start together one moves the counts, and all of them keep a share."""
    for lanes in (1, 6, 2):
        agreements = [Agreement(with_lanes(settings, lanes), lambda: next(_MOMENTS)) for _ in range(4)]
        async with AsyncExitStack() as rooms:
            await asyncio.gather(*(rooms.enter_async_context(each.kept()) for each in agreements))
            assert {each.known for each in agreements} == {1 if lanes == 1 else 6}
            with pytest.raises(ConfigError, match=f"running with {lanes}: stop all of them"):
                await rooms.enter_async_context(
                    Agreement(with_lanes(settings, 3), lambda: next(_MOMENTS)).kept()
                )
            assert await known_lanes(connection, with_lanes(settings, lanes)) >= lanes
            with pytest.raises(ConfigError, match=f"set it to {lanes}"):
                await known_lanes(connection, with_lanes(settings, 5))


async def test_a_change_that_was_cut_off_is_completed(settings: Settings, connection: Connection) -> None:
    """Whoever starts next completes it, whichever number it has, and commands wait for that."""
    async with Agreement(settings, lambda: next(_MOMENTS)).kept():
        pass
    await connection.execute("update lanes set moved = false")
    with pytest.raises(ConfigError, match="is being changed"):
        await known_lanes(connection, settings)
    async with Agreement(settings, lambda: next(_MOMENTS)).kept():
        assert await known_lanes(connection, settings) == 1


async def test_lanes_are_taken_back_from_who_has_no_share(settings: Settings, connection: Connection) -> None:
    """After a wipe somebody outdated may be first in a lane; who has a share takes it back within moments."""
    new = with_lanes(settings, 2)
    agreement = Agreement(new, lambda: next(_MOMENTS), look_seconds=0.01)
    async with (
        agreement.kept(),
        open_buckets(settings, lambda: next(_MOMENTS)) as outdated,
        open_buckets(new, lambda: next(_MOMENTS), agreement.known) as buckets,
    ):
        lane = buckets.store.lanes[0]
        await outdated.store.generation(lane)
        with pytest.raises(OtherLanesError):
            await buckets.store.generation(lane)
        agreement.guard(buckets.store)
        while True:
            try:
                await buckets.store.generation(lane)
            except OtherLanesError:
                continue
            break
        with pytest.raises(OtherLanesError):
            await outdated.store.generation(lane)
