"""Workers that keep silent are ended, those that are slow or were never asked are not."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from counter.metrics import WorkerMetrics
from counter.workers.watch import ASK_SECONDS, Watch


@dataclass(eq=False)
class Worker:
    """A worker that answers, or leaves a question waiting."""

    number: int
    pid: int = 1
    silent: bool = False
    hears: bool | None = True
    told: list[str] = field(default_factory=list)

    def terminate(self) -> None:
        self.told.append("terminate")

    def kill(self) -> None:
        self.told.append("kill")


class Workplace:
    """Workers, and a clock that goes on while a question waits."""

    def __init__(self, silent_seconds: float = 30, grace_seconds: float = 15) -> None:
        self.now = 1000.0
        self.asleep_seconds = 0.0
        self.workers = [Worker(1), Worker(2)]
        self.metrics = WorkerMetrics(CollectorRegistry())
        self.watch = Watch(
            lambda: list(self.workers),  # type: ignore[arg-type]
            self._hears,  # type: ignore[arg-type]
            lambda: self.now,
            self.metrics,
            silent_seconds=silent_seconds,
            grace_seconds=grace_seconds,
        )

    async def _hears(self, worker: Worker, seconds: float) -> bool | None:
        if worker.hears is False:
            self.now += max(seconds, self.asleep_seconds)
        return worker.hears

    async def look(self, times: int = 1) -> None:
        for _time in range(times):
            await self.watch.look()

    @property
    def hangs(self) -> float:
        return self.metrics.hangs._value.get()


async def test_silent_worker_is_asked_to_end_and_then_killed():
    """It gets the signal that ends it cleanly once its time is over, the other one once the grace is; each once."""
    here = Workplace(silent_seconds=6 * ASK_SECONDS, grace_seconds=3 * ASK_SECONDS)
    hanging, well = here.workers
    hanging.hears = False
    await here.look(5)
    assert (hanging.told, hanging.silent, here.hangs) == ([], True, 0)
    await here.look()
    assert (hanging.told, here.hangs) == (["terminate"], 1)
    await here.look(2)
    assert hanging.told == ["terminate"]
    await here.look()
    assert hanging.told == ["terminate", "kill"]
    await here.look(20)
    assert (hanging.told, here.hangs) == (["terminate", "kill"], 1)
    assert (well.told, well.silent) == ([], False)


async def test_worker_that_answers_again_has_all_its_time():
    """Who was slow for a while is not ended, however often."""
    here = Workplace()
    slow = here.workers[0]
    for _time in range(10):
        slow.hears = False
        await here.look(5)
        assert slow.silent
        slow.hears = True
        await here.look()
        assert not slow.silent
    assert (slow.told, here.hangs) == ([], 0)


async def test_pause_of_the_parent_is_held_against_nobody():
    """A host that slept for an hour in the middle of a question ends no worker for it."""
    here = Workplace()
    here.workers[0].hears = False
    here.asleep_seconds = 3600
    await here.look(5)
    assert here.workers[0].told == []


async def test_worker_that_does_not_listen_any_more_is_left_alone():
    """Who has closed its listener is about to end: it rolls up, which may take its time."""
    here = Workplace()
    here.workers[0].hears = None
    await here.look(100)
    assert (here.workers[0].told, here.workers[0].silent) == ([], False)


async def test_new_worker_in_a_place_begins_anew():
    """The silence of the one before is not the new one's."""
    here = Workplace(silent_seconds=6 * ASK_SECONDS)
    here.workers[0].hears = False
    await here.look(5)
    here.workers[0] = Worker(1, hears=False)
    await here.look(5)
    assert here.workers[0].told == []
    await here.look()
    assert here.workers[0].told == ["terminate"]


async def test_zero_waits_for_ever():
    """Who wants no watch has none."""
    here = Workplace(silent_seconds=0)
    here.workers[0].hears = False
    async with here.watch.watching():
        pass
    assert here.now == 1000.0
