"""How fast a rollup goes: done in a burst, it would hold up hits. Pure."""

from collections.abc import Callable
from typing import Final

BUCKET_SECONDS: Final = 0.00048
"""How long a bucket takes at least, on average over a rollup."""
BEHIND_SECONDS: Final = 1.0
"""How far a rollup may be behind, at most, and make up for it by shorter rests; a store that stood still for
a minute is not followed by a minute without any rest."""


class Pace:
    """Tells how long one rollup rests after each of its steps; slow ones are made up for by shorter rests.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._due = now()

    def rest_seconds(self, buckets: int) -> float:
        """Return for how long to rest after a step that was about so many buckets; 0 if it is behind."""
        now = self._now()
        self._due = max(self._due + buckets * BUCKET_SECONDS, now - BEHIND_SECONDS)
        return max(0.0, self._due - now)
