"""The audit's rules: no false alarm whatever is counted between two looks, and no change that goes unnoticed."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import accumulate

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from counter.buckets.base import Base, Counts
from counter.buckets.keys import BucketName, LaneKeys, salt_key
from counter.checks.counts import (
    Bucket,
    DurableRow,
    Figures,
    Reading,
    figure_faults,
    judge_buckets,
    judge_days,
    judge_totals,
    total_shown,
)
from counter.checks.findings import CHECKS, MOST_PROBLEMS, Problem, Result, judged, summary, summed_up, unseen
from counter.checks.keyspace import (
    NEVER_EXPIRES,
    Key,
    Salt,
    bucket_of,
    judge_expiry,
    judge_salts,
    may_expire,
    salt_day,
    site_of,
)
from counter.checks.rules import (
    judge_eviction,
    judge_lane,
    judge_listing,
    judge_memory,
    judge_migrations,
    judge_pages,
    judge_persistence,
)
from counter.checks.spooled import Segment, SpoolReading, judge_spool
from tests.unit.making import site_with

TODAY = date(2026, 6, 10)
DAYS = [TODAY - timedelta(days=days) for days in range(4)]
NOTHING = Figures(0, Counts(), [0] * 24, [0] * 24)
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class Batch:
    """What one batch adds to a bucket."""

    def __init__(self, hour: int, views: int, visits: int, visitors: int, bots: int) -> None:
        self.hour, self.bots = hour, bots
        self.views, self.visits, self.visitors = views, min(visits, views), min(visitors, views)

    def added_to(self, before: Figures) -> Figures:
        counts = before.counts + Counts(self.views, self.visits, self.visitors, self.bots)
        views, visits = list(before.hour_views), list(before.hour_visits)
        views[self.hour] += self.views
        visits[self.hour] += self.visits
        return Figures(before.version + 1, counts, views, visits)


few = st.integers(0, 9)
batches = st.builds(Batch, st.integers(0, 23), few, few, few, few)
histories = st.lists(batches, min_size=1, max_size=6).map(
    lambda added: list(accumulate(added, lambda before, batch: batch.added_to(before), initial=NOTHING))
)
"""All states of a bucket, from none on; the version is the index."""
counted = st.builds(Counts, few, few, few, few)


@st.composite
def buckets(draw: st.DrawFn, day: date = TODAY) -> Bucket:
    """A bucket of a system that works: read, written by a rollup at any time, counted on, read again."""
    history: Sequence[Figures] = draw(histories)
    before = draw(st.integers(1, len(history) - 1))
    last = draw(st.integers(before, len(history) - 1))
    written = draw(st.integers(0, last))
    row = DurableRow(history[written], 1) if written else None
    return Bucket(
        day=day,
        generation="g",
        before=history[before],
        later=history[last] if written > before else None,
        dirty=written < before or draw(st.booleans()),
        row=row,
        former=False,
    )


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    """A site of a system that works: closed days, perhaps one that goes on, a ledger of either sign."""
    closed = {day: draw(counted) for day in draw(st.sets(st.sampled_from(DAYS)))}
    old = draw(counted)  # of days before those that a base keeps
    ledger = Counts(*(draw(st.integers(-50, 50)) for _metric in range(3)))
    opened = [draw(buckets(day)) for day in draw(st.sets(st.sampled_from(DAYS[:2])))]
    estimates = {
        bucket.day: max(bucket.before.counts.visitors, closed.get(bucket.day, Counts()).visitors)
        for bucket in opened
    }
    written = [(bucket.day, bucket.row.figures.counts) for bucket in opened if bucket.row]
    days = {day: closed.get(day, Counts()) for day in {*closed, *(day for day, _counts in written)}}
    for day, counts in written:
        days[day] += counts
    return Reading(
        site=site_with(),
        as_of_ms=0,
        base=Base(sum(closed.values(), ledger + old), closed),
        kept=True,
        buckets=opened,
        visitors=estimates,
        ledger=ledger,
        rows=sum(days.values(), old),
        days=days,
    )


def replaced(reading: Reading, **changes: object) -> Reading:
    fields = {name: getattr(reading, name) for name in Reading.__slots__}
    return Reading(**{**fields, **changes})


@given(readings())
def test_system_that_counts_while_it_is_read_is_never_wrong(reading):
    """Whatever a rollup has written and whatever was counted between the looks, no rule finds anything."""
    assert judge_totals(reading) == judge_days(reading) == judge_buckets(reading) == []


@given(readings(), st.sampled_from(["views", "visits", "visitors"]), st.integers(-9, 9))
def test_no_number_can_be_changed_unnoticed(reading, metric, change):
    """Base, ledger and rows cannot differ by one without a finding that names both sides."""
    assume(change)
    more = Counts(**{metric: change})
    base = Base(reading.base.total + more, reading.base.days)
    for false in (
        replaced(reading, base=base),
        replaced(reading, ledger=reading.ledger + more),
        replaced(reading, rows=reading.rows + more),
    ):
        (problem,) = judge_totals(false)
        numbers = problem.numbers
        assert problem.subject == metric
        assert numbers["shown"] == total_shown(false)[metric]
        difference = numbers["shown"] - numbers["ledger"] - numbers["aggregates"] - numbers["unwritten"]
        assert abs(difference) == abs(change)
        assert f"{numbers['shown']:,}" in problem.detail


@given(readings(), st.sampled_from(DAYS), st.sampled_from(["views", "visits", "visitors", "bots"]))
def test_no_closed_day_can_be_changed_unnoticed(reading, day, name):
    """A day that the base has otherwise than the rows, or lacks, is named with both numbers."""
    days = dict(reading.days)
    days[day] = days.get(day, Counts()) + Counts(**{name: 3})
    (problem,) = judge_days(replaced(reading, days=days))
    assert problem.subject == day.isoformat()
    assert problem.numbers["postgres"] - problem.numbers["redis"] == 3


@given(readings())
def test_base_that_is_still_to_be_made_has_no_days_to_compare(reading):
    """Where Redis has no base, the days are those of Postgres by themselves."""
    assert judge_days(replaced(reading, kept=False, days={TODAY: Counts(views=10**6)})) == []


CHANGES = ["views", "visits", "bots", "visitors", "hour_views", "hour_visits"]


@given(histories, st.sampled_from(CHANGES), st.integers(0, 23), st.integers(1, 9))
def test_row_at_the_version_of_its_bucket_equals_it(history, name, hour, change):
    """No figure of a row can differ from the bucket's at the same version."""
    before = history[-1]
    if name in {"hour_views", "hour_visits"}:
        hours = list(getattr(before, name))
        hours[hour] += change
        false = before._replace(**{name: hours})
    else:
        false = before._replace(counts=before.counts + Counts(**{name: change}))
    bucket = Bucket(TODAY, "g", before, None, dirty=False, row=DurableRow(false, 1), former=False)
    problems = judge_buckets(replaced(EMPTY, buckets=[bucket]))
    assert [problem.numbers["postgres"] - problem.numbers["redis"] for problem in problems] == [change]
    swapped = Bucket(TODAY, "g", false, None, dirty=False, row=DurableRow(before, 1), former=False)
    assert judge_buckets(replaced(EMPTY, buckets=[swapped]))


@given(histories, st.data())
def test_row_between_two_looks_lies_between_their_figures(history, data):
    """A row newer than the first look and not newer than the second is bounded by both."""
    assume(len(history) > 3)
    written = data.draw(st.integers(2, len(history) - 2))
    low, high = history[written - 1], history[-1]
    row = history[written]
    too_few = row._replace(counts=low.counts + Counts(views=-1))
    too_many = row._replace(counts=high.counts + Counts(views=1))
    for false in (too_few, too_many):
        bucket = Bucket(TODAY, "g", low, high, dirty=False, row=DurableRow(false, 1), former=False)
        assert any("views" in problem.detail for problem in judge_buckets(replaced(EMPTY, buckets=[bucket])))


@given(histories, st.booleans())
def test_row_ahead_of_its_bucket_is_told_unless_the_bucket_is_a_former_one(history, former):
    """A row knows more than its bucket only where an older snapshot of Redis waits to be closed."""
    assume(len(history) > 2)
    row = DurableRow(history[-1], 1)
    bucket = Bucket(TODAY, "g", history[-2], None, dirty=False, row=row, former=former)
    problems = judge_buckets(replaced(EMPTY, buckets=[bucket]))
    assert bool(problems) is not former
    if former:
        closing = replaced(EMPTY, buckets=[bucket], rows=row.figures.counts, visitors={})
        shown = total_shown(closing)
        assert shown["views"] == row.figures.counts.views
        assert [problem.subject for problem in judge_totals(closing)] in ([], ["visitors"])


@given(histories)
def test_what_postgres_lacks_is_dirty(history):
    """A bucket that no rollup will write is told with the views that would be lost."""
    bucket = Bucket(TODAY, "g", history[-1], None, dirty=False, row=None, former=False)
    (problem,) = judge_buckets(replaced(EMPTY, buckets=[bucket]))
    assert problem.numbers["views"] == history[-1].counts.views
    assert "not marked as dirty" in problem.detail


@given(histories)
def test_visitors_of_a_day_with_several_rows_are_not_compared_with_the_bucket(history):
    """A row is credited only with visitors that no row before it has, so it may have fewer than its bucket."""
    row = DurableRow(history[-1]._replace(counts=history[-1].counts + Counts(visitors=-1)), 2)
    bucket = Bucket(TODAY, "g", history[-1], None, dirty=False, row=row, former=False)
    assert judge_buckets(replaced(EMPTY, buckets=[bucket])) == []


@given(histories)
def test_figures_that_hits_make_have_no_fault(history):
    """Whatever hits do, a bucket does not contradict itself."""
    assert [list(figure_faults(figures)) for figures in history] == [[]] * len(history)


EMPTY = Reading(
    site_with(), 0, Base(), kept=True, buckets=[], visitors={}, ledger=Counts(), rows=Counts(), days={}
)

site_keys = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
names = st.builds(BucketName, site_keys, st.dates(), st.from_regex(r"[0-9a-f]{17}", fullmatch=True))


@given(st.integers(0, 255), names)
def test_keys_are_read_as_they_are_written(number, name):
    """Each key that the program makes is known again: its site, its bucket, and whether it may expire."""
    lane = LaneKeys(str(number))
    for kind in ("day", "visitors", "pages", "changed"):
        key = lane.bucket(str(name), kind)
        found = bucket_of(key)
        assert found == (lane.lane, name)
        assert (site_of(key), may_expire(key), salt_day(key)) == (name.site, False, None)
    for key in (lane.generation, lane.parts, lane.open, lane.dirty):
        assert (site_of(key), bucket_of(key), may_expire(key)) == (None, None, False)
    assert not may_expire(lane.site(name.site, "index"))
    for key in (
        lane.token("worker"),
        lane.earlier(name.site, name.day),
        *(lane.site(name.site, kind) for kind in ("seen", "base")),
        salt_key(name.day),
    ):
        assert may_expire(key)
        assert bucket_of(key) is None
    assert salt_day(salt_key(name.day)) == name.day.isoformat()


@given(st.text(max_size=60))
def test_foreign_keys_are_left_alone(text):
    """Whatever else a Redis holds is no bucket, and reading its name never fails."""
    assert bucket_of(f"counter:{{0}}:bucket:{text}") is None
    assert (site_of(text), bucket_of(text), may_expire(text)) == (None, None, True)


def test_expiring_key_is_told_with_its_site():
    """A key with a life that must have none is told, and the same key without one is not."""
    key = LaneKeys("0").bucket(str(BucketName("portal", TODAY, "g")), "pages")
    assert judge_expiry([Key(key, NEVER_EXPIRES)]) == []
    (problem,) = judge_expiry([Key(key, 90 * MINUTE_MS)])
    assert (problem.site, problem.numbers) == ("portal", {"ttl_ms": 90 * MINUTE_MS})
    assert "expires in 1 h 30 min" in problem.detail


@pytest.mark.parametrize(
    ("left_ms", "ttl_ms", "said"),
    [
        (HOUR_MS, HOUR_MS, None),
        (HOUR_MS, MINUTE_MS, None),
        (HOUR_MS, HOUR_MS + 30_000, None),  # the clocks differ a little
        (-30_000, 1000, None),
        (HOUR_MS, HOUR_MS + 2 * MINUTE_MS, "expires in 1 h 2 min; it has to be gone in 1 h 0 min"),
        (HOUR_MS, NEVER_EXPIRES, "never expires; it has to be gone in 1 h 0 min"),
        (-2 * MINUTE_MS, NEVER_EXPIRES, "had to be gone 2 min ago"),
        (-3 * HOUR_MS, MINUTE_MS, "had to be gone 3 h 0 min ago"),
    ],
)
def test_salt_has_an_end_in_time(left_ms, ttl_ms, said):
    """A salt ends by its time, whatever the second that two clocks differ by."""
    salt = Salt(Key("counter:salt:2026-06-10", ttl_ms), TODAY, 10 * HOUR_MS + left_ms)
    assert [problem.detail for problem in judge_salts([salt], 10 * HOUR_MS)] == (
        [f"counter:salt:2026-06-10 {said}"] if said else []
    )


@given(st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_bucket_is_in_both_lists_or_gone(exists, indexed, opened, dirty):
    """A bucket exists, is shown and will be closed; or nothing names it."""
    found = judge_listing(
        BucketName("portal", TODAY, "g"), exists=exists, indexed=indexed, opened=opened, dirty=dirty
    )
    whole = exists and indexed and opened
    gone = not (exists or indexed or opened or dirty)
    assert bool(found) is not (whole or gone)
    assert all(problem.site == "portal" and "2026-06-10" in problem.detail for problem in found)


def test_servers_are_judged():
    """Each setting that may lose counts is wrong, and the usual ones are good."""
    assert judge_eviction("noeviction").result is Result.GOOD
    assert judge_eviction("volatile-lru").result is Result.WRONG
    assert judge_persistence(appends=True, fault="").result is Result.GOOD
    assert judge_persistence(appends=False, fault="").result is Result.WRONG
    assert (
        "aof_last_write_status is err"
        in judge_persistence(appends=True, fault="aof_last_write_status is err").detail
    )
    assert judge_memory(10**12, 0).result is Result.GOOD
    assert judge_memory(90, 100).result is Result.GOOD
    assert judge_memory(91, 100).result is Result.WRONG
    assert judge_migrations(["0001"], ["0001"]) == []
    assert "lacks 0002" in judge_migrations(["0001"], ["0001", "0002"])[0].detail
    assert "has 0003 of a newer version" in judge_migrations(["0001", "0003"], ["0001"])[0].detail
    name = BucketName("portal", TODAY, "g")
    assert judge_lane(name, "1", "1", 2) == []
    assert "is in lane 3, but with COUNTER_LANES=2" in judge_lane(name, "3", "1", 2)[0].detail
    assert judge_pages("portal", "row", page_views=5, least=0, day_views=5) == []
    assert len(judge_pages("portal", "row", page_views=6, least=-1, day_views=5)) == 2


def segment(name: str, replayed: int, hits: int, fault: str = "") -> Segment:
    return Segment(name, replayed, 40 * hits, hits, 1000 if hits else None, fault)


def test_spool_is_wrong_only_if_nothing_of_a_file_is_replayed():
    """A file that shrinks, is new or is gone is good; one that stands still is told, but not while Redis is away."""
    first = SpoolReading(there=True, segments=[segment(name, 16, 3) for name in "abc"], aside=[])
    later = first._replace(segments=[segment("a", 56, 2), segment("c", 16, 3), segment("d", 16, 1)])
    assert [problem.subject for problem in judge_spool(first, later, 61_000)] == ["c"]
    assert judge_spool(first, first, 61_000) == []
    damaged = first._replace(segments=[segment("a", 16, 3, "its header is damaged")], aside=["x.unreadable"])
    assert [problem.subject for problem in judge_spool(damaged, damaged, 61_000)] == ["x.unreadable", "a"]


def test_wrong_outweighs_unknown_and_unknown_good():
    """The exit code is 1 if anything is wrong, else 2 if anything could not be looked at, else 0."""
    good = judged(CHECKS[0], [], "fine")
    unknown = unseen(CHECKS[1], "it is away")
    wrong = judged(CHECKS[2], [Problem("portal", "x", "one"), Problem(None, "y", "two")], "fine")
    for lines, code in (
        ([good], 0),
        ([unknown, good], 2),
        ([wrong, unknown, good], 1),
    ):
        report = summed_up(lines, as_of="now", version="1", sites=1200)
        assert report.exit_code == code
        assert [line.check for line in report.checks] == [name.key for name in CHECKS[: len(lines)]]
    assert wrong.detail == "portal: one (and 1 more)"
    assert summary(report) == "Of 3 checks for 1,200 sites: 1 wrong, 1 could not be looked at, 1 good."


def test_problems_are_bounded_and_counted():
    """A report stays readable by a machine however much is wrong."""
    line = judged(CHECKS[0], [Problem("portal", str(n), "x") for n in range(MOST_PROBLEMS + 5)], "")
    assert (len(line.problems), line.problem_count) == (MOST_PROBLEMS, MOST_PROBLEMS + 5)
