"""What the keys in Redis tell by their names and lives: which may expire, which must. Pure."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, NamedTuple

from counter.buckets.keys import SALT_TRACES, BucketName
from counter.checks.findings import Problem

NEVER_EXPIRES: Final = -1
SLACK: Final = timedelta(minutes=1)
"""By which the clocks of this host and of Redis may differ."""

_KEY: Final = re.compile(r"counter:\{(?P<lane>[^}]*)\}:(?P<rest>.+)", re.DOTALL)
_BUCKET: Final = re.compile(r"bucket:(?P<name>.+):(?P<kind>day|visitors|pages|changed)", re.DOTALL)
_SITE: Final = re.compile(r"site:(?P<site>[^:]+):index")
_SALT: Final = re.compile(r"counter:\{salt\}:(?P<day>.+)", re.DOTALL)
_UNCONFIRMED: Final = frozenset({"generation", "parts", "open", "dirty"})


class Key(NamedTuple):
    """A key and how long it has to live.

    Attributes:
        ttl_ms: milliseconds, `NEVER_EXPIRES` if it stays.
    """

    name: str
    ttl_ms: int


class PlacedBucket(NamedTuple):
    """A bucket that has a key, and the lane whose hash tag that key carries."""

    lane: str
    name: BucketName


class Salt(NamedTuple):
    """The salt of a day: when it is destroyed, and by when it had to be, in ms since the epoch."""

    key: Key
    day: date
    gone_by_ms: int


def site_of(key: str) -> str | None:
    """Return the site whose counts a key holds, None if it holds no single site's."""
    bucket = bucket_of(key)
    if bucket:
        return bucket.name.site
    match = _KEY.fullmatch(key)
    site = _SITE.fullmatch(match["rest"]) if match else None
    return site["site"] if site else None


def bucket_of(key: str) -> PlacedBucket | None:
    """Return the bucket that a key is part of, None if it is of none."""
    match = _KEY.fullmatch(key)
    bucket = _BUCKET.fullmatch(match["rest"]) if match else None
    if not match or not bucket:
        return None
    try:
        return PlacedBucket(match["lane"], BucketName.parse(bucket["name"]))
    except ValueError:
        return None


def may_expire(key: str) -> bool:
    """Tell whether a key may have a life: not if Postgres may lack what it holds, or what it lists."""
    match = _KEY.fullmatch(key)
    rest = match["rest"] if match else ""
    return not (rest in _UNCONFIRMED or _BUCKET.fullmatch(rest) or _SITE.fullmatch(rest))


def salt_day(key: str) -> str | None:
    """Return the day that a salt's key names, None if it is no salt's."""
    match = None if key == SALT_TRACES else _SALT.fullmatch(key)
    return match["day"] if match else None


def judge_expiry(keys: Iterable[Key]) -> list[Problem]:
    """No key expires that holds what Postgres has not confirmed."""
    return [
        Problem(
            site_of(key.name),
            key.name,
            f"{key.name} expires in {_period(key.ttl_ms)}, and what it holds may not be in Postgres",
            {"ttl_ms": key.ttl_ms},
        )
        for key in keys
        if key.ttl_ms != NEVER_EXPIRES and not may_expire(key.name)
    ]


def judge_salts(salts: Iterable[Salt], now_ms: int) -> list[Problem]:
    """Each salt has an end, at most 48 h after its day has ended everywhere, and none is beyond it."""
    return [
        Problem(None, salt.key.name, f"{salt.key.name} {detail}", {"ttl_ms": salt.key.ttl_ms})
        for salt in salts
        for detail in _salt_faults(salt, now_ms)
    ]


def _salt_faults(salt: Salt, now_ms: int) -> Iterable[str]:
    slack_ms = SLACK // timedelta(milliseconds=1)
    late_ms = now_ms - salt.gone_by_ms
    if late_ms > slack_ms:
        yield f"had to be gone {_period(late_ms)} ago"
    elif salt.key.ttl_ms == NEVER_EXPIRES:
        yield f"never expires; it has to be gone in {_period(-late_ms)}"
    elif now_ms + salt.key.ttl_ms > salt.gone_by_ms + slack_ms:
        yield f"expires in {_period(salt.key.ttl_ms)}; it has to be gone in {_period(-late_ms)}"


def _period(ms: int) -> str:
    hours, minutes = divmod(max(ms, 0) // 60_000, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min" if minutes else f"{max(ms, 0) // 1000} s"
