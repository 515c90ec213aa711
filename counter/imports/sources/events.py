"""Single views with sessions, made into days: for the sources that keep each view. Pure."""

from collections.abc import Iterable
from datetime import date
from hashlib import blake2b

from counter.imports.records import Day, Page, Record
from counter.sites.model import Site


class Events:
    """Tells views as they come, and in the end visits and visitors; it keeps 8 bytes of each session."""

    def __init__(self, site: Site) -> None:
        self._span_of = site.span_of
        self._visitors: set[tuple[int, bytes]] = set()
        self._began: dict[bytes, int] = {}

    def view(self, at_ms: int, path: str, visitor: str, visit: str) -> Iterable[Record]:
        """Take one view."""
        span = self._span_of(at_ms)
        if visitor:
            self._visitors.add((span.day.toordinal(), _short(visitor)))
        if visit:
            key = _short(visit)
            self._began[key] = min(at_ms, self._began.get(key, at_ms))
        yield Page(path, 1, span.day)
        yield Day(span.day, views=1, visits=0, visitors=0, hour=span.hour)

    def bot(self, at_ms: int) -> Iterable[Record]:
        """Take a view by a bot."""
        span = self._span_of(at_ms)
        yield Day(span.day, views=0, visits=0, visitors=0, bots=1, hour=span.hour)

    def finish(self) -> Iterable[Record]:
        """Tell visits, each on the day on which it began, and the distinct visitors of each day."""
        for began in self._began.values():
            span = self._span_of(began)
            yield Day(span.day, visits=1, hour=span.hour)
        for ordinal, _visitor in self._visitors:
            yield Day(date.fromordinal(ordinal), visitors=1)


def _short(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
