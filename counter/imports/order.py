"""Hits in the order of their times. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from counter.imports.chooser import Told

WINDOW_HITS: Final = 50_000
"""How many hits are held back. A server notes a request when it is answered, so a slow one comes late."""

at_ms: Final = itemgetter(0)
"""Returns when a hit was."""


class Window:
    """Puts hits in order, the earlier one in the log first among equals.

    One that comes more than `most` hits late may stay late.

    Attributes:
        held: hits that are held back, in order.
    """

    def __init__(self, most: int = WINDOW_HITS) -> None:
        self._most = most
        self.held: list[Told] = []

    def take(self, hits: Sequence[Told]) -> list[Told]:
        """Hold more hits, and return those that are held no longer, in order."""
        if hits:
            self._insert(sorted(hits, key=at_ms))
        return self._release(len(self.held) - self._most)

    def rest(self) -> list[Told]:
        """Return all that are still held, in order."""
        return self._release(len(self.held))

    def _insert(self, hits: list[Told]) -> None:
        place = bisect_right(self.held, at_ms(hits[0]), key=at_ms)
        self.held[place:] = sorted([*self.held[place:], *hits], key=at_ms)

    def _release(self, number: int) -> list[Told]:
        released = self.held[: max(0, number)]
        del self.held[: len(released)]
        return released
