"""From days to points: nothing is lost, doubled, or invented."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.base import Counts
from counter.widget.periods import UNITS, Period, bins
from counter.widget.series import add_days, day_points

FIRST = date(2026, 1, 1)
figures = st.integers(0, 2**40)
counts = st.builds(Counts, views=figures, visits=figures, visitors=figures, bots=figures)
some_days = st.dictionaries(
    st.integers(0, 200).map(lambda number: FIRST + timedelta(days=number)), counts, max_size=40
)


@given(some_days, st.sampled_from(UNITS), st.integers(1, 7), st.integers(0, 250))
def test_points_add_up_to_the_days(days, unit, first_weekday, length):
    """Whatever the unit, the points of a period hold the figures of its days, once."""
    period = Period(FIRST, FIRST + timedelta(days=length))
    since = min([*days, period.last])
    points = day_points(days, bins(unit, period, first_weekday), since, period.last)
    expected = add_days(days, period)
    for name in ("views", "visits", "visitors", "bots"):
        assert sum(getattr(point, name) or 0 for point in points) == getattr(expected, name)
    assert [point.complete for point in points] == [True] * (len(points) - 1) + [False]


def test_what_is_not_known_is_no_zero():
    """Days before counting began have no figure; a later day without hits has zero."""
    days = {FIRST + timedelta(days=2): Counts(5, 4, 3, 2)}
    period = Period(FIRST, FIRST + timedelta(days=3))
    since = FIRST + timedelta(days=2)
    points = day_points(days, bins("day", period, 1), since, period.last)
    assert [point.views for point in points] == [None, None, 5, 0]
    (week,) = day_points(days, [period], since, period.last)
    assert week.views == 5
