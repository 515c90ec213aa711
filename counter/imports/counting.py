"""The counting rules of `record.lua` for a log, whose hits are in order, and counted by one process alone.

A test holds both to the same figures. Redis would need ten times as long, and live hits would wait for it.
Pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from counter.imports.chooser import Told
from counter.imports.order import at_ms
from counter.imports.visitors import DailyVisitors
from counter.sites.calendar import Span
from counter.sites.model import Site
from counter.sites.paths import OTHER

HOURS: Final = 24
LATE_MS: Final = 60_000
"""Hits may be so late without beginning a second visit."""
SEEN: Final = 10_000
"""Visitors of whom it is known when they came last, before those of long ago are forgotten."""


@dataclass(slots=True)
class DayCounts:
    """What a day of a log holds so far."""

    bots: int = 0
    hour_views: list[int] = field(default_factory=lambda: [0] * HOURS)
    hour_visits: list[int] = field(default_factory=lambda: [0] * HOURS)
    pages: dict[str, int] = field(default_factory=dict)

    def add_pages(self, paths: Iterable[str], page_cap: int) -> None:
        """Add a view of each page, of those above the cap together."""
        pages = self.pages
        for path in paths:
            if path in pages:
                pages[path] += 1
            elif path == OTHER or len(pages) - (OTHER in pages) < page_cap:
                pages[path] = 1
            else:
                pages[OTHER] = pages.get(OTHER, 0) + 1


class LogCounts:
    """Counts the hits of one log.

    Attributes:
        days: in the order in which they began.
        visitors: of each day.
        last_ms: when each visitor came last, but for those of long ago.
        most_seen: so many visitors are in it before some are forgotten.
    """

    def __init__(self, site: Site) -> None:
        self.days: dict[date, DayCounts] = {}
        self.visitors = DailyVisitors()
        self._site = site
        self._timeout_ms = site.settings.visit_timeout_seconds * 1000
        self.last_ms: dict[bytes, int] = {}
        self.most_seen = SEEN

    def take(self, hits: Sequence[Told]) -> None:
        """Count hits, which are in order."""
        begin = 0
        while begin < len(hits):
            span = self._site.span_of(at_ms(hits[begin]))
            end = bisect_left(hits, span.end_ms, begin, key=at_ms)
            self._take(span, hits[begin:end])
            begin = end

    def _take(self, span: Span, hits: Sequence[Told]) -> None:
        day = self.days.setdefault(span.day, DayCounts())
        views = [(at, visitor) for at, visitor, _path in hits if visitor is not None]
        day.bots += len(hits) - len(views)
        day.hour_views[span.hour] += len(views)
        day.hour_visits[span.hour] += self._visits(views)
        day.add_pages(
            (path for _at, visitor, path in hits if visitor is not None), self._site.settings.page_cap
        )
        if views:
            self.visitors.note(span.day, (visitor for _at, visitor in views))
            self._forget(views[-1][0])

    def _visits(self, views: Sequence[tuple[int, bytes]]) -> int:
        """Return how many visits begin with some views."""
        last_ms, timeout_ms, visits = self.last_ms, self._timeout_ms, 0
        for at, visitor in views:
            last = last_ms.get(visitor)
            if last is None or at - last >= timeout_ms:
                visits += 1
            if last is None or at > last:
                last_ms[visitor] = at
        return visits

    def _forget(self, now_ms: int) -> None:
        """Forget who came so long ago that the next view begins a visit anyway."""
        if len(self.last_ms) > self.most_seen:
            after_ms = now_ms - self._timeout_ms - LATE_MS
            self.last_ms = {visitor: at for visitor, at in self.last_ms.items() if at > after_ms}
            self.most_seen = max(SEEN, 2 * len(self.last_ms))
