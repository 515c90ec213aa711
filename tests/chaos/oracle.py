"""Whether what a round has shown keeps the promises. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tests.chaos.plan import COUNTING, SITES, Hit


class Fate(StrEnum):
    """What a client knows of its hit."""

    ACKNOWLEDGED = "acknowledged"  # it must count once
    REFUSED = "refused"  # it must not count
    UNKNOWN = "unknown"  # no answer, or 503: it may count once


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a hit; times are of one clock, in seconds.

    Attributes:
        status: of the answer, 0 if there was none.
        page_views: of its page, as its own answer said; None if it did not.
    """

    hit: Hit
    fate: Fate
    status: int
    began_at: float
    ended_at: float
    page_views: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A total that somebody was shown.

    Attributes:
        process: that answered; one life of a worker.
        total: views; None if there were no numbers.
        stale: the answer said that it is not the latest.
    """

    process: int
    site: str
    began_at: float
    ended_at: float
    status: int
    total: int | None
    stale: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """What Postgres holds of a site at the end."""

    views: int
    visits: int
    hour_views: int
    hour_visits: int
    pages: Mapping[str, int]


class Shown(NamedTuple):
    """What a worker shows of a site at the end."""

    views: int
    visits: int


@dataclass
class Observed:
    """Everything that a round has shown.

    Attributes:
        stored: at the end, by site; empty if the round did not come so far.
        shown: at the end, by worker and site.
        wipes: how often Redis lost what it knew of visitors.
        fresh_seconds: that a snapshot may be old without saying so.
        mishaps: what the actors saw that must not be, in words.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    stored: dict[str, Stored] = field(default_factory=dict)
    shown: dict[tuple[int, str], Shown] = field(default_factory=dict)
    wipes: int = 0
    fresh_seconds: float = 0.0
    mishaps: list[str] = field(default_factory=list)


class Tally(NamedTuple):
    """Hits by what became of them; `lost` and `doubled` are over all (site, page) cells."""

    acknowledged: int
    refused: int
    unknown: int
    stored: int
    lost: int
    doubled: int


class _Cell(NamedTuple):
    """How often a page, or a site, may have been viewed."""

    least: int
    most: int


def judge(observed: Observed) -> list[str]:
    """Return every promise that was broken, in words; an empty list if all were kept."""
    return [
        *observed.mishaps,
        *_strange_answers(observed.outcomes),
        *_wrong_views(observed),
        *_wrong_visits(observed),
        *_disagreements(observed),
        *_wrong_own_answers(observed.outcomes),
        *_falls_within_processes(observed.readings),
        *_falls_between_processes(observed.readings, observed.fresh_seconds),
        *_absent_numbers(observed.readings),
        *_totals_too_large(observed),
    ]


def tally(observed: Observed) -> Tally:
    """Count hits by their fate, and those that were lost or counted twice."""
    fates = [outcome.fate for outcome in observed.outcomes if outcome.hit.form in COUNTING]
    cells = _cells(observed.outcomes) if observed.stored else {}
    stored = _stored_pages(observed)
    return Tally(
        acknowledged=fates.count(Fate.ACKNOWLEDGED),
        refused=fates.count(Fate.REFUSED),
        unknown=fates.count(Fate.UNKNOWN),
        stored=sum(stored.values()),
        lost=sum(max(0, cell.least - stored.get(key, 0)) for key, cell in cells.items()),
        doubled=sum(max(0, views - cells.get(key, _Cell(0, 0)).most) for key, views in stored.items()),
    )


def _cells(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], _Cell]:
    cells: dict[tuple[str, str], _Cell] = defaultdict(lambda: _Cell(0, 0))
    for outcome in outcomes:
        if outcome.hit.form in COUNTING:
            key = outcome.hit.site, outcome.hit.page
            least, most = cells[key]
            cells[key] = _Cell(
                least + (outcome.fate is Fate.ACKNOWLEDGED), most + (outcome.fate is not Fate.REFUSED)
            )
    return cells


def _stored_pages(observed: Observed) -> dict[tuple[str, str], int]:
    return {
        (site, page): views for site, kept in observed.stored.items() for page, views in kept.pages.items()
    }


def _strange_answers(outcomes: Iterable[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        counts = outcome.hit.form in COUNTING
        if outcome.status >= 500 and outcome.status != 503:
            yield f"hit {outcome.hit.number} was answered {outcome.status}"
        if counts and 400 <= outcome.status < 500:
            yield f"hit {outcome.hit.number} is a good one, and was answered {outcome.status}"


def _wrong_views(observed: Observed) -> Iterator[str]:
    """Every page and every site: acknowledged ≤ stored ≤ acknowledged + unknown."""
    cells, stored = _cells(observed.outcomes), _stored_pages(observed)
    if not observed.stored:
        return
    for site, page in sorted(cells.keys() | stored.keys()):
        least, most = cells.get((site, page), _Cell(0, 0))
        views = stored.get((site, page), 0)
        if not least <= views <= most:
            yield f"{site}{page} has {views} views; {_range(least, most)} were sent"
    for site, kept in observed.stored.items():
        least = sum(cell.least for key, cell in cells.items() if key[0] == site)
        most = sum(cell.most for key, cell in cells.items() if key[0] == site)
        if not least <= kept.views <= most:
            yield f"{site} has {kept.views} views; {_range(least, most)} were sent"


def _wrong_visits(observed: Observed) -> Iterator[str]:
    """A visitor is one visit; each wipe of Redis may begin another, and midnight is not told exactly.

    Where workers' clocks stand on both sides of a midnight, or a hit is replayed behind one of the next day,
    its visits are only held to `one for each visitor ≤ visits ≤ views`.
    """
    exact = {site.key for site in SITES if site.exact_visits}
    for site, kept in observed.stored.items():
        sure, possible = _visitors(observed.outcomes, site)
        most = possible * (1 + observed.wipes) if site in exact else kept.views
        if not sure <= kept.visits <= min(most, kept.views):
            yield f"{site} has {kept.visits} visits; {_range(sure, min(most, kept.views))} there were"


def _visitors(outcomes: Iterable[Outcome], site: str) -> tuple[int, int]:
    counting = [o for o in outcomes if o.hit.site == site and o.hit.form in COUNTING]
    sure = {o.hit.visitor for o in counting if o.fate is Fate.ACKNOWLEDGED}
    return len(sure), len(sure | {o.hit.visitor for o in counting if o.fate is Fate.UNKNOWN})


def _disagreements(observed: Observed) -> Iterator[str]:
    """Hours sum up to the day, pages to the site, and Redis shows what Postgres holds."""
    for site, kept in observed.stored.items():
        if kept.hour_views != kept.views or kept.hour_visits != kept.visits:
            yield f"{site} has hours of {kept.hour_views} views and {kept.hour_visits} visits, days of {kept.views} and {kept.visits}"
        if (pages := sum(kept.pages.values())) != kept.views:
            yield f"{site} has {pages} views of pages, {kept.views} in all"
    for (worker, site), shown in observed.shown.items():
        kept = observed.stored[site]
        if shown != (kept.views, kept.visits):
            yield f"worker {worker} shows {shown} of {site}, Postgres has {(kept.views, kept.visits)}"


def _wrong_own_answers(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """A page that one hit alone has was viewed once, and the hit's own answer says so."""
    for outcome in outcomes:
        alone = outcome.hit.own_page and outcome.fate is Fate.ACKNOWLEDGED and outcome.status == 200
        if alone and outcome.page_views not in {None, 1}:
            yield f"hit {outcome.hit.number} was told {outcome.page_views} views of its page"


def _falls_within_processes(readings: Sequence[Reading]) -> Iterator[str]:
    """What a worker answers never falls, stale or not."""
    for (process, site), group in _grouped(readings, lambda r: (r.process, r.site)).items():
        for fall in _falls(group, slack_seconds=0.0):
            yield f"process {process} let the total of {site} fall {fall}"


def _falls_between_processes(readings: Sequence[Reading], fresh_seconds: float) -> Iterator[str]:
    """What a worker says is the latest is not behind what any worker has shown before."""
    for site, group in _grouped(readings, lambda r: r.site).items():
        for fall in _falls(group, slack_seconds=fresh_seconds, stale_may_be_behind=True):
            yield f"the total of {site} fell {fall}"


def _falls(
    readings: Sequence[Reading], *, slack_seconds: float, stale_may_be_behind: bool = False
) -> Iterator[str]:
    """Yield each reading that is below one that had ended before it began."""
    ended = sorted((r for r in readings if r.total is not None), key=lambda r: r.ended_at)
    highest, at = 0, 0
    for reading in sorted(ended, key=lambda r: r.began_at):
        while at < len(ended) and ended[at].ended_at <= reading.began_at - slack_seconds:
            highest = max(highest, ended[at].total or 0)
            at += 1
        if (reading.total or 0) < highest and not (stale_may_be_behind and reading.stale):
            yield f"from {highest} to {reading.total} at {reading.began_at:.2f} s (process {reading.process})"


def _absent_numbers(readings: Sequence[Reading]) -> Iterator[str]:
    """A worker that has shown numbers once goes on showing some."""
    for (process, site), group in _grouped(readings, lambda r: (r.process, r.site)).items():
        first = min((r.ended_at for r in group if r.total is not None), default=float("inf"))
        for reading in group:
            if reading.total is None and reading.began_at >= first:
                yield f"process {process} answered {reading.status} for {site} at {reading.began_at:.2f} s, after numbers"


def _totals_too_large(observed: Observed) -> Iterator[str]:
    """No total is above the hits that were sent by then and may have counted."""
    for site, group in _grouped(observed.readings, lambda r: r.site).items():
        begun = sorted(
            o.began_at
            for o in observed.outcomes
            if o.hit.site == site and o.hit.form in COUNTING and o.fate is not Fate.REFUSED
        )
        sent = 0
        for reading in sorted(group, key=lambda r: r.ended_at):
            while sent < len(begun) and begun[sent] <= reading.ended_at:
                sent += 1
            if reading.total is not None and reading.total > sent:
                yield f"the total of {site} was {reading.total} at {reading.ended_at:.2f} s, when {sent} hits were sent"


def _grouped(readings, key):
    groups = defaultdict(list)
    for reading in readings:
        groups[key(reading)].append(reading)
    return groups


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}"
