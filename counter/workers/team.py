"""The workers together: as many as were asked for, a new one for each that ends, and a clean end of all."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog

from counter.background import end
from counter.errors import ConfigError
from counter.metrics import WorkerMetrics
from counter.workers.process import Together, WorkerProcess
from counter.workers.questions import answering

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 10.0
STEADY_SECONDS: Final = 60.0
"""A worker that ran for so long is replaced after the first pause again."""

log = structlog.get_logger(__name__)


class Team:
    """Keeps the workers running.

    Args:
        size: how many there are to be.
        public: the sockets that they share.
        together: what they remember together.
        metrics: tell how many run, and how many were replaced.
    """

    def __init__(
        self, size: int, public: Sequence[socket.socket], together: Together, metrics: WorkerMetrics
    ) -> None:
        self.size = size
        self._public = public
        self._together = together
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._running: dict[int, WorkerProcess] = {}
        self._complete = asyncio.Event()
        self._failed = False
        metrics.wanted.set(size)
        metrics.alive.set_function(lambda: len(answering(self.ready())))

    def ready(self) -> list[WorkerProcess]:
        """Return the workers that serve, in the order of their places."""
        return [worker for _number, worker in sorted(self._running.items()) if worker.ready.is_set()]

    @asynccontextmanager
    async def running(
        self, stop: asyncio.Event, hurry: asyncio.Event, forget: Callable[[WorkerProcess], None]
    ) -> AsyncGenerator[None]:
        """Start the workers, and yield once all of them serve; on leaving, wait until all have ended.

        Args:
            stop: ends them; it is set if one cannot start at all.
            hurry: ends their drain.
            forget: is told each worker that has ended.

        Raises:
            ConfigError: a worker could not start at first; its log says why.
        """
        with tempfile.TemporaryDirectory(prefix="counter-", ignore_cleanup_errors=True) as folder:
            keepers = [
                asyncio.create_task(self._keep(number, Path(folder), stop, forget), name=f"worker {number}")
                for number in range(1, self.size + 1)
            ]
            passing_on = asyncio.create_task(self._pass_on(stop, hurry), name="stop workers")
            try:
                await _either(self._complete, stop)
                yield
            finally:
                self._stopping.set()
                self._tell_stop()
                await asyncio.gather(*keepers)
                await end(passing_on)
        if self._failed:
            raise ConfigError("a worker did not start; its own message stands above")

    async def _keep(
        self, number: int, folder: Path, stop: asyncio.Event, forget: Callable[[WorkerProcess], None]
    ) -> None:
        """Run a worker in one place, and another one whenever it ends."""
        now = asyncio.get_running_loop().time
        pause, serial = FIRST_PAUSE_SECONDS, 0
        while not self._stopping.is_set():
            serial += 1
            began_at = now()
            code = await self._run(number, folder / f"{number}-{serial}", forget)
            if self._stopping.is_set():
                return
            if not self._complete.is_set():
                self._failed = True
                stop.set()
                return
            self._metrics.restarts.inc()
            pause = FIRST_PAUSE_SECONDS if now() - began_at > STEADY_SECONDS else pause
            log.warning("worker ended, another one starts", worker=number, code=code, pause_seconds=pause)
            await _within(self._stopping, pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _run(self, number: int, path: Path, forget: Callable[[WorkerProcess], None]) -> int:
        worker = await WorkerProcess.start(number, self._public, path, self._together)
        self._running[number] = worker
        if self._stopping.is_set():
            worker.stop()
        watching = asyncio.create_task(self._note_complete(worker), name=f"worker {number} starts")
        code = await worker.ended()
        await end(watching)
        del self._running[number]
        forget(worker)
        return code

    async def _note_complete(self, worker: WorkerProcess) -> None:
        await worker.ready.wait()
        log.info("worker serves", worker=worker.number, process=worker.pid)
        if len(self.ready()) == self.size:
            self._complete.set()

    async def _pass_on(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        await stop.wait()
        self._stopping.set()
        self._tell_stop()
        await hurry.wait()
        for worker in self._running.values():
            worker.hurry()

    def _tell_stop(self) -> None:
        for worker in self._running.values():
            worker.stop()


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in (one, other)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        await end(task)


async def _within(event: asyncio.Event, seconds: float) -> None:
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait([waiting], timeout=seconds)
    await end(waiting)
