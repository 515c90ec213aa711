"""What happened to each line of a log."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from counter.buckets.base import Counts
from counter.imports.chooser import Told
from counter.imports.order import at_ms
from counter.imports.parsing import EXAMPLES, Example, Parsed

LATE_MS: Final = 60_000
"""So much disorder does not matter to anybody."""


@dataclass(slots=True)
class Tally:
    """What was read so far.

    Attributes:
        skipped: well-formed lines that do not count, by reason.
        late: hits so far out of order that their visits may be wrong.
        days: what the site's days gained; set at the end.
        shown: what the site showed before and after; set at the end.
        newest_ms: when the last of all hits was.
    """

    lines: int = 0
    views: int = 0
    bots: int = 0
    late: int = 0
    malformed: int = 0
    examples: list[Example] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    days: dict[date, Counts] = field(default_factory=dict)
    shown: list[dict[str, Any]] = field(default_factory=list)
    newest_ms: int = 0

    def add(self, parsed: Parsed) -> None:
        """Note what a chunk holds."""
        self.lines += parsed.lines
        self.malformed += parsed.malformed
        self.examples += parsed.examples[: EXAMPLES - len(self.examples)]
        self.skipped += parsed.skipped
        bots = sum(visitor is None for _at_ms, visitor, _path in parsed.hits)
        self.bots += bots
        self.views += len(parsed.hits) - bots

    def watch(self, hits: Sequence[Told]) -> None:
        """Note how many hits, which are in order, came later than others that went before."""
        if hits:
            self.late += bisect_left(hits, self.newest_ms - LATE_MS, key=at_ms)
            self.newest_ms = max(self.newest_ms, at_ms(hits[-1]))
