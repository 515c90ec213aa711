"""What a rollup is to close, and when it looks at everything."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.keys import BucketName
from counter.rollup.closing import GRACE_MS, MINUTE_MS, Closing, Looks, is_over
from counter.sites.calendar import day_start_ms
from counter.sites.model import Site, SiteSettings, calendar_of
from tests.unit.zones import HOUR_MS, NASTY_ZONES

GENERATION = "0193a5b2c4dfa1b2c3"
EARLIER = "0193a5b2c4dfa1b2c2"
days = st.dates(date(2026, 1, 1), date(2030, 12, 31))


def site_in(zone: str) -> Site:
    settings = SiteSettings(time_zone=zone)
    return Site(1, "portal", enabled=True, settings=settings, span_of=calendar_of(settings))


@pytest.mark.parametrize("zone", NASTY_ZONES)
@given(day=days, beside_ms=st.one_of(st.sampled_from([-1, 0]), st.integers(-26 * HOUR_MS, 26 * HOUR_MS)))
def test_bucket_is_over_a_minute_after_its_day(zone, day, beside_ms):
    """It is open until the grace of its day has passed, whatever the zone does; of an ended generation it never is."""
    site, closes_ms = site_in(zone), day_start_ms(ZoneInfo(zone), day + timedelta(days=1)) + GRACE_MS
    now_ms = closes_ms + beside_ms
    assert is_over(site, BucketName("portal", day, GENERATION), GENERATION, now_ms) == (beside_ms >= 0)
    assert is_over(site, BucketName("portal", day, EARLIER), GENERATION, now_ms)


@pytest.mark.parametrize("zone", NASTY_ZONES)
@given(day=days, ago_ms=st.integers(0, 2 * MINUTE_MS), later_ms=st.integers(0, 2 * MINUTE_MS))
def test_no_day_closes_between_two_looks_at_everything(zone, day, ago_ms, later_ms):
    """While a look at what changed is enough, nothing else has become due since everything was looked at."""
    closes_ms, looks = day_start_ms(ZoneInfo(zone), day + timedelta(days=1)) + GRACE_MS, Looks()
    before_ms, now_ms = closes_ms - ago_ms, closes_ms + later_ms
    looks.note("0", GENERATION, before_ms)
    if looks.are_enough("0", GENERATION, now_ms):
        site, name = site_in(zone), BucketName("portal", day, GENERATION)
        assert is_over(site, name, GENERATION, before_ms) or not is_over(site, name, GENERATION, now_ms)


def test_everything_is_looked_at_again_once_something_was_left():
    """A look counts for its lane, generation and minute alone, and until the next one, which has to be noted, too."""
    looks = Looks()
    assert not looks.are_enough("0", GENERATION, 0)
    looks.note("0", GENERATION, 0)
    assert not looks.are_enough("1", GENERATION, 0)
    assert looks.are_enough("0", GENERATION, MINUTE_MS - 1)
    assert not looks.are_enough("0", GENERATION, MINUTE_MS - 1), "the rollup before did not come to its end"
    looks.note("0", GENERATION, 0)
    assert not looks.are_enough("0", GENERATION, MINUTE_MS)
    looks.note("0", EARLIER, 0)
    assert not looks.are_enough("0", GENERATION, 0)


def test_strays_are_told_from_what_is_due():
    """What is over in its own lane is closed there; what is in another lane is brought home, over or not."""
    site, today = site_in("UTC"), date(2026, 11, 29)
    now_ms = day_start_ms(ZoneInfo("UTC"), today) + HOUR_MS
    closing = Closing(GENERATION, now_ms, lambda _key: site, {"open", "over", "former"}.__contains__)
    yesterday = today - timedelta(days=1)
    closing.look([BucketName("open", today, GENERATION), BucketName("over", yesterday, GENERATION)])
    closing.look([BucketName("former", today, EARLIER), BucketName("stray", yesterday, GENERATION)])
    assert (closing.due, closing.strays) == ({"over", "former"}, {"stray"})
