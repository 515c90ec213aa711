"""The secrets behind the visitor ids: one for each local date, shared by all workers, gone two days later."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Final

from counter.background import end
from counter.buckets.connection import Servers
from counter.buckets.keys import SALTS_LANE, salt_key
from counter.clock import Clock
from counter.errors import BucketsUnavailableError

SALT_BYTES: Final = 32
FORESEE_SECONDS: Final = 600
KEPT_AFTER_DAY: Final = timedelta(hours=48)
LAST_ZONE: Final = timedelta(hours=12)
"""A date ends last at UTC−12."""


class Salts:
    """Hands out the salt of a local date."""

    def __init__(self, servers: Servers, clock: Clock) -> None:
        self._servers = servers
        self._clock = clock
        self._known: dict[date, bytes] = {}

    async def of(self, day: date) -> bytes:
        """Return the salt of a local date, drawn by whichever worker asks first.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        return self._known.get(day) or await self._agree(day)

    def has_today(self) -> bool:
        """Tell whether a visitor who comes now can be named without asking Redis."""
        return datetime.fromtimestamp(self._clock() / 1000, UTC).date() in self._known

    async def foresee(self) -> None:
        """Fetch the salts of every date that is, or will within a day be, today anywhere.

        So a worker goes on naming visitors when Redis is away at midnight.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        today = datetime.fromtimestamp(self._clock() / 1000, UTC).date()
        for days in (-2, -1, 0, 1, 2):
            await self.of(today + timedelta(days=days))

    @asynccontextmanager
    async def foreseen(self) -> AsyncGenerator[None]:
        """Keep the salts of the days around today in memory while the block runs."""
        task = asyncio.create_task(self._keep_foreseeing(), name="salts")
        try:
            yield
        finally:
            await end(task)

    async def _keep_foreseeing(self) -> None:
        while True:
            try:
                await self.foresee()
                await asyncio.sleep(FORESEE_SECONDS)
            except BucketsUnavailableError:
                await asyncio.sleep(1)

    async def _agree(self, day: date) -> bytes:
        drawn = secrets.token_bytes(SALT_BYTES)
        gone_at = expiry_of(day)
        async with self._servers.asking(SALTS_LANE) as redis:
            found = await redis.set(salt_key(day), drawn, nx=True, get=True, exat=gone_at)
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
