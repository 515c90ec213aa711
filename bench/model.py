"""A model of the service: queues, and what each step costs, fitted to some measured points. Pure.

    connections ──► core of the worker ──► a batch for each lane, one in flight ──► core of Redis
         ▲                                                                             │
         └──────────────── answers ◄──── core of the worker ◄──────────────────────────┘

Each core is a queue, first come, first served. A hit has a price at the worker and at Redis, a batch has one at both, and
each site in a batch has one at Redis. The prices are fitted to the points named in `FITTED`; all others test them.
"""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

FITTED: Final = ("eight", "sixty-four", "sites")
"""Small batches of one site, larger ones, and batches for many sites."""
BATCH_HITS: Final = 100
GATHER_US: Final = 1000.0
HITS: Final = 12_000


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost, in µs of a core.

    Attributes:
        hit, group, batch: at the worker; a group is one site in one batch.
        redis_hit, redis_group, redis_batch: at Redis.
        load: a request, at the client.
        share: the part of the time in which a core is ours; the rest goes to the system and to others.
    """

    hit: float
    group: float
    batch: float
    redis_hit: float
    redis_group: float
    redis_batch: float
    load: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Setting:
    """What is simulated: one worker, whose load and Redis share one core, as where the points were measured."""

    connections: int
    sites: int
    lanes: int = 1
    replicas: float = 0.0  # what they cost beside their masters, on the same core
    leading: float = 1.0  # what a master with a replica costs beside a server that is alone


@dataclass(frozen=True, slots=True)
class Found:
    """What came of it: hits in a second, µs of a core for each hit, hits in a batch."""

    per_second: float
    service_us: float
    server_us: float
    batch_hits: float


class Core:
    """Does one thing after the other."""

    def __init__(self) -> None:
        self.free_at = 0.0
        self.busy = 0.0

    def work(self, now: float, cost: float) -> float:
        """Return when something that comes now is done."""
        self.free_at = max(self.free_at, now) + cost
        self.busy += cost
        return self.free_at


@dataclass(slots=True)
class Lane:
    """One lane: hits that wait, as the site of each one, and what is in flight."""

    waiting: deque[int]
    flying: bool = False
    last: int = 0
    patience: int = 0  # tells the timer of this batch from those of earlier ones


class Simulation:
    """Runs a setting, event by event."""

    def __init__(self, prices: Prices, setting: Setting) -> None:
        self.prices, self.setting = prices, setting
        self.worker, self.other = Core(), Core()
        self.lanes = [Lane(deque()) for _ in range(setting.lanes)]
        self.redis_us = self.batches = self.done = 0.0
        self._draw = random.Random(4711)  # noqa: S311 - nothing is kept secret by it
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = count()

    def run(self) -> Found:
        """Return what came of some thousand hits."""
        for _ in range(self.setting.connections):
            self._request(0.0)
        now = 0.0
        while self.done < HITS:
            now, _, happen = heappop(self._events)
            happen(now)
        return Found(
            self.done / now * 1e6 * self.prices.share,
            self.worker.busy / self.done,
            self.redis_us / self.done,
            self.done / self.batches,
        )

    def _at(self, when: float, happen: Callable[[float], None]) -> None:
        heappush(self._events, (when, next(self._number), happen))

    def _request(self, now: float) -> None:
        self._at(self.other.work(now, self.prices.load), self._arrive)

    def _arrive(self, now: float) -> None:
        self._at(self.worker.work(now, self.prices.hit), self._take)

    def _take(self, now: float) -> None:
        site = self._draw.randrange(self.setting.sites)
        lane = self.lanes[site % len(self.lanes)]
        lane.waiting.append(site)
        if not lane.flying:
            self._consider(now, lane, patient=len(lane.waiting) == 1)

    def _consider(self, now: float, lane: Lane, *, patient: bool) -> None:
        """Send a batch, or wait a moment for its fellows."""
        if len(lane.waiting) >= min(max(1, lane.last // 2), BATCH_HITS):
            self._send(now, lane)
        elif patient:
            lane.patience += 1
            mine = lane.patience
            self._at(now + GATHER_US, lambda then: self._lose_patience(then, lane, mine))

    def _lose_patience(self, now: float, lane: Lane, mine: int) -> None:
        if not lane.flying and lane.patience == mine and lane.waiting:
            self._send(now, lane)

    def _send(self, now: float, lane: Lane) -> None:
        hits = [lane.waiting.popleft() for _ in range(min(len(lane.waiting), BATCH_HITS))]
        lane.flying, lane.last = True, len(hits)
        lane.patience += 1
        self.batches += 1
        sent = self.worker.work(now, self.prices.batch + self.prices.group * len(set(hits)))
        self._at(sent, lambda then: self._count(then, lane, hits))

    def _count(self, now: float, lane: Lane, hits: list[int]) -> None:
        prices = self.prices
        cost = prices.redis_batch + prices.redis_group * len(set(hits)) + prices.redis_hit * len(hits)
        cost *= self.setting.leading
        self.redis_us += cost
        self.other.work(now, cost * self.setting.replicas)
        self._at(self.other.work(now, cost), lambda then: self._tell(then, lane, len(hits)))

    def _tell(self, now: float, lane: Lane, hits: int) -> None:
        lane.flying = False
        self.done += hits
        for _ in range(hits):
            self._at(now, self._request)
        if lane.waiting:
            self._consider(now, lane, patient=True)


def groups_of(hits: float, sites: int) -> float:
    """Return how many sites the hits of a batch are for, on average, if any site is as likely as any other."""
    return sites - sites * float((1 - 1 / sites) ** hits)


def fit(points: Mapping[str, Mapping[str, Any]]) -> Prices:
    """Return the prices that explain the fitted points."""
    few, full, many = (points[name] for name in FITTED)

    def line(what: Callable[[Mapping[str, Any]], float]) -> tuple[float, float, float]:
        """Solve hit + (batch + group × groups) / batch_hits for the three points."""
        both = (what(few) - what(full)) / (1 / few["batch_hits"] - 1 / full["batch_hits"])
        hit = what(full) - both / full["batch_hits"]
        hits = many["batch_hits"]
        group = (what(many) - hit - both / hits) / ((groups_of(hits, many["sites"]) - 1) / hits)
        return hit, group, both - group

    prices = Prices(*line(lambda one: float(one["service_us"])), *line(redis_us), load=full["load_us"])
    alone = Simulation(prices, Setting(full["connections"], full["sites"])).run()
    return replace(prices, share=full["per_second"] / alone.per_second)


def redis_us(point: Mapping[str, Any]) -> float:
    """Return what a hit cost all masters together."""
    return float(sum(cost for name, cost in point["server_us"].items() if not name.startswith("replica")))
