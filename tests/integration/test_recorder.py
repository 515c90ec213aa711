"""The recorder on a real Valkey, over a link that is cut and stalled: every acknowledged hit counts once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from counter.buckets.batch import Hit, Kind
from counter.buckets.connection import open_servers
from counter.buckets.lane import Lane, new_worker
from counter.buckets.recorder import Recorder
from counter.buckets.spool import Spool
from counter.buckets.store import BucketStore
from counter.errors import BusyError
from counter.metrics import Metrics
from counter.sites.model import Site, SiteSettings, calendar_of
from tests.integration.conftest import LANE, Hot, nothing_counted
from tests.proxy import Link, proxied

NOW = 1_790_000_000_000


def make_site(key: str = "portal") -> Site:
    return Site(1, key, enabled=True, settings=SiteSettings(), span_of=calendar_of(SiteSettings()))


def view(site: Site, visitor: int = 1, page: str = "/a") -> Hit:
    return Hit(site, NOW, Kind.VIEW, page, visitor.to_bytes(8), visitor.to_bytes(8))


@asynccontextmanager
async def recording(
    url: str, *, patience_seconds: float = 5, waiting_hits: int = 50_000
) -> AsyncIterator[Recorder]:
    """A recorder over the Valkey at a URL, without a spool."""
    metrics = Metrics(CollectorRegistry())
    async with open_servers(url, timeout_seconds=0.2) as servers:
        store = BucketStore(servers, [LANE], lambda: "generation")
        worker = new_worker()
        lane = Lane(
            LANE,
            store,
            Spool(None, worker, metrics.spool, max_bytes=0),
            worker,
            lambda _key: None,
            nothing_counted,
            (metrics.recorder, metrics.spool),
            batch_hits=1000,
            patience_seconds=patience_seconds,
        )
        recorder = Recorder(store, {LANE.lane: lane}, waiting_hits=waiting_hits)
        async with recorder.running():
            yield recorder


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    async with proxied(redis_url) as found:
        yield found


async def counts(hot: Hot, site: Site) -> tuple[int, int]:
    """Views and visits that Redis holds."""
    live = await hot.store.read_site(site.key, NOW - 300_000)
    return sum(b.counts.views for b in live.buckets), sum(b.counts.visits for b in live.buckets)


async def test_hundred_first_hits_at_once_are_one_visit(hot: Hot, redis_url: str) -> None:
    """100 concurrent first hits of one visitor give 1 visit and 100 views."""
    site = make_site()
    async with recording(redis_url) as recorder:
        await asyncio.gather(*(recorder.record(view(site)) for _ in range(100)))
    assert await counts(hot, site) == (100, 1)


async def test_first_hits_in_many_recorders_at_once_are_one_visit(hot: Hot, redis_url: str) -> None:
    """The same holds when ten workers record them side by side."""
    site = make_site()
    async with recording(redis_url) as one, recording(redis_url) as two, recording(redis_url) as three:
        await asyncio.gather(*(worker.record(view(site)) for worker in (one, two, three) for _ in range(50)))
    assert await counts(hot, site) == (150, 1)


async def test_hits_gather_while_a_batch_is_in_flight(hot: Hot, redis_url: str) -> None:
    """A thousand hits at once need a few calls, not a thousand: the first alone, then all that waited."""
    site = make_site()
    await hot.redis.config_resetstat()
    async with recording(redis_url) as recorder:
        await asyncio.gather(*(recorder.record(view(site, n)) for n in range(1000)))
    stats = await hot.redis.info("commandstats")
    scripts = sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "eval"))
    assert scripts <= 6
    assert await counts(hot, site) == (1000, 1000)


async def test_batch_waits_for_its_fellows(hot: Hot, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a large batch the next hit does not go alone: it goes when there are half as many."""
    monkeypatch.setattr("counter.buckets.lane.GATHER_SECONDS", 60.0)  # so that only numbers send it
    site = make_site()
    async with recording(redis_url) as recorder:
        await asyncio.gather(*(recorder.record(view(site, n)) for n in range(100)))
        await hot.redis.config_resetstat()
        first = asyncio.create_task(recorder.record(view(site, 100)))
        for _turn in range(5):
            await asyncio.sleep(0)
        assert "cmdstat_evalsha" not in await hot.redis.info("commandstats")
        await asyncio.gather(first, *(recorder.record(view(site, n)) for n in range(101, 150)))
        assert (await hot.redis.info("commandstats"))["cmdstat_evalsha"]["calls"] == 1
    assert await counts(hot, site) == (150, 150)


async def test_server_that_ends_an_idle_connection(hot: Hot, redis_url: str) -> None:
    """The next batch goes over another one."""
    site = make_site()
    async with recording(redis_url) as recorder:
        await recorder.record(view(site))
        await hot.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await recorder.record(view(site))
    assert await counts(hot, site) == (2, 1)


@pytest.mark.parametrize("passing", [0, 1, 5, 12])
async def test_reply_that_is_cut_does_not_double(hot: Hot, link: Link, passing: int) -> None:
    """Redis counted the batch and the answer was lost at some byte: the same token comes again and is skipped."""
    site = make_site()
    async with recording(link.url) as recorder:
        await recorder.record(view(site))
        link.cut_reply_after = passing
        await recorder.record(view(site))
        assert link.cuts == 1
        await recorder.record(view(site))
    assert await counts(hot, site) == (3, 1)


async def test_stalled_server_is_asked_again_and_counts_once(hot: Hot, link: Link) -> None:
    """A call that times out may have been counted: it is repeated under its token until the answer is known."""
    site = make_site()
    async with recording(link.url) as recorder:
        await recorder.record(view(site))
        link.flows.clear()
        waiting = asyncio.create_task(recorder.record(view(site)))
        await asyncio.wait([waiting], timeout=0.5)
        assert not waiting.done()
        link.flows.set()
        await waiting
    assert await counts(hot, site) == (2, 1)


async def test_hit_is_refused_when_redis_stays_away(hot: Hot, link: Link) -> None:
    """Without Redis a hit is not acknowledged, in bounded time; when it is back, counting goes on by itself."""
    site = make_site()
    async with recording(link.url, patience_seconds=0.3) as recorder:
        await recorder.record(view(site))
        link.refuses = True
        link.cut()
        with pytest.raises(BusyError):
            await recorder.record(view(site))
        link.refuses = False
        await recorder.record(view(site))
    assert await counts(hot, site) == (2, 1)


async def test_too_many_waiting_hits_are_refused(hot: Hot, link: Link) -> None:
    """Memory stays bounded: above the limit a hit is refused at once, the others are counted later."""
    site = make_site()
    async with recording(link.url, waiting_hits=10) as recorder:
        link.flows.clear()
        waiting = [asyncio.ensure_future(recorder.record(view(site))) for _ in range(15)]
        refused = await asyncio.gather(*waiting[10:], return_exceptions=True)
        assert all(isinstance(outcome, BusyError) for outcome in refused)
        link.flows.set()
        await asyncio.gather(*waiting[:10])
    assert await counts(hot, site) == (10, 1)


async def test_client_that_goes_away_takes_no_other_hit_with_it(hot: Hot, link: Link) -> None:
    """A cancelled request does not cancel the batch that others wait for."""
    site = make_site()
    async with recording(link.url) as recorder:
        link.flows.clear()
        leaving, staying = (asyncio.ensure_future(recorder.record(view(site))) for _ in range(2))
        await asyncio.wait([leaving, staying], timeout=0.05)
        leaving.cancel()
        link.flows.set()
        await staying
    assert await counts(hot, site) == (2, 1)


async def test_full_redis_refuses_and_evicts_nothing(hot: Hot, redis_url: str) -> None:
    """With its memory full Redis takes no hit, keeps every count, and takes hits again when there is room."""
    site = make_site()
    async with recording(redis_url, patience_seconds=0.3) as recorder:
        await recorder.record(view(site))
        await hot.redis.config_set("maxmemory", 1)
        try:
            with pytest.raises(BusyError):
                await recorder.record(view(site))
        finally:
            await hot.redis.config_set("maxmemory", 0)
        await recorder.record(view(site))
    assert await counts(hot, site) == (2, 1)
