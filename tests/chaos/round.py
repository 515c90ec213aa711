"""One round: the plan's phases carried out, everything mended, and what was seen brought to the oracle."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Final

import asyncpg
import redis.asyncio as redis

from counter.background import end
from counter.database import connected
from tests.chaos.clients import Clients
from tests.chaos.faults import Faults
from tests.chaos.oracle import Observed, Outcome, Shown, Stored, judge, tally
from tests.chaos.plan import SITES, Form, Hit, Phase, Plan
from tests.chaos.report import Result
from tests.chaos.world import FRESH_MILLISECONDS, PATIENCE_SECONDS, Cluster, World

PROBE_PAUSE_SECONDS: Final = 0.05
FIRST_PROBE: Final = 1_000_000
NOTHING_STORED: Final = Stored(0, 0, 0, 0, {})
SITE_ROWS: Final = """
    select s.key as site, sum(a.views)::bigint as views, sum(a.visits)::bigint as visits,
        sum((select sum(v) from unnest(a.hour_views) as v))::bigint as hour_views,
        sum((select sum(v) from unnest(a.hour_visits) as v))::bigint as hour_visits
    from aggregates as a join sites as s on s.id = a.site_id group by s.key"""
PAGE_ROWS: Final = """
    select s.key as site, p.path, sum(a.views)::bigint as views
    from page_aggregates as a join pages as p on p.id = a.page_id join sites as s on s.id = p.site_id
    group by s.key, p.path"""


class Round:
    """Carries out a plan."""

    def __init__(self, world: World, clients: Clients, observed: Observed) -> None:
        self.recovered: list[tuple[str, float]] = []
        self.rolled_up: list[tuple[str, float]] = []
        self._world = world
        self._clients = clients
        self._observed = observed
        self.faults = Faults(world, observed)
        self._probes = count(FIRST_PROBE)

    async def run(self) -> None:
        """Carry out all phases, and look at what is left."""
        try:
            await self._within(self._all_ready(), "the workers do not start")
            async with self._reading():
                for phase in self._world.plan.phases:
                    await self._run_phase(phase)
            await self._look()
            await self._within(self._stop(), "the workers do not end")
        except* TimeoutError as errors:
            self._observed.mishaps += map(str, errors.exceptions)

    async def _run_phase(self, phase: Phase) -> None:
        begun_at, over = _now(), asyncio.Event()
        sending = asyncio.create_task(self._clients.send_all(phase.hits, begun_at))
        going_on = asyncio.create_task(self._go_on(sending, over))
        before = self.faults.done.total()
        async with asyncio.TaskGroup() as breaking:
            for fault in phase.faults:
                breaking.create_task(self.faults.apply(fault, begun_at))
        over.set()
        await self._world.heal()
        if self.faults.done.total() > before:
            await self._measure(_name(phase))
        await going_on
        await self._within(self._settled(), "not everything lands in Postgres")

    async def _go_on(self, sending: asyncio.Task[None], over: asyncio.Event) -> None:
        """Send hits while faults last longer than those that were planned."""
        await sending
        while not over.is_set():
            for slot in self._world.slots:
                await self._probe(slot.number)
            await asyncio.sleep(PROBE_PAUSE_SECONDS)

    async def _measure(self, name: str) -> None:
        began_at = _now()
        await self._within(self._counting(), "hits are not counted at once again")
        self.recovered.append((name, _now() - began_at))
        await self._within(self._settled(), "not everything lands in Postgres")
        self.rolled_up.append((name, _now() - began_at))

    async def _counting(self) -> None:
        """Wait until every worker counts a fresh hit at once, and nothing waits in the spool."""
        await asyncio.gather(*(self._until_counted(slot.number) for slot in self._world.slots))
        while not self._world.spool_is_empty:
            await asyncio.sleep(PROBE_PAUSE_SECONDS)

    async def _until_counted(self, worker: int) -> None:
        while not self._world.slots[worker].url:
            await asyncio.sleep(PROBE_PAUSE_SECONDS)
        while (await self._probe(worker)).status != 200:
            await asyncio.sleep(PROBE_PAUSE_SECONDS)

    async def _probe(self, worker: int) -> Outcome:
        number = next(self._probes)
        return await self._clients.send(
            Hit(number, 0.0, worker, "utc", f"/hit/{number}", number, Form.NUMBERS)
        )

    async def _all_ready(self) -> None:
        for slot in self._world.slots:
            while not slot.url:
                await asyncio.sleep(PROBE_PAUSE_SECONDS)
        await self._counting()

    async def _settled(self) -> None:
        """Wait until the spool is empty and nothing in Redis is newer than in Postgres."""
        async with redis.from_url(self._world.redis.engine.url) as client:
            while not self._world.spool_is_empty or await self._world.dirty(client):
                await asyncio.sleep(PROBE_PAUSE_SECONDS)

    async def _look(self) -> None:
        """Read what is stored, and what each worker shows."""
        async with connected(self._world.database_url) as connection:
            rows = await connection.fetch(SITE_ROWS)
            pages = await connection.fetch(PAGE_ROWS)
        for site in SITES:
            self._observed.stored[site.key] = _stored(site.key, rows, pages)
        for slot in self._world.slots:
            for site in SITES:
                await self._within(
                    self._show(slot.number, site.key), f"worker {slot.number} has no fresh numbers"
                )

    async def _show(self, worker: int, site: str) -> None:
        shown = []
        for metric in ("views", "visits"):
            answer = None
            while answer is None or answer["meta"]["stale"]:
                await asyncio.sleep(FRESH_MILLISECONDS / 1000)
                answer = await self._clients.read(self._world.slots[worker], site, metric)
            shown.append(answer["total"])
        self._observed.shown[worker, site] = Shown(*shown)

    async def _stop(self) -> None:
        await asyncio.gather(*(slot.stop() for slot in self._world.slots))

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        readers = [asyncio.create_task(self._clients.read_always(slot)) for slot in self._world.slots]
        try:
            yield
        finally:
            for reader in readers:
                await end(reader)

    async def _within(self, waiting, what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await waiting
        except TimeoutError:
            raise TimeoutError(what) from None


async def run_round(plan: Plan, folder: Path, cluster: Cluster) -> Result:
    """Carry out a plan in a folder, and judge what was seen; on a violation the folder tells what happened."""
    observed = Observed(fresh_seconds=FRESH_MILLISECONDS / 1000)
    async with (
        World.of(plan, folder, cluster) as world,
        Clients.of(world.slots, observed) as clients,
    ):
        round_ = Round(world, clients, observed)
        await round_.run()
    for slot in world.slots:
        observed.mishaps += slot.mishaps
    violations = judge(observed)
    if violations:
        _write_down(folder, observed, violations)
    return Result(
        plan.seed,
        violations,
        tally(observed),
        len(observed.readings),
        round_.faults.done,
        round_.faults.steps,
        round_.recovered,
        round_.rolled_up,
    )


def _write_down(folder: Path, observed: Observed, violations: list[str]) -> None:
    lines = [json.dumps({**asdict(o.hit), **asdict(o), "hit": o.hit.number}) for o in observed.outcomes]
    folder.joinpath("outcomes.jsonl").write_text("\n".join(lines))
    folder.joinpath("readings.jsonl").write_text("\n".join(json.dumps(asdict(r)) for r in observed.readings))
    folder.joinpath("violations.txt").write_text("\n".join(violations))


def _stored(site: str, rows: list[asyncpg.Record], pages: list[asyncpg.Record]) -> Stored:
    views = {row["path"]: row["views"] for row in pages if row["site"] == site}
    for row in rows:
        if row["site"] == site:
            return Stored(row["views"], row["visits"], row["hour_views"], row["hour_visits"], views)
    return NOTHING_STORED


def _name(phase: Phase) -> str:
    return phase.faults[0].kind.name if len(phase.faults) == 1 else "several"


def _now() -> float:
    return asyncio.get_running_loop().time()
