"""Which buckets a rollup is to close: of days that are over, and of generations that have ended. Pure."""

from collections.abc import Callable, Iterable
from typing import Final

from counter.buckets.keys import BucketName
from counter.sites.model import Site

GRACE_MS: Final = 60_000
"""A day is closed this long after its end, so that hits under way still find its bucket."""
MINUTE_MS: Final = 60_000
"""Days end, and are closed, at full minutes."""


def is_over(site: Site, name: BucketName, generation: str, now_ms: int) -> bool:
    """Tell whether a bucket of a site is to be closed.

    Args:
        site: that it is of.
        name: of the bucket.
        generation: the current one of its lane.
        now_ms: when it is asked.
    """
    return name.generation != generation or name.day < site.span_of(now_ms - GRACE_MS).day


class Closing:
    """Gathers the sites of which a rollup is to close something in a lane.

    Args:
        generation: the current one of the lane.
        now_ms: when the rollup began.
        site_of: a site by its key.
        is_here: whether a site's buckets belong into this lane.

    Attributes:
        due: sites with buckets that are over.
        strays: sites whose buckets belong into another lane.
    """

    def __init__(
        self, generation: str, now_ms: int, site_of: Callable[[str], Site], is_here: Callable[[str], bool]
    ) -> None:
        self._generation = generation
        self._now_ms = now_ms
        self._site_of = site_of
        self._is_here = is_here
        self.due: set[str] = set()
        self.strays: set[str] = set()

    def look(self, names: Iterable[BucketName]) -> None:
        """Look at some buckets."""
        for name in names:
            if not self._is_here(name.site):
                self.strays.add(name.site)
            elif is_over(self._site_of(name.site), name, self._generation, self._now_ms):
                self.due.add(name.site)


class Looks:
    """Remembers when all buckets of a lane were looked at; in between, those that changed are enough.

    All are looked at in the first rollup of a generation and of a minute, and after one that did not close
    all that it should have.
    """

    def __init__(self) -> None:
        self._done: dict[str, tuple[str, int]] = {}

    def are_enough(self, lane: str, generation: str, now_ms: int) -> bool:
        """Tell whether what has not changed needs no look; next time it does, unless this one is noted."""
        return self._done.pop(lane, None) == (generation, now_ms // MINUTE_MS)

    def note(self, lane: str, generation: str, now_ms: int) -> None:
        """Note that all was looked at, and closed where it was to be."""
        self._done[lane] = generation, now_ms // MINUTE_MS
