"""The secrets behind the visitor ids: one for each local date, shared by all workers, gone two days later."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from counter.background import end
from counter.buckets.connection import Servers
from counter.buckets.keys import SALT_TRACES, SALTS_LANE, salt_key
from counter.buckets.rewriting import Rewriting, rewrite_files
from counter.clock import Clock
from counter.errors import BucketsCorruptError, BucketsUnavailableError
from counter.metrics import SaltMetrics

SALT_BYTES: Final = 32
FORESEE_SECONDS: Final = 600
REFUSED_SECONDS: Final = 6 * 3600
"""How long a server is left alone that does not rewrite its file."""
KEPT_AFTER_DAY: Final = timedelta(hours=48)
LAST_ZONE: Final = timedelta(hours=12)
"""A date ends last at UTC−12."""


class Salts:
    """Hands out the salt of a local date, and destroys it when it is over."""

    def __init__(self, servers: Servers, clock: Clock) -> None:
        self._servers = servers
        self._clock = clock
        self._known: dict[date, bytes] = {}
        self._refused_until = 0.0

    async def of(self, day: date) -> bytes:
        """Return the salt of a local date, drawn by whichever worker asks first.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        return self._known.get(day) or await self._agree(day)

    def known(self, day: date) -> bytes | None:
        """Return the salt of a local date if this worker knows it."""
        return self._known.get(day)

    def has_today(self) -> bool:
        """Tell whether a visitor who comes now can be named without asking Redis."""
        return self._now().date() in self._known

    async def foresee(self) -> None:
        """Fetch the salts of every date that is, or will within a day be, today anywhere.

        So a worker goes on naming visitors when Redis is away at midnight.

        Raises:
            BucketsUnavailableError: Redis does not answer.
        """
        today = self._now().date()
        for days in (-2, -1, 0, 1, 2):
            await self.of(today + timedelta(days=days))

    async def destroy(self) -> set[date]:
        """Destroy the salts that are over: in memory, in Redis, and in the files of its servers.

        Redis would expire them, too, but its append-only file keeps the command that wrote a salt until the
        file is rewritten. A day is on a list until that is certain, whoever stops in between.

        Returns:
            days whose salt may still be in a file; empty if all is done.

        Raises:
            BucketsUnavailableError: Redis does not answer.
            BucketsCorruptError: the list of days holds something else.
        """
        self._forget()
        async with self._servers.asking(SALTS_LANE) as redis:
            over = {day for day in _days(await redis.smembers(SALT_TRACES)) if expiry_of(day) <= self._now()}
            if not over:
                return over
            await redis.unlink(*map(salt_key, over))
            loop_time = asyncio.get_running_loop().time
            if loop_time() < self._refused_until:
                return over
            outcome = await rewrite_files(redis)
            if outcome is Rewriting.DONE:
                await redis.srem(SALT_TRACES, *map(date.isoformat, over))
                return set()
            if outcome is Rewriting.REFUSED:
                self._refused_until = loop_time() + REFUSED_SECONDS
        return over

    @asynccontextmanager
    async def foreseen(self, metrics: SaltMetrics) -> AsyncGenerator[None]:
        """Keep the salts of the days around today in memory, and no others anywhere, while the block runs."""
        task = asyncio.create_task(self._keep_foreseeing(metrics), name="salts")
        try:
            yield
        finally:
            await end(task)

    async def _keep_foreseeing(self, metrics: SaltMetrics) -> None:
        while True:
            try:
                await self.foresee()
                metrics.overdue.set(len(await self.destroy()))
                metrics.looked.set(self._clock() / 1000)
                await asyncio.sleep(FORESEE_SECONDS)
            except (BucketsUnavailableError, BucketsCorruptError):
                await asyncio.sleep(1)

    async def _agree(self, day: date) -> bytes:
        drawn = secrets.token_bytes(SALT_BYTES)
        gone_at = expiry_of(day)
        async with self._servers.asking(SALTS_LANE) as redis:
            # On the list first: what was written must not be forgotten.
            await redis.sadd(SALT_TRACES, day.isoformat())
            found = await redis.set(salt_key(day), drawn, nx=True, get=True, exat=gone_at)
        salt = found if isinstance(found, bytes) else drawn
        self._forget()
        if gone_at > self._now():
            self._known[day] = salt
        return salt

    def _forget(self) -> None:
        now = self._now()
        self._known = {day: salt for day, salt in self._known.items() if expiry_of(day) > now}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1000, UTC)


def expiry_of(day: date) -> datetime:
    """Return when the salt of a local date is destroyed: 48 h after the date has ended everywhere."""
    ends_in_utc = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + LAST_ZONE
    return ends_in_utc + KEPT_AFTER_DAY


def _days(members: Any) -> set[date]:
    try:
        return {date.fromisoformat(member.decode()) for member in members}
    except ValueError as error:
        raise BucketsCorruptError("the list of salts holds what is no day") from error
