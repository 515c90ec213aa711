"""What the Lua operations take, and how their replies are read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from counter.buckets.base import Counts, OpenBucket
from counter.buckets.keys import BucketName, LaneKeys
from counter.buckets.stored import Fold, StoredBucket
from counter.errors import BucketsCorruptError

BUCKET_KINDS: Final = ("day", "visitors", "pages", "changed")
HOURS: Final = range(24)
EARLIER_SECONDS: Final = 7 * 86_400
_NAMES: Final = 4096
"""How many ends of names of buckets are remembered: sites share them."""


class Call(NamedTuple):
    """One Lua operation with what it takes."""

    name: str
    keys: Sequence[str]
    args: Sequence[str | bytes | int]


def read_buckets(lane: LaneKeys, generation: str, names: Iterable[BucketName], enough_pages: int) -> Call:
    """Read buckets whole, if the generation is current, up to the one with which the pages are enough."""
    packed = msgspec.msgpack.encode(list(map(str, names)))
    return Call("read_buckets", [lane.generation], [generation, lane.bucket_prefix, enough_pages, packed])


def settle(lane: LaneKeys, buckets: Iterable[StoredBucket]) -> Call:
    """Note that Postgres has buckets as they were read."""
    read = [(str(bucket.name), str(bucket.version), bucket.pages) for bucket in buckets]
    return Call("settle", [lane.dirty], [lane.bucket_prefix, msgspec.msgpack.encode(read)])


def replace_base(lane: LaneKeys, fold: Fold) -> Call:
    """Put a new base in place, if nothing has changed since it was made."""
    site_keys = [lane.site(fold.site, kind) for kind in ("base", "index")]
    closing_keys: list[Any] = [key for bucket in fold.closing for key in _bucket_keys(lane, bucket.name)]
    sketches: list[Any] = [part for found in fold.earlier.values() for part in (len(found), *found)]
    earlier_keys = [lane.earlier(fold.site, day) for day in fold.earlier]
    pack = msgspec.msgpack.encode
    closing = [(str(bucket.name), str(bucket.version)) for bucket in fold.closing]
    return Call(
        "fold",
        [lane.generation, *site_keys, lane.open, lane.dirty, *closing_keys, *earlier_keys],
        [
            fold.generation,
            fold.revision,
            fold.body,
            pack(closing),
            pack([str(bucket.name) for bucket in fold.staying]),
            EARLIER_SECONDS,
            *sketches,
        ],
    )


def count_online(lane: LaneKeys, after_ms: Mapping[str, int]) -> Call:
    """Count who was seen on each site of a lane after a time of its own."""
    packed = msgspec.msgpack.encode(list(chain.from_iterable(after_ms.items())))
    return Call("count_online", [lane.generation], [lane.site_prefix, packed])


class _Read(msgspec.Struct, array_like=True, gc=False):
    """A bucket in the reply of `read_buckets`; one that is gone has nothing."""

    part: int = 0
    version: int = 0
    views: int = 0
    visits: int = 0
    visitors: int = 0
    bots: int = 0
    hours: list[int] = []
    tokens: list[str] = []
    pages: list[str] = []
    page_views: list[int] = []


_READ: Final = msgspec.msgpack.Decoder(list[_Read], strict=False)
"""Numbers come as Redis keeps them, as texts."""


def stored_buckets(
    names: Sequence[BucketName], packed: bytes, *sketches: bytes
) -> tuple[int, list[StoredBucket]]:
    """Read the reply of `read_buckets`: how many names it is about, and the buckets of these that exist.

    Raises:
        BucketsCorruptError: it is none.
    """
    try:
        found = _READ.decode(packed)
        return len(found), [
            _stored_bucket(name, read, sketch)
            for name, read, sketch in zip(names, found, sketches, strict=False)
            if read.part
        ]
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        raise BucketsCorruptError("a bucket cannot be read") from error


def _stored_bucket(name: BucketName, read: _Read, sketch: bytes) -> StoredBucket:
    counts = Counts(read.views, read.visits, read.visitors, read.bots)
    hours = [0] * 48
    for place, figure in zip(read.hours[::2], read.hours[1::2], strict=True):
        hours[place] = figure
    tokens = dict(zip(read.tokens[::2], map(int, read.tokens[1::2]), strict=True))
    pages = dict(zip(read.pages, read.page_views, strict=True))
    return StoredBucket(name, read.part, read.version, counts, hours[:24], hours[24:], sketch, pages, tokens)


def open_bucket(name: bytes, views: bytes, visits: bytes, bots: bytes) -> OpenBucket:
    """Read one bucket of the reply of `read_site`."""
    _site, day, generation = BucketName.parse(name.decode())
    return OpenBucket(day, generation, Counts(int(views), int(visits), 0, int(bots)))


def bucket_names(members: Iterable[bytes]) -> list[BucketName]:
    """Read names of buckets, in the order in which they come.

    Raises:
        BucketsCorruptError: one of them is none.
    """
    try:
        return [_bucket_name(member) for member in members]
    except ValueError as error:
        raise BucketsCorruptError("the list of buckets holds a foreign name") from error


def _bucket_name(member: bytes) -> BucketName:
    site, _, rest = member.partition(b" ")
    return BucketName(site.decode(), *_day_and_generation(rest))


@lru_cache(maxsize=_NAMES)
def _day_and_generation(rest: bytes) -> tuple[date, str]:
    day, generation = rest.decode().split(" ")
    return date.fromisoformat(day), generation


def _bucket_keys(lane: LaneKeys, name: BucketName) -> list[str]:
    return [lane.bucket(str(name), kind) for kind in BUCKET_KINDS]
