"""The secrets behind the visitor ids: one for each local date, shared by all workers, gone two days later."""

import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Final

from redis.asyncio import Redis

from counter.buckets.keys import salt_key
from counter.buckets.operations import translated
from counter.clock import Clock

SALT_BYTES: Final = 32
KEPT_AFTER_DAY: Final = timedelta(hours=48)
LAST_ZONE: Final = timedelta(hours=12)
"""A date ends last at UTC−12."""


class Salts:
    """Hands out the salt of a local date."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock
        self._known: dict[date, bytes] = {}

    async def of(self, day: date) -> bytes:
        """Return the salt of a local date, drawn by whichever worker asks first.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        return self._known.get(day) or await self._agree(day)

    async def _agree(self, day: date) -> bytes:
        drawn = secrets.token_bytes(SALT_BYTES)
        gone_at = expiry_of(day)
        with translated():
            found = await self._redis.set(salt_key(day), drawn, nx=True, get=True, exat=gone_at)
        salt = found if isinstance(found, bytes) else drawn
        now = datetime.fromtimestamp(self._clock() / 1000, UTC)
        self._known = {known: value for known, value in self._known.items() if expiry_of(known) > now}
        if gone_at > now:
            self._known[day] = salt
        return salt


def expiry_of(day: date) -> datetime:
    """Return when the salt of a local date is destroyed: 48 h after the date has ended everywhere."""
    ends_in_utc = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + LAST_ZONE
    return ends_in_utc + KEPT_AFTER_DAY
