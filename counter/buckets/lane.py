"""The way of hits into one lane: straight to Redis, or through the spool while Redis is away.

    take ──► queue ──► one batch at a time ──┬── Redis answers ───────────────► RECORDED
                                             └── it does not, in time ──► spool ► SPOOLED
                                                                           │
                       Redis ◄── replay, in order, under the first tokens ─┘

While anything waits in the spool, new batches go behind it. So each worker's sequences reach Redis in order,
and a sequence that is not above the last one was counted.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import structlog

from counter.background import end, settle
from counter.buckets.batch import Batch, Hit
from counter.buckets.delivery import Deliverer, Delivery, FindCounted
from counter.buckets.keys import LaneKeys
from counter.buckets.segment import to_hits
from counter.buckets.spool import Spool, Waiting
from counter.buckets.store import BucketStore
from counter.errors import (
    AggregatesUnavailableError,
    BucketsCorruptError,
    BucketsUnavailableError,
    BusyError,
    CounterError,
)
from counter.metrics import RecorderMetrics, SpoolMetrics
from counter.sites.model import Site
from counter.steps import Passing, Step, go_on

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
GATHER_SECONDS: Final = 0.001
"""How long a batch waits at most for its fellows, where the last one had many (PostgreSQL's `commit_delay`).

Otherwise the first hit after a large batch would go alone, all others would wait for it, and the service and
Redis would take turns instead of working side by side."""
NEARLY_DONE_BYTES: Final = 1024 * 1024

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """Who has a hit that was acknowledged."""

    RECORDED = "recorded"
    SPOOLED = "spooled"


Tell = Callable[[Outcome | BusyError], None]
"""Takes what became of a hit."""


@dataclass(slots=True)
class _Waiting:
    """A batch that is filled while another one is in flight, and who wants to know of it."""

    tells: list[Tell] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)

    def tell(self, what: Outcome | BusyError) -> None:
        """Tell everybody; what goes wrong with one answer is no matter of the others."""
        for tell in self.tells:
            try:
                tell(what)
            except Exception:
                log.exception("answer broke")


class Lane:
    """One lane of one worker: one batch in flight, under tokens that no other process shares.

    Args:
        keys: of the lane.
        store: where hits go.
        spool: of this lane and worker.
        worker: unlike any other process's, also after a restart.
        find_site: for hits that were spooled, by the key of their site.
        find_counted: asks Postgres what it has of a batch that Redis may have counted and lost.
        batch_hits: that go together at most.
        patience_seconds: how long Redis is asked before a batch goes to the spool.
    """

    def __init__(  # noqa: PLR0917 - what a lane is made of, in the order of the way
        self,
        keys: LaneKeys,
        store: BucketStore,
        spool: Spool,
        worker: str,
        find_site: Callable[[str], Site | None],
        find_counted: FindCounted,
        metrics: tuple[RecorderMetrics, SpoolMetrics],
        passing: Passing = go_on,
        *,
        batch_hits: int,
        patience_seconds: float,
    ) -> None:
        self.waiting_hits = 0
        self._keys = keys
        self._deliverer = Deliverer(keys, store, find_counted)
        self._spool = spool
        self._worker = worker
        self._find_site = find_site
        self._metrics, self._spool_metrics = metrics
        self._passing = passing
        self._batch_hits = batch_hits
        self._patience_seconds = patience_seconds
        self._sequence = 0
        self._last = 0  # hits of the last batch
        self._wanted = 0
        self._enough: asyncio.Future[None] | None = None
        self._queue: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None
        self._replaying: asyncio.Task[None] | None = None
        self._flows = True  # Redis took the last batch it was sent

    def take(self, hit: Hit, tell: Tell) -> None:
        """Put a hit into the batch that is being filled; `tell` is called once that is written."""
        if not self._queue or len(self._queue[-1].batch) >= self._batch_hits:
            self._queue.append(_Waiting())
        waiting = self._queue[-1]
        waiting.batch.add(hit)
        waiting.tells.append(tell)
        self.waiting_hits += 1
        if self._enough is not None and len(waiting.batch) >= self._wanted:
            settle(self._enough, None)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name=f"lane {self._keys.lane}")

    async def take_over(self) -> None:
        """Replay what processes that are gone have left on this host."""
        if await self._spool.take_over():
            self._begin_replay()

    async def close(self) -> None:
        """Finish what was taken; what then waits in the spool is replayed by whoever comes next."""
        if self._sending is not None:
            await asyncio.wait([self._sending])
        if self._replaying is not None:
            await end(self._replaying)
        self._spool.close()

    async def _send_all(self) -> None:
        try:
            while self._queue:
                await self._gather()
                await self._send(self._queue.pop(0))
        finally:
            self._sending = None

    async def _gather(self) -> None:
        """Wait a moment for the first batch to have half as many hits as the last one had."""
        self._wanted = self._last // 2
        if len(self._queue[0].batch) >= self._wanted:
            return
        loop = asyncio.get_running_loop()
        self._enough = loop.create_future()
        timer = loop.call_later(GATHER_SECONDS, settle, self._enough, None)
        try:
            await self._enough
        finally:
            self._enough = None
            timer.cancel()

    async def _send(self, waiting: _Waiting) -> None:
        self._sequence += 1
        self._last = len(waiting.batch)
        self._metrics.batch_hits.observe(len(waiting.batch))
        try:
            waiting.tell(await self._deliver(waiting.batch))
        except BusyError as error:
            log.warning("batch not acknowledged", hits=len(waiting.batch), reason=str(error))
            waiting.tell(error)
        except Exception as error:
            # Whatever it was, nobody may wait for ever.
            waiting.tell(BusyError(str(error)))
            log.exception("batch broke", hits=len(waiting.batch))
        finally:
            self.waiting_hits -= len(waiting.batch)

    async def _deliver(self, batch: Batch) -> Outcome:
        delivery = Delivery(self._worker, self._sequence, batch)
        await self._catch_up()
        if self._replaying is None:
            try:
                with self._metrics.batch_seconds.time():
                    await self._count(delivery, self._patience_seconds)
            except (BucketsUnavailableError, AggregatesUnavailableError):
                pass  # it may have been counted: it is spooled under the same token
            else:
                self._passing(Step.BATCH_COUNTED)
                return Outcome.RECORDED
        await self._spool.append(self._worker, self._sequence, delivery.batch.hits, delivery.sent_in)
        self._begin_replay()
        return Outcome.SPOOLED

    async def _catch_up(self) -> None:
        """Wait for a replay that nears its end, as otherwise each new batch would prolong it for ever."""
        if self._replaying and self._flows and self._spool.waiting_bytes() <= NEARLY_DONE_BYTES:
            await asyncio.wait([self._replaying], timeout=self._patience_seconds)

    async def _count(
        self,
        delivery: Delivery,
        patience_seconds: float,
        note_sent: Callable[[str], None] = lambda _sent: None,
    ) -> None:
        """Repeat the call, under the same token, until it is certain that the batch is counted."""
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + patience_seconds
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._deliverer.deliver(delivery, note_sent)
            except (BucketsUnavailableError, AggregatesUnavailableError):
                self._flows = False
                self._metrics.redis_errors.labels("record").inc()
                if loop.time() + pause > gives_up_at:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                self._flows = True
                return

    def _begin_replay(self) -> None:
        if self._replaying is None:
            self._replaying = asyncio.create_task(self._replay(), name=f"replay lane {self._keys.lane}")

    async def _replay(self) -> None:
        """Send all that waits in the spool; end only when nothing does, so that nothing overtakes it."""
        try:
            while await self._replay_oldest():
                pass
        finally:
            self._replaying = None

    async def _replay_oldest(self) -> bool:
        try:
            waiting = await self._spool.oldest()
            if waiting is None:
                return False
            self._passing(Step.REPLAY_BEGUN)
            await self._count_spooled(waiting)
            self._passing(Step.REPLAY_COUNTED)
            self._spool.done(waiting)
        except (CounterError, OSError) as error:
            log.warning("spool not replayed", lane=self._keys.lane, reason=str(error))
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)
        return True

    async def _count_spooled(self, waiting: Waiting) -> None:
        spooled, batch = waiting.batch, Batch()
        for hit in to_hits(spooled, self._find_site):
            batch.add(hit)
        known = len(batch)
        try:
            await self._count(
                Delivery(spooled.worker, spooled.sequence, batch, waiting.sent_in),
                float("inf"),
                waiting.segment.sending,
            )
        except BucketsCorruptError:
            log.exception("spooled batch refused", hits=known)
            self._spool_metrics.dropped.labels("refused").inc()
            return
        self._spool_metrics.replayed.inc(known)
        self._spool_metrics.dropped.labels("unknown_site").inc(len(spooled.hits) - known)


def new_worker() -> str:
    """Draw a name for a worker that no other process has or had."""
    return secrets.token_hex(8)
