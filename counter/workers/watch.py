"""Notices a worker that keeps silent, and ends it, so that the team puts another one in its place."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from counter.background import end
from counter.metrics import WorkerMetrics
from counter.workers.process import WorkerProcess

LOOK_SECONDS: Final = 2.0
ASK_SECONDS: Final = 5.0
"""How long an answer may take that needs nothing but the worker's own loop."""
FEWEST_QUESTIONS: Final = 3

log = structlog.get_logger(__name__)

Hears = Callable[[WorkerProcess, float], Awaitable[bool | None]]
"""Asks a worker, and tells whether it answered within so many seconds; None if nobody was there to ask."""


class Watch:
    """Asks each worker again and again whether it is still there.

    Only the time for which a question waits counts as silence. So a pause of our own, be it that the whole
    host was asleep, is held against nobody.

    Args:
        ready: returns the workers that serve.
        hears: asks one of them.
        now: seconds of a clock that never goes back.
        metrics: count the workers that hang.
        silent_seconds: after which a worker is asked to end; 0 waits for ever.
        grace_seconds: that it then has before it is killed.
    """

    def __init__(
        self,
        ready: Callable[[], list[WorkerProcess]],
        hears: Hears,
        now: Callable[[], float],
        metrics: WorkerMetrics,
        *,
        silent_seconds: float,
        grace_seconds: float,
    ) -> None:
        self._ready = ready
        self._hears = hears
        self._now = now
        self._metrics = metrics
        self._silent_seconds = silent_seconds
        self._grace_seconds = grace_seconds
        self._ask_seconds = min(ASK_SECONDS, silent_seconds / FEWEST_QUESTIONS)
        self._silences: dict[WorkerProcess, float] = {}

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator[None]:
        """Look again and again while the block runs."""
        task = asyncio.create_task(self._keep_looking(), name="watch the workers")
        try:
            yield
        finally:
            await end(task)

    async def look(self) -> None:
        """Ask all workers once, and end those that have been silent for too long."""
        workers = self._ready()
        self._silences = {worker: self._silences.get(worker, 0.0) for worker in workers}
        await asyncio.gather(*(self._ask(worker) for worker in workers))

    async def _keep_looking(self) -> None:
        while self._silent_seconds:
            await self.look()
            if not any(self._silences.values()):  # else the next question is due at once
                await asyncio.sleep(LOOK_SECONDS)

    async def _ask(self, worker: WorkerProcess) -> None:
        asked_at = self._now()
        answered = await self._hears(worker, self._ask_seconds)
        if answered is None:
            return
        before = self._silences[worker]
        silence = 0.0 if answered else before + min(self._now() - asked_at, self._ask_seconds)
        worker.silent = not answered
        self._silences[worker] = silence
        killed_after = self._silent_seconds + self._grace_seconds
        if before < self._silent_seconds <= silence:
            log.warning(
                "worker hangs, it is to end", worker=worker.number, process=worker.pid, seconds=silence
            )
            self._metrics.hangs.inc()
            worker.terminate()
        if before < killed_after <= silence:
            log.error("worker hangs on, it is killed", worker=worker.number, process=worker.pid)
            worker.kill()
