"""A rollup goes at a steady pace: it spares hits, and yet is done in time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.rollup.pace import BEHIND_SECONDS, BUCKET_SECONDS, Pace

STEPS = st.lists(st.tuples(st.integers(0, 500), st.floats(0, 0.3)), min_size=1, max_size=40)


class Watch:
    """Shows the seconds that it is set to."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_quick_step_is_followed_by_a_rest():
    """A step of a hundred buckets and its rest take as long as a hundred buckets are to take."""
    watch = Watch()
    pace = Pace(watch)
    watch.seconds += 0.01
    assert pace.rest_seconds(100) == pytest.approx(100 * BUCKET_SECONDS - 0.01)


def test_slow_step_is_made_up_for():
    """After a step that took too long the next rests are shorter, so the whole takes no longer."""
    watch = Watch()
    pace = Pace(watch)
    watch.seconds += 150 * BUCKET_SECONDS
    assert pace.rest_seconds(100) == 0
    watch.seconds += 10 * BUCKET_SECONDS
    assert pace.rest_seconds(100) == pytest.approx(40 * BUCKET_SECONDS)


def test_store_that_stood_still_is_not_made_up_for_without_end():
    """After a minute of silence a rollup is soon back at its pace, and hits have their turns again."""
    watch = Watch()
    pace = Pace(watch)
    watch.seconds += 60
    assert pace.rest_seconds(100) == 0
    steps = round(BEHIND_SECONDS / (100 * BUCKET_SECONDS))
    rests = [pace.rest_seconds(100) for _ in range(steps + 2)]
    assert rests[0] == 0 < rests[-1]


@given(STEPS)
def test_no_rollup_is_a_burst(steps: list[tuple[int, float]]) -> None:
    """Whatever its steps take, at no time are more buckets done than the pace allows, and what it is behind."""
    watch = Watch()
    pace, began, done = Pace(watch), watch.seconds, 0
    for buckets, seconds in steps:
        watch.seconds += seconds
        rest = pace.rest_seconds(buckets)
        assert 0 <= rest <= buckets * BUCKET_SECONDS + 1e-9
        watch.seconds += rest
        done += buckets
        assert watch.seconds - began >= done * BUCKET_SECONDS - 1e-9
