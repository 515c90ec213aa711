"""Rates with bursts, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from counter.hits.meters import Meter
from counter.hits.shared import Shared


@given(
    per_second=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=200),
    debt_seconds=st.sampled_from([0.0, 3.0]),
)
def test_no_more_passes_than_rate_and_burst_allow(per_second, burst, pauses, debt_seconds):
    """In any stretch of time no more passes than the burst and what the rate allows in it."""
    meter = Meter(per_second, burst, due=Shared().table(16), debt_seconds=debt_seconds)
    now, passed = 1000.0, []
    for pause in pauses:
        now += pause
        if meter.passes("key", now):
            passed.append(now)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            allowed = burst + (passed[last] - passed[first]) * per_second
            assert last - first + 1 <= allowed + 1e-6


@given(per_second=st.integers(1, 100), burst=st.integers(1, 50), hits=st.integers(1, 200))
def test_who_keeps_to_the_rate_is_never_refused(per_second, burst, hits):
    """A key that comes no faster than the rate always passes."""
    meter = Meter(per_second, burst, due=Shared().table(16))
    assert all(meter.passes("key", 5.0 + hit / per_second * 1.000001) for hit in range(hits))


@given(burst=st.integers(1, 50), debt_seconds=st.floats(0.1, 20), tries=st.integers(1, 500))
def test_debt_is_paid_after_its_time_however_large_the_flood(burst, debt_seconds, tries):
    """A flood that goes on gets nothing, and passes again once it has been quiet for as long as is asked."""
    meter = Meter(10.0, burst, due=Shared().table(16), debt_seconds=debt_seconds)
    assert sum(meter.passes("key", 7.0) for _hit in range(burst + tries)) == burst
    assert meter.passes("key", 7.0 + debt_seconds + 0.1001)


@given(burst=st.integers(1, 100))
def test_burst_passes_at_once(burst):
    """After a pause a whole burst may come at once, and one more may not."""
    meter = Meter(1.0, burst, due=Shared().table(16))
    assert [meter.passes("key", 7.0) for _hit in range(burst + 1)] == [True] * burst + [False]
    assert meter.passes("other", 7.0)


def test_zero_sets_no_limit():
    """A rate of 0 lets everything pass, and remembers nobody."""
    meter = Meter(0, 0, due=Shared().table(16))
    assert all(meter.passes(key, 1.0) for key in range(1000))
    assert len(meter) == 0
