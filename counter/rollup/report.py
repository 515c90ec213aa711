"""What a rollup did, and how it goes around what cannot be read."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import structlog

from counter.errors import BucketsCorruptError

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Report(NamedTuple):
    """What a rollup did: rows and page rows written, sites folded, and postponed as something changed.

    Beside it, how many buckets and sites were left out, as they cannot be read.
    """

    rows: int
    page_rows: int
    folded: int
    postponed: int
    corrupt: int = 0

    @classmethod
    def sum(cls, reports: Iterable["Report"]) -> "Report":
        """Add up what several steps did."""
        return cls(*map(sum, zip((0,) * len(cls._fields), *reports, strict=True)))


async def apart(step: Callable[[Sequence[T]], Awaitable[Report]], items: Sequence[T]) -> Report:
    """Do a step for some buckets or sites together; leave out those that cannot be read, and only those."""
    try:
        return await step(items)
    except BucketsCorruptError as error:
        if len(items) == 1:
            log.warning("left out of the rollup", what=str(items[0]), reason=str(error))
            return Report(0, 0, 0, 0, corrupt=1)
        half = len(items) // 2
        return Report.sum([await apart(step, items[:half]), await apart(step, items[half:])])
