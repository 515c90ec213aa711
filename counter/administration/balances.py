"""What may be entered into the ledger: days that were, pages in one spelling, lists of old views. Pure."""

import csv
from collections import Counter
from datetime import date
from hashlib import sha256
from typing import Final, NamedTuple

from counter.aggregates.entries import MAX_AMOUNT, Entry
from counter.errors import InvalidInputError, SiteError
from counter.sites.model import METRICS
from counter.sites.paths import normalise

FIRST_DAY: Final = date(1990, 1, 1)
COLUMNS: Final = 2
MOST_LINES: Final = 1_000_000
ALL: Final = "all"


class Balances(NamedTuple):
    """Opening balances of pages.

    Attributes:
        views: by page; several spellings of one page are added up.
        lines: how many lines there were.
        source: SHA-256 of what they say, by which the same list is known again.
    """

    views: dict[str, int]
    lines: int
    source: str


def read_balances(body: bytes, name: str, query_allow: tuple[str, ...]) -> Balances:
    """Read a list as it comes over the wire or from a file.

    Raises:
        SiteError: it is not in UTF-8, or a line is no pair of a path and views; the message has its number.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SiteError(f"{name} is not in UTF-8") from error
    return parse_balances(text, name, query_allow)


def parse_balances(text: str, name: str, query_allow: tuple[str, ...]) -> Balances:
    """Read a CSV of paths (or URLs) and views, with or without a headline `path,views`.

    Raises:
        SiteError: a line is no such pair; the message has its number.
    """
    views: Counter[str] = Counter()
    lines = 0
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(keepends=True), strict=True)
    try:
        for row in reader:
            if not row or (lines == 0 and [cell.strip().lower() for cell in row] == ["path", "views"]):
                continue
            lines += 1
            if lines > MOST_LINES:
                raise SiteError(f"{name}: it has more than {MOST_LINES:,} lines")
            page, number = _pair(row, query_allow)
            views[page] += number
    except (csv.Error, InvalidInputError) as error:
        raise SiteError(f"{name}:{reader.line_num}: {error}") from error
    if not lines:
        raise SiteError(f"{name}: it has no line `path,views`")
    said = "".join(f"{page}\t{number}\n" for page, number in sorted(views.items()))
    return Balances(dict(views), lines, sha256(said.encode()).hexdigest())


def entries_of(balances: Balances) -> list[Entry]:
    """Return what is to be added to the ledger."""
    return [Entry("views", number, None, page) for page, number in balances.views.items() if number]


def checked_day(day: date | None, today: date) -> date | None:
    """Return the day if something may have been counted on it.

    Raises:
        SiteError: it lies ahead, or before there were counters.
    """
    if day is not None and not FIRST_DAY <= day <= today:
        raise SiteError(f"the day is {FIRST_DAY} to {today}")
    return day


def checked_page(page: str | None, query_allow: tuple[str, ...]) -> str | None:
    """Return a page in its one spelling.

    Raises:
        SiteError: it is no page's path.
    """
    if page is None:
        return None
    try:
        return normalise(page, query_allow)
    except InvalidInputError as error:
        raise SiteError(f"page: {error}") from error


def metrics_of(metric: str, page: str | None) -> tuple[str, ...]:
    """Return the metrics that are adjusted: all of a site by default, the views of a page.

    Raises:
        SiteError: a page has no such metric.
    """
    if page is None:
        return METRICS if metric == ALL else (metric,)
    if metric not in {ALL, "views"}:
        raise SiteError("a page has views alone")
    return ("views",)


def _pair(row: list[str], query_allow: tuple[str, ...]) -> tuple[str, int]:
    if len(row) != COLUMNS:
        raise InvalidInputError("a line is a path, a comma and the views")
    number = row[1].strip()
    if not (number.isascii() and number.isdecimal() and int(number[:20]) <= MAX_AMOUNT):
        raise InvalidInputError(f"the views are 0 to {MAX_AMOUNT:,}, without dots or commas")
    return normalise(row[0].strip(), query_allow), int(number[:20])
