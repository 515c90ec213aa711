"""The ways of batches and of the rollup, for who follows them; without traces none of this is in use."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from aiohttp.typedefs import Middleware

from counter.aggregates.store import AggregateStore
from counter.buckets.batch import Batch, Hit
from counter.buckets.keys import BucketName, LaneKeys
from counter.buckets.lane import Lane, Outcome, Tell
from counter.buckets.store import BucketStore
from counter.config import Settings
from counter.database import Connection
from counter.rollup.loop import RollupLoop
from counter.rollup.portions import Rest, no_rest
from counter.rollup.report import Report
from counter.rollup.rollup import FindSite, Rollup
from counter.steps import Passing, Step
from counter.surroundings import TraceMetrics
from counter.tracing.tracing import Attributes, Place, Role, Tracing
from counter.wiring.requests import Requests

WRITING: Final = ("read buckets", "write rows", "settle buckets")
FOLDING: Final = ("read closing buckets", "write closing rows", "make bases", "fold buckets")


class TracedLane(Lane):
    """Follows each batch: a part of the trace of its first hit that is followed, and linked to all of these.

    Args:
        tracing: makes the spans.
        made_of: what a lane is made of.
    """

    def __init__(self, tracing: Tracing, *made_of: Any, **limits: Any) -> None:
        super().__init__(*made_of, **limits)
        self._tracing = tracing
        self._places: dict[int, Place] = {}  # of hits that wait, which are no other's until they are sent

    def take(self, hit: Hit, tell: Tell) -> None:
        """Put a hit into the batch that is being filled, and note who follows it."""
        place = self._tracing.here()
        if place is not None:
            self._places[id(hit)] = place
        super().take(hit, tell)

    async def _deliver(self, batch: Batch) -> Outcome:
        places = [self._places.pop(id(hit)) for hit in batch.hits if id(hit) in self._places]
        attributes: Attributes = {
            "db.system.name": "redis",
            "counter.lane": self._keys.lane,
            "counter.hits": len(batch),
        }
        parent = places[0] if places else None
        with self._tracing.apart("record hits", attributes, Role.CALL, parent=parent, links=places) as span:
            outcome = await super()._deliver(batch)
            span.note({"counter.outcome": outcome.value})
        return outcome


class TracedLoop(RollupLoop):
    """Follows each rollup."""

    def __init__(self, tracing: Tracing, *made_of: Any) -> None:
        super().__init__(*made_of)
        self._tracing = tracing

    async def _once(self, connection: Connection) -> None:
        with self._tracing.apart("rollup"):
            await super()._once(connection)


class TracedRollup(Rollup):
    """Follows the steps of a rollup, whether it is the leader's or a single site's."""

    def __init__(self, tracing: Tracing, buckets: BucketStore, find_site: FindSite, passing: Passing) -> None:
        super().__init__(buckets, find_site, self._pass)
        self._tracing = tracing
        self._passed_on = passing
        self._steps: ContextVar[_Steps | None] = ContextVar("steps of a rollup", default=None)

    async def run(
        self, aggregates: AggregateStore, now_ms: int, adjusted: Iterable[str] = (), rest: Rest = no_rest
    ) -> Report:
        """Roll up everything that changed, and say how much it was."""
        with self._tracing.span("roll up all") as span:
            report = await super().run(aggregates, now_ms, adjusted, rest)
            span.note({f"counter.{name}": count for name, count in report._asdict().items()})
        return report

    async def _write(
        self, lane: LaneKeys, names: Sequence[BucketName], generation: str, aggregates: AggregateStore
    ) -> Report:
        attributes: Attributes = {"counter.lane": lane.lane, "counter.buckets": len(names)}
        with self._tracing.span("write buckets", attributes), self._in_steps(WRITING):
            return await super()._write(lane, names, generation, aggregates)

    async def _fold(
        self, lane: LaneKeys, sites: Sequence[str], generation: str, aggregates: AggregateStore, now_ms: int
    ) -> Report:
        attributes: Attributes = {"counter.lane": lane.lane, "counter.sites": len(sites)}
        with self._tracing.span("renew bases", attributes), self._in_steps(FOLDING):
            return await super()._fold(lane, sites, generation, aggregates, now_ms)

    @contextmanager
    def _in_steps(self, names: Sequence[str]) -> Generator[None]:
        with _Steps(self._tracing, names) as steps:
            token = self._steps.set(steps)
            try:
                yield
            finally:
                self._steps.reset(token)

    def _pass(self, step: Step) -> None:
        self._passed_on(step)
        if (steps := self._steps.get()) is not None:
            steps.begin_next()


class _Steps:
    """Follows steps that come one after the other; the end of one is the beginning of the next."""

    def __init__(self, tracing: Tracing, names: Sequence[str]) -> None:
        self._tracing = tracing
        self._names = iter(names)
        self._now = ExitStack()

    def __enter__(self) -> Self:
        self.begin_next()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._now.__exit__(kind, error, trace)

    def begin_next(self) -> None:
        self._now.close()
        name = next(self._names, None)
        if name is not None:
            self._now.enter_context(self._tracing.span(name))


def passing_events(tracing: Tracing, passing: Passing) -> Passing:
    """Return what marks each step in what is under way."""

    def mark(step: Step) -> None:
        passing(step)
        tracing.event(step.name.lower())

    return mark


class Following:
    """What the service is made of: with spans if somebody follows it, else as it is.

    Args:
        tracing: makes the spans, None if nobody follows.
        settings: the configuration.
        metrics: count the spans.
    """

    def __init__(self, tracing: Tracing | None, settings: Settings, metrics: TraceMetrics) -> None:
        self.rollup: Callable[..., Rollup] = Rollup
        self.loop: Callable[..., RollupLoop] = RollupLoop
        self.middlewares: list[Middleware] = []
        if tracing is not None:
            requests = Requests(tracing, settings.trace_parents, settings.trusted_proxies)
            self.rollup, self.loop = partial(TracedRollup, tracing), partial(TracedLoop, tracing)
            self.middlewares = [requests.middleware()]
            tracing.count_into(metrics.sent, metrics.lost)
