"""What is imported into a day on which visitors still come: shown at once, as it is, and it never falls."""

from datetime import date
from itertools import pairwise

import pytest

from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.buckets.base import Counts
from tests.integration.conftest import Hot
from tests.integration.test_rollup import DAY_MS, HOUR_MS, MINUTE_MS, NOON, Portal

TODAY = date(2026, 6, 10)


@pytest.fixture
async def portal(hot: Hot, connection, add_site) -> Portal:  # type: ignore[no-untyped-def]
    """A site in UTC."""
    return Portal(hot, connection, await add_site(time_zone="UTC"))


async def bring_in(portal: Portal, visitors: int, day: date = TODAY, name: str = "import-a") -> None:
    """Import a day as all sources of old numbers do."""
    key = RowKey(portal.site.id, day, name, 0, "import")
    row = Row(
        key, visitors, visitors, visitors, 0, [visitors] + [0] * 23, [visitors] + [0] * 23, b"", 1, {}, {}
    )
    await AggregateStore(portal.connection).write([row])
    await portal.refresh(NOON)


async def visitors(portal: Portal, now_ms: int) -> tuple[int, int]:
    """What is shown of today and in total."""
    shown = await portal.shown(now_ms)
    return shown.days.get(TODAY, Counts()).visitors, shown.total.visitors


@pytest.mark.parametrize("first", ["import", "live"])
async def test_imported_visitors_add_to_those_of_an_open_day(portal: Portal, first: str) -> None:
    """Whether they were there before the first live hit or came after it, they are shown beside the live ones."""
    if first == "live":
        await portal.view(NOON, *range(40))
    await bring_in(portal, 500)
    if first == "import":
        assert await visitors(portal, NOON) == (500, 500)
        await portal.view(NOON, *range(40))
    assert await visitors(portal, NOON) == (540, 540)
    await portal.roll_up(NOON + MINUTE_MS)
    assert await visitors(portal, NOON) == (540, 540)


async def test_total_of_visitors_never_falls(portal: Portal) -> None:
    """Live visitors, two imports into their day, more visitors, and the end of the day: each figure is the sum."""
    found = []
    for hour, newcomers in enumerate((3000, 2000, 1000)):
        await portal.view(NOON + hour * HOUR_MS, *range(hour * 10_000, hour * 10_000 + newcomers))
        found.append(await visitors(portal, NOON + hour * HOUR_MS))
        await bring_in(portal, 700 * (hour + 1), name=f"import-{hour}")
        found.append(await visitors(portal, NOON + hour * HOUR_MS))
    open_day = found[-1]
    await portal.roll_up(NOON + DAY_MS)
    assert await visitors(portal, NOON + DAY_MS) == open_day
    assert all(before <= after for before, after in pairwise(found))
    live = await portal.connection.fetchval("select visitors from aggregates where lane <> 'import'")
    assert open_day == (live + 4200, live + 4200)


async def test_late_visitor_of_a_closed_day_is_no_new_one(portal: Portal) -> None:
    """A hit that comes after its day was closed adds nobody who is in it, also where an import is in it, too."""
    await portal.view(NOON, *range(40))
    await bring_in(portal, 500)
    await portal.roll_up(NOON + DAY_MS)
    before = await visitors(portal, NOON + DAY_MS)
    await portal.view(NOON, 7)
    assert await visitors(portal, NOON + DAY_MS) == before == (540, 540)
    await portal.roll_up(NOON + DAY_MS)
    assert await visitors(portal, NOON + DAY_MS) == before
