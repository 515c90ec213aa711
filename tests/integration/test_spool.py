"""The spool between a lane and a real Valkey: what was acknowledged is counted once, whatever happens to the file."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from counter.buckets.batch import Hit, Kind
from counter.buckets.connection import open_servers
from counter.buckets.lane import Lane, Outcome, new_worker
from counter.buckets.recorder import Recorder
from counter.buckets.segment import HEADER
from counter.buckets.spool import Spool, spool_folder
from counter.buckets.store import BucketStore
from counter.errors import BusyError, ConfigError
from counter.metrics import Metrics
from counter.sites.model import Site, SiteSettings, calendar_of
from tests.integration.conftest import LANE, Hot, nothing_counted
from tests.proxy import Link, proxied

NOW = 1_790_000_000_000
SITE = Site(1, "portal", enabled=True, settings=SiteSettings(), span_of=calendar_of(SiteSettings()))


class Worker:
    """What one process has: a recorder, its lane, its metrics."""

    def __init__(self, recorder: Recorder, lane: Lane, metrics: Metrics) -> None:
        self.recorder = recorder
        self.lane = lane
        self.metrics = metrics
        self._serial = 0

    async def hit(self, page: str = "/a") -> Outcome:
        """A view by somebody new."""
        self._serial += 1
        visitor = hash((id(self), self._serial)).to_bytes(8, "big", signed=True)
        return await self.recorder.record(Hit(SITE, NOW + self._serial, Kind.VIEW, page, visitor, visitor))

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def working(url: str, folder: Path, *, max_bytes: int = 1 << 20) -> AsyncIterator[Worker]:
    """A worker that does not ask Redis for long."""
    metrics = Metrics(CollectorRegistry())
    async with open_servers(url, timeout_seconds=0.2) as servers:
        store, name = BucketStore(servers, [LANE], lambda: "generation"), new_worker()
        lane = Lane(
            LANE,
            store,
            Spool(spool_folder(folder, LANE.lane), name, metrics.spool, max_bytes=max_bytes),
            name,
            lambda _key: SITE,
            nothing_counted,
            (metrics.recorder, metrics.spool),
            batch_hits=1000,
            patience_seconds=0.1,
        )
        recorder = Recorder(store, {LANE.lane: lane}, waiting_hits=10_000)
        async with recorder.running():
            yield Worker(recorder, lane, metrics)


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    async with proxied(redis_url) as found:
        yield found


def away(link: Link) -> None:
    link.refuses = True
    link.cut()


def segments(folder: Path, pattern: str = "*.spool") -> list[Path]:
    return sorted((folder / "lane-0").glob(pattern))


async def views(hot: Hot) -> int:
    live = await hot.store.read_site(SITE.key, NOW - 300_000)
    return sum(bucket.counts.views for bucket in live.buckets)


async def until_views(hot: Hot, expected: int) -> None:
    """Wait until Redis holds so many views; more would never be right."""
    while (found := await views(hot)) != expected:
        assert found <= expected
        await asyncio.sleep(0)


async def test_hits_are_kept_while_redis_is_away_and_counted_when_it_is_back(
    hot: Hot, link: Link, tmp_path: Path
) -> None:
    """Each is acknowledged at once, the file is gone after the replay, and the way is straight again."""
    async with working(link.url, tmp_path) as worker:
        assert await worker.hit() is Outcome.RECORDED
        away(link)
        assert [await worker.hit() for _ in range(20)] == [Outcome.SPOOLED] * 20
        assert await views(hot) == 1
        assert worker.value("counter_spooled_hits_total") == 20
        link.refuses = False
        await until_views(hot, 21)
        while segments(tmp_path):
            await asyncio.sleep(0)
        more = 1
        while await worker.hit() is Outcome.SPOOLED:
            more += 1
        await until_views(hot, 21 + more)
        assert worker.value("counter_replayed_hits_total") == 20 + more - 1


async def test_batch_of_unknown_outcome_is_spooled_under_its_token(
    hot: Hot, link: Link, tmp_path: Path
) -> None:
    """Redis had counted the batch when the link broke: the replay of the same token changes nothing."""
    async with working(link.url, tmp_path) as worker:
        await worker.hit()
        link.cut_reply_after = 3
        link.refuses = True
        assert await worker.hit() is Outcome.SPOOLED
        assert await views(hot) == 2
        link.refuses = False
        while segments(tmp_path):
            await asyncio.sleep(0)
        await worker.hit()
        assert await views(hot) == 3


async def test_next_process_replays_what_one_left(
    hot: Hot, link: Link, redis_url: str, tmp_path: Path
) -> None:
    """A process that ends while Redis is away leaves its segments; the next on this host counts them."""
    async with working(link.url, tmp_path) as worker:
        away(link)
        for _hit in range(5):
            await worker.hit()
    assert segments(tmp_path)
    async with working(redis_url, tmp_path) as worker:
        await until_views(hot, 5)
        while segments(tmp_path):
            await asyncio.sleep(0)


async def test_segment_is_replayed_once_though_many_workers_look(
    hot: Hot, link: Link, redis_url: str, tmp_path: Path
) -> None:
    """A live owner's segment is nobody else's, and a leftover one has one heir; all count it once."""
    async with working(link.url, tmp_path) as worker:
        away(link)
        for _hit in range(5):
            await worker.hit()
        async with working(redis_url, tmp_path) as other:
            assert await other.hit() is Outcome.RECORDED
            assert await views(hot) == 1
    async with working(redis_url, tmp_path), working(redis_url, tmp_path), working(redis_url, tmp_path):
        await until_views(hot, 6)


async def test_replay_that_is_repeated_from_the_start_changes_nothing(
    hot: Hot, link: Link, redis_url: str, tmp_path: Path
) -> None:
    """The note of how far a replay came may be lost: the tokens tell what was counted."""
    async with working(link.url, tmp_path) as worker:
        away(link)
        for _hit in range(5):
            await worker.hit()
    (segment,) = segments(tmp_path)
    copy = segment.read_bytes()
    for _time in range(3):
        segment.write_bytes(copy)
        async with working(redis_url, tmp_path):
            await until_views(hot, 5)
            while segments(tmp_path):
                await asyncio.sleep(0)
    assert await views(hot) == 5


async def test_torn_tail_and_damage_cost_only_what_they_struck(
    hot: Hot, link: Link, redis_url: str, tmp_path: Path
) -> None:
    """A torn record, a damaged one and an unreadable file are reported; every other record is replayed."""
    async with working(link.url, tmp_path) as worker:
        away(link)
        for _hit in range(6):
            await worker.hit()
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    record = (len(whole) - HEADER.size) // 6
    damaged = bytearray(whole[:-5])
    damaged[HEADER.size + record + 20] ^= 1
    segment.write_bytes(damaged)
    segment.with_name("junk.spool").write_bytes(b"not a segment, but as long as a header")
    async with working(redis_url, tmp_path) as worker:
        await until_views(hot, 4)
        while segments(tmp_path):
            await asyncio.sleep(0)
        for reason in ("torn", "damaged", "unreadable"):
            assert worker.value("counter_spool_dropped_total", reason=reason) == 1
    assert len(segments(tmp_path, "*.unreadable")) == 1


async def test_full_spool_refuses_and_keeps_what_it_has(hot: Hot, link: Link, tmp_path: Path) -> None:
    """At its limit the spool refuses, so that the client comes again; what it acknowledged is counted."""
    async with working(link.url, tmp_path, max_bytes=1000) as worker:
        away(link)
        kept = 0
        with pytest.raises(BusyError):
            while True:
                await worker.hit()
                kept += 1
        assert kept > 3
        link.refuses = False
        await until_views(hot, kept)


@contextmanager
def full_disk(at_bytes: int) -> Iterator[None]:
    """No file of this process may grow beyond a size: a write fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_full_disk_refuses_and_leaves_no_half_record(hot: Hot, link: Link, tmp_path: Path) -> None:
    """A write that the disk breaks off is taken back and refused; later ones go on behind the last whole record."""
    async with working(link.url, tmp_path) as worker:
        away(link)
        # The limit holds for the files of the test runner too, so this one is made the longest.
        await asyncio.gather(*(worker.hit("/" + "a" * 1000) for _ in range(500)))
        (segment,) = segments(tmp_path)
        size = segment.stat().st_size
        with full_disk(size + 10), pytest.raises(BusyError):
            await worker.hit()
        assert segment.stat().st_size == size
        await worker.hit()
        link.refuses = False
        await until_views(hot, 501)


async def test_many_segments_are_replayed_in_order(
    hot: Hot, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spool of many files comes in the order in which it was written, so no token overtakes another."""
    monkeypatch.setattr("counter.buckets.spool.SEGMENT_BYTES", 200)
    async with working(link.url, tmp_path) as worker:
        away(link)
        for _hit in range(30):
            await worker.hit()
        assert len(segments(tmp_path)) > 5
        link.refuses = False
        await until_views(hot, 30)


async def test_left_segments_are_replayed_in_the_order_of_their_making(
    hot: Hot, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note of progress makes the oldest file the one that changed last; its hits still come first, and count."""
    monkeypatch.setattr("counter.buckets.spool.SEGMENT_BYTES", 200)
    async with working(link.url, tmp_path) as gone:
        away(link)
        for _hit in range(30):
            await gone.hit()
    left = segments(tmp_path)
    assert len(left) > 5
    os.utime(left[0])
    link.refuses = False
    async with working(link.url, tmp_path):
        await until_views(hot, 30)


async def test_left_segments_have_one_heir(
    hot: Hot, link: Link, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of workers that look at once, one replays all that a dead one left: two would overtake each other."""
    monkeypatch.setattr("counter.buckets.spool.SEGMENT_BYTES", 200)
    async with working(link.url, tmp_path) as gone:
        away(link)
        for _hit in range(60):
            await gone.hit()
    async with AsyncExitStack() as workers:
        makers = [workers.enter_async_context(working(link.url, tmp_path)) for _ in range(4)]
        heirs = await asyncio.gather(*makers)
        link.refuses = False
        await until_views(hot, 60)
        assert [heir.value("counter_replayed_hits_total") for heir in heirs].count(0) == 3


async def test_hits_during_a_replay_go_behind_it(hot: Hot, link: Link, tmp_path: Path) -> None:
    """While the replay runs, new hits neither overtake it nor get lost at its end."""
    async with working(link.url, tmp_path) as worker:
        away(link)
        for _hit in range(10):
            await worker.hit()
        link.refuses = False
        outcomes = [await worker.hit() for _ in range(300)]
        await until_views(hot, 310)
        assert outcomes[-1] is Outcome.RECORDED


def test_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    """A spool that cannot be kept is said at the start, not at the first outage."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="COUNTER_SPOOL_DIR"):
        spool_folder(tmp_path / "file", "0")


def test_only_the_owner_may_read_a_segment(tmp_path: Path) -> None:
    """The spool's folder is for this user alone."""
    assert spool_folder(tmp_path, "0").stat().st_mode & 0o077 == 0


async def test_file_without_a_name_is_removed_unless_it_is_being_made(redis_url: str, tmp_path: Path) -> None:
    """A crash while a segment is made leaves a file that holds nothing; one that is locked is somebody's."""
    folder = spool_folder(tmp_path, LANE.lane)
    (folder / "gone-000001.new").write_bytes(b"CNT")
    held = folder / "held-000001.new"
    with held.open("wb") as file:
        flock(file, LOCK_EX)
        async with working(redis_url, tmp_path):
            assert segments(tmp_path, "*.new") == [held]
    async with working(redis_url, tmp_path):
        assert segments(tmp_path, "*.new") == []
