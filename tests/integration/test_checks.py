"""The audit on real engines: whatever happens between any two of its looks, it raises no false alarm."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from counter.aggregates.adjustments import Ledger
from counter.buckets.audit import BucketAudit
from counter.checks.durable import DurableAudit
from counter.checks.findings import Result
from counter.checks.lateness import Lateness
from counter.checks.reading import SiteReader
from counter.checks.sites import SiteAudit
from counter.database import Connection, connected
from counter.sites.model import Site
from tests.integration.conftest import LANE, Hot
from tests.integration.test_rollup import DAY_MS, NOON, Portal

Action = Callable[[Portal], Awaitable[object]]


class Meddled:
    """Passes calls on, and lets something happen before the n-th of them."""

    def __init__(self, target: object, meddler: "Meddler") -> None:
        self._target = target
        self._meddler = meddler

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name in {"lanes", "lane_of", "connection", "one_moment"}:
            return found

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._meddler.step()
            return await found(*args, **kwargs)

        return call


class Meddler:
    """Counts the steps of an audit, and acts at one of them, or at all of them up to one."""

    def __init__(self, portal: Portal, action: Action, at: int, *, always: bool) -> None:
        self._portal = portal
        self._action = action
        self._at = at
        self._always = always
        self.passed = 0

    async def step(self) -> None:
        self.passed += 1
        if self.passed == self._at or (self._always and self.passed < self._at):
            await self._action(self._portal)


async def view(portal: Portal) -> None:
    await portal.view(NOON, 7, 8, page="/b")


async def view_and_roll_up(portal: Portal) -> None:
    await portal.view(NOON, 7, 9, page="/b")
    await portal.roll_up(NOON)


async def correct(portal: Portal) -> None:
    await Ledger(portal.connection).add(portal.site.id, {"visits": 5, "views": 7}, "a test", "a test")
    await portal.refresh(NOON)


async def view_late_and_close(portal: Portal) -> None:
    """A hit of the day before comes, and the rollup closes its bucket."""
    await portal.view(NOON - DAY_MS, 5)
    await portal.roll_up(NOON)


async def lose_redis(portal: Portal) -> None:
    await portal.roll_up(NOON)
    await portal.hot.redis.flushall()
    await portal.view(NOON, 1, 11)


async def restart_redis(portal: Portal) -> None:
    await portal.view(NOON, 12)
    await portal.hot.redis.hset(LANE.generation, "life", "the one before")
    await portal.hot.store.generation(LANE)
    await portal.view(NOON, 13)


@pytest.fixture
async def portal(hot: Hot, connection: Connection, add_site: Callable[..., Awaitable[Site]]) -> Portal:
    """Yesterday is closed; today something is rolled up, and something waits."""
    found = Portal(hot, connection, await add_site("portal", time_zone="UTC"))
    await found.view(NOON - DAY_MS, 1, 2)
    await found.roll_up(NOON)
    await found.view(NOON, 1, 2, 3)
    await found.roll_up(NOON)
    await found.view(NOON, 4)
    await found.shown(NOON)
    return found


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize(
    "action", [view, view_and_roll_up, correct, view_late_and_close, lose_redis, restart_redis]
)
async def test_whatever_happens_between_two_looks_is_no_finding(
    portal: Portal, database_url: str, action: Action, *, always: bool
) -> None:
    """Hits, rollups, corrections, closed days and new lives of Redis before any call leave every line good."""
    at, passed = 0, 0
    async with connected(database_url) as connection:
        # A site that changes at each of three looks is honestly called unknown, so the third one has its rest.
        # A look ends early when it meets a new life, so the third one comes earlier then.
        most = 6 if always and action in {lose_redis, restart_redis} else 12
        while at <= min(passed, most):
            at += 1
            meddler = Meddler(portal, action, at, always=always)
            store: Any = Meddled(portal.hot.store, meddler)
            durable: Any = Meddled(DurableAudit(connection), meddler)
            audit: Any = Meddled(BucketAudit(portal.hot.servers, [LANE]), meddler)
            reader = SiteReader(store, audit, durable, lambda: NOON)
            lines, open_rows = await SiteAudit(store, reader, wait_seconds=0).judge([portal.site])
            passed = meddler.passed
            assert [line for line in lines if line.result is not Result.GOOD] == [], f"before call {at}"
            await portal.roll_up(NOON)
            lateness = Lateness(portal.hot.store, DurableAudit(connection), wait_seconds=0)
            late, _lease = await lateness.judge(open_rows, lambda _text: None)
            assert late.result is Result.GOOD, f"before call {at}: {late}"
    assert at > min(9, most)
