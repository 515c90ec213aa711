"""How many visitors each day of a log had, counted one by one while they are few. Pure.

A HyperLogLog is more than 1 % off on one small day in ten. A log is read whole anyway, so its days need not
be.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final, NamedTuple

MOST: Final = 100_000
"""Distinct visitors of one day that are held in memory, about 10 MB; for more, the estimate must do."""


class Sketch(NamedTuple):
    """A HyperLogLog, and how many visitors it holds by its own estimate."""

    visitors: int = 0
    body: bytes = b""


class Seen(NamedTuple):
    """Visitors of a day, each once, in the order in which they came; the day may have others."""

    day: date
    visitors: list[bytes]


class DailyVisitors:
    """Distinct visitors of each day, of hits in order.

    Attributes:
        days: the exact figure of each day; None where only the estimate tells.
        day: of the last views.
        seen: its visitors that are held, in the order in which they came.
    """

    def __init__(self, most: int = MOST) -> None:
        self.days: dict[date, int | None] = {}
        self._most = most
        self.day = date.min
        self.seen: dict[bytes, None] = {}
        self._due: list[Seen] = []

    def note(self, day: date, visitors: Iterable[bytes]) -> None:
        """Take more views. Those of a day that comes again are known no longer."""
        if day != self.day:
            self._release()
            self.day = day
            self.days[day] = None if day in self.days else 0
        self.seen.update(dict.fromkeys(visitors))
        if self.days[day] is not None:
            self.days[day] = len(self.seen)
        if len(self.seen) > self._most:
            self.days[day] = None
            self._release()

    def due(self) -> list[Seen]:
        """Return the visitors that are held no longer."""
        due, self._due = self._due, []
        return due

    def rest(self) -> list[Seen]:
        """Return those that are still held, too."""
        self._release()
        return self.due()

    def _release(self) -> None:
        if self.seen:
            self._due.append(Seen(self.day, list(self.seen)))
            self.seen.clear()
