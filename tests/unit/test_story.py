"""What is set against what: the parts that are over, in periods that are known."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.base import Counts
from counter.widget.periods import RECENT, Period
from counter.widget.series import hour_points
from counter.widget.story import Story, busiest_days, day_slots, first_before, hour_slots
from tests.unit.making import ms

TODAY = date(2026, 6, 10)  # a Wednesday
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


def story_of(slots, unit="day", since=date(2020, 1, 1)):
    compares = since <= first_before(slots)
    return Story(unit, slots, Period(slots[0].first, TODAY), Counts(), compares, {}, since, [], stale=False)


def steady(per_day, since=date(2020, 1, 1)):
    return {
        since + timedelta(days=number): Counts(per_day, per_day, per_day, per_day)
        for number in range((TODAY - since).days + 1)
    }


@given(st.sampled_from(["day", "week", "month"]), st.integers(1, 7))
def test_each_slot_stands_beside_its_like(unit, first_weekday):
    """Days stand beside the same weekday, weeks beside weeks, months beside the same month of last year."""
    slots = day_slots(unit, steady(1), date(2020, 1, 1), TODAY, first_weekday)
    assert len(slots) == RECENT[unit]
    for slot in slots:
        before = date.fromisoformat(slot.before.start)
        if unit == "day":
            assert before.weekday() == slot.first.weekday()
        elif unit == "month":
            assert (before.month, before.year) == (slot.first.month, slot.first.year - 1)
        else:
            assert slot.first - before == timedelta(weeks=12)


def test_what_still_runs_is_not_compared():
    """Twice as many a day are twice as many, although today has just begun."""
    days = steady(10)
    days |= {TODAY - timedelta(days=number): Counts(visits=20) for number in range(1, 28)} | {
        TODAY: Counts(visits=1)
    }
    found = story_of(day_slots("day", days, date(2020, 1, 1), TODAY, 1))
    assert found.compare("visits") == (27 * 20, 27 * 10)
    assert found.total("visits") == 27 * 20 + 1


def test_unknown_past_is_not_compared():
    """Where counting began within the period before, nothing is said rather than something flattering."""
    for since, compares in ((TODAY - timedelta(days=55), True), (TODAY - timedelta(days=54), False)):
        slots = day_slots("day", steady(5, since), since, TODAY, 1)
        assert (story_of(slots, since=since).compare("views") is not None) == compares


def test_hours_stand_beside_yesterdays():
    """Today's hours until now stand beside yesterday's; those ahead have only yesterday's."""
    hours = {(TODAY - timedelta(days=1), hour): (hour, hour) for hour in range(24)} | {(TODAY, 8): (9, 7)}
    period = Period(TODAY - timedelta(days=1), TODAY)
    points = hour_points(hours, period, ZONE, date(2020, 1, 1), ms("2026-06-10T10:30+07:00"))
    slots = hour_slots(points, TODAY, ZONE)
    found = story_of(slots, "hour")
    assert [slot.hour for slot in slots] == list(range(24))
    assert [slot.now is not None for slot in slots] == [True] * 11 + [False] * 13
    assert [slot.before.views for slot in slots] == list(range(24))
    assert found.compare("views") == (9, sum(range(10)))
    assert (found.total("views"), found.total("visits"), found.total("visitors")) == (9, 7, None)
    assert found.compare("visitors") is None


def test_busiest_day():
    """The day with most, the latest of equals; none where nothing ever happened."""
    days = {
        date(2026, 1, 1): Counts(views=5, visits=2),
        date(2026, 1, 2): Counts(views=4, visits=3),
        date(2026, 1, 3): Counts(views=5, visits=1),
    }
    assert busiest_days(days) == {"views": (date(2026, 1, 3), 5), "visits": (date(2026, 1, 2), 3)}
    assert busiest_days({}) == {}
