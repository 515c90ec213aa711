"""Batches whose outcome nobody learned, on a Redis that lost them: Postgres knows what was rolled up."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from counter.aggregates.store import AggregateStore
from counter.buckets.batch import Batch, Hit, Kind
from counter.buckets.delivery import Deliverer, Delivery
from counter.database import Connection, connected
from counter.errors import AggregatesUnavailableError, GenerationEndedError
from counter.rollup.rollup import Rollup
from counter.sites.model import Site
from counter.sites.registry import SiteRegistry
from tests.integration.conftest import LANE, Hot

NOON = int(datetime(2026, 6, 10, 5, tzinfo=UTC).timestamp() * 1000)


class Office:
    """Two sites, a rollup, and a worker that delivers one batch with hits on both."""

    def __init__(self, hot: Hot, connection: Connection, sites: list[Site]) -> None:
        self.hot = hot
        self.connection = connection
        self.aggregates = AggregateStore(connection)
        self.sites = SiteRegistry()
        self.sites.replace(sites)
        self.rollup = Rollup(hot.store, self.sites.known)
        self.deliverer = Deliverer(LANE, hot.store, self.aggregates.find_counted)

    def delivery(self, sequence: int = 1, hits: int = 2) -> Delivery:
        batch = Batch()
        for site in self.sites:
            for number in range(hits):
                visitor = number.to_bytes(8)
                batch.add(Hit(site, NOON, Kind.VIEW, "/a", visitor, visitor))
        return Delivery("worker", sequence, batch)

    async def deliver(self, delivery: Delivery) -> None:
        await self.deliverer.deliver(delivery, lambda _sent: None)

    async def lose_redis(self) -> None:
        await self.hot.redis.flushall()

    async def durable(self) -> dict[str, int]:
        """What Postgres has after a last rollup: views by site."""
        await self.rollup.run(self.aggregates, NOON)
        rows = await self.aggregates._connection.fetch(
            "select s.key, sum(a.views) as views from aggregates a join sites s on s.id = a.site_id group by 1"
        )
        return {row["key"]: row["views"] for row in rows}


@pytest.fixture
async def office(hot: Hot, connection: Connection, add_site: Callable[..., Any]) -> Office:
    return Office(hot, connection, [await add_site("one"), await add_site("two")])


async def test_batch_that_was_rolled_up_and_lost_is_not_counted_again(office: Office) -> None:
    """The reply was lost, the rows were written, Redis was wiped, the batch comes again: once."""
    delivery = office.delivery()
    await office.deliver(delivery)
    await office.rollup.run(office.aggregates, NOON)
    await office.lose_redis()
    await office.deliver(delivery)
    assert await office.durable() == {"one": 2, "two": 2}


async def test_batch_that_was_lost_before_its_rollup_is_counted_again(office: Office) -> None:
    """Nobody has it any more, so it must come again."""
    delivery = office.delivery()
    await office.deliver(delivery)
    await office.lose_redis()
    await office.deliver(delivery)
    assert await office.durable() == {"one": 2, "two": 2}


async def test_half_of_a_batch_was_rolled_up(office: Office) -> None:
    """One site's bucket was rolled up before the wipe, the other's was not: each counts once."""
    delivery = office.delivery()
    await office.deliver(delivery)
    one = next(site for site in office.sites if site.key == "one")
    await office.rollup.refresh_base(one.key, office.aggregates, NOON)
    await office.lose_redis()
    await office.deliver(delivery)
    assert await office.durable() == {"one": 2, "two": 2}


async def test_doubt_lasts_over_several_wipes(office: Office) -> None:
    """Each attempt may have been counted, in a generation of its own."""
    delivery = office.delivery()
    for _wipe in range(4):
        await office.deliver(delivery)
        await office.rollup.run(office.aggregates, NOON)
        await office.lose_redis()
    await office.deliver(delivery)
    assert await office.durable() == {"one": 2, "two": 2}


async def test_batch_that_redis_still_has_needs_no_postgres(office: Office) -> None:
    """Redis restarted with its file: the token is still there, so Postgres is not asked."""

    async def away(*_question: object) -> set[tuple[int, date]]:
        raise AggregatesUnavailableError

    office.deliverer = Deliverer(LANE, office.hot.store, away)
    delivery = office.delivery()
    await office.deliver(delivery)
    await office.hot.redis.hset(LANE.generation, "life", "the one before")
    await office.deliver(delivery)
    assert await office.durable() == {"one": 2, "two": 2}


async def test_fresh_batch_needs_no_postgres_in_a_new_generation(office: Office) -> None:
    """A worker that believes in a generation that is over has sent nothing that could have been counted."""

    async def away(*_question: object) -> set[tuple[int, date]]:
        raise AggregatesUnavailableError

    office.deliverer = Deliverer(LANE, office.hot.store, away)
    await office.deliver(office.delivery(1))
    await office.lose_redis()
    await office.deliver(office.delivery(2))
    assert await office.durable() == {"one": 2, "two": 2}


async def test_doubt_waits_for_postgres(office: Office) -> None:
    """Without an answer nothing is counted; with one it is, once."""
    delivery = office.delivery()
    await office.deliver(delivery)
    await office.rollup.run(office.aggregates, NOON)
    await office.lose_redis()

    async def away(*_question: object) -> set[tuple[int, date]]:
        raise AggregatesUnavailableError

    with pytest.raises(AggregatesUnavailableError):
        await Deliverer(LANE, office.hot.store, away).deliver(delivery, lambda _sent: None)
    assert await office.durable() == {"one": 2, "two": 2}
    await office.deliver(delivery)
    assert await office.durable() == {"one": 2, "two": 2}


async def test_rows_read_before_the_question_are_not_written_after_it(
    office: Office, database_url: str
) -> None:
    """A leader read the buckets, then Redis was wiped and a worker asked: the leader's rows come too late."""
    delivery = office.delivery()
    await office.deliver(delivery)
    read, go_on = asyncio.Event(), asyncio.Event()

    class Paused(AggregateStore):
        async def write(self, *args: Any, **named: Any) -> bool:
            read.set()
            await go_on.wait()
            return await super().write(*args, **named)

    async with connected(database_url) as other:
        leader = asyncio.create_task(office.rollup.run(Paused(other), NOON))
        await read.wait()
        await office.lose_redis()
        await office.deliver(delivery)
        go_on.set()
        with pytest.raises(GenerationEndedError):
            await leader
    assert await office.durable() == {"one": 2, "two": 2}


async def test_question_waits_for_rows_on_their_way(office: Office, database_url: str) -> None:
    """A leader is writing: the question is answered once it has, so the batch is found."""
    delivery = office.delivery()
    await office.deliver(delivery)
    await office.rollup.run(office.aggregates, NOON)
    generation = await office.hot.store.known_generation(LANE)
    await office.lose_redis()
    async with connected(database_url) as leader:
        transaction = leader.transaction()
        await transaction.start()
        held = await leader.fetchval(
            "select generation from generations where generation = $1 for share", generation
        )
        assert held == generation
        asking = asyncio.create_task(office.deliver(delivery))
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        while not await leader.fetchval(waits):
            assert not asking.done()
        await transaction.rollback()
        await asking
    assert await office.durable() == {"one": 2, "two": 2}


async def test_generation_that_was_closed_by_mistake_ends(office: Office) -> None:
    """A worker that spoke to a server left behind closes the true generation: another one begins, nothing is lost."""
    await office.deliver(office.delivery(1))
    generation = await office.hot.store.generation(LANE)
    await office.rollup.run(office.aggregates, NOON)
    await office.aggregates.find_counted(LANE.lane, "of the server left behind", "worker", 1, [])
    await office.deliver(office.delivery(2))
    with pytest.raises(GenerationEndedError):
        await office.rollup.run(office.aggregates, NOON)
    assert await office.durable() == {"one": 4, "two": 4}
    assert await office.hot.store.generation(LANE) != generation
