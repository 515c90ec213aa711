"""Records hits: they gather while the batch before them is in flight, go together, and are counted once."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Final

import structlog

from counter.buckets.batch import Batch, Hit
from counter.buckets.keys import LaneKeys
from counter.buckets.store import BucketStore
from counter.errors import BucketsUnavailableError, BusyError, CounterError
from counter.metrics import RecorderMetrics

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waiting:
    """A batch that is filled while another one is in flight; its handlers wait for one future."""

    recorded: asyncio.Future[None]
    batch: Batch = field(default_factory=Batch)


class Recorder:
    """Takes hits and returns when Redis has them.

    Each lane has one batch in flight. There is no timer: an idle service records at once, a busy one
    gathers what comes in during the round trip.
    """

    def __init__(
        self,
        store: BucketStore,
        metrics: RecorderMetrics,
        *,
        batch_hits: int,
        waiting_hits: int,
        timeout_seconds: float,
    ) -> None:
        self._lanes = {
            keys.lane: _Lane(keys, store, metrics, batch_hits=batch_hits, timeout_seconds=timeout_seconds)
            for keys in store.lanes
        }
        self._lane_of = store.lane_of
        self._waiting_hits = waiting_hits

    async def record(self, hit: Hit) -> None:
        """Count one hit; on return, Redis has it.

        Raises:
            BusyError: it was not acknowledged, as Redis cannot take it or too many wait.
        """
        lane = self._lanes[self._lane_of(hit.site.key).lane]
        if lane.waiting_hits >= self._waiting_hits:
            raise BusyError("too many hits wait for Redis")
        # One client that goes away must not cancel the batch of all.
        await asyncio.shield(lane.take(hit))

    async def drain(self) -> None:
        """Wait until every hit taken is recorded or refused."""
        await asyncio.gather(*(lane.drain() for lane in self._lanes.values()))


class _Lane:
    """The batches of one lane, one in flight, under tokens that no other process shares."""

    def __init__(
        self,
        keys: LaneKeys,
        store: BucketStore,
        metrics: RecorderMetrics,
        *,
        batch_hits: int,
        timeout_seconds: float,
    ) -> None:
        self._keys = keys
        self._store = store
        self._metrics = metrics
        self._batch_hits = batch_hits
        self._timeout_seconds = timeout_seconds
        self._worker = secrets.token_hex(8)
        self._sequence = 0
        self._queue: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None
        self.waiting_hits = 0

    def take(self, hit: Hit) -> asyncio.Future[None]:
        if not self._queue or len(self._queue[-1].batch) >= self._batch_hits:
            self._queue.append(_Waiting(asyncio.get_running_loop().create_future()))
        waiting = self._queue[-1]
        waiting.batch.add(hit)
        self.waiting_hits += 1
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name=f"recorder lane {self._keys.lane}")
        return waiting.recorded

    async def drain(self) -> None:
        if self._sending is not None:
            await asyncio.wait([self._sending])

    async def _send_all(self) -> None:
        try:
            while self._queue:
                await self._send(self._queue.pop(0))
        finally:
            self._sending = None

    async def _send(self, waiting: _Waiting) -> None:
        self._sequence += 1
        self._metrics.batch_hits.observe(len(waiting.batch))
        try:
            with self._metrics.batch_seconds.time():
                await self._send_until_known(self._sequence, waiting.batch)
        except CounterError as error:
            log.warning("batch not recorded", hits=len(waiting.batch), reason=str(error))
            waiting.recorded.set_exception(BusyError("Redis cannot take hits at the moment"))
            # Whoever waited may be gone by now, and then nobody else will look.
            waiting.recorded.exception()
        else:
            waiting.recorded.set_result(None)
        finally:
            self.waiting_hits -= len(waiting.batch)

    async def _send_until_known(self, sequence: int, batch: Batch) -> None:
        """Repeat the call, under the same token, until Redis says that the batch is counted."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + self._timeout_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._store.record(self._keys, self._worker, sequence, batch, expires=True)
            except BucketsUnavailableError:
                self._metrics.redis_errors.labels("record").inc()
                if loop.time() + pause > gives_up_at:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                return
