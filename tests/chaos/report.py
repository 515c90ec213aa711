"""The results of many rounds as sections of `docs/reliability.md`. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from counter.steps import Step
from tests.chaos.oracle import Tally
from tests.chaos.plan import Kind

NO_TALLY: Final = Tally(0, 0, 0, 0, 0, 0)
RECOVERY: Final = """\
Recovery is the time from the moment at which the part is back until every worker counts a fresh hit at once and
nothing waits in the spool; *durable* is when Postgres has everything. Both are measured for each fault alone, while
the same machine runs the whole round. They include the start of a worker's process where there is one."""


@dataclass
class Result:
    """What came of a round.

    Attributes:
        readings: totals that were read meanwhile.
        done: faults that were had.
        steps: at which workers ended, by name.
        recovered: seconds from "the part is back" until every worker counted a fresh hit at once and nothing
            waited in the spool, by fault.
        rolled_up: seconds from then until Postgres had everything.
    """

    seed: int
    violations: list[str]
    tally: Tally
    readings: int
    done: Counter[Kind]
    steps: Counter[str]
    recovered: list[tuple[str, float]] = field(default_factory=list)
    rolled_up: list[tuple[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Caught:
    """A mutation that the harness found.

    Attributes:
        seed: of the round in which it was found.
        violation: the first one.
    """

    name: str
    seed: int
    violation: str


def with_section(document: str, title: str, body: str) -> str:
    """Return a document with the section of a title replaced, or added at its end."""
    head, _, rest = f"{document.rstrip()}\n".partition(f"\n## {title}\n")
    _old, mark, following = rest.partition("\n## ")
    return f"{head.rstrip()}\n\n## {title}\n\n{body.strip()}\n" + (f"\n## {following}" if mark else "")


def summed(results: Iterable[Result]) -> Tally:
    """Add up the tallies of rounds."""
    return Tally(*map(sum, zip(NO_TALLY, *(result.tally for result in results), strict=True)))


def render(results: Sequence[Result]) -> str:
    """Describe rounds that kept every promise."""
    done = sum((result.done for result in results), Counter())
    total = summed(results)
    readings = sum(result.readings for result in results)
    rounds = f"{len(results)} rounds, seeds {results[0].seed} to {results[-1].seed}"
    found = f"lost {total.lost}, doubled {total.doubled}, and no total fell in {readings:,} readings"
    lines = [
        f"{done.total():,} faults in {rounds}: **{found}.**",
        "",
        "| hits | |",
        "|---|---:|",
        f"| acknowledged: each is stored once | {total.acknowledged:,} |",
        f"| without an answer, or answered 503: each is stored once or not at all | {total.unknown:,} |",
        f"| refused, or never sent as no worker was up: none is stored | {total.refused:,} |",
        f"| stored views | {total.stored:,} |",
        "",
        RECOVERY,
        "",
        "| fault | times | recovery, median | longest | durable, median | longest |",
        "|---|---:|---:|---:|---:|---:|",
        *(f"| {kind.value} | {done[kind]} | {_times(kind.name, results)} |" for kind in Kind),
        f"| several at once, from when the last is mended | | {_times('several', results)} |",
        "",
        f"Workers ended at these steps: {_steps(results)}.",
    ]
    return "\n".join(lines)


def render_mutations(caught: Sequence[Caught]) -> str:
    """Describe which mutations of the program the harness has found."""
    rows = [f"| {one.name} | {one.seed} | {one.violation} |" for one in caught]
    return "\n".join(["| what was taken away | seed | first finding |", "|---|---:|---|", *rows])


def _times(name: str, results: Sequence[Result]) -> str:
    recovered = [seconds for result in results for found, seconds in result.recovered if found == name]
    durable = [seconds for result in results for found, seconds in result.rolled_up if found == name]
    return " | ".join(_seconds(time) for times in (recovered, durable) for time in _median_and_longest(times))


def _median_and_longest(times: Sequence[float]) -> tuple[float | None, float | None]:
    return (median(times), max(times)) if times else (None, None)


def _seconds(time: float | None) -> str:
    return "" if time is None else f"{time:.1f} s"


def _steps(results: Sequence[Result]) -> str:
    ended = sum((result.steps for result in results), Counter())
    return ", ".join(f"{step.name} {ended[step.name]}" for step in Step if ended[step.name])
