"""CSV files, and what tells the tables of a source apart. Pure."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import chain, islice
from typing import ClassVar, Final, NamedTuple, Protocol

from counter.errors import ImportFileError, InvalidInputError
from counter.imports.records import Bad, Day, Page, Record, Row
from counter.sites.model import Site
from counter.sites.paths import normalise

MOST: Final = 2**53
"""No counter of a single site comes near; larger is a mistake."""
_FIRST_YEAR: Final = 1990
_NUMBER: Final = re.compile(r"\+?(\d{1,16})(?:\.0*)?", re.ASCII)


class Kind(NamedTuple):
    """How a table is recognised: by its columns, and in a dump by its name, too.

    Attributes:
        name: pattern of the table's name, whose group `prefix` is what sites in one database differ in.
    """

    name: str
    columns: frozenset[str]


class Source(Protocol):
    """Turns the rows of one kind of counter into records.

    Attributes:
        title: what people call it.
        kinds: its tables.
    """

    title: ClassVar[str]
    kinds: ClassVar[Mapping[str, Kind]]

    def take(self, kind: str, row: Row) -> Iterable[Record]:
        """Read one row.

        Raises:
            InvalidInputError: it cannot be understood.
        """

    def finish(self) -> Iterable[Record]:
        """Tell what only all rows together tell."""


def read_csv(lines: Iterable[str], file: str) -> Iterator[Row | Bad]:
    """Yield the rows of a CSV file whose first row names the columns; comma, semicolon or tab."""
    source = iter(lines)
    first = next(source, "").removeprefix("\ufeff")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(chain([first], source), delimiter=delimiter, strict=True)
    names: list[str] = []
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield Bad(file, reader.line_num, f"no CSV: {error}")
            continue
        if cells is None:
            return
        if not names:
            names = [name.strip().strip("`") for name in cells]
        elif len(cells) == len(names):
            yield Row(file, "", reader.line_num, dict(zip(names, map(_cell, cells), strict=True)))
        elif cells:
            yield Bad(file, reader.line_num, f"{len(cells)} cells for {len(names)} columns")


def _cell(text: str) -> str | None:
    """Return a cell, or None for what MySQL writes for NULL."""
    return None if text in {"\\N", "NULL"} else text


class Tables:
    """Tells the tables of a source.

    Args:
        prefix: of the tables in a dump; where it is not said, there may be one only.
    """

    def __init__(self, kinds: Mapping[str, Kind], prefix: str | None = None) -> None:
        self._kinds = {name: (re.compile(kind.name), kind.columns) for name, kind in kinds.items()}
        self._prefix = prefix
        self._known: dict[tuple[str, str], str | None] = {}
        self.prefixes: set[str] = set()
        self.found: set[str] = set()

    def wants(self, table: str) -> bool:
        """Tell whether a table of a dump may be of the source."""
        return any(self._prefixed(pattern, table) is not None for pattern, _ in self._kinds.values())

    def kind(self, row: Row) -> str | None:
        """Return which of the source's tables a row is of; None if it is of none.

        Raises:
            ImportFileError: tables of several sites are in the dump, and nobody said which.
        """
        key = (row.file, row.table)
        if key not in self._known:
            self._known[key] = self._find(row)
        return self._known[key]

    def _find(self, row: Row) -> str | None:
        for name, (pattern, columns) in self._kinds.items():
            if columns <= row.values.keys() and (prefix := self._prefixed(pattern, row.table)) is not None:
                self.found.add(name)
                self.prefixes |= {prefix} if row.table else set()
                if len(self.prefixes) > 1:
                    raise ImportFileError(
                        f"tables of several sites are in there, say which one: "
                        f"{' or '.join(f'--prefix {each}' for each in sorted(self.prefixes))}"
                    )
                return name
        return None

    def _prefixed(self, pattern: re.Pattern[str], table: str) -> str | None:
        if not table:
            return ""
        found = pattern.fullmatch(table)
        prefix = found["prefix"] if found else None
        return prefix if self._prefix is None or prefix == self._prefix else None


def read_source(
    source: Source, rows: Iterable[Row | Bad], tables: Tables, site: Site, today: date
) -> Iterator[Record]:
    """Yield what the rows of a source tell, its paths as the site spells them.

    Raises:
        ImportFileError: they are not of this source.
    """
    for row in rows:
        if isinstance(row, Bad):
            yield row
        elif kind := tables.kind(row):
            try:
                yield from [_checked(record, site, today) for record in source.take(kind, row)]
            except InvalidInputError as reason:
                yield Bad(row.file, row.line, str(reason))
    if not tables.found:
        columns = " or ".join(",".join(sorted(kind.columns)) for kind in source.kinds.values())
        raise ImportFileError(f"nothing of {source.title} is in there; its tables have the columns {columns}")
    yield from checked(source.finish(), site, today, source.title)


def checked(records: Iterable[Record], site: Site, today: date, file: str) -> Iterator[Record]:
    """Yield records whose own rows are not known any more; one that cannot count is bad, with its path."""
    for record in records:
        try:
            yield _checked(record, site, today)
        except InvalidInputError as reason:
            told = f"{record.path[:60]!a}: {reason}" if isinstance(record, Page) else str(reason)
            yield Bad(file, 0, told)


def _checked(record: Record, site: Site, today: date) -> Record:
    if isinstance(record, Day | Page) and record.day and record.day.year < _FIRST_YEAR:
        raise InvalidInputError(f"{record.day} is before there were counters")
    if isinstance(record, Day | Page) and record.day and record.day > today:
        raise InvalidInputError(f"{record.day} has not come yet")
    if isinstance(record, Page):
        return record._replace(path=normalise(record.path, site.settings.query_allow))
    return record


def text_of(row: Row, column: str) -> str:
    """Return what a cell holds.

    Raises:
        InvalidInputError: nothing.
    """
    found = row.values.get(column)
    if not found:
        raise InvalidInputError(f"{column} is empty")
    return found


def number_of(row: Row, column: str) -> int:
    """Return a count from 0.

    Raises:
        InvalidInputError: it is none.
    """
    return number(row.values.get(column) or "", column)


def number(text: str, name: str) -> int:
    """Read a count from 0.

    Raises:
        InvalidInputError: it is none.
    """
    found = _NUMBER.fullmatch(text.strip())
    if not found or int(found[1]) > MOST:
        raise InvalidInputError(f"{name} is no count: {text[:40]!a}")
    return int(found[1])


def known_number(row: Row, columns: Sequence[str]) -> int | None:
    """Return the count in the first of some columns that is there; None if none is, or it is empty."""
    for column in islice((each for each in columns if each in row.values), 1):
        return number_of(row, column) if row.values[column] else None
    return None


def day_of(row: Row, column: str) -> date:
    """Return a day that is spelt `2024-05-17`, perhaps with a time behind it.

    Raises:
        InvalidInputError: it is none.
    """
    text = text_of(row, column)
    try:
        return date.fromisoformat(text[:10])
    except ValueError as error:
        raise InvalidInputError(f"{column} is no day such as 2024-05-17: {text[:40]!a}") from error


def instant_of(row: Row, column: str) -> int:
    """Return ms since the epoch of a time in ISO 8601 (UTC if it has no offset) or Unix seconds.

    Raises:
        InvalidInputError: it is none.
    """
    text = text_of(row, column).strip()
    if text.isascii() and text.isdigit():
        return _bounded(int(text[:16]) * 1000, column)
    try:
        at = datetime.fromisoformat(text)
        at_ms = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise InvalidInputError(f"{column} is no time: {text[:40]!a}") from error
    return _bounded(at_ms, column)


def _bounded(at_ms: int, column: str) -> int:
    if not 0 <= at_ms < 253_370_000_000_000:  # noqa: PLR2004 - in the year 9998
        raise InvalidInputError(f"{column} is no time of a counter")
    return at_ms
