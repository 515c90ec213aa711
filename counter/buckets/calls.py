"""What the Lua operations take, and how their replies are read. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from counter.buckets.base import Counts, OpenBucket
from counter.buckets.keys import BucketName, LaneKeys
from counter.buckets.stored import TOKEN, Fold, StoredBucket
from counter.errors import BucketsCorruptError

BUCKET_KINDS: Final = ("day", "visitors", "pages", "changed")
EARLIER_SECONDS: Final = 7 * 86_400
HOURS: Final = range(24)


class Call(NamedTuple):
    """One Lua operation with what it takes."""

    name: str
    keys: Sequence[str]
    args: Sequence[str | bytes | int]


def read_bucket(lane: LaneKeys, generation: str, name: BucketName) -> Call:
    """Read a bucket whole, if the generation is still current."""
    return Call("read_bucket", [lane.generation, *_bucket_keys(lane, name)], [generation])


def settle(lane: LaneKeys, bucket: StoredBucket) -> Call:
    """Note that Postgres has a bucket as it was read."""
    name = str(bucket.name)
    keys = [lane.bucket(name, kind) for kind in ("day", "pages", "changed")]
    pages = (part for page in bucket.pages.items() for part in page)
    return Call("settle", [*keys, lane.dirty], [name, bucket.version, *pages])


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


def stored_bucket(
    name: BucketName, fields: list[bytes], visitors: int, sketch: bytes, pages: list[bytes]
) -> StoredBucket:
    """Read the reply of `read_bucket`."""
    day = {key.decode(): int(value) for key, value in zip(fields[::2], fields[1::2], strict=True)}
    tokens = {field.removeprefix(TOKEN): value for field, value in day.items() if field.startswith(TOKEN)}
    return StoredBucket(
        name=name,
        part=day["part"],
        version=day["version"],
        counts=Counts(day.get("views", 0), day.get("visits", 0), visitors, day.get("bots", 0)),
        hour_views=[day.get(f"views:{hour:02d}", 0) for hour in HOURS],
        hour_visits=[day.get(f"visits:{hour:02d}", 0) for hour in HOURS],
        sketch=sketch,
        pages={page.decode(): int(views) for page, views in zip(pages[::2], pages[1::2], strict=True)},
        tokens=tokens,
    )


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
        return {BucketName.parse(member.decode()) for member in members}
    except ValueError as error:
        raise BucketsCorruptError("the list of buckets holds a foreign name") from error


def _bucket_keys(lane: LaneKeys, name: BucketName) -> list[str]:
    return [lane.bucket(str(name), kind) for kind in BUCKET_KINDS]
