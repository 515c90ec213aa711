"""One site's numbers at one moment: the base and the open buckets added up. Pure."""

from datetime import date

import msgspec

from counter.buckets.base import Counts, LiveSite
from counter.errors import BucketsCorruptError


class Snapshot(msgspec.Struct, frozen=True):
    """All numbers of a site.

    Attributes:
        as_of_ms: when they were read.
        online: distinct visitors with a sign in the online window, exact.
        total: all days and adjustments.
        days: each of the latest days that has any.
        counted: the first of these days on which anything was counted, not only adjusted.
        stale: they could not be read anew.
    """

    as_of_ms: int
    online: int
    total: Counts
    days: dict[date, Counts]
    stale: bool = False
    counted: date | None = None


def add_up(live: LiveSite, as_of_ms: int) -> Snapshot:
    """Add a site's open buckets to its base.

    Raises:
        BucketsCorruptError: there is no base; it has to be made first.
    """
    if live.base is None:
        raise BucketsCorruptError("the site has no base yet")
    days = dict(live.base.days)
    total = live.base.total
    for bucket in live.buckets:
        days[bucket.day] = days.get(bucket.day, Counts()) + bucket.counts
        total += bucket.counts
    for day, visitors in live.visitors.items():
        gained = live.base.gained(day, visitors)
        days[day] += Counts(visitors=gained)
        total += Counts(visitors=gained)
    counted = min((day for day in days), default=None)
    for day, amounts in live.base.adjusted.items():
        days[day] = days.get(day, Counts()) + amounts
    return Snapshot(as_of_ms, live.online, total, days, counted=counted)
