"""The real Lua script against the model: equal whatever the visitors, times, zones and batches."""

from datetime import UTC, date, datetime
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from counter.buckets.batch import Batch, Hit, Kind
from counter.buckets.keys import BucketName
from counter.sites.model import Site, SiteSettings, calendar_of
from tests.integration.conftest import LANE, Hot
from tests.integration.model import Event, Model, person_id

ZONES = [
    "Asia/Ho_Chi_Minh",
    "UTC",
    "Asia/Tehran",
    "Asia/Kathmandu",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Africa/Cairo",
]
# Around midnights, changes of summer time (Berlin, New York, Lord Howe, Cairo), a leap day, and a day that
# Apia skipped.
MOMENTS = [
    datetime(2026, 11, 24, 16, 55, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 40, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 40, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 40, tzinfo=UTC),
    datetime(2026, 4, 4, 14, 40, tzinfo=UTC),
    datetime(2024, 2, 28, 23, 50, tzinfo=UTC),
    datetime(2026, 4, 23, 21, 40, tzinfo=UTC),
    datetime(2011, 12, 30, 9, 45, tzinfo=UTC),
    datetime(2017, 10, 15, 2, 45, tzinfo=UTC),
    datetime(2026, 12, 31, 16, 45, tzinfo=UTC),
]
_SERIALS = count(1)

steps = st.one_of(
    st.integers(0, 3_000),
    st.sampled_from([0, 1, 299_999, 300_000, 1_799_999, 1_800_000, 1_800_001]),
    st.integers(0, 4 * 3_600_000),
)
events = st.lists(
    st.tuples(steps, st.integers(0, 4), st.sampled_from(["view", "view", "view", "heartbeat", "bot"]), st.sampled_from("abcde")),
    min_size=1,
    max_size=40,
)  # fmt: skip


@st.composite
def journeys(draw: st.DrawFn) -> tuple[SiteSettings, list[list[Event]]]:
    """A site, and what happens on it, in batches."""
    site = SiteSettings(
        time_zone=draw(st.sampled_from(ZONES)),
        visit_timeout_seconds=draw(st.sampled_from([1800, 60, 7200])),
        online_window_seconds=draw(st.sampled_from([300, 10, 3600])),
        page_cap=draw(st.sampled_from([10_000, 2, 0])),
    )
    at_ms = int(draw(st.sampled_from(MOMENTS)).timestamp() * 1000) + draw(st.integers(0, 1_200_000))
    happened = []
    for step, person, kind, page in draw(events):
        at_ms += step
        happened.append(Event(at_ms, person, kind, f"/{page}"))
    cuts = sorted(draw(st.sets(st.integers(1, len(happened)), max_size=6)) | {len(happened)})
    return site, [happened[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]


def make_site(chosen: SiteSettings) -> Site:
    """A site of its own for each example, so that they share no key."""
    return Site(1, f"site-{next(_SERIALS)}", enabled=True, settings=chosen, span_of=calendar_of(chosen))


def make_batch(site: Site, happened: list[Event]) -> Batch:
    """What the recorder would send."""
    batch = Batch()
    for event in happened:
        span = site.span_of(event.at_ms)
        ids = person_id(event.person, span.day), person_id(event.person, span.day_before)
        page = event.page if event.kind == "view" else ""
        batch.add(Hit(site, event.at_ms, Kind(event.kind), page, *ids))
    return batch


def as_counted(site: Site, happened: list[Event]) -> list[Event]:
    """The order in which a batch counts: of what it has of an hour views come first, so they know each other exactly."""
    return sorted(happened, key=lambda event: (site.span_of(event.at_ms).start_ms, event.kind == "heartbeat"))


async def stored_days(hot: Hot, site: Site) -> dict[date, dict[str, object]]:
    """What Redis holds of a site, day by day."""
    (index,) = await hot.store.read_indexes(LANE, [site.key])
    return {
        bucket.name.day: {
            "views": bucket.counts.views,
            "visits": bucket.counts.visits,
            "bots": bucket.counts.bots,
            "hour_views": bucket.hour_views,
            "hour_visits": bucket.hour_visits,
            "pages": bucket.pages,
        }
        for bucket in await hot.store.read_buckets(LANE, await hot.store.generation(LANE), index.names)
    }


def expected_days(model: Model) -> dict[date, dict[str, object]]:
    """What the model says, in the same form."""
    return {
        day: {
            "views": found.views,
            "visits": found.visits,
            "bots": found.bots,
            "hour_views": [found.hour_views[hour] for hour in range(24)],
            "hour_visits": [found.hour_visits[hour] for hour in range(24)],
            "pages": dict(found.pages),
        }
        for day, found in model.days.items()
    }


EDGE_MS = 1_795_539_300_000
"""Five minutes before midnight in Vietnam."""
SKIPPED_MS = 1_325_238_300_000
"""A quarter of an hour before the day that Apia skipped."""


@example(
    journey=(
        SiteSettings(time_zone="Pacific/Apia"),
        [[Event(SKIPPED_MS, 0, "view", "/a"), Event(SKIPPED_MS + 1_799_999, 0, "view", "/a")]],
    )
)
@example(
    journey=(
        SiteSettings(),
        [
            [
                Event(EDGE_MS, 0, "view", "/a"),
                Event(EDGE_MS + 1_799_999, 0, "heartbeat", "/a"),
                Event(EDGE_MS + 1_799_999, 0, "view", "/a"),
            ]
        ],
    )
)
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(journey=journeys())
async def test_script_equals_model(hot: Hot, journey: tuple[SiteSettings, list[list[Event]]]) -> None:
    """Views, visits, bots, hours, pages and who is online are exact; visitors are right within the estimate."""
    chosen, batches = journey
    site, model = make_site(chosen), Model(chosen)
    for sequence, happened in enumerate(batches, 1):
        for event in as_counted(site, happened):
            model.apply(event)
        await hot.record(site.key, sequence, make_batch(site, happened))
        now_ms = happened[-1].at_ms
        live = await hot.store.read_site(site.key, now_ms - chosen.online_window_seconds * 1000)
        assert live.online == model.online(now_ms)
        for day, visitors in live.visitors.items():
            assert abs(visitors - len(model.days[day].people)) <= 1
    assert await stored_days(hot, site) == expected_days(model)


@pytest.mark.parametrize("zone", ZONES)
async def test_visit_over_midnight_is_one_visit(hot: Hot, zone: str) -> None:
    """A visit belongs to the day on which it starts; crossing midnight starts none, and nobody is online twice."""
    chosen = SiteSettings(time_zone=zone)
    site, model = make_site(chosen), Model(chosen)
    midnight = datetime(2026, 6, 10, tzinfo=model.zone).timestamp() * 1000
    happened = [
        Event(int(midnight) + shift, 1, "view", "/a") for shift in (-60_000, -1, 0, 60_000, 1_700_000)
    ]
    for sequence, event in enumerate(happened, 1):
        model.apply(event)
        await hot.record(site.key, sequence, make_batch(site, [event]))
        live = await hot.store.read_site(site.key, event.at_ms - 300_000)
        assert live.online == 1
    days = await stored_days(hot, site)
    assert [day["visits"] for day in days.values()] == [1, 0] or [d["visits"] for d in days.values()] == [
        0,
        1,
    ]
    assert days == expected_days(model)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(happened=st.lists(st.tuples(st.integers(0, 59_000), st.integers(0, 2)), min_size=2, max_size=20))
async def test_disorder_of_a_minute_counts_no_visit_twice(hot: Hot, happened: list[tuple[int, int]]) -> None:
    """Workers whose clocks differ by less than a minute begin no second visit, and lose nobody who is online."""
    chosen = SiteSettings(time_zone="UTC", visit_timeout_seconds=60, online_window_seconds=60)
    site = make_site(chosen)
    noon = int(datetime(2026, 6, 10, 12, tzinfo=UTC).timestamp() * 1000)
    for sequence, (shift, person) in enumerate(happened, 1):
        batch = make_batch(site, [Event(noon + shift, person, "view", "/a")])
        await hot.record(site.key, sequence, batch)
    people = {person for _shift, person in happened}
    (day,) = (await stored_days(hot, site)).values()
    assert day["visits"] == len(people)
    assert (await hot.store.read_site(site.key, noon - 1)).online == len(people)


@pytest.mark.parametrize("together", [True, False])
async def test_late_view_makes_no_visit_older(hot: Hot, *, together: bool) -> None:
    """A view from the spool of half an hour ago does not let the visit that goes on end earlier."""
    site, noon = make_site(SiteSettings(visit_timeout_seconds=1800)), 1_790_000_000_000
    happened = [Event(noon + shift, 1, "view", "/a") for shift in (0, -1_700_000, 1_700_000)]
    batches = [happened] if together else [[event] for event in happened]
    for sequence, batch in enumerate(batches, 1):
        await hot.record(site.key, sequence, make_batch(site, batch))
    (day,) = (await stored_days(hot, site)).values()
    assert (day["views"], day["visits"]) == (3, 1)


async def test_batch_sent_a_hundred_times_counts_once(hot: Hot) -> None:
    """A token that was counted is skipped, however often and late it comes again."""
    site = make_site(SiteSettings())
    batch = make_batch(
        site, [Event(1_790_000_000_000, 1, "view", "/a"), Event(1_790_000_000_001, 2, "view", "/b")]
    )
    for _time in range(100):
        await hot.record("worker", 1, batch)
    (day,) = (await stored_days(hot, site)).values()
    assert (day["views"], day["visits"], day["pages"]) == (2, 2, {"/a": 1, "/b": 1})


async def test_views_above_the_cap_are_counted_as_other(hot: Hot) -> None:
    """A thousand distinct pages with a cap of ten keep ten and one line for the others; no view is lost."""
    site = make_site(SiteSettings(page_cap=10))
    happened = [Event(1_790_000_000_000 + n, n, "view", f"/{n}") for n in range(1000)]
    await hot.record("worker", 1, make_batch(site, happened))
    (day,) = (await stored_days(hot, site)).values()
    assert len(day["pages"]) == 11
    assert day["pages"]["(other)"] == 990
    assert sum(day["pages"].values()) == day["views"] == 1000


async def test_every_key_comes_from_the_key_module_and_no_count_expires(hot: Hot) -> None:
    """What Postgres has not confirmed carries no TTL, and the script makes up no name."""
    site = make_site(SiteSettings())
    await hot.record("w", 1, make_batch(site, [Event(1_790_000_000_000, 1, "view", "/a")]))
    generation = await hot.store.generation(LANE)
    name = str(BucketName(site.key, site.span_of(1_790_000_000_000).day, generation))
    kept = {LANE.generation, LANE.parts, LANE.open, LANE.dirty, LANE.site(site.key, "index")}
    kept |= {LANE.bucket(name, kind) for kind in ("day", "visitors", "pages", "changed")}
    passing = {LANE.token("w"), LANE.site(site.key, "seen")}
    keys = {key.decode() for key in await hot.redis.keys("*")}
    assert keys == kept | passing
    assert {key for key in keys if await hot.redis.ttl(key) == -1} == kept


async def test_visitors_are_forgotten_though_this_is_done_now_and_then(hot: Hot) -> None:
    """A key of visitors always has a life, also one that is made anew by hits from the spool, whose times are old."""
    site = make_site(SiteSettings())
    batch = make_batch(site, [Event(1_790_000_000_000, 1, "view", "/a")])
    await hot.record("w", 1, batch)
    generation = await hot.store.generation(LANE)
    name = str(BucketName(site.key, site.span_of(1_790_000_000_000).day, generation))
    seen = LANE.site(site.key, "seen")
    # An hour of the server's passes: the key is gone, and what was forgotten last lies an hour back.
    await hot.redis.delete(seen)
    await hot.redis.hincrby(LANE.bucket(name, "day"), "forgot", -3_600_000)
    await hot.record("w", 2, batch)
    assert await hot.redis.ttl(seen) > site.settings.visit_timeout_seconds
    # Between two times of forgetting, what is left of a life is still longer than the window.
    await hot.record("w", 3, batch)
    assert await hot.redis.ttl(seen) > site.settings.visit_timeout_seconds
