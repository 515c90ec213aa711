"""What workers remember together."""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st

from counter.hits.admission import Verdict
from counter.hits.limits import BURST_SECONDS, Limits, Rates, prefixes_of
from counter.hits.meters import Meter
from counter.hits.shared import SHARED_BYTES, Shared, Table, new_memory
from counter.hits.visitors import parse_address
from tests.unit.making import site_with

CELLS = 4 * 8
"""Bytes of a place."""
ADDRESS = parse_address("203.0.113.9")
RATES = Rates(address_per_second=1, network_per_second=0, site_per_second=0, new_visitors_per_minute=6)


def table_of(places: int) -> Table:
    return Table(memoryview(mmap.mmap(-1, places * CELLS)))


@contextmanager
def memory() -> Iterator[int]:
    fd = new_memory()
    assert fd is not None
    try:
        yield fd
    finally:
        os.close(fd)


class Key:
    """A key whose hash a test chooses."""

    def __init__(self, mark: int) -> None:
        self._mark = mark

    def __hash__(self) -> int:
        return self._mark


def in_place(number: int) -> Key:
    """Return one of many keys that all belong into the same place."""
    return Key((1 << 40) * (number + 1) + number)


@given(
    puts=st.lists(st.tuples(st.integers(0, 60), st.floats(0.001, 1e9)), max_size=300),
    places=st.sampled_from([1, 4, 64]),
)
def test_time_is_the_last_that_was_kept_or_none(puts, places):
    """A key has the time that was last kept under it, or is forgotten; it never has another one's."""
    table, kept = table_of(places), {}
    keys = [f"key {number}" for number in range(61)]
    for number, time in puts:
        table.get(keys[number])
        table.put(keys[number], time)
        kept[number] = time
        assert table.get(keys[number]) == time
    for number, key in enumerate(keys):
        assert table.get(key) in {kept.get(number), None}
    assert len(table) <= min(len(kept), 2 * places)


def test_third_key_of_a_place_pushes_out_the_older_one():
    """Two keys fit into a place; whoever was seen last stays."""
    table = table_of(4)
    one, two, three = map(in_place, range(3))
    table.put(one, 10.0)
    table.put(two, 20.0)
    table.put(one, 30.0)
    table.put(three, 25.0)
    assert [table.get(key) for key in (one, two, three)] == [30.0, None, 25.0]
    assert len(table) == 2


@given(st.lists(st.booleans(), max_size=100), st.integers(1, 20))
def test_meter_of_several_workers_is_that_of_one(turns, burst):
    """However the beacons of a key are spread over workers, as many pass as one worker would let pass."""
    with memory() as fd:
        alone = Meter(1.0, burst, table_of(16), 3.0)
        workers = [Meter(1.0, burst, Shared(fd).table(16), 3.0) for _worker in range(2)]
        for number, turn in enumerate(turns):
            now = 1000.0 + number / 7
            assert workers[turn].passes("key", now) == alone.passes("key", now)


def test_limits_of_several_workers_are_those_of_one():
    """A flood gets one burst from all workers together, and a visitor that one knows is known to all."""
    with memory() as fd:
        workers = [Limits(RATES, lambda: 100.0, Shared(fd).table) for _worker in range(4)]
        prefixes = prefixes_of(ADDRESS)
        flood = [workers[number % 4].refuses_unread("view", prefixes) for number in range(100)]
        assert flood == [None] * BURST_SECONDS + [Verdict.ADDRESS_RATE] * (100 - BURST_SECONDS)
        office = [number.to_bytes(8) for number in range(30)]
        for visitor in office:
            assert [each.refuses_visitor(prefixes, visitor) for each in workers] == [None] * 4
        assert workers[2].refuses_visitor(prefixes, b"one more") is Verdict.NEW_VISITORS
        site = site_with(repeat_seconds=10)
        shown = [each.refuses_display(site, b"1", "/a") for each in workers]
        assert shown == [None] + [Verdict.REPEATED] * 3


def test_memory_is_bounded_and_has_no_address_in_it():
    """All tables fit, and nobody's address can be read there."""
    with memory() as fd:
        shared = Shared(fd)
        limits = Limits(RATES, lambda: 100.0, shared.table)
        limits.refuses_unread("view", prefixes_of(ADDRESS))
        limits.refuses_visitor(prefixes_of(ADDRESS), b"visitor!")
        assert shared.taken <= SHARED_BYTES
        content = os.pread(fd, SHARED_BYTES, 0)
        assert len(content) == SHARED_BYTES
        assert any(content)
        assert bytes([203, 0, 113, 9]) not in content
        assert b"visitor!" not in content
