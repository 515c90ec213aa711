"""What the store takes and gives: buckets as of one moment, indexes, folds. Pure."""

from datetime import date
from typing import NamedTuple

from counter.buckets.base import Counts
from counter.buckets.keys import BucketName
from counter.errors import BucketsCorruptError


class StoredBucket(NamedTuple):
    """A bucket as it was at one moment.

    Attributes:
        hour_views, hour_visits: one figure for each of the 24 local hours.
        sketch: the HyperLogLog's bytes, empty if nobody visited.
        pages: page → views, of the pages that changed since the last rollup.
        tokens: worker → the sequence of its last batch that is in this bucket.
    """

    name: BucketName
    part: int
    version: int
    counts: Counts
    hour_views: list[int]
    hour_visits: list[int]
    sketch: bytes
    pages: dict[str, int]
    tokens: dict[str, int]


class OpenPages(NamedTuple):
    """Views of some pages of a site in its open buckets.

    Attributes:
        revision: names the base; None if none counts. While it stays, closed buckets stay the same.
        open: name and part of each open bucket.
    """

    revision: str | None
    open: list[tuple[BucketName, int]]
    views: list[int]


class SiteIndex(NamedTuple):
    """What a site has in Redis: the revision of its base, empty if there is none, and its open buckets."""

    site: str
    revision: str
    names: list[BucketName]


class Fold(NamedTuple):
    """A new base of a site and the buckets that it holds.

    Attributes:
        revision: of the base that is replaced, empty for none.
        earlier: HyperLogLogs of the closed buckets of each day that has an open one.
    """

    site: str
    generation: str
    revision: str
    body: bytes
    closing: list[StoredBucket]
    staying: list[StoredBucket]
    earlier: dict[date, list[bytes]]


def check_sketch(sketch: bytes) -> bytes:
    """Return the bytes of a HyperLogLog if they look like one that Redis wrote.

    Raises:
        BucketsCorruptError: they do not (a forged one may crash a server, CVE-2025-32023).
    """
    dense_bytes, header_bytes = 12_304, 16
    dense = sketch[4:5] == b"\0" and len(sketch) == dense_bytes
    sparse = sketch[4:5] == b"\1" and header_bytes < len(sketch) <= dense_bytes
    if sketch[:4] != b"HYLL" or not (dense or sparse):
        raise BucketsCorruptError("a HyperLogLog is damaged")
    return sketch
