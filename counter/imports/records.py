"""What every source of old numbers is read into: rows of its tables, then records without its words. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple, TypeAlias


class Bad(NamedTuple):
    """A row that cannot be understood: where it stands (lines from 1), and why."""

    file: str
    line: int
    reason: str


class Row(NamedTuple):
    """One row of a table.

    Attributes:
        table: its name; empty in a CSV file, which has one table.
        line: where the row ends in a CSV file, or begins in a dump, from 1.
        values: column → text, None for NULL.
    """

    file: str
    table: str
    line: int
    values: Mapping[str, str | None]


class Day(NamedTuple):
    """A part of a site-local day, in the figures that its source knows.

    Attributes:
        hour: the local hour in which all of it was, if that is known.
    """

    day: date
    views: int | None = None
    visits: int | None = None
    visitors: int | None = None
    bots: int = 0
    hour: int | None = None


class Page(NamedTuple):
    """Views of a page, as its source spells it; on a day, or at an unknown time."""

    path: str
    views: int
    day: date | None = None


class Balance(NamedTuple):
    """What the old counter showed as its total, in the figures that it knows.

    Attributes:
        whole: whether the days of the same source are in it; else it is what came before them.
    """

    views: int | None = None
    visits: int | None = None
    visitors: int | None = None
    whole: bool = False


Record: TypeAlias = Day | Page | Balance | Bad
