"""What happened to each line of a log."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from msgspec.structs import replace

from counter.buckets.base import Counts
from counter.buckets.batch import Hit, Kind
from counter.buckets.stored import StoredBucket
from counter.imports.chooser import Chooser
from counter.imports.logs import parse_line
from counter.imports.visitors import DailyVisitors

EXAMPLES: Final = 5
LATE_MS: Final = 60_000
"""So much disorder `record.lua` puts right by itself."""


class Example(NamedTuple):
    """A malformed line: its number, from 1, and how it begins."""

    number: int
    text: str


@dataclass(slots=True)
class Tally:
    """What was read so far.

    Attributes:
        skipped: well-formed lines that do not count, by reason.
        late: hits so far out of order that their visits may be wrong.
        visitors: of each day.
        days: what the site's days gained; set at the end.
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

    def read(self, lines: Iterable[bytes], chooser: Chooser) -> Iterator[Hit]:
        """Yield the hits that some lines tell of."""
        for line in lines:
            self.lines += 1
            request = parse_line(line)
            outcome = chooser.choose(request) if request else None
            if outcome is None:
                self._note_malformed(line)
            elif isinstance(outcome, str):
                self.skipped[outcome] += 1
            else:
                self.views += outcome.kind is Kind.VIEW
                self.bots += outcome.kind is Kind.BOT
                yield outcome

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

    def _note_malformed(self, line: bytes) -> None:
        self.malformed += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(Example(self.lines, line[:100].decode("utf-8", "replace")))
