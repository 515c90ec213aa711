"""Faults, applied to a world and taken back."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from counter.errors import CounterError
from tests.chaos.lives import Slot
from tests.chaos.oracle import Observed
from tests.chaos.plan import ANY, Fault, Kind
from tests.chaos.world import World

LEADER_PAUSE_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.02


class Faults:
    """Applies faults.

    Attributes:
        done: how many of each kind have had an effect.
        steps: at which workers ended, by name.
    """

    def __init__(self, world: World, observed: Observed) -> None:
        self.done: Counter[Kind] = Counter()
        self.steps: Counter[str] = Counter()
        self._world = world
        self._observed = observed
        self._ways: dict[Kind, Callable[[Fault], Awaitable[None]]] = {
            Kind.KILL_WORKER: self._kill_worker,
            Kind.KILL_WORKERS: self._kill_workers,
            Kind.LOSE_POWER: self._lose_power,
            Kind.PAUSE_WORKER: self._pause_worker,
            Kind.RESTART_WORKER: self._restart_worker,
            Kind.CRASH: self._crash,
            Kind.KILL_REDIS: self._kill_redis,
            Kind.PAUSE_REDIS: self._pause_redis,
            Kind.WIPE_REDIS: self._wipe_redis,
            Kind.RESTORE_REDIS: self._restore_redis,
            Kind.KILL_POSTGRES: self._kill_postgres,
            Kind.PAUSE_POSTGRES: self._pause_postgres,
            Kind.CUT_LINK: self._cut_link,
            Kind.STALL_LINK: self._stall_link,
            Kind.REFUSE_LINK: self._refuse_link,
            Kind.SLOW_LINK: self._slow_link,
            Kind.SECOND_LEADER: self._second_leader,
            Kind.FULL_DISK: self._full_disk,
            Kind.STEP_CLOCK: self._step_clock,
        }

    async def apply(self, fault: Fault, begun_at: float) -> None:
        """Wait for a fault's time, apply it, and take it back when it is over."""
        await asyncio.sleep(begun_at + fault.at - _now())
        await self._ways[fault.kind](fault)
        if fault.kind is not Kind.CRASH:
            self.done[fault.kind] += 1

    def _slot(self, fault: Fault) -> Slot:
        return self._world.slots[fault.worker]

    async def _kill_worker(self, fault: Fault) -> None:
        await self._end_workers([self._slot(fault)], fault, lambda: self._slot(fault).kill())

    async def _kill_workers(self, fault: Fault) -> None:
        slots = self._world.slots
        await self._end_workers(slots, fault, lambda: [slot.kill() for slot in slots])

    async def _lose_power(self, fault: Fault) -> None:
        await self._end_workers(self._world.slots, fault, self._world.lose_power)

    async def _end_workers(self, slots: list[Slot], fault: Fault, end: Callable[[], object]) -> None:
        for slot in slots:
            slot.holds += 1
        end()
        await asyncio.sleep(fault.seconds)
        for slot in slots:
            slot.holds -= 1

    async def _pause_worker(self, fault: Fault) -> None:
        slot = self._slot(fault)
        slot.signal(signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        slot.signal(signal.SIGCONT)

    async def _restart_worker(self, fault: Fault) -> None:
        self._slot(fault).replace()

    async def _crash(self, fault: Fault) -> None:
        """Let a worker end at a step, if it comes by in time; of any workers one at least."""
        slots = self._world.slots if fault.worker == ANY else [self._slot(fault)]
        for slot in slots:
            slot.control.crash_at(fault.step, fault.times)
        over_at = _now() + fault.seconds
        while all(slot.control.armed for slot in slots) and _now() < over_at:
            await asyncio.sleep(LOOK_SECONDS)
        for slot in slots:
            if not slot.control.armed:
                self.done[Kind.CRASH] += 1
                self.steps[fault.step.name] += 1
            slot.control.crash_at(None)

    async def _kill_redis(self, fault: Fault) -> None:
        await self._world.redis.kill()
        await asyncio.sleep(fault.seconds)
        await self._world.redis.mend()

    async def _pause_redis(self, fault: Fault) -> None:
        await self._world.redis.pause()
        await asyncio.sleep(fault.seconds)
        await self._world.redis.mend()

    async def _wipe_redis(self, fault: Fault) -> None:
        async with self._world.isolated(held=fault.held) as leader:
            await leader.redis.flushall()
            self._observed.wipes += 1

    async def _restore_redis(self, fault: Fault) -> None:
        async with self._world.isolated(held=fault.held):
            copy = self._world.copy_append_only_file()
        await asyncio.sleep(fault.seconds)
        async with self._world.isolated(held=fault.held):
            await self._world.restore_append_only_file(copy)
            self._observed.wipes += 1

    async def _kill_postgres(self, fault: Fault) -> None:
        await self._world.postgres.kill()
        await asyncio.sleep(fault.seconds)
        await self._world.postgres.mend()

    async def _pause_postgres(self, fault: Fault) -> None:
        await self._world.postgres.pause()
        await asyncio.sleep(fault.seconds)
        await self._world.postgres.mend()

    async def _cut_link(self, fault: Fault) -> None:
        link = self._slot(fault).link(fault.store)
        way = link.requests if fault.way == "requests" else link.replies
        cuts = link.cuts
        way.cut_after = fault.size
        await asyncio.sleep(fault.seconds)
        way.cut_after = None
        if link.cuts == cuts:
            link.cut()

    async def _stall_link(self, fault: Fault) -> None:
        link = self._slot(fault).link(fault.store)
        way = link.requests if fault.way == "requests" else link.replies
        way.stall_after = fault.size
        await asyncio.sleep(fault.seconds)
        way.stall_after = None
        way.flows.set()

    async def _refuse_link(self, fault: Fault) -> None:
        link = self._slot(fault).link(fault.store)
        async with self._world.links_lock:
            link.refuses = True
            link.cut()
        await asyncio.sleep(fault.seconds)
        async with self._world.links_lock:
            link.refuses = False

    async def _slow_link(self, fault: Fault) -> None:
        link = self._slot(fault).link(fault.store)
        link.requests.delay_seconds = link.replies.delay_seconds = fault.milliseconds / 1000
        await asyncio.sleep(fault.seconds)
        link.requests.delay_seconds = link.replies.delay_seconds = 0.0

    async def _second_leader(self, fault: Fault) -> None:
        over_at = _now() + fault.seconds
        while _now() < over_at:
            try:
                async with self._world.leader() as leader:
                    while _now() < over_at:
                        await leader.run()
                        await asyncio.sleep(LEADER_PAUSE_SECONDS)
            except (CounterError, OSError):
                await asyncio.sleep(LEADER_PAUSE_SECONDS)  # a store is away

    async def _full_disk(self, fault: Fault) -> None:
        if life := self._slot(fault).life:
            life.limit_files(fault.size)
        await self._refuse_link(fault)
        if life:
            life.limit_files(-1)

    async def _step_clock(self, fault: Fault) -> None:
        self._slot(fault).control.offset_ms = self._world.offset_ms + fault.milliseconds


def _now() -> float:
    return asyncio.get_running_loop().time()
