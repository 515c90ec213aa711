"""The siege itself: phase after phase, what was sent, what became of it, and what it cost the service."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter
from urllib.parse import urlsplit

import psutil

from counter.hits.signing import debug_key
from counter.sites.model import Site
from tests.acceptance.instance import Instance
from tests.siege import people
from tests.siege.people import HONEST, OPEN, SIGNED, Hit, Scale
from tests.siege.wire import Answer, Wire, get_request, hit_request

HONEST_WIRES, ATTACK_WIRES, AHEAD = 32, 16, 16
LOOK_SECONDS = 0.2
GRACE_SECONDS = 20.0


@dataclass
class Group:
    """What was sent by one group, by what the service says became of it."""

    honest: bool
    outcomes: Counter[str] = field(default_factory=Counter)

    @property
    def sent(self) -> int:
        return self.outcomes.total()

    @property
    def admitted(self) -> int:
        return self.outcomes["view"]


@dataclass
class Phase:
    """What the service did meanwhile."""

    name: str
    seconds: float = 0.0
    hits: int = 0
    cpu_seconds: float = 0.0
    memory_mb: float = 0.0
    widget: Counter[int] = field(default_factory=Counter)
    widget_slowest_ms: float = 0.0


@dataclass
class Report:
    """What is known in the end."""

    groups: dict[str, Group] = field(default_factory=dict)
    phases: list[Phase] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    shown_views: int = 0
    memory_before_mb: float = 0.0

    def note(self, hit: Hit, answer: Answer) -> None:
        group = self.groups.setdefault(hit.group, Group(hit.group in HONEST))
        group.outcomes[answer.reason or str(answer.status)] += 1
        self.statuses[answer.status] += 1

    @property
    def honest_lost(self) -> int:
        return sum(group.sent - group.admitted for group in self.groups.values() if group.honest)


class Siege:
    """Besieges one running instance, which believes X-Forwarded-For from us."""

    def __init__(self, instance: Instance, sites: dict[str, Site], scale: Scale, seed: int = 1) -> None:
        address = urlsplit(instance.public)
        self._where = (str(address.hostname), int(address.port or 0))
        self._process = psutil.Process(instance.process.pid)
        self._keys = {key: debug_key(site.secret, key) for key, site in sites.items()}
        self._scale = scale
        self._chance = random.Random(seed)
        self._free: asyncio.Queue[Wire] = asyncio.Queue()
        self.report = Report()

    async def run(self) -> Report:
        """Let people come through all phases, one attack in each."""
        scale, chance = self._scale, self._chance
        attacks: list[tuple[str, Iterable[Hit]]] = [
            ("calm", ()),
            ("crawlers", people.crawlers(chance, scale)),
            ("referrer spam", people.referrer_spam(chance, scale)),
            ("botnet, signed site", people.botnet(chance, scale, SIGNED)),
            ("botnet, open site", people.botnet(chance, scale, OPEN)),
            ("flooder", people.flood(chance, scale)),
            ("flooder with new agents", people.changing_flood(chance, scale)),
        ]
        seconds = scale.phase_seconds * len(attacks)
        self.report.memory_before_mb = self._memory_mb()
        async with self._wires():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._let_people_come(seconds))
                for name, attack in attacks:
                    async with self._phase(name):
                        await asyncio.gather(self._attack(iter(attack)), asyncio.sleep(scale.phase_seconds))
            self.report.shown_views = sum([await self._total(site) for site in self._keys])
        return self.report

    @asynccontextmanager
    async def _wires(self) -> AsyncIterator[None]:
        wires = [Wire(*self._where) for _number in range(HONEST_WIRES)]
        for wire in wires:
            self._free.put_nowait(await wire.__aenter__())
        yield
        for wire in wires:
            await wire.__aexit__(None, None, None)

    @asynccontextmanager
    async def _phase(self, name: str) -> AsyncIterator[None]:
        phase = Phase(name)
        before, began, hits = self._cpu_seconds(), perf_counter(), self.report.statuses.total()
        watcher = asyncio.create_task(self._watch_widget(phase))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        phase.seconds = perf_counter() - began
        phase.hits = self.report.statuses.total() - hits
        phase.cpu_seconds = self._cpu_seconds() - before
        phase.memory_mb = self._memory_mb()
        self.report.phases.append(phase)

    async def _let_people_come(self, seconds: float) -> None:
        honest = [
            *people.people_at_home(self._chance, self._scale, seconds),
            *people.people_of_an_office(self._chance, self._scale, seconds),
        ]
        began = perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for hit in sorted(honest, key=lambda hit: hit.at_s):
                await asyncio.sleep(hit.at_s - (perf_counter() - began))
                tasks.create_task(self._show(hit))

    async def _show(self, hit: Hit) -> None:
        """Show a page to a person, whose browser gets a token where one is asked for."""
        wire = await self._free.get()
        token = ""
        if hit.site == SIGNED:
            (given,) = await wire.send([get_request(f"/v1/sites/{SIGNED}/token", hit.address)])
            token = json.loads(given.body)["token"]
        (answer,) = await wire.send([hit_request(hit, self._keys[hit.site], token)])
        self._free.put_nowait(wire)
        self.report.note(hit, answer)

    async def _attack(self, hits: Iterator[Hit]) -> None:
        """Send as fast as it goes, over many connections, several hits ahead on each."""

        async def storm() -> None:
            async with Wire(*self._where) as wire:
                while batch := list(islice(hits, AHEAD)):
                    answers = await wire.send([hit_request(hit, self._keys[hit.site]) for hit in batch])
                    for hit, answer in zip(batch, answers, strict=True):
                        self.report.note(hit, answer)

        await asyncio.gather(*(storm() for _wire in range(ATTACK_WIRES)))

    async def _watch_widget(self, phase: Phase) -> None:
        async with Wire(*self._where) as wire:
            while True:
                began = perf_counter()
                (answer,) = await wire.send([get_request(f"/v1/sites/{OPEN}/widget")])
                phase.widget[answer.status] += 1
                phase.widget_slowest_ms = max(phase.widget_slowest_ms, (perf_counter() - began) * 1000)
                await asyncio.sleep(LOOK_SECONDS)

    async def _total(self, site: str) -> int:
        async with Wire(*self._where) as wire, asyncio.timeout(GRACE_SECONDS):
            await asyncio.sleep(1.1)  # a snapshot is kept for a second
            (answer,) = await wire.send([get_request(f"/v1/sites/{site}/widget?metric=views")])
            total: int = json.loads(answer.body)["total"]
            return total

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    def _memory_mb(self) -> float:
        rss: int = self._process.memory_info().rss
        return rss / 2**20
