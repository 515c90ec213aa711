"""What is measured: each figure is the median of ratios; their sides were measured in turns, the reference around ours."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Self

from aiohttp import ClientSession

from bench.cores import resident_mb
from bench.load import Load, LoadError, send
from bench.place import SITE, Place, Service

HIT = Load("/v1/hits?quiet=1")
BARE_HIT = replace(HIT, target="/hits")
WIDGET = f"/v1/sites/{SITE}/widget"
FEWEST = 5
"""Measurements behind a median; a single round only shows that the bench works."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what is compared with what.
        must: the least, or with `at_most` the greatest, value that is good enough.
        raw: what each turn or round measured, for whoever doubts the median.
    """

    name: str
    value: float
    must: float
    at_most: bool = False
    unit: str = ""
    raw: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether it is good enough."""
        return self.value <= self.must if self.at_most else self.value >= self.must


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often, and how long, each side is measured.

    Attributes:
        number: of the rounds.
        seconds: of each side in a round.
        turn_seconds: for which a side is measured at a time.
    """

    number: int
    seconds: float
    turn_seconds: int = 1

    @property
    def enough(self) -> int:
        """How often something is measured that has one turn in a round, so that a median tells something."""
        return max(FEWEST, self.number) if self.number > 1 else 1

    @property
    def thrice(self) -> Self:
        """Three times as many of them, for what is near its bound: of nine pairs a tenth may say what is not so."""
        return replace(self, number=3 * self.number) if self.number > 1 else self

    @property
    def turns(self) -> int:
        """How often the sides take turns in a round."""
        return max(1, round(self.seconds / self.turn_seconds))

    @property
    def unbroken(self) -> Self:
        """The same, but each side has one long turn, so that opening connections is little of it."""
        return replace(self, number=self.enough, turn_seconds=max(1, round(self.seconds)))


Measure = Callable[[Place, Rounds], Awaitable[list[Figure]]]


async def ratio(
    name: str, ours: tuple[str, Load], bare: tuple[str, Load], rounds: Rounds, must: float
) -> Figure:
    """Compare what one address answers in a second with what another one does."""
    found = await in_turns(ours, bare, rounds)
    raw = [f"{own:.0f}/{theirs:.0f}" for own, theirs in found]
    return Figure(name, median(own / theirs for own, theirs in found), must, raw=raw)


async def in_turns(
    ours: tuple[str, Load], bare: tuple[str, Load], rounds: Rounds
) -> list[tuple[float, float]]:
    """Return what two addresses answer in a second, for each turn of ours; the reference has one before and after it.

    A turn is a second: a machine slows down while it is used, and others use it as well.
    """
    found, before = [], (await send(*bare, rounds.turn_seconds)).per_second
    for _ in range(rounds.number * rounds.turns):
        own = (await send(*ours, rounds.turn_seconds)).per_second
        after = (await send(*bare, rounds.turn_seconds)).per_second
        found.append((own, (before + after) / 2))
        before = after
    return found


@asynccontextmanager
async def both(place: Place, body: bytes = b"{}") -> AsyncIterator[tuple[Service, str]]:
    """Yield the service, warmed up, and the address of the references."""
    async with place.serving() as service, place.bare(body) as bare:
        await send(service.public, HIT, 1)
        yield service, bare


async def hits(place: Place, rounds: Rounds) -> list[Figure]:
    """Durable hits of one site, of a thousand, and over a thousand connections."""
    await place.add_sites(1000)
    many, crowd = replace(HIT, sites=1000), replace(HIT, connections=1000)
    async with both(place) as (service, bare):
        await send(service.public, many, 1)
        before = await service.samples()
        one = await ratio(
            "hits, 1 site ÷ bare POST", (service.public, HIT), (bare, BARE_HIT), rounds, must=0.65
        )
        thousand = await ratio(
            "hits, 1,000 sites ÷ bare POST", (service.public, many), (bare, BARE_HIT), rounds, must=0.55
        )
        connections = await ratio(
            "hits, 1,000 connections ÷ 64",
            (service.public, crowd),
            (service.public, HIT),
            rounds.unbroken,
            must=0.9,
        )
        all_counted(before, await service.samples())
    return [one, thousand, connections]


async def widget(place: Place, rounds: Rounds) -> list[Figure]:
    """The widget's JSON, and its 304, beside handlers that answer with as many bytes."""
    await place.add_sites(0)
    async with place.serving() as service:
        body, tag = await _widget(service)
    async with both(place, body) as (service, bare):
        body, tag = await _widget(service)
        whole = Load(WIDGET, "get")
        known = replace(whole, known=tag)
        return [
            await ratio(
                "widget JSON ÷ bare GET of the same bytes",
                (service.public, whole),
                (bare, replace(whole, target="/bytes")),
                rounds,
                must=0.85,
            ),
            await ratio(
                "widget 304 ÷ bare 204",
                (service.public, known),
                (bare, replace(known, target="/nothing")),
                rounds,
                must=0.80,
            ),
        ]


async def latency(place: Place, rounds: Rounds) -> list[Figure]:
    """The slowest percent of hits at half the rate that can be had."""
    await place.add_sites(0)
    async with both(place) as (service, bare):
        ours, theirs, raw = [], [], []
        for _ in range(rounds.enough):
            for url, load, taken in ((bare, BARE_HIT, theirs), (service.public, HIT, ours)):
                full = await send(url, load, rounds.seconds)
                pause_ms = round(load.connections / (full.per_second / 2) * 1000 - full.p50_us / 1000)
                half = await send(url, replace(load, pause_ms=max(1, pause_ms)), rounds.seconds)
                taken.append(half.p99_us)
            raw.append(f"{ours[-1]}/{theirs[-1]} µs")
        value = median(own / bare_one for own, bare_one in zip(ours, theirs, strict=True))
        return [Figure("p99 at half the rate ÷ bare p99", value, 5, at_most=True, raw=raw)]


async def crowd(place: Place, rounds: Rounds) -> list[Figure]:
    """What a worker and Redis hold after a crowd.

    A million visitors, each with an address and a page of its own; a hundred thousand sites that nobody has
    registered; ten thousand connections. The widget has to answer in between.
    """
    million = round(1_000_000 * min(1.0, rounds.seconds / 3))
    await place.add_sites(0)
    async with place.serving() as service:
        await send(service.public, HIT, 1)
        redis_before = await place.redis_bytes()
        memory = [resident_mb(service.process.pid)]
        before, sent = await service.samples(), 0
        walk = replace(HIT, kind="walk", visitors=million, pages=million)
        while sent < million:
            sent += (await send(service.public, replace(walk, first=sent), 10)).requests
            memory.append(resident_mb(service.process.pid))
            await _widget(service)
        all_counted(before, await service.samples())
        each = (await place.redis_bytes() - redis_before) / min(sent, million)
        strangers, asked = replace(walk, sites=100_000, refused=True), 0
        while asked < million // 10:
            asked += (await send(service.public, replace(strangers, first=asked), 10)).requests
            memory.append(resident_mb(service.process.pid))
        await send(service.public, replace(HIT, connections=10_000), 10)
        memory.append(resident_mb(service.process.pid))
        await _widget(service)
    raw = [f"{megabytes:.0f}" for megabytes in memory]
    return [
        Figure(f"MB of a worker after {million:,} visitors", memory[-2], 90, at_most=True, raw=raw),
        Figure("the same with 10,000 connections", memory[-1], 256, at_most=True),
        Figure("bytes of Redis for each visitor with a page of its own", each, 250, at_most=True),
    ]


async def _widget(service: Service) -> tuple[bytes, str]:
    async with ClientSession() as session, session.get(service.public + WIDGET) as answer:
        return await answer.read(), answer.headers["ETag"]


def all_counted(before: dict[tuple[str, str], float], after: dict[tuple[str, str], float]) -> None:
    """Make sure that no hit was fast because it was refused."""
    grown = {key: after[key] - before.get(key, 0.0) for key in after if key[0] == "counter_hits_total"}
    others = {name: number for (_, name), number in grown.items() if name != "view" and number}
    if others or not grown.get(("counter_hits_total", "view")):
        raise LoadError(f"not all hits were counted: {others}")


FIGURES: dict[str, Measure] = {"hits": hits, "widget": widget, "latency": latency, "crowd": crowd}
