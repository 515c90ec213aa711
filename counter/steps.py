"""The steps at which a crash would hurt most, by name: tests end the process at each of them. Pure."""

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """What has just been done when the program passes here."""

    BATCH_COUNTED = "Redis has counted a batch; nobody was told yet"
    SEGMENT_MADE = "a segment of the spool was made; it has no name yet"
    SEGMENT_WRITTEN = "a batch was written to the spool; the disk may not have it yet"
    SEGMENT_SYNCED = "the disk has a batch; nobody was told yet"
    SEGMENT_TAKEN_OVER = "a segment of a process that is gone was locked"
    REPLAY_BEGUN = "a spooled batch is about to be sent"
    REPLAY_COUNTED = "Redis has counted a spooled batch; the segment does not say so yet"
    REPLAY_NOTED = "the segment says that its oldest batch was counted"
    SEGMENT_REMOVED = "a segment that was replayed whole was removed"
    BUCKETS_READ = "the rollup has read buckets"
    ROWS_WRITTEN = "Postgres has the rows of these buckets"
    BUCKETS_SETTLED = "Redis knows that Postgres has them"
    CLOSING_READ = "the rollup has read the buckets of the sites whose base is made anew"
    CLOSING_WRITTEN = "Postgres has the rows of these buckets"
    BASES_MADE = "the new bases are ready"
    BASES_FOLDED = "Redis has the new bases, and the closed buckets are gone"


Passing = Callable[[Step], None]
"""Is told each step; tests end the process there."""


def go_on(_step: Step) -> None:
    """Pass a step, as the service does."""
