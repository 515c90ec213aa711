"""An import that was cut short anywhere, run again, comes to the rows that it would have left at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from counter.aggregates.store import AggregateStore
from counter.buckets.operations import Operations
from counter.buckets.store import BucketStore
from counter.commands.running import counts
from counter.config import Settings
from counter.embedded.valkey import Valkey
from counter.errors import BucketsUnavailableError, ImportFileError
from counter.imports import lane as lanes
from counter.imports.lane import ImportLane
from counter.imports.plan import Options
from counter.imports.store import ImportStore
from counter.imports.tally import Tally
from counter.rollup.rollup import Rollup
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.archive import LOG, VIEWS, Archive, opened, unpacked

Step = tuple[type, str, int]
TOKEN = "counter:{import-f15c31e905f8-old}:token:import"


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[Archive]:
    async with opened(settings) as found:
        yield found


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """The first lines of the log: four batches of two days."""
    path = tmp_path / "part.log"
    path.write_bytes(b"".join(unpacked()[:3500]))
    return path


class KilledError(Exception):
    """Stands for the end of the process at this point."""


async def die() -> None:
    raise KilledError


def interpose(
    monkeypatch: pytest.MonkeyPatch, step: Step, act: Callable[[], Awaitable[Any]], *, after: bool = False
) -> None:
    """Let something happen before or after a call of a method, the first being 1."""
    owner, name, call = step
    method, calls = getattr(owner, name), count(1)

    async def interposed(*args: Any, **kwargs: Any) -> Any:
        due = next(calls) == call
        if due and not after:
            await act()
        found = await method(*args, **kwargs)
        if due and after:
            await act()
        return found

    monkeypatch.setattr(owner, name, interposed)


STEPS = [
    (ImportStore, "lock", 1),
    (ImportLane, "begin", 1),
    *((BucketStore, "record", call) for call in (1, 3, 4)),
    (ImportStore, "name_pages", 1),
    (AggregateStore, "write", 1),
    (ImportStore, "finish", 1),
    (Rollup, "refresh_base", 1),
    (Rollup, "refresh_base", 2),
    (BucketStore, "discard", 1),
    (ImportLane, "clear", 1),
]
CALLS = [
    (Operations, "run"),
    (Operations, "run_many"),
    (BucketStore, "read_indexes"),
    (AggregateStore, "write"),
    (ImportStore, "lock"),
    (ImportStore, "list_of"),
    (ImportStore, "name_pages"),
    (ImportStore, "finish"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=[f"{name}-{call}" for _, name, call in STEPS])
async def test_import_killed_at_any_step_goes_on(
    archive: Archive, part: Path, monkeypatch: pytest.MonkeyPatch, step: Step, *, after: bool
) -> None:
    """Run again, an import that was cut short leaves the very rows that it would have left at once."""
    await archive.take(part)
    expected = await archive.history()
    await archive.remove_site()
    await archive.add_site()
    with monkeypatch.context() as patch:
        interpose(patch, step, die, after=after)
        with pytest.raises(KilledError):
            await archive.take(part)
    rows = await archive.rows()
    assert bool(rows["aggregates"]) == bool(rows["imports"])
    await archive.take(part)
    assert await archive.history() == expected
    assert await archive.leftovers() == []
    assert await archive.take(part) is None


def cancel_at(monkeypatch: pytest.MonkeyPatch, call: int, *, after: bool) -> None:
    """Cancel whoever makes one of the calls to the stores, the first being 1, before or after it is made."""
    calls = iter(range(1, 1_000_000))

    def cancelled(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def run(*args: Any, **kwargs: Any) -> Any:
            task, due = asyncio.current_task(), next(calls) == call
            found = await method(*args, **kwargs) if after or not due else None
            if due and task is not None:
                task.cancel()
                await asyncio.sleep(0)
            return found

        return run

    for owner, name in CALLS:
        monkeypatch.setattr(owner, name, cancelled(getattr(owner, name)))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_import_cancelled_at_any_moment_goes_on(
    archive: Archive, part: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    """Cancelled at its first call to a store, then at its second, and so on, it comes to the same rows."""
    await archive.take(part)
    expected = await archive.history()
    await archive.remove_site()
    await archive.add_site()
    for call in count(1):
        with monkeypatch.context() as patch:
            cancel_at(patch, call, after=after)
            (outcome,) = await asyncio.gather(archive.take(part), return_exceptions=True)
        rows = await archive.rows()
        assert bool(rows["aggregates"]) == bool(rows["imports"])
        if not isinstance(outcome, asyncio.CancelledError):
            break
    assert outcome is None or isinstance(outcome, Tally)
    assert call > 15
    assert await archive.history() == expected
    assert await archive.leftovers() == []


@pytest.mark.parametrize("batch", [1, 6])
async def test_killed_process_goes_on(archive: Archive, batch: int) -> None:
    """`kill -9` in the midst, then the same command again: the same figures."""
    process = await archive.command(LOG)
    while process.returncode is None and int(await archive.redis.get(TOKEN) or 0) < batch:
        pass
    process.kill()
    await process.wait()
    assert [row["views"] for row in await archive.days()] in ([], VIEWS)  # it may have been faster
    await (await archive.command(LOG)).wait()
    process = await archive.command(LOG)
    output, _ = await process.communicate()
    assert b"is already imported, nothing changes" in output
    assert process.returncode == 0
    assert [row["views"] for row in await archive.days()] == VIEWS
    assert await archive.leftovers() == []


async def test_killed_redis_goes_on(
    archive: Archive, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis crashes in the midst: what its file lost is noticed, and nothing is counted twice."""

    async def crash() -> None:
        valkey.kill()
        await valkey.start()

    interpose(monkeypatch, (BucketStore, "record", 5), crash)
    (outcome,) = await asyncio.gather(archive.take(), return_exceptions=True)
    if not isinstance(outcome, Tally):
        assert str(outcome) == lanes.LOST
        await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS
    assert await archive.leftovers() == []


@pytest.mark.parametrize("step", [(BucketStore, "record", 5), (ImportStore, "name_pages", 1)])
async def test_redis_that_forgets_is_noticed(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """If Redis is wiped meanwhile, nothing is written; the same command again counts everything."""
    interpose(monkeypatch, step, archive.redis.flushall)
    with pytest.raises(ImportFileError, match="Redis lost part of this import; run the same command again"):
        await archive.take()
    assert (await archive.rows())["aggregates"] == []
    assert await archive.leftovers() == []
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS


async def test_loss_that_no_token_tells_is_noticed(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is compared with what was read, so a batch that is missing cannot go unseen."""

    async def skip_a_batch() -> None:
        await archive.redis.incr(TOKEN)

    with monkeypatch.context() as patch:
        interpose(patch, (BucketStore, "record", 5), skip_a_batch)
        with pytest.raises(ImportFileError, match="Redis lost part"):
            await archive.take()
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS


async def test_expired_token_starts_anew(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that is taken up again after the life of its token counts nothing twice."""
    with monkeypatch.context() as patch:
        interpose(patch, (BucketStore, "record", 5), die, after=True)
        with pytest.raises(KilledError):
            await archive.take()
    await archive.redis.delete(TOKEN)
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS


async def test_other_options_or_settings_after_a_kill_start_anew(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted by other rules is not gone on with."""
    with monkeypatch.context() as patch:
        interpose(patch, (BucketStore, "record", 3), die, after=True)
        with pytest.raises(KilledError):
            await archive.take(options=Options())
    async with counts(archive.settings) as both:
        await SiteStore(both.connection).change("old", SiteSettings(time_zone="UTC", page_cap=3))
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS
    paths = Counter(row["day"] for row in (await archive.rows())["page_aggregates"])
    assert set(paths.values()) == {4}


async def test_stalled_redis_is_waited_for(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose outcome is unknown is sent again under its token, and the import gives up in the end."""
    monkeypatch.setattr(lanes, "PAUSES_SECONDS", (0, 0))
    method, fails = BucketStore.record, Counter[int]()

    async def unsure(self: BucketStore, *args: Any, **kwargs: Any) -> int:
        before = await method(self, *args, **kwargs)
        fails[args[2]] += 1
        if fails[args[2]] <= limit:
            raise BucketsUnavailableError("no answer")
        return before

    monkeypatch.setattr(BucketStore, "record", unsure)
    limit = 3
    with pytest.raises(BucketsUnavailableError):
        await archive.take()
    limit, fails = 2, Counter[int]()
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS
