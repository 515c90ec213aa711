"""A log is counted by the rules of the live counter: the same hits give the same figures as `record.lua`."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings

from counter.buckets.batch import NO_VISITOR, Batch, Hit, Kind
from counter.imports import counting
from counter.imports.chooser import Told
from counter.imports.counting import LogCounts
from counter.imports.sketches import Sketches
from counter.imports.visitors import DailyVisitors, Seen
from counter.sites.model import Site, SiteSettings
from tests.integration.conftest import Hot
from tests.integration.model import Event, person_id
from tests.integration.test_counting_rules import journeys, make_site, stored_days

ANY_DAY = date(2015, 5, 17)


def told_by(happened: list[Event]) -> list[Told]:
    """What a log tells of events; it knows nothing of heartbeats."""
    return [
        (event.at_ms, person_id(event.person, ANY_DAY), event.page)
        if event.kind == "view"
        else (event.at_ms, None, "")
        for event in happened
        if event.kind != "heartbeat"
    ]


def batch_of(site: Site, hits: list[Told]) -> Batch:
    """The same hits as the recorder would send them."""
    batch = Batch()
    for at_ms, visitor, page in hits:
        batch.add(Hit(site, at_ms, Kind.VIEW if visitor else Kind.BOT, page, visitor or NO_VISITOR))
    return batch


def figures(counts: LogCounts) -> dict[date, dict[str, object]]:
    """What a log came to, in the form of `stored_days`."""
    return {
        day: {
            "views": sum(found.hour_views),
            "visits": sum(found.hour_visits),
            "bots": found.bots,
            "hour_views": found.hour_views,
            "hour_visits": found.hour_visits,
            "pages": found.pages,
        }
        for day, found in counts.days.items()
    }


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(journey=journeys())
async def test_log_counts_as_the_script_does(
    hot: Hot, journey: tuple[SiteSettings, list[list[Event]]]
) -> None:
    """Views, visits, bots, hours, pages above a cap, and the sketches of days are the same."""
    chosen, batches = journey
    site = make_site(chosen)
    counts, sketches = LogCounts(site), Sketches(hot.servers)
    for sequence, hits in enumerate(map(told_by, batches), 1):
        counts.take(hits)
        await sketches.add(counts.visitors.due())
        await hot.record(site.key, sequence, batch_of(site, hits))
    await sketches.add(counts.visitors.rest())
    assert figures(counts) == await stored_days(hot, site)
    live = await hot.store.read_site(site.key, 0)
    assert {day: sketches.of(day).visitors for day in live.visitors} == live.visitors
    exact = {day: visitors for day, visitors in counts.visitors.days.items() if visitors is not None}
    assert exact == {day: live.visitors[day] for day in exact}


async def test_who_came_long_ago_is_forgotten(hot: Hot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory holds those who may still be on a visit, and forgetting the others changes no figure."""
    monkeypatch.setattr(counting, "SEEN", 10)
    site = make_site(SiteSettings())
    counts = LogCounts(site)
    hits: list[Told] = [
        (1_431_857_103_000 + 60_000 * minute, person_id(minute % 100, ANY_DAY), "/") for minute in range(1000)
    ]
    for first in range(0, 1000, 50):
        counts.take(hits[first : first + 50])
    assert len(counts.last_ms) < 100
    for first in range(0, 1000, 50):
        await hot.record(site.key, first + 1, batch_of(site, hits[first : first + 50]))
    assert figures(counts) == await stored_days(hot, site)


async def test_sketches_leave_nothing_in_redis(hot: Hot) -> None:
    """A sketch that is extended holds all who were added, and is nowhere but in the process."""
    sketches = Sketches(hot.servers)
    people = [person_id(number, ANY_DAY) for number in range(12_000)]
    await sketches.add([Seen(ANY_DAY, people[:7000])])
    await sketches.add([Seen(ANY_DAY, people[5000:])])
    await hot.redis.pfadd("whole", *people)
    assert sketches.of(ANY_DAY).visitors == await hot.redis.pfcount("whole")
    assert sketches.of(date(2015, 5, 18)) == (0, b"")
    assert await hot.redis.keys("counter:*") == []


def test_visitors_beyond_the_most_are_handed_over() -> None:
    """Of a day with more visitors than the memory shall hold, each is handed over, and the estimate tells."""
    daily = DailyVisitors(most=3)
    for start in range(0, 20, 2):
        daily.note(ANY_DAY, [bytes([start]), bytes([start + 1])])
    seen = [visitor for part in daily.rest() for visitor in part.visitors]
    assert set(seen) == {bytes([number]) for number in range(20)}
    assert daily.days == {ANY_DAY: None}
