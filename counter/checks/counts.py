"""What must hold between a site's numbers in Redis and in Postgres while both go on counting. Pure.

Nothing is read at the same instant in both stores, so only that is compared which holds whatever is counted
in between. A bucket is read before its row and again after it; all its figures only grow, and its version
tells to which reading a row belongs. A base is compared with the rows that it holds, if it was the same
before and after these were read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from counter.buckets.base import Base, Counts, LiveSite, OpenBucket
from counter.checks.findings import Problem
from counter.sites.model import METRICS, Metric, Site
from counter.widget.render import numbers
from counter.widget.snapshot import Snapshot, add_up

HOURS: Final = range(24)


class Figures(NamedTuple):
    """What a bucket or its row holds at one version."""

    version: int
    counts: Counts
    hour_views: Sequence[int]
    hour_visits: Sequence[int]


class DurableRow(NamedTuple):
    """A bucket's row; `rows_of_day` tells how many rows its day has, itself included."""

    figures: Figures
    rows_of_day: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """An open bucket as it was read before its row and after it.

    Attributes:
        before: read before the row.
        later: read after the row, where that was ahead of `before`.
        dirty: whether it waited for a rollup, between `before` and the row.
        row: None if Postgres has none.
        former: it was begun by an earlier generation, and waits to be closed.
    """

    day: date
    generation: str
    before: Figures
    later: Figures | None
    dirty: bool
    row: DurableRow | None
    former: bool

    @property
    def shown(self) -> Counts:
        """Its part of what is shown. A snapshot restored into Redis may hold less than was written down."""
        if self.former and self.row and self.row.figures.version > self.before.version:
            return self.row.figures.counts
        return self.before.counts


@dataclass(frozen=True, slots=True)
class Reading:
    """A site as both stores have it.

    Attributes:
        base: where the widget starts.
        kept: whether Redis holds this base; else it is the one that is made when the widget is asked next.
        visitors: estimate for each day with an open bucket.
        ledger: sums of the adjustments.
        rows: sums of all rows.
        days: sums of all rows of each day that the base has, or must have.
        adjusted: sums of the adjustments of each of these days.
    """

    site: Site
    as_of_ms: int
    base: Base
    kept: bool
    buckets: Sequence[Bucket]
    visitors: Mapping[date, int]
    ledger: Counts
    rows: Counts
    days: Mapping[date, Counts]
    adjusted: Mapping[date, Counts] = field(default_factory=dict)


def total_shown(reading: Reading) -> dict[Metric, int]:
    """Return the total that the widget shows, by metric."""
    snapshot = _snapshot(reading)
    return {metric: numbers(snapshot, reading.site, metric).total for metric in METRICS}


def judge_totals(reading: Reading) -> list[Problem]:
    """Ledger, all rows, and what open buckets hold beyond their rows are the total that the widget shows."""
    unwritten = _unwritten(reading)
    problems = []
    for metric, shown in total_shown(reading).items():
        parts = [_of(counts, metric) for counts in (reading.ledger, reading.rows, unwritten)]
        if sum(parts) != shown:
            ledger, rows, rest = parts
            detail = (
                f"{metric}: the widget shows {shown:,}, but ledger {ledger:,} + aggregates {rows:,} + "
                f"not yet written {rest:,} = {sum(parts):,}"
            )
            figures = {"shown": shown, "ledger": ledger, "aggregates": rows, "unwritten": rest}
            problems.append(Problem(reading.site.key, metric, detail, figures))
    return problems


def judge_days(reading: Reading) -> list[Problem]:
    """Each closed day that Redis keeps is the sum of its rows in Postgres."""
    if not reading.kept:
        return []
    problems = []
    for day in sorted(reading.base.days.keys() | reading.days.keys()):
        kept = reading.base.days.get(day, Counts())
        closed = _less(reading.days.get(day, Counts()), _open_rows(reading, day))
        problems += [
            Problem(
                reading.site.key,
                day.isoformat(),
                f"{day}: {name} {_of(kept, name):,} in Redis, {_of(closed, name):,} in Postgres",
                {"redis": _of(kept, name), "postgres": _of(closed, name)},
            )
            for name in (*METRICS, "bots")
            if _of(kept, name) != _of(closed, name)
        ]
    return problems + _adjusted_days(reading)


def _adjusted_days(reading: Reading) -> list[Problem]:
    kept, ledger = reading.base.adjusted, reading.adjusted
    return [
        Problem(
            reading.site.key,
            day.isoformat(),
            f"{day}: {name} {_of(kept.get(day, Counts()), name):+,} adjusted in Redis, "
            f"{_of(ledger.get(day, Counts()), name):+,} in the ledger",
            {"redis": _of(kept.get(day, Counts()), name), "ledger": _of(ledger.get(day, Counts()), name)},
        )
        for day in sorted(kept.keys() | ledger.keys())
        for name in METRICS
        if _of(kept.get(day, Counts()), name) != _of(ledger.get(day, Counts()), name)
    ]


def judge_buckets(reading: Reading) -> list[Problem]:
    """Each open bucket agrees with its row, and what Postgres lacks of it will be rolled up."""
    return [
        Problem(reading.site.key, f"{bucket.day} {bucket.generation}", f"{bucket.day}: {detail}", figures)
        for bucket in reading.buckets
        for detail, figures in _bucket_faults(bucket)
    ]


def figure_faults(figures: Figures) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield what no bucket and no row may hold, whatever was counted."""
    counts, hours = figures.counts, (figures.hour_views, figures.hour_visits)
    if counts.visits > counts.views:
        yield (
            f"visits {counts.visits:,} > views {counts.views:,}",
            {"visits": counts.visits, "views": counts.views},
        )
    for name, values in zip(("views", "visits"), hours, strict=True):
        day = _of(counts, name)
        if values and sum(values) != day:
            yield (
                f"the {name} of the hours sum up to {sum(values):,}, those of the day are {day:,}",
                {"hours": sum(values), "day": day},
            )
    for name, least in (
        *((name, _of(counts, name)) for name in (*METRICS, "bots")),
        ("views of an hour", min(figures.hour_views, default=0)),
        ("visits of an hour", min(figures.hour_visits, default=0)),
    ):
        if least < 0:
            yield f"{name} {least:,} is negative", {"value": least}


def _bucket_faults(bucket: Bucket) -> Iterator[tuple[str, dict[str, int]]]:
    before, later, row = bucket.before, bucket.later or bucket.before, bucket.row
    for detail, figures in figure_faults(before):
        yield f"in Redis {detail}", figures
    written = row.figures.version if row else 0
    versions = {"bucket_version": before.version, "row_version": written}
    if written < before.version and not bucket.dirty:
        missing = before.counts.views - (row.figures.counts.views if row else 0)
        detail = (
            f"Postgres has version {written:,} of {before.version:,} ({missing:,} views fewer), "
            "and no rollup will write the rest, as the bucket is not marked as dirty"
        )
        yield detail, versions | {"views": missing}
    if row is None:
        return
    if written > later.version and not bucket.former:
        yield (
            f"the row has version {written:,}, its bucket only {later.version:,}",
            versions | {"bucket_version": later.version},
        )
        return
    yield from _differences(
        before, row, at_least=written >= before.version, at_most=written <= before.version
    )
    if before.version < written <= later.version:
        yield from _differences(later, row, at_least=False, at_most=True)


def _differences(
    bucket: Figures, row: DurableRow, *, at_least: bool, at_most: bool
) -> Iterator[tuple[str, dict[str, int]]]:
    """Compare figures that only grow: the row is not behind an older reading, nor ahead of a newer one."""
    credited = row.rows_of_day == 1  # else the row has only the visitors that no row before it has
    for (name, written), (_name, held) in zip(
        _named(row.figures, credited=credited), _named(bucket, credited=credited), strict=True
    ):
        if (at_least and written < held) or (at_most and written > held):
            versions = {"row_version": row.figures.version, "bucket_version": bucket.version}
            detail = (
                f"{name} {written:,} in Postgres (version {row.figures.version:,}), "
                f"{held:,} in Redis (version {bucket.version:,})"
            )
            yield detail, versions | {"postgres": written, "redis": held}


def _named(figures: Figures, *, credited: bool) -> list[tuple[str, int]]:
    counts = figures.counts
    named = [("views", counts.views), ("visits", counts.visits), ("bots", counts.bots)]
    if credited:
        named.append(("visitors", counts.visitors))
    named += [(f"views of hour {hour}", figures.hour_views[hour]) for hour in HOURS]
    return named + [(f"visits of hour {hour}", figures.hour_visits[hour]) for hour in HOURS]


def _snapshot(reading: Reading) -> Snapshot:
    buckets = [OpenBucket(bucket.day, bucket.generation, _plain(bucket.shown)) for bucket in reading.buckets]
    # A bucket that is listed and has lost its counts is nothing to the widget.
    buckets += [OpenBucket(day, "", Counts()) for day in reading.visitors]
    return add_up(LiveSite(reading.base, 0, buckets, dict(reading.visitors)), reading.as_of_ms)


def _unwritten(reading: Reading) -> Counts:
    """Sum up what the open buckets add to their rows; nothing where both are at the same version."""
    unwritten = Counts()
    for bucket in reading.buckets:
        if bucket.row is None:
            unwritten += _plain(bucket.shown)
        elif bucket.row.figures.version != bucket.before.version:
            unwritten += _plain(_less(bucket.shown, bucket.row.figures.counts))
    for day, estimate in reading.visitors.items():
        # Visitors of a day are told for all its buckets together.
        gained = reading.base.gained(day, estimate)
        unwritten += Counts(visitors=gained - _open_rows(reading, day).visitors)
    return unwritten


def _open_rows(reading: Reading, day: date) -> Counts:
    rows = (bucket.row.figures.counts for bucket in reading.buckets if bucket.row and bucket.day == day)
    return sum(rows, Counts())


def _plain(counts: Counts) -> Counts:
    """Leave the visitors out, as those of several buckets of a day overlap."""
    return Counts(counts.views, counts.visits, 0, counts.bots)


def _less(counts: Counts, others: Counts) -> Counts:
    return counts + Counts(-others.views, -others.visits, -others.visitors, -others.bots)


def _of(counts: Counts, name: Metric | str) -> int:
    value: int = getattr(counts, name)
    return value
