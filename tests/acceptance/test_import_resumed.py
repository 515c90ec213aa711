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
from counter.database import connected
from counter.embedded.valkey import Valkey
from counter.errors import BucketsUnavailableError
from counter.imports import sketches
from counter.imports.plan import Options
from counter.imports.sketches import Sketches
from counter.imports.store import ImportStore
from counter.imports.tally import Tally
from counter.rollup.rollup import Rollup
from counter.sites.model import SiteSettings
from counter.sites.store import SiteStore
from tests.acceptance.archive import LOG, VIEWS, Archive, opened, unpacked

Step = tuple[type, str, int]
MOMENTS = {
    "counting": "select from pg_locks where locktype = 'advisory' and database = "
    "(select oid from pg_database where datname = current_database())",
    "writing": "select from pages",
}
"""What Postgres finds once an import is under way, and once it begins to write."""


@pytest.fixture
async def archive(settings: Settings) -> AsyncIterator[Archive]:
    async with opened(settings) as found:
        yield found


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """The first lines of the log, of two days."""
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
    (Sketches, "add", 2),
    (ImportStore, "name_pages", 1),
    (AggregateStore, "write", 1),
    (AggregateStore, "write", 2),
    (ImportStore, "finish", 1),
    (Rollup, "refresh_base", 1),
    (Rollup, "refresh_base", 2),
]
CALLS = [
    (Operations, "run"),
    (Operations, "run_many"),
    (BucketStore, "read_indexes"),
    (Sketches, "_extended"),
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
    assert call > 10
    assert await archive.history() == expected
    assert await archive.leftovers() == []


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_process_leaves_nothing_or_all(archive: Archive, moment: str) -> None:
    """`kill -9` in the midst, then the same command again: the same figures."""
    process = await archive.command(LOG)
    async with connected(archive.settings.database_url.get_secret_value()) as connection:
        while process.returncode is None and not await connection.fetch(MOMENTS[moment]):
            pass
    process.kill()
    await process.wait()
    assert [row["views"] for row in await archive.days()] in ([], VIEWS)  # it may have been faster
    assert await archive.leftovers() == []
    await (await archive.command(LOG)).wait()
    process = await archive.command(LOG)
    output, _ = await process.communicate()
    assert b"is already imported, nothing changes" in output
    assert process.returncode == 0
    assert [row["views"] for row in await archive.days()] == VIEWS


@pytest.mark.parametrize("call", [1, 3])
async def test_redis_that_crashes_or_forgets_does_not_matter(
    archive: Archive, valkey: Valkey, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """Redis keeps nothing of an import, so it may crash, or lose all it has, in the midst."""

    async def crash() -> None:
        await archive.redis.flushall()
        valkey.kill()
        await valkey.start()

    interpose(monkeypatch, (Sketches, "_extended", call), crash)
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS
    assert await archive.leftovers() == []


async def test_other_options_or_settings_after_a_kill_count(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was counted by other rules, and cut short, is nowhere."""
    with monkeypatch.context() as patch:
        interpose(patch, (ImportStore, "finish", 1), die, after=True)
        with pytest.raises(KilledError):
            await archive.take(options=Options())
    async with counts(archive.settings) as both:
        await SiteStore(both.connection).change("old", SiteSettings(time_zone="UTC", page_cap=3))
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS
    paths = Counter(row["day"] for row in (await archive.rows())["page_aggregates"])
    assert set(paths.values()) == {4}


async def test_stalled_redis_is_waited_for(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question without an answer is asked again, and the import gives up in the end."""
    monkeypatch.setattr(sketches, "PAUSES_SECONDS", (0, 0))
    method, fails = Sketches._extended, Counter[int]()

    async def unsure(self: Sketches, *args: Any) -> Any:
        found = await method(self, *args)
        fails[len(args[1])] += 1
        if fails[len(args[1])] <= limit:
            raise BucketsUnavailableError("no answer")
        return found

    monkeypatch.setattr(Sketches, "_extended", unsure)
    limit = 3
    with pytest.raises(BucketsUnavailableError):
        await archive.take()
    assert (await archive.rows())["aggregates"] == []
    limit, fails = 2, Counter[int]()
    await archive.take()
    assert [row["views"] for row in await archive.days()] == VIEWS
