"""From a bucket as Redis holds it to its row in Postgres."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date

from counter.aggregates.store import AggregateStore, Row, RowKey
from counter.buckets.keys import LaneKeys
from counter.buckets.store import BucketStore
from counter.buckets.stored import StoredBucket

SiteIds = Mapping[str, int]
"""Site key → id in Postgres."""


def row_key(lane: LaneKeys, ids: SiteIds, bucket: StoredBucket) -> RowKey:
    """Return under which key a bucket's row stands."""
    return RowKey(ids[bucket.name.site], bucket.name.day, bucket.name.generation, bucket.part, lane.lane)


def lone_rows(lane: LaneKeys, ids: SiteIds, stored: Sequence[StoredBucket]) -> list[Row]:
    """Return the rows of some buckets as they are if each is the only one of its day."""
    return [_row(row_key(lane, ids, bucket), bucket, bucket.counts.visitors) for bucket in stored]


async def make_rows(
    lane: LaneKeys,
    ids: SiteIds,
    stored: Sequence[StoredBucket],
    buckets: BucketStore,
    aggregates: AggregateStore,
) -> list[Row]:
    """Return the rows of some buckets, each credited with the visitors that no row of its day before it has.

    So visitors add up like everything else, although the same visitor may be in several buckets of a day.
    """
    keys = [row_key(lane, ids, bucket) for bucket in stored]
    sketches = defaultdict[tuple[int, date], list[tuple[RowKey, bytes]]](list)
    for key, sketch in (await aggregates.sketches_beside(keys)).items():
        sketches[key.site_id, key.day].append((key, sketch))
    for key, bucket in zip(keys, stored, strict=True):
        sketches[key.site_id, key.day].append((key, bucket.sketch))
    rows = []
    for key, bucket in zip(keys, stored, strict=True):
        same_day = sketches[key.site_id, key.day]
        earlier = (
            [sketch for other, sketch in sorted(same_day) if other < key and sketch] if same_day[1:] else []
        )
        rows.append(_row(key, bucket, await _credit(lane, bucket, earlier, buckets)))
    return rows


async def _credit(lane: LaneKeys, bucket: StoredBucket, earlier: list[bytes], buckets: BucketStore) -> int:
    if not earlier or not bucket.sketch:
        return bucket.counts.visitors
    together = await buckets.count_union(lane, [*earlier, bucket.sketch])
    return max(0, together - await buckets.count_union(lane, earlier))


def _row(key: RowKey, bucket: StoredBucket, visitors: int) -> Row:
    counts = bucket.counts
    hours = bucket.hour_views, bucket.hour_visits
    numbers = counts.views, counts.visits, visitors, counts.bots
    return Row(key, *numbers, *hours, bucket.sketch, bucket.version, bucket.pages, bucket.tokens)
