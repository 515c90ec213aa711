"""What a round does, drawn from its seed alone: hits, faults, and when. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from counter.steps import Step

WORKERS = 3
HITS_PER_SECOND = 40
VISITORS = 60
SECONDS = 8.0
"""How long hits and faults last in a phase with several faults."""
LONE_SECONDS = 2.5
CRASH_SECONDS = 1.6
ANY = -1
"""Whichever worker comes to a step."""


class Kind(StrEnum):
    """A fault; the value says what it is."""

    KILL_WORKER = "`kill -9` of a worker"
    KILL_WORKERS = "`kill -9` of all workers"
    LOSE_POWER = "the workers' host loses power: `kill -9` of all, and what was not fsynced is gone"
    PAUSE_WORKER = "a worker is stopped (`SIGSTOP`) and goes on later"
    RESTART_WORKER = "a worker ends by `SIGTERM` while its successor starts"
    CRASH = "a worker ends by `SIGKILL` at a named step"
    KILL_REDIS = "`kill -9` of Redis"
    PAUSE_REDIS = "Redis is stopped and goes on later"
    WIPE_REDIS = "`FLUSHALL` after a rollup"
    RESTORE_REDIS = "Redis is killed after a rollup and comes back from an older append-only file"
    KILL_POSTGRES = "`kill -9` of Postgres"
    PAUSE_POSTGRES = "Postgres is stopped and goes on later"
    CUT_LINK = "a link is cut at some byte of a request or a reply"
    STALL_LINK = "a link stalls at some byte of a request or a reply"
    REFUSE_LINK = "a link is cut and refuses connections"
    SLOW_LINK = "a link is slow"
    SECOND_LEADER = "a second process rolls up at the same time"
    FULL_DISK = "a worker's disk is full while its link to Redis refuses"
    STEP_CLOCK = "the clock of a worker is set"


class Form(StrEnum):
    """How a hit is sent."""

    NUMBERS = "numbers"  # answered with the site's numbers
    QUIET = "quiet"
    PIXEL = "pixel"
    HEARTBEAT = "heartbeat"  # counts as no view
    BROKEN = "broken"  # is refused
    STRANGER = "stranger"  # of a site that is not registered: is refused


COUNTING = frozenset({Form.NUMBERS, Form.QUIET, Form.PIXEL})


@dataclass(frozen=True, slots=True)
class PlannedSite:
    """A site of the world.

    Attributes:
        weight: of its hits among all.
        exact_visits: no clock of a worker comes near its midnight, so that visits can be told.
    """

    key: str
    time_zone: str
    weight: int
    exact_visits: bool


SITES = (
    PlannedSite("saigon", "Asia/Ho_Chi_Minh", 30, exact_visits=False),
    PlannedSite("utc", "UTC", 40, exact_visits=True),
    PlannedSite("newyork", "America/New_York", 25, exact_visits=True),
    PlannedSite("kathmandu", "Asia/Kathmandu", 5, exact_visits=True),
)
"""Rounds play around midnight in Saigon; a day has no visit timeout, so one visitor is one visit elsewhere."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One beacon to be sent: `at` seconds after its phase began, to a worker, for a page, by a visitor."""

    number: int
    at: float
    worker: int
    site: str
    page: str
    visitor: int
    form: Form

    @property
    def own_page(self) -> bool:
        """Whether no other hit has this page."""
        return self.page.startswith("/hit/")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks: `at` seconds after its phase began, for `seconds`.

    Attributes:
        worker: whose process, link, disk or clock; ANY for a crash of all who pass a step.
        store: `redis` or `postgres`; which link.
        way: `requests` or `replies`; which direction of it.
        size: bytes that still pass.
        step: where a worker ends; None for no crash.
        times: on which passing of it.
        milliseconds: that a clock is set to, from the true time; that a link is slow.
        held: stalled links, not cut ones, keep hits away while Redis is wiped.
    """

    at: float
    seconds: float
    kind: Kind
    worker: int = 0
    store: str = "redis"
    way: str = "replies"
    size: int = 0
    step: Step | None = None
    times: int = 1
    milliseconds: int = 0
    held: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """Hits and faults between two moments at which everything is whole."""

    seconds: float
    hits: Sequence[Hit]
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Plan:
    """A round.

    Attributes:
        lanes: of the hot data.
        midnight_in_seconds: from the beginning of the first phase, in Saigon; negative if it is over.
    """

    seed: int
    lanes: int
    midnight_in_seconds: float
    phases: Sequence[Phase]

    @property
    def faults(self) -> Iterator[Fault]:
        """All faults of the round."""
        return (fault for phase in self.phases for fault in phase.faults)


@dataclass
class _Numbers:
    """Counts hits over the phases of a round."""

    last: int = field(default=0)

    def next(self) -> int:
        self.last += 1
        return self.last


def make_plan(seed: int, *, together: int, alone: int, kinds: Sequence[Kind] = tuple(Kind)) -> Plan:
    """Draw a round.

    Args:
        seed: the same one makes the same plan.
        together: faults that overlap in the first phase.
        alone: phases with one fault each, after which everything is mended and the recovery is measured.
        kinds: of the faults.
    """
    random, numbers = Random(seed), _Numbers()
    overlapping = [_draw_fault(random, random.choice(kinds), SECONDS) for _ in range(together)]
    phases = [_phase(random, numbers, SECONDS, overlapping)] if together else []
    for number in range(alone):
        kind = kinds[(seed * alone + number) % len(kinds)]
        phases.append(_phase(random, numbers, LONE_SECONDS, [_draw_fault(random, kind, 0.0)]))
    return Plan(seed, random.choice((1, 2)), random.choice((7.0, -53.0)), phases)


def make_crash_plan(seed: int, steps: Sequence[Step]) -> Plan:
    """Make a round with a phase for each step, in which the workers pass it and end there.

    Redis is away for a moment, comes back in a new generation, and a worker leaves its spool to others: so
    every step of recorder, spool and rollup is passed.
    """
    random, numbers = Random(seed), _Numbers()
    phases = []
    for step in steps:
        crash = Fault(0.1, 10.0, Kind.CRASH, worker=ANY, step=step)
        outage = Fault(0.2, 0.6, Kind.KILL_REDIS)
        end = Fault(0.6, 0.2, Kind.KILL_WORKER, worker=random.randrange(WORKERS))
        phases.append(_phase(random, numbers, CRASH_SECONDS, [crash, outage, end]))
    return Plan(seed, random.choice((1, 2)), random.choice((7.0, -53.0)), phases)


def _phase(random: Random, numbers: _Numbers, seconds: float, faults: Sequence[Fault]) -> Phase:
    hits = [
        _draw_hit(random, numbers.next(), at)
        for at in sorted(random.uniform(0, seconds) for _ in range(int(seconds * HITS_PER_SECOND)))
    ]
    return Phase(seconds, hits, sorted(faults, key=lambda fault: fault.at))


def _draw_hit(random: Random, number: int, at: float) -> Hit:
    worker = random.randrange(WORKERS)
    (site,) = random.choices(SITES, [site.weight for site in SITES])
    shared = f"/shared/{number // 50}/{worker}"
    page = random.choice((f"/hit/{number}", shared))
    (form,) = random.choices(tuple(Form), (40, 40, 10, 4, 3, 3))
    return Hit(number, at, worker, site.key, page, random.randrange(VISITORS), form)


def _draw_fault(random: Random, kind: Kind, seconds: float) -> Fault:
    """Draw what there is to choose about a fault; `seconds` is the span in which it may begin."""
    at = round(0.3 + random.uniform(0, seconds * 0.8), 2)
    lasts = round(random.uniform(0.2, 1.8), 2)
    worker = random.randrange(WORKERS)
    store = random.choice(("redis", "redis", "postgres"))
    way = random.choice(("requests", "replies"))
    size = random.choice((0, 1, 3, random.randrange(64), random.randrange(4096)))
    if kind is Kind.CRASH:
        step, times = random.choice(list(Step)), random.randrange(1, 4)
        return Fault(at, 1 + 2 * lasts, kind, ANY, step=step, times=times)
    if kind is Kind.STEP_CLOCK:
        jump = random.choice((1_000, 20_000, 600_000, 3_600_000))
        return Fault(at, 1e9, kind, worker, milliseconds=random.choice((-1, 1)) * random.randrange(jump))
    if kind is Kind.SLOW_LINK:
        return Fault(at, lasts, kind, worker, store, milliseconds=random.randrange(10, 150))
    if kind is Kind.FULL_DISK:
        return Fault(at, lasts, kind, worker, size=random.choice((0, 16, random.randrange(16, 600))))
    return Fault(at, lasts, kind, worker, store, way, size, held=random.random() < 0.5)
