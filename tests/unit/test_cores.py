"""A worker keeps to a core of its own only where that leaves none idle and none to two workers."""

import pytest

from counter.workers.cores import own_core


def test_as_many_workers_as_cores_have_one_each():
    """Whatever the cores' numbers are, each has one worker, and a worker's successor has the same."""
    cores = {7, 2, 64, 3}
    assert [own_core(number, 4, cores) for number in (1, 2, 3, 4)] == [2, 3, 7, 64]


@pytest.mark.parametrize(("workers", "cores"), [(2, {0, 1, 2, 3}), (4, {0, 1}), (1, {0, 1})])
def test_others_are_placed_by_the_system(workers: int, cores: set[int]) -> None:
    """With more cores another process may need one more, and with fewer somebody would have to share."""
    assert {own_core(number, workers, cores) for number in range(1, workers + 1)} == {None}
