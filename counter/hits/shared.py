"""What a worker remembers of who sent what; workers of a host do so together: their limits are those of one.

Each worker maps the same memory: tables of a key's mark and a time, and no address. Nobody waits for a lock,
so of two beacons that come within a microsecond of each other in two workers one may go uncounted.
"""

import mmap
import os
from collections.abc import Hashable
from typing import Final

SHARED_BYTES: Final = 16 * 1024 * 1024
"""More than all tables take; what nobody touches takes no memory."""
ROOM: Final = 2
"""Entries for each key that is to be remembered, as a third key in one place pushes out the oldest."""
ALONE: Final = -1
_CELL_BYTES: Final = 8


def new_memory() -> int | None:
    """Return the descriptor of memory that workers may share, None where the system has none."""
    if not hasattr(os, "memfd_create"):
        return None
    fd = os.memfd_create("counter limits")
    os.ftruncate(fd, SHARED_BYTES)
    return fd


class Shared:
    """Memory that is divided into tables, in the same order by each worker.

    Args:
        fd: of `new_memory`; by default it is nobody else's. All who share it give the same `hash` to the same
            key (PYTHONHASHSEED).

    Attributes:
        taken: by the tables so far (bytes).
    """

    def __init__(self, fd: int = ALONE) -> None:
        self._memory = memoryview(mmap.mmap(fd, SHARED_BYTES))
        self.taken = 0

    def table(self, keys: int, more: int = 0) -> "Table":
        """Return the next table.

        Args:
            keys: that it remembers, about.
            more: cells for each key, beside its mark and its time.
        """
        size = ROOM * keys * (2 + more) * _CELL_BYTES
        cells = self._memory[self.taken : self.taken + size]
        self.taken += size
        return Table(cells, more)


class Table:
    """Keeps a time for each key, of about as many as it has room for, and what belongs to it.

    A place has two entries, of a mark, a time, and further cells; who meets no room takes the older one's.

    Args:
        memory: of places, as many as a power of two.
        more: cells of an entry, beside mark and time; with none or two, no place is in two lines of a cache.

    Attributes:
        times: all cells, for those that keep times (seconds).
        marks: the same cells, for those that keep marks; each is written at once.
    """

    def __init__(self, memory: memoryview, more: int = 0) -> None:
        self.times: memoryview[float] = memory.cast("d")
        self.marks: memoryview[int] = memory.cast("q")
        self._size = 2 + more  # of an entry
        self._within = len(self.marks) - 2 * self._size
        self._further = range(2, self._size)

    def __len__(self) -> int:
        return sum(time > 0 for time in self.times.tolist()[1 :: self._size])

    def get(self, key: Hashable) -> float | None:
        """Return the time that was kept under a key (seconds), None if nothing is known of it."""
        mark = hash(key)
        entry = mark >> 16 & self._within
        marks = self.marks
        if marks[entry] != mark:
            entry += self._size
            if marks[entry] != mark:
                return None
        return self.times[entry + 1] or None

    def put(self, key: Hashable, value: float) -> None:
        """Keep a time (seconds, above 0)."""
        self.times[self.seek(key)] = value

    def seek(self, key: Hashable) -> int:
        """Return where the time of a key is from now on, its further cells behind; all 0 if it is unknown."""
        mark = hash(key)
        entry = mark >> 16 & self._within
        marks = self.marks
        if marks[entry] == mark:
            return entry + 1
        other = entry + self._size
        if marks[other] == mark:
            return other + 1
        times = self.times
        if times[other + 1] < times[entry + 1]:
            entry = other
        times[entry + 1] = 0.0  # until the mark is another one, the time is nobody's
        for further in self._further:
            marks[entry + further] = 0
        marks[entry] = mark
        return entry + 1
