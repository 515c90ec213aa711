"""What the Lua operations take, and how their replies are read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from counter.buckets.base import Counts, OpenBucket
from counter.buckets.keys import BucketName, LaneKeys
from counter.buckets.stored import TOKEN, Fold, StoredBucket
from counter.errors import BucketsCorruptError

BUCKET_KINDS: Final = ("day", "visitors", "pages", "changed")
EARLIER_SECONDS: Final = 7 * 86_400
HOURS: Final = range(24)
_PLACES: Final = {
    f"{kind}:{hour:02d}": (place, hour) for place, kind in enumerate(("views", "visits")) for hour in HOURS
}
"""Where the figure of a field goes: views or visits, and the hour."""
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


class _Read(NamedTuple):
    """A bucket in the reply of `read_buckets`; one that is gone has no fields."""

    visitors: int = 0
    fields: list[str] = []  # noqa: RUF012 - a default of a tuple, which nobody changes
    pages: list[str] = []  # noqa: RUF012


def stored_buckets(
    names: Sequence[BucketName], packed: bytes, *sketches: bytes
) -> tuple[int, list[StoredBucket]]:
    """Read the reply of `read_buckets`: how many names it is about, and the buckets of these that exist.

    Raises:
        BucketsCorruptError: it is none.
    """
    try:
        found = msgspec.msgpack.decode(packed, type=list[_Read])
        return len(found), [
            _stored_bucket(name, read, sketch)
            for name, read, sketch in zip(names, found, sketches, strict=False)
            if read.fields
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise BucketsCorruptError("a bucket cannot be read") from error


def _stored_bucket(name: BucketName, read: _Read, sketch: bytes) -> StoredBucket:
    day = dict(zip(read.fields[::2], map(int, read.fields[1::2]), strict=True))
    hours, tokens = ([0] * 24, [0] * 24), dict[str, int]()
    for field, value in day.items():
        if field in _PLACES:
            kind, hour = _PLACES[field]
            hours[kind][hour] = value
        elif field.startswith(TOKEN):
            tokens[field[len(TOKEN) :]] = value
    counts = Counts(day.get("views", 0), day.get("visits", 0), read.visitors, day.get("bots", 0))
    pages = dict(zip(read.pages[::2], map(int, read.pages[1::2]), strict=True))
    return StoredBucket(name, day["part"], day["version"], counts, *hours, sketch, pages, tokens)


def open_bucket(name: bytes, views: bytes, visits: bytes, bots: bytes) -> OpenBucket:
    """Read one bucket of the reply of `read_site`."""
    _site, day, generation = BucketName.parse(name.decode())
    return OpenBucket(day, generation, Counts(int(views), int(visits), 0, int(bots)))


def bucket_names(members: Iterable[Any]) -> set[BucketName]:
    """Read a set of names of buckets.

    Raises:
        BucketsCorruptError: one of them is none.
    """
    try:
        return {_bucket_name(member) for member in members}
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
