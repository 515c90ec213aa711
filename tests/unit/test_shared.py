"""What workers remember together."""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st

from counter.buckets.batch import Kind
from counter.hits.admission import Verdict
from counter.hits.limits import BURST_SECONDS, Limits, Rates
from counter.hits.meters import Meter
from counter.hits.shared import SHARED_BYTES, Shared, Table, new_memory
from counter.hits.visitors import parse_address
from tests.unit.making import site_with

ADDRESS = parse_address("203.0.113.9")
RATES = Rates(address_per_second=1, network_per_second=0, site_per_second=0, new_visitors_per_minute=6)


def table_of(places: int, more: int = 0) -> Table:
    return Table(memoryview(mmap.mmap(-1, places * 2 * (2 + more) * 8)), more)


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
    more=st.sampled_from([0, 2]),
)
def test_time_is_the_last_that_was_kept_or_none(puts, places, more):
    """A key has the time that was last kept under it, or is forgotten; it never has another one's."""
    table, kept = table_of(places, more), {}
    keys = [f"key {number}" for number in range(61)]
    for number, time in puts:
        table.get(keys[number])
        table.put(keys[number], time)
        kept[number] = time
        assert table.get(keys[number]) == time
    for number, key in enumerate(keys):
        assert table.get(key) in {kept.get(number), None}
    assert len(table) <= min(len(kept), 2 * places)


@given(st.lists(st.integers(0, 60), max_size=300), st.sampled_from([1, 4, 64]))
def test_further_cells_are_a_keys_own_or_empty(turns, places):
    """What was put beside the time of a key is found there, or it was forgotten with the key."""
    table, kept = table_of(places, more=2), {}
    for turn, number in enumerate(turns, start=1):
        at = table.seek(f"key {number}")
        found = table.times[at], table.times[at + 1], table.marks[at + 2]
        assert found in {(0.0, 0.0, 0), kept.get(number)}
        kept[number] = turn, turn / 7, -turn
        table.times[at], table.times[at + 1], table.marks[at + 2] = kept[number]


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
        flood = [
            each.refuses_unread(Kind.VIEW, each.meet(ADDRESS)) for _turn in range(25) for each in workers
        ]
        assert flood == [None] * BURST_SECONDS + [Verdict.ADDRESS_RATE] * (100 - BURST_SECONDS)
        office = [number.to_bytes(8) for number in range(30)]
        for visitor in office:
            assert [each.refuses_visitor(each.meet(ADDRESS), visitor) for each in workers] == [None] * 4
        assert workers[2].refuses_visitor(workers[2].meet(ADDRESS), b"one more") is Verdict.NEW_VISITORS
        site = site_with(repeat_seconds=10)
        shown = [each.refuses_display(site, b"1", "/a") for each in workers]
        assert shown == [None] + [Verdict.REPEATED] * 3


def test_memory_is_bounded_and_has_no_address_in_it():
    """All tables fit, and nobody's address can be read there."""
    with memory() as fd:
        shared = Shared(fd)
        limits = Limits(RATES, lambda: 100.0, shared.table)
        for kind in (Kind.VIEW, Kind.HEARTBEAT):
            limits.refuses_unread(kind, limits.meet(ADDRESS))
            limits.refuses(kind, site_with(), limits.meet(ADDRESS))
        for visitor in (b"visitor!", b"another!"):
            limits.refuses_visitor(limits.meet(ADDRESS), visitor)
        assert shared.taken <= SHARED_BYTES
        content = os.pread(fd, SHARED_BYTES, 0)
        assert len(content) == SHARED_BYTES
        assert any(content)
        assert bytes([203, 0, 113, 9]) not in content
        assert not any(visitor in content for visitor in (b"visitor!", b"another!"))
