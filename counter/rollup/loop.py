"""When the rollup runs: every few seconds, in one process at a time, and once more at a clean stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from counter.aggregates.store import AggregateStore
from counter.clock import Clock
from counter.database import Connection, connected, read_query
from counter.errors import AggregatesUnavailableError, CounterError
from counter.metrics import RollupMetrics
from counter.rollup.anomalies import Anomalies
from counter.rollup.pace import Pace
from counter.rollup.portions import Rest
from counter.rollup.retention import Retention
from counter.rollup.rollup import Rollup

LEASE_KEY: Final = 0x726F6C6C7570  # "rollup"
SILENT_ROLLUPS: Final = 6
SILENT_SECONDS: Final = 60.0
LOOK_MS: Final = 60_000
"""How often unusual sites are looked for."""

log = structlog.get_logger(__name__)


class RollupLoop:
    """Runs the rollup while this process holds the lease.

    The lease is an advisory lock of the very connection that writes, so whoever loses it cannot write either.
    A leader that hangs is not waited for: after a minute without a word from it another process ends its
    connection.
    """

    def __init__(  # noqa: PLR0917 - what a loop is made of
        self,
        rollup: Rollup,
        database_url: str,
        clock: Clock,
        metrics: RollupMetrics,
        seconds: float,
        anomalies: Anomalies,
        silent_seconds: float = SILENT_SECONDS,
    ) -> None:
        self._rollup = rollup
        self._url = database_url
        self._clock = clock
        self._metrics = metrics
        self._seconds = seconds
        self._silent_seconds = max(silent_seconds, SILENT_ROLLUPS * seconds)
        self._anomalies = anomalies
        self._retention = Retention(rollup.buckets, metrics)
        self._looked_ms = 0
        self._stop = asyncio.Event()
        self._last_adjustment = 0

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Run in the background; on leaving, roll up once more."""
        task = asyncio.create_task(self._run(), name="rollup")
        try:
            yield
        finally:
            self._stop.set()
            await asyncio.wait([task])
            task.result()

    async def _run(self) -> None:
        done = False
        while not done:
            # The last look at the lease is after the stop: who held it before may be gone by now.
            stopping = self._stop.is_set()
            done = await self._led_to_the_end() or stopping
            self._metrics.leader.set(0)
            self._anomalies.forget()
            await self._pause()

    async def _led_to_the_end(self) -> bool:
        try:
            async with _lease(self._url, self._silent_seconds) as connection:
                if connection:
                    await self._lead(connection)
                return connection is not None
        except AggregatesUnavailableError as error:
            self._metrics.postgres_errors.labels("rollup").inc()
            log.warning("rollup waits for Postgres", reason=str(error))
            return False

    async def _lead(self, connection: Connection) -> None:
        self._metrics.leader.set(1)
        while not self._stop.is_set():
            await self._once(connection)
            await self._pause()
        await self._once(connection)

    async def _once(self, connection: Connection) -> None:
        aggregates = AggregateStore(connection)
        try:
            with self._metrics.seconds.time():
                last_id, adjusted = await aggregates.adjusted_since(self._last_adjustment)
                await self._rollup.clear_removed(aggregates)
                report = await self._rollup.run(aggregates, self._clock(), adjusted, self._rest())
        except AggregatesUnavailableError:
            self._metrics.failures.inc()
            raise
        except CounterError as error:
            self._metrics.failures.inc()
            log.warning("rollup postponed", reason=str(error))
            return
        self._metrics.rows.labels("aggregates").inc(report.rows)
        self._metrics.rows.labels("page_aggregates").inc(report.page_rows)
        if report.corrupt:
            self._metrics.failures.inc()
            return
        # A base that was postponed is made by the next run, so the ledger is looked at again.
        self._last_adjustment = self._last_adjustment if report.postponed else last_id
        self._metrics.last_success.set(self._clock() / 1000)
        if not report.postponed:
            await self._retention.look(connection, self._clock(), self._wait)
        if abs(self._clock() - self._looked_ms) >= LOOK_MS:
            await self._anomalies.look(connection, self._clock())
            self._looked_ms = self._clock()

    async def _pause(self) -> None:
        await self._wait(self._seconds)

    def _rest(self) -> Rest:
        """Return what rests between the steps of a rollup that begins now."""
        pace = Pace(asyncio.get_running_loop().time)

        async def rest(buckets: int) -> None:
            if seconds := pace.rest_seconds(buckets):
                await self._wait(seconds)

        return rest

    async def _wait(self, seconds: float) -> None:
        """Wait unless we are to stop."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


@asynccontextmanager
async def _lease(url: str, silent_seconds: float) -> AsyncGenerator[Connection | None]:
    """Yield a connection that holds the lease, or None if another process has it; end one that hangs."""
    async with connected(url, "counter rollup") as connection:
        taken = await connection.fetchval(read_query("rollup.try_lease"), LEASE_KEY)
        if not taken and await connection.fetch(
            read_query("rollup.end_silent_leader"), LEASE_KEY, silent_seconds
        ):
            log.warning("silent leader ended", silent_seconds=silent_seconds)
        yield connection if taken else None
