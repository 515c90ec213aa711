"""What must hold of the servers, the lists of buckets and the rows, as it was read at one moment. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from counter.buckets.keys import BucketName
from counter.checks.counts import Figures, figure_faults
from counter.checks.findings import EVICTION, MEMORY, PERSISTENCE, Check, Problem, judged

SAFE_POLICY: Final = "noeviction"
FULL: Final = 0.9
"""Share of the memory that may be used."""
MEGABYTE: Final = 1024 * 1024


def judge_eviction(policy: str) -> Check:
    """Redis never throws counts away to make room."""
    detail = f"maxmemory-policy is {policy}, which may evict counts; it has to be {SAFE_POLICY}"
    problems = [] if policy == SAFE_POLICY else [Problem(None, "maxmemory-policy", detail)]
    return judged(EVICTION, problems, policy)


def judge_persistence(*, appends: bool, fault: str) -> Check:
    """Redis writes down what it is told."""
    problems = []
    if not appends:
        detail = "appendonly is off: a crash of Redis loses what was not rolled up"
        problems.append(Problem(None, "appendonly", detail))
    elif fault:
        detail = f"the append-only file is not well: {fault}"
        problems.append(Problem(None, "appendonly", detail))
    return judged(PERSISTENCE, problems, "on")


def judge_memory(used: int, most: int) -> Check:
    """Redis has room left; without a limit the machine's memory is all there is."""
    used_mb, most_mb = used // MEGABYTE, most // MEGABYTE
    if not most:
        return judged(MEMORY, [], f"{used_mb:,} MB used, no limit set")
    share = f"{used_mb:,} of {most_mb:,} MB used ({used / most:.0%})"
    numbers = {"used": used, "maxmemory": most}
    problem = Problem(
        None, "maxmemory", f"{share}: when it is full, hits are refused; raise maxmemory", numbers
    )
    return judged(MEMORY, [problem] if used > FULL * most else [], share)


def judge_migrations(applied: Iterable[str], shipped: Iterable[str]) -> list[Problem]:
    """The database has the migrations of this version and no other."""
    has, needs = set(applied), set(shipped)
    problems = []
    if needs - has:
        detail = f"the database lacks {_listed(needs - has)}; run `counter migrate`"
        problems.append(Problem(None, "schema_migrations", detail))
    if has - needs:
        detail = f"the database has {_listed(has - needs)} of a newer version; run that version"
        problems.append(Problem(None, "schema_migrations", detail))
    return problems


def judge_listing(
    name: BucketName, *, exists: bool, indexed: bool, opened: bool, dirty: bool
) -> list[Problem]:
    """A bucket is in both lists from its first hit until it is closed, and in none afterwards."""
    if exists and indexed and opened:
        return []
    missing = []
    if exists:
        missing += [] if indexed else ["it is missing in the site's index, so the widget does not show it"]
        missing += [] if opened else ["it is missing in the list of open ones, so no rollup closes it"]
    elif indexed or opened or dirty:
        missing.append("it is listed, but its counts are gone")
    return [Problem(name.site, str(name), f"the bucket of {name.day}: {detail}") for detail in missing]


def judge_lane(name: BucketName, lane: str, own_lane: str, lanes: int) -> list[Problem]:
    """A bucket is in the lane of its site."""
    if lane == own_lane:
        return []
    detail = (
        f"the bucket of {name.day} is in lane {lane}, but with COUNTER_LANES={lanes} the widget looks "
        f"into lane {own_lane}"
    )
    return [Problem(name.site, str(name), detail)]


def judge_row(site: str, name: str, figures: Figures) -> list[Problem]:
    """A row holds nothing that none may hold."""
    return [Problem(site, name, f"{name}: {detail}", numbers) for detail, numbers in figure_faults(figures)]


def judge_pages(site: str, name: str, *, page_views: int, least: int, day_views: int) -> list[Problem]:
    """The pages of a day have no more views together than the day."""
    problems = []
    if page_views > day_views:
        numbers = {"pages": page_views, "day": day_views}
        detail = f"{name}: its pages have {page_views:,} views together, the day has {day_views:,}"
        problems.append(Problem(site, name, detail, numbers))
    if least < 0:
        problems.append(Problem(site, name, f"{name}: a page has {least:,} views", {"value": least}))
    return problems


def judge_lateness(
    unwritten: Mapping[str, Sequence[str]], unclosed: Mapping[str, Sequence[str]], seconds: float
) -> list[Problem]:
    """What was open when the audit began is written down, and closed if its day is over, within some rollups.

    Args:
        unwritten: site → days whose buckets still wait for a rollup.
        unclosed: site → days that are over and still open.
        seconds: how long they were given.
    """
    late = [
        Problem(site, day, f"{day}: hits wait for a rollup for more than {seconds:g} s")
        for site, days in unwritten.items()
        for day in days
    ]
    return late + [
        Problem(site, day, f"{day} is over and was not closed within {seconds:g} s")
        for site, days in unclosed.items()
        for day in days
    ]


def _listed(versions: Iterable[str]) -> str:
    return ", ".join(sorted(versions))
