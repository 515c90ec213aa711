"""How many visitors each day of a log had, counted one by one while they are few. Pure.

A HyperLogLog is more than 1 % off on one small day in ten. A log is read whole anyway, so its days need not
be.
"""

from datetime import date
from typing import Final

MOST: Final = 100_000
"""Distinct visitors of one day that are held in memory, about 10 MB; for more, the estimate must do."""


class DailyVisitors:
    """Distinct visitors of each day, of hits in order.

    Attributes:
        days: the exact figure of each day; None where only the estimate tells.
    """

    def __init__(self, most: int = MOST) -> None:
        self.days: dict[date, int | None] = {}
        self._most = most
        self._day = date.min
        self._seen: set[bytes] = set()

    def note(self, day: date, visitor: bytes) -> None:
        """Take one more view. Those of a day that comes again are known no longer."""
        if day != self._day:
            self._seen.clear()
            self._day = day
            self.days[day] = None if day in self.days else 0
        if self.days[day] is not None:
            self._seen.add(visitor)
            self.days[day] = len(self._seen) if len(self._seen) <= self._most else None
