"""What happened to each line of a log."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from msgspec.structs import replace

from counter.buckets.base import Counts
from counter.buckets.batch import Hit, Kind
from counter.buckets.stored import StoredBucket
from counter.imports.parsing import EXAMPLES, Example, Parsed, hit_of
from counter.imports.visitors import DailyVisitors
from counter.sites.model import Site

LATE_MS: Final = 60_000
"""So much disorder `record.lua` puts right by itself."""


@dataclass(slots=True)
class Tally:
    """What was read so far.

    Attributes:
        skipped: well-formed lines that do not count, by reason.
        late: hits so far out of order that their visits may be wrong.
        visitors: of each day.
        days: what the site's days gained; set at the end.
        shown: what the site showed before and after; set at the end.
    """

    lines: int = 0
    views: int = 0
    bots: int = 0
    late: int = 0
    malformed: int = 0
    examples: list[Example] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    visitors: DailyVisitors = field(default_factory=DailyVisitors)
    days: dict[date, Counts] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)

    def read(self, parsed: Iterable[Parsed], site: Site) -> Iterator[Hit]:
        """Yield the hits that chunks of lines tell of."""
        for chunk in parsed:
            self.lines += chunk.lines
            self.malformed += chunk.malformed
            self.examples += chunk.examples[: EXAMPLES - len(self.examples)]
            self.skipped += chunk.skipped
            bots = sum(bot for _at_ms, bot, _path, _visitor in chunk.hits)
            self.bots += bots
            self.views += len(chunk.hits) - bots
            yield from (hit_of(site, told) for told in chunk.hits)

    def watch(self, hits: Iterable[Hit]) -> Iterator[Hit]:
        """Pass hits on, and note who came and what came late."""
        newest_ms = 0
        for hit in hits:
            self.late += hit.at_ms < newest_ms - LATE_MS
            newest_ms = max(newest_ms, hit.at_ms)
            if hit.kind is Kind.VIEW:
                self.visitors.note(hit.site.span_of(hit.at_ms).day, hit.visitor)
            yield hit

    def exactly(self, bucket: StoredBucket) -> StoredBucket:
        """Return a bucket with the exact number of visitors, where that is known."""
        visitors = self.visitors.days.get(bucket.name.day)
        return (
            bucket if visitors is None else bucket._replace(counts=replace(bucket.counts, visitors=visitors))
        )
