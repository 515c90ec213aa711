"""A site's numbers: the base and the open buckets added up, nothing lost and nothing twice."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counter.buckets.base import Base, Counts, LiveSite, OpenBucket, decode_base, encode_base
from counter.errors import BucketsCorruptError
from counter.widget.snapshot import add_up

MONDAY = date(2026, 11, 23)
TUESDAY = date(2026, 11, 24)

figures = st.one_of(st.integers(0, 100), st.integers(0, 2**62))
some_days = st.dates(date(2026, 11, 1), date(2026, 11, 24))
counts = st.builds(Counts, views=figures, visits=figures, visitors=figures, bots=figures)
bases = st.builds(Base, total=counts, days=st.dictionaries(some_days, counts, max_size=5))


@st.composite
def live_sites(draw: st.DrawFn) -> LiveSite:
    """A site as Redis tells it: an estimate of visitors for each day that has an open bucket."""
    opened = st.builds(Counts, views=figures, visits=figures, bots=figures)
    buckets = draw(
        st.lists(st.builds(OpenBucket, some_days, st.sampled_from(["g1", "g2"]), opened), max_size=5)
    )
    visitors = {bucket.day: draw(figures) for bucket in buckets}
    return LiveSite(draw(bases), draw(figures), buckets, visitors)


LOWER_ESTIMATE = LiveSite(
    Base(Counts(visitors=9), {TUESDAY: Counts(visitors=9)}),
    0,
    [OpenBucket(TUESDAY, "g", Counts())],
    {TUESDAY: 4},
)


@given(live=live_sites(), as_of_ms=figures)
def test_every_view_and_visit_is_in_once(live, as_of_ms):
    """The total, and each day, is the sum of the base and of all open buckets, exactly."""
    snapshot = add_up(live, as_of_ms)
    for name in ("views", "visits", "bots"):
        opened = sum(getattr(bucket.counts, name) for bucket in live.buckets)
        assert getattr(snapshot.total, name) == getattr(live.base.total, name) + opened
        for day in live.base.days.keys() | {bucket.day for bucket in live.buckets}:
            of_day = sum(getattr(bucket.counts, name) for bucket in live.buckets if bucket.day == day)
            assert (
                getattr(snapshot.days[day], name) == getattr(live.base.days.get(day, Counts()), name) + of_day
            )
    assert (snapshot.as_of_ms, snapshot.online, snapshot.stale) == (as_of_ms, live.online, False)


@given(live=live_sites())
def test_visitors_of_an_open_day_are_counted_once(live):
    """An open day has as many visitors as its estimate, which covers its closed buckets, and never fewer."""
    snapshot = add_up(live, 0)
    gained = 0
    for day, estimate in live.visitors.items():
        closed = live.base.days.get(day, Counts()).visitors
        assert snapshot.days[day].visitors == max(estimate, closed)
        gained += max(estimate, closed) - closed
    assert snapshot.total.visitors == live.base.total.visitors + gained


@given(live=live_sites())
@example(live=LOWER_ESTIMATE)
def test_no_number_falls_below_the_base(live):
    """No number of the base is taken back by an open bucket or a lower estimate, and none is negative."""
    snapshot = add_up(live, 0)
    for name in ("views", "visits", "visitors", "bots"):
        assert getattr(snapshot.total, name) >= getattr(live.base.total, name) >= 0
        for day, closed in live.base.days.items():
            assert getattr(snapshot.days[day], name) >= getattr(closed, name) >= 0


def test_adding_up():
    """Yesterday is from the base, today from a closed and two open buckets of two generations."""
    base = Base(
        total=Counts(views=412_135, visits=15_098, visitors=900, bots=7),
        days={MONDAY: Counts(10, 5, 4, 1), TUESDAY: Counts(3, 2, 2, 0)},
    )
    live = LiveSite(
        base,
        online=5,
        buckets=[
            OpenBucket(TUESDAY, "g2", Counts(20, 8, 0, 1)),
            OpenBucket(TUESDAY, "g3", Counts(1, 0, 0, 0)),
        ],
        visitors={TUESDAY: 6},
    )
    snapshot = add_up(live, 1)
    assert snapshot.days == {MONDAY: Counts(10, 5, 4, 1), TUESDAY: Counts(24, 10, 6, 1)}
    assert snapshot.total == Counts(412_156, 15_106, 904, 8)
    assert live.base.days[TUESDAY] == Counts(3, 2, 2, 0)


def test_site_without_base_has_no_number():
    """Without a base there is no number at all, rather than one that starts at 0."""
    with pytest.raises(BucketsCorruptError):
        add_up(LiveSite(None, 5, [OpenBucket(TUESDAY, "g", Counts(1, 1))], {TUESDAY: 1}), 0)


@given(base=bases)
def test_base_reads_back(base):
    """A base is read from Redis as it was written, however large its numbers."""
    assert decode_base(encode_base(base)) == base


DAMAGED = [
    b"", b"null", b"[]", b"{", b"\xff", b'{"days":{"\xff":{}}}', b'{"days":{"today":{}}}', b'{"total":null}',
    b'{"total":{"views":1.5}}', b'{"days":' + b'{"2026-01-01":' * 3000, b'{"z":' + b"[" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("body", DAMAGED)
def test_damaged_base(body):
    """A damaged base is an error that is named, not a number and not a crash."""
    with pytest.raises(BucketsCorruptError):
        decode_base(body)


@given(body=st.binary(max_size=60))
def test_any_bytes_as_base(body):
    """Whatever bytes Redis holds, they are a base or an error that is named."""
    with suppress(BucketsCorruptError):
        assert isinstance(decode_base(body), Base)


@given(first=counts, second=counts, third=counts)
def test_counts_add_up_in_any_order(first, second, third):
    """Counts may be added in any order, which is what lets buckets close in any order."""
    assert first + second == second + first
    assert (first + second) + third == first + (second + third)
    assert first + Counts() == first
