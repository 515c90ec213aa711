"""The names of all keys in Redis. Nothing else makes one up. Pure.

| key | type | holds |
|---|---|---|
| `counter:{LANE}:generation` | hash | `id` of the current one, `life`: replication id of its data, `lanes` |
| `counter:{LANE}:token:WORKER` | string | the last batch of this worker that was counted |
| `counter:{LANE}:parts` | string | how many buckets this lane has begun |
| `counter:{LANE}:open` | set | names of the buckets that the base does not hold yet |
| `counter:{LANE}:dirty` | set | names of the buckets that changed since their last rollup |
| `counter:{LANE}:site:SITE:seen` | sorted set | visitor → last sign, ms; its fraction: see `record.lua` |
| `counter:{LANE}:site:SITE:index` | set | names of the site's open buckets |
| `counter:{LANE}:site:SITE:base` | hash | `revision`, `generation`, `body`: the sums of all that is closed |
| `counter:{LANE}:bucket:NAME:day` | hash | `version`, `part`, `views`, `views:HH`, `forgot`, `token:W`, … |
| `counter:{LANE}:bucket:NAME:visitors` | string | HyperLogLog of the day's visitors |
| `counter:{LANE}:bucket:NAME:pages` | hash | page → views |
| `counter:{LANE}:bucket:NAME:changed` | set | pages whose views changed since their last rollup |
| `counter:{LANE}:site:SITE:earlier:DAY` | string | HyperLogLog of closed buckets of a day that goes on |
| `counter:{salt}:DAY` | string | the secret of the visitor ids of a day |
| `counter:{salt}:traces` | set | days whose secret may be in a file of the server |

A bucket's NAME is `SITE DAY GENERATION`; no part of it holds a space.
"""

from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple, Self


class BucketName(NamedTuple):
    """Names one site's bucket of one local day in one generation."""

    site: str
    day: date
    generation: str

    def __str__(self) -> str:
        return self.site + _end(self.day, self.generation)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the name back.

        Raises:
            ValueError: it is none.
        """
        site, day, generation = text.split(" ")
        return cls(site, date.fromisoformat(day), generation)


@lru_cache(maxsize=64)
def _end(day: date, generation: str) -> str:
    """Return how the names of all sites' buckets of a day end."""
    return f" {day.isoformat()} {generation}"


class LaneKeys:
    """The keys of one lane; they share a hash tag, so one script may touch them all."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        self.prefix = f"counter:{{{lane}}}:"
        self.generation = f"{self.prefix}generation"
        self.parts = f"{self.prefix}parts"
        self.open = f"{self.prefix}open"
        self.dirty = f"{self.prefix}dirty"
        self.site_prefix = f"{self.prefix}site:"
        self.bucket_prefix = f"{self.prefix}bucket:"

    def token(self, worker: str) -> str:
        """Return the key of the last batch counted for `worker`."""
        return f"{self.prefix}token:{worker}"

    def site(self, site: str, kind: str) -> str:
        """Return the key of a site's `seen`, `index` or `base`."""
        return f"{self.site_prefix}{site}:{kind}"

    def earlier(self, site: str, day: date) -> str:
        """Return the key of the visitors in the closed buckets of a day that goes on."""
        return self.earlier_prefix(site) + day.isoformat()

    def earlier_prefix(self, site: str) -> str:
        """Return what comes before the day in `earlier`."""
        return f"{self.prefix}site:{site}:earlier:"

    def bucket(self, name: str, kind: str) -> str:
        """Return the key of a bucket's `day`, `visitors`, `pages` or `changed`."""
        return f"{self.bucket_prefix}{name}:{kind}"


SALTS_LANE: Final = LaneKeys("salt")
"""Salts are no lane's, but in a cluster they need a place, too."""

SALT_TRACES: Final = f"{SALTS_LANE.prefix}traces"
"""The key of the list of days whose salt was written and is not certainly gone from the server's files."""


def salt_key(day: date) -> str:
    """Return the key of the secret behind the visitor ids of `day`."""
    return f"{SALTS_LANE.prefix}{day.isoformat()}"


def lane_of(site: str, lanes: int) -> int:
    """Return the number of the lane that holds a site's hot data when there are `lanes`."""
    if lanes == 1:
        return 0
    return int.from_bytes(blake2b(site.encode(), digest_size=4).digest()) % lanes
