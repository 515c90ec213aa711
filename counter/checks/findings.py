"""What an audit says: one check a line, each good, wrong, or not looked at. Pure."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

MOST_PROBLEMS: Final = 1000
"""So many problems of one check are told one by one; the others are only counted."""


class Result(StrEnum):
    """How a check, or the whole audit, came out."""

    GOOD = "good"
    WRONG = "wrong"
    UNKNOWN = "unknown"


EXIT_CODES: Final = {Result.GOOD: 0, Result.WRONG: 1, Result.UNKNOWN: 2}


class Name(NamedTuple):
    """One check, whatever it finds.

    Attributes:
        key: its name in JSON; it never changes.
        part: whose state it is about.
        subject: what is looked at.
    """

    key: str
    part: str
    subject: str


TOTALS: Final = Name("totals", "sites", "ledger + aggregates + not yet written = total shown")
BUCKETS: Final = Name("buckets", "sites", "open buckets in Redis against their rows in Postgres")
LISTED: Final = Name("listed", "sites", "every bucket is where rollup and widget look for it")
DAYS: Final = Name("days", "sites", "closed days in Redis = sums in Postgres")
ROWS: Final = Name("rows", "Postgres", "visits ≤ views, nothing negative, hours sum up to the day")
PAGES: Final = Name("pages", "Postgres", "views of the pages ≤ views of their day")
ROLLUP: Final = Name("rollup", "Postgres", "what Redis holds is written down in time")
LEASE: Final = Name("lease", "Postgres", "one process rolls up")
MIGRATIONS: Final = Name("migrations", "Postgres", "the schema is the one of this version")
EVICTION: Final = Name("eviction", "Redis", "maxmemory-policy")
PERSISTENCE: Final = Name("persistence", "Redis", "append-only file")
MEMORY: Final = Name("memory", "Redis", "room for more")
EXPIRY: Final = Name("expiry", "Redis", "nothing unconfirmed expires")
SALTS: Final = Name("salts", "Redis", "salts are gone 48 h after their day")
SPOOL: Final = Name("spool", "this host", "hits that wait on disk")

CHECKS: Final = (
    TOTALS, BUCKETS, LISTED, DAYS, ROWS, PAGES, ROLLUP, LEASE, MIGRATIONS,
    EVICTION, PERSISTENCE, MEMORY, EXPIRY, SALTS, SPOOL,
)  # fmt: skip
"""All checks in the order in which they are told."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
        site: whose, None if it is nobody's in particular.
        subject: the bucket, row, key or file, as it is spelled where it lies.
        detail: what is wrong, in a sentence that names the numbers.
        numbers: the figures of that sentence by name.
    """

    site: str | None
    subject: str
    detail: str
    numbers: dict[str, int] = {}


class Check(msgspec.Struct, frozen=True):
    """A line of the audit.

    Attributes:
        check: its stable name.
        detail: what was seen if it is good, what is wrong, or why it could not be looked at.
        problem_count: how many there are; `problems` holds the first `MOST_PROBLEMS`.
    """

    check: str
    part: str
    subject: str
    result: Result
    detail: str
    problem_count: int = 0
    problems: list[Problem] = []


class Report(msgspec.Struct, frozen=True):
    """The whole audit.

    Attributes:
        as_of: when it began, ISO 8601.
        sites: how many were looked at.
    """

    result: Result
    exit_code: int
    as_of: str
    version: str
    sites: int
    checks: list[Check]


def judged(name: Name, problems: Sequence[Problem], seen: str) -> Check:
    """Return the line of a check that was made; `seen` is what it says if nothing is wrong."""
    if not problems:
        return Check(*name, Result.GOOD, seen)
    first, more = problems[0], len(problems) - 1
    said = f"{first.site}: {first.detail}" if first.site else first.detail
    detail = f"{said} (and {more} more)" if more else said
    return Check(*name, Result.WRONG, detail, len(problems), list(problems[:MOST_PROBLEMS]))


def unseen(name: Name, reason: str) -> Check:
    """Return the line of a check that could not be made."""
    return Check(*name, Result.UNKNOWN, f"could not be looked at: {reason}")


def many(count: int, word: str) -> str:
    """Return a count with its noun, such as `1 site` and `1,200 sites`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def summed_up(checks: Iterable[Check], *, as_of: str, version: str, sites: int) -> Report:
    """Put the lines in order: wrong is wrong whatever else is unknown, and unknown is not good."""
    order = [name.key for name in CHECKS]
    lines = sorted(checks, key=lambda line: order.index(line.check))
    results = {line.result for line in lines}
    result = next((each for each in (Result.WRONG, Result.UNKNOWN) if each in results), Result.GOOD)
    return Report(result, EXIT_CODES[result], as_of, version, sites, lines)


def summary(report: Report) -> str:
    """Say in a sentence how it came out."""
    count = {result: sum(line.result is result for line in report.checks) for result in Result}
    sites = many(report.sites, "site")
    if report.result is Result.GOOD:
        return f"All {len(report.checks)} checks are good, for {sites}."
    said = [
        f"{count[Result.WRONG]} wrong" if count[Result.WRONG] else "",
        f"{count[Result.UNKNOWN]} could not be looked at" if count[Result.UNKNOWN] else "",
        f"{count[Result.GOOD]} good",
    ]
    return f"Of {len(report.checks)} checks for {sites}: {', '.join(filter(None, said))}."
