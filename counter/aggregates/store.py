"""All that is asked of Postgres about counts."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import date
from typing import Final, NamedTuple, Self

import asyncpg
import msgspec

from counter.database import Connection, read_query, translated
from counter.errors import GenerationEndedError

LOCK_SECONDS: Final = 2
PAGES_AT_ONCE: Final = 4000
"""How many page rows a statement writes at most."""


class RowKey(NamedTuple):
    """Identifies one aggregate; the order of these keys is the order in which visitors are credited."""

    site_id: int
    day: date
    generation: str
    part: int
    lane: str


class Row(NamedTuple):
    """One aggregate: the absolute values of a bucket.

    Attributes:
        visitors: those that the rows of the day before this one do not have.
        pages: page → views, as far as they are to be written.
        tokens: worker → the sequence of its last batch that is in the bucket.
    """

    key: RowKey
    views: int
    visits: int
    visitors: int
    bots: int
    hour_views: list[int]
    hour_visits: list[int]
    sketch: bytes
    version: int
    pages: dict[str, int]
    tokens: dict[str, int]


class Sums(NamedTuple):
    """Figures of a site over one or more days."""

    views: int
    visits: int
    visitors: int
    bots: int


class _Pages(NamedTuple):
    """Pages of rows, by columns: id of the site, path, number of the row from 1 on, views."""

    sites: list[int]
    paths: list[str]
    numbers: list[int]
    views: list[int]

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        pages = cls([], [], [], [])
        for number, row in enumerate(rows, 1):
            many = len(row.pages)
            pages.sites.extend([row.key.site_id] * many)
            pages.paths.extend(row.pages.keys())
            pages.numbers.extend([number] * many)
            pages.views.extend(row.pages.values())
        return pages

    def parts(self, most: int) -> list[Self]:
        """Return all of them, so many at a time; one part if there are none."""
        return [
            self._replace(**{name: column[first : first + most] for name, column in self._asdict().items()})
            for first in range(0, len(self.paths) or 1, most)
        ]


class _Rows(NamedTuple):
    """What one call writes."""

    rows: Sequence[Row]
    read_in: tuple[str, str] | None
    alone: bool

    def columns(self) -> list[object]:
        keys, views, visits, visitors, bots, hour_views, hour_visits, sketches, versions, _pages, tokens = (
            zip(*self.rows, strict=True) if self.rows else [()] * len(Row._fields)
        )
        return [
            *(self.read_in or (None, None)),
            self.alone,
            *map(_array, _key_columns(keys)),
            *map(_array, (views, visits, visitors, bots)),
            *map(_arrays, (hour_views, hour_visits)),
            *(sketches, _array(versions)),
            _json(tokens),
        ]


class AggregateStore:
    """The durable counts, over one connection, so that what guards the connection guards the writes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._plans_anew = False

    async def enter_generation(self, lane: str, generation: str) -> bool:
        """Note a generation whose buckets are about to be read; tell whether their rows may be written."""
        with translated():
            return bool(
                await self._connection.fetchval(read_query("aggregates.enter_generation"), lane, generation)
            )

    async def write(
        self, rows: Sequence[Row], read_in: tuple[str, str] | None = None, *, alone: bool = False
    ) -> bool:
        """Write buckets, all or nothing; doing it again, or out of order, changes nothing.

        Args:
            rows: one for each bucket.
            read_in: lane and generation that were current when the buckets were read; None for an import.
            alone: whether they may be written only if each is the only one of its day.

        Returns:
            False if one of them should be alone and is not; then nothing was written.

        Raises:
            GenerationEndedError: a worker has found out meanwhile that it is over; nothing was written.
            AggregatesUnavailableError: nothing was written, or the outcome is unknown.
        """
        if alone and len({(row.key.site_id, row.key.day) for row in rows}) < len(rows):
            return False
        written = _Rows(rows, read_in, alone)
        parts = _Pages.of(rows).parts(PAGES_AT_ONCE)
        with translated():
            if not self._plans_anew:
                await self._connection.execute(read_query("aggregates.plan_anew"))
                self._plans_anew = True
            if len(parts) == 1 and read_in:
                with suppress(asyncpg.UniqueViolationError):  # of a new page, which somebody else has as well
                    return await self._write(written, parts[0])
            for part in parts:
                await self._connection.execute(read_query("aggregates.name_pages"), part.sites, part.paths)
            async with self._connection.transaction():
                return all([await self._write(written, part) for part in parts])

    async def find_counted(
        self, lane: str, generation: str, worker: str, sequence: int, days: Iterable[tuple[int, date]]
    ) -> set[tuple[int, date]]:
        """Return those of some sites' days whose rows have a worker's batch; from now on none gets it.

        Args:
            lane: of the batch.
            generation: the current one; rows that were read in another one are not written any more.
            worker: whose batch it is.
            sequence: its number.
            days: pairs of a site's id and a local day.

        Raises:
            AggregatesUnavailableError: it cannot be found out now.
        """
        wanted = list(days)
        with translated():
            async with self._connection.transaction():
                await self._connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
                await self._connection.fetchval(read_query("aggregates.enter_generation"), lane, generation)
                await self._connection.execute(
                    read_query("aggregates.close_other_generations"), lane, generation
                )
                rows = await self._connection.fetch(
                    read_query("aggregates.counted"),
                    lane,
                    worker,
                    sequence,
                    [site for site, _day in wanted],
                    [day for _site, day in wanted],
                )
        return {(row["site_id"], row["day"]) for row in rows}

    async def _write(self, written: "_Rows", pages: _Pages) -> bool:
        """Write buckets and some of their pages in one statement; False if a bucket is not alone.

        Raises:
            UniqueViolationError: somebody else named a new page meanwhile, or wrote its row.
        """
        ids = await self._page_ids(pages)
        values = [*written.columns(), *map(_array, (pages.numbers, ids, pages.views))]
        is_open, are_alone = (await self._connection.fetch(read_query("aggregates.upsert"), *values))[0]
        if not is_open:
            raise GenerationEndedError
        return bool(are_alone)

    async def _page_ids(self, pages: _Pages) -> list[int]:
        """Return the ids of pages, below zero if they get one only now.

        It is a statement of its own: of two that name the same pages at once, none waits long.
        """
        if not pages.paths:
            return []
        ids: list[int] = await self._connection.fetchval(
            read_query("aggregates.page_ids"), _array(pages.sites), _json(pages.paths)
        )
        return ids

    async def sketches_beside(self, keys: Sequence[RowKey]) -> dict[RowKey, bytes]:
        """Return the HyperLogLogs of all other rows of the days of some rows."""
        with translated():
            rows = await self._connection.fetch(read_query("aggregates.sketches_beside"), *_key_columns(keys))
        return {RowKey(*row[:-1]): row[-1] for row in map(tuple, rows)}

    async def totals(self, sites: Sequence[int], without: Sequence[RowKey]) -> dict[int, Sums]:
        """Return each site's sums over all days and adjustments, but for some rows."""
        with translated():
            rows = await self._connection.fetch(
                read_query("aggregates.totals"), sites, *_key_columns(without)
            )
        return {row[0]: Sums(*row[1:]) for row in map(tuple, rows)}

    async def days(
        self, sites: Sequence[int], without: Sequence[RowKey], first_day: date
    ) -> dict[tuple[int, date], tuple[Sums, int]]:
        """Return each site's sums of each day since `first_day` that has any, but for some rows.

        Beside the sums stands how many of the visitors no sketch has, so that they are apart from all others.
        """
        with translated():
            rows = await self._connection.fetch(
                read_query("aggregates.days"), sites, *_key_columns(without), first_day
            )
        return {(row[0], row[1]): (Sums(*row[2:-1]), row[-1]) for row in map(tuple, rows)}

    async def adjusted_days(self, sites: Sequence[int], first_day: date) -> dict[tuple[int, date], Sums]:
        """Return the sums of each site's adjustments of each day since `first_day` that has any."""
        with translated():
            rows = await self._connection.fetch(read_query("aggregates.adjusted_days"), sites, first_day)
        return {(row[0], row[1]): Sums(row[2], row[3], row[4], 0) for row in map(tuple, rows)}

    async def removed_sites(self) -> list[str]:
        """Return the sites that are registered no longer, and of which Redis may still have something."""
        with translated():
            return [
                row["key"] for row in await self._connection.fetch(read_query("aggregates.removed_sites"))
            ]

    async def forget_removed(self, keys: Sequence[str]) -> None:
        """Note that Redis has nothing of some removed sites any more."""
        with translated():
            await self._connection.execute(read_query("aggregates.forget_removed"), keys)

    async def page_views(self, site: int, paths: Sequence[str], without: Sequence[RowKey]) -> dict[str, int]:
        """Return the views of those pages of a site that are known here, but for some rows."""
        with translated():
            rows = await self._connection.fetch(
                read_query("aggregates.page_views"), site, paths, *_key_columns(without)[1:]
            )
        return {row["path"]: row["views"] for row in rows}

    async def existing_sites(self, keys: Collection[str]) -> set[str]:
        """Return those of some sites that are registered."""
        if not keys:
            return set()
        with translated():
            rows = await self._connection.fetch(read_query("aggregates.existing_sites"), list(keys))
        return {row["key"] for row in rows}

    async def adjusted_since(self, last_id: int) -> tuple[int, set[str]]:
        """Return the id of the ledger's last row, and which sites' ledgers grew since `last_id`."""
        with translated():
            rows = await self._connection.fetch(read_query("aggregates.adjusted_since"), last_id)
        return max((row["last_id"] for row in rows), default=last_id), {row["site"] for row in rows}


def _key_columns(keys: Sequence[RowKey]) -> list[Sequence[object]]:
    sites, days, generations, parts, lanes = zip(*keys, strict=True) if keys else [()] * len(RowKey._fields)
    return [sites, days, lanes, generations, parts]


def _array(values: Sequence[object]) -> str:
    """Spell an array of integers, days or plain names: a list takes the driver seven times as long."""
    return "{" + _json(values)[1:-1] + "}"


def _arrays(values: Sequence[list[int]]) -> str:
    """Spell an array of texts, each of which spells an array of integers."""
    return '{"{' + _json(values)[2:-2].replace("],[", '}","{') + '}"}' if values else "{}"


def _json(value: object) -> str:
    """Spell what has no array type of its own: an array, or an object."""
    return msgspec.json.encode(value).decode()
