"""What Redis and Postgres tell each other about a site: the sums of all that is closed. Pure."""

from datetime import date
from typing import Final

import msgspec

from counter.errors import BucketsCorruptError

BASE_DAYS: Final = 45
"""How many days a base keeps one by one: enough for a month and a week that began before it."""


class Counts(msgspec.Struct, frozen=True):
    """Numbers of one period; `visitors` is an estimate, and over several days a sum of daily visitors."""

    views: int = 0
    visits: int = 0
    visitors: int = 0
    bots: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.views + other.views,
            self.visits + other.visits,
            self.visitors + other.visitors,
            self.bots + other.bots,
        )


class Base(msgspec.Struct, frozen=True):
    """All that is in Postgres and no longer in an open bucket.

    Attributes:
        total: adjustments and all closed buckets of all days.
        days: the closed buckets of each of the last `BASE_DAYS` days that has any.
        adjusted: the adjustments of each of these days that has any; `total` has them too.
        apart: visitors of each of these days that no sketch has, as those of an import; `days` has them too.
    """

    total: Counts = Counts()
    days: dict[date, Counts] = msgspec.field(default_factory=dict)
    adjusted: dict[date, Counts] = msgspec.field(default_factory=dict)
    apart: dict[date, int] = msgspec.field(default_factory=dict)

    def gained(self, day: date, estimate: int) -> int:
        """Return how many visitors the open buckets of a day add to its closed ones.

        Args:
            day: that has open buckets.
            estimate: of all sketches of the day, those of closed buckets included.
        """
        sketched = self.days.get(day, Counts()).visitors - self.apart.get(day, 0)
        return max(0, estimate - sketched)


class OpenBucket(msgspec.Struct, frozen=True):
    """What an open bucket holds at the moment; its visitors are told per day, as they overlap."""

    day: date
    generation: str
    counts: Counts


class LiveSite(msgspec.Struct, frozen=True):
    """One site as Redis knows it.

    Attributes:
        base: None if there is none, or one that an earlier generation left behind.
        online: visitors with a sign in the online window.
        visitors: estimate for each day with an open bucket, its closed buckets included.
    """

    base: Base | None
    online: int
    buckets: list[OpenBucket]
    visitors: dict[date, int]


def encode_base(base: Base) -> bytes:
    """Return the form in which Redis keeps a base."""
    return msgspec.json.encode(base)


def decode_base(body: bytes) -> Base:
    """Read a base back.

    Raises:
        BucketsCorruptError: it is not one.
    """
    try:
        return msgspec.json.decode(body, type=Base)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BucketsCorruptError("a site's base in Redis cannot be read") from error
