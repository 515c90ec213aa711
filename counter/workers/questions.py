"""What the parent asks its workers: their metrics, and whether they are ready."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from aiohttp import ClientError, ClientTimeout
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from counter.background import end
from counter.workers.merging import kept, merged
from counter.workers.process import WorkerProcess

ANSWER_SECONDS: Final = 10.0
"""Longer than a worker waits for its stores."""
LOOK_SECONDS: Final = 2.0
"""How often the counters are read between two scrapes: what a killed worker counted since is in none."""
OPEN_METRICS: Final = {"Accept": "application/openmetrics-text; version=1.0.0"}

log = structlog.get_logger(__name__)


class Readiness(msgspec.Struct):
    """What a worker says of itself."""

    status: str
    parts: dict[str, str] = {}


class _Collected(Collector):
    """Families that were collected elsewhere."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class MetricsOfAll:
    """Adds up the metrics of all workers, and keeps the counters of those that are gone.

    Args:
        ready: returns the workers to ask.
        own: returns the families of the parent itself.
    """

    def __init__(self, ready: Callable[[], list[WorkerProcess]], own: Callable[[], Iterable[Metric]]) -> None:
        self._ready = ready
        self._own = own
        self._last: dict[WorkerProcess, bytes] = {}  # parsed when needed, as that takes long
        self._of_gone: list[Metric] = []
        self._lock = asyncio.Lock()  # an answer must not take the place of a later one

    async def collect(self) -> CollectorRegistry:
        """Ask all, and return all families; a worker that does not answer has the counters of before."""
        async with self._lock:
            now = await self._ask("/metrics")
        silent = [kept(_families(last)) for worker, last in self._last.items() if worker not in now]
        answer = CollectorRegistry()
        answer.register(
            _Collected(merged([self._own(), *map(_families, now.values()), *silent, self._of_gone]))
        )
        return answer

    def forget(self, worker: WorkerProcess) -> None:
        """Keep the counters of a worker that is gone, and nothing else of it."""
        if worker in self._last:
            self._of_gone = kept(merged([self._of_gone, _families(self._last.pop(worker))]))

    @asynccontextmanager
    async def looking(self) -> AsyncGenerator[None]:
        """Read the counters again and again while the block runs."""
        task = asyncio.create_task(self._keep_looking(), name="read the workers' counters")
        try:
            yield
        finally:
            await end(task)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with self._lock:
                await self._ask("/metrics?counted")

    async def _ask(self, address: str) -> dict[WorkerProcess, bytes]:
        workers = answering(self._ready())
        texts = await asyncio.gather(*(ask(worker, address) for worker in workers))
        found = {
            worker: text
            for worker, (_status, text) in zip(workers, texts, strict=True)
            if text and worker in self._ready()  # else it was forgotten meanwhile
        }
        self._last |= found
        return found


def _families(text: bytes) -> list[Metric]:
    return list(text_string_to_metric_families(text.decode()))  # type: ignore[no-untyped-call]


def answering(workers: list[WorkerProcess]) -> list[WorkerProcess]:
    """Return those whom it makes sense to ask."""
    return [worker for worker in workers if not worker.silent]


async def hears(worker: WorkerProcess, seconds: float) -> bool | None:
    """Ask whether a worker's loop turns; None if it does not listen, as when it is about to end."""
    try:
        async with worker.admin.get("http://worker/healthz", timeout=ClientTimeout(seconds)) as answer:
            return answer.status == HTTPStatus.OK
    except TimeoutError:
        return False
    except (ClientError, OSError):
        return None


async def readiness_of(worker: WorkerProcess) -> Readiness:
    """Return what a worker says of itself."""
    _status, body = (0, b"") if worker.silent else await ask(worker, "/readyz")
    return msgspec.json.decode(body, type=Readiness) if body else Readiness("silent")


async def ask(worker: WorkerProcess, address: str) -> tuple[int, bytes]:
    """Return the answer of a worker's admin listener; if none comes in time, 503 without a body."""
    url = "http://worker" + address
    try:
        async with worker.admin.get(
            url, headers=OPEN_METRICS, timeout=ClientTimeout(ANSWER_SECONDS)
        ) as answer:
            return answer.status, await answer.read()
    except (ClientError, OSError, TimeoutError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not worker.admin.closed:
            raise
        # aiohttp raises a RuntimeError where the worker has ended since it was chosen to be asked.
        log.warning("worker does not answer", worker=worker.number, reason=type(error).__name__)
        return HTTPStatus.SERVICE_UNAVAILABLE, b""
