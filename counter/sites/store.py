"""The sites in Postgres."""

from collections.abc import AsyncGenerator
from dataclasses import astuple
from typing import Final, NamedTuple

import asyncpg

from counter.database import Connection, read_query, translated
from counter.errors import SiteExistsError, UnknownSiteError
from counter.sites.model import Site, SiteSettings, check_key

MANY_SECONDS: Final = 60
"""How long many sites may take."""
SITES_AT_ONCE: Final = 250
"""How many are built from their rows in one go: some ms of work."""


class Moment(NamedTuple):
    """When the sites were looked at, by the transactions of one server, since it was started."""

    server: str
    horizon: str


class SiteStore:
    """Adds, changes and lists sites."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, key: str, settings: SiteSettings) -> Site:
        """Register a site.

        Raises:
            SiteError: the key is malformed.
            SiteExistsError: the key is taken, or its former numbers are still being cleared.
        """
        with translated():
            if await self._connection.fetchval(read_query("sites.is_being_removed"), check_key(key)):
                raise SiteExistsError(
                    f"the numbers of the removed site {key} are still being cleared; try again in a minute"
                )
            try:
                row = await self._connection.fetchrow(read_query("sites.add"), key, *_values(settings))
            except asyncpg.UniqueViolationError as error:
                raise SiteExistsError(f"the site {key} exists already") from error
        return _site(row, key)

    async def change(self, key: str, settings: SiteSettings) -> Site:
        """Replace a site's settings.

        Raises:
            UnknownSiteError: there is no such site.
        """
        with translated():
            return _site(
                await self._connection.fetchrow(read_query("sites.change"), key, *_values(settings)), key
            )

    async def enable(self, key: str, *, enabled: bool) -> Site:
        """Let a site count, or not.

        Raises:
            UnknownSiteError: there is no such site.
        """
        with translated():
            return _site(await self._connection.fetchrow(read_query("sites.enable"), key, enabled), key)

    async def remove(self, key: str) -> Site:
        """Remove a site and all its durable numbers, and return what it was.

        Raises:
            UnknownSiteError: there is no such site.
        """
        with translated():
            return _site(await self._connection.fetchrow(read_query("sites.remove"), key), key)

    async def find(self, key: str) -> Site:
        """Return a site.

        Raises:
            UnknownSiteError: there is no such site.
        """
        with translated():
            return _site(await self._connection.fetchrow(read_query("sites.find"), key), key)

    async def find_to_change(self, key: str) -> Site:
        """Return a site, which nobody else changes until the end of the transaction.

        Raises:
            UnknownSiteError: there is no such site.
        """
        with translated():
            return _site(await self._connection.fetchrow(read_query("sites.find_to_change"), key), key)

    async def page(
        self, after: str, search: str, offset: int, limit: int, only: str | None = None
    ) -> list[Site]:
        """Return some sites in the order of their keys.

        Args:
            after: their keys come after this one.
            search: a text in the key, the name or a host of each.
            offset: how many of them are left out.
            limit: how many at most.
            only: leave out all but this one.
        """
        with translated():
            rows = await self._connection.fetch(
                read_query("sites.page"), after, search.lower(), offset, limit, only
            )
        return [Site.of(dict(row)) for row in rows]

    async def count(self, search: str) -> int:
        """Return how many sites have a text in their key, name or a host."""
        with translated():
            return int(await self._connection.fetchval(read_query("sites.count"), search.lower()))

    async def list_to_change(self) -> list[Site]:
        """Return all sites, which nobody else changes until the end of the transaction."""
        with translated():
            rows = await self._connection.fetch(read_query("sites.list_to_change"))
        return [Site.of(dict(row)) for row in rows]

    async def write_many(
        self, added: list[tuple[str, SiteSettings]], changed: list[tuple[str, SiteSettings]]
    ) -> None:
        """Add and change many sites in a few messages.

        Raises:
            SiteExistsError: a key is taken by now.
        """
        with translated():
            try:
                for query, sites in ((read_query("sites.add"), added), (read_query("sites.change"), changed)):
                    rows = [(key, *_values(settings)) for key, settings in sites]
                    await self._connection.executemany(query, rows, timeout=MANY_SECONDS)
            except asyncpg.UniqueViolationError as error:
                raise SiteExistsError("a site was added meanwhile; try again") from error

    async def moment(self) -> tuple[Moment, int]:
        """Return the moment of this look, and how many sites there are."""
        with translated():
            server, horizon, number = (await self._connection.fetch(read_query("sites.moment")))[0]
        return Moment(server, horizon), number

    async def changed_since(self, horizon: str | None) -> AsyncGenerator[list[Site]]:
        """Yield the sites that changed since a moment, or all of them, some at a time.

        Args:
            horizon: of a moment of this server; what was under way then counts as changed.
        """
        after = ""
        while True:
            with translated():
                rows = await self._connection.fetch(
                    read_query("sites.changed"), horizon, after, SITES_AT_ONCE
                )
            yield [Site.of(dict(row)) for row in rows]
            if len(rows) < SITES_AT_ONCE:
                return
            after = rows[-1]["key"]

    async def keys(self) -> set[str]:
        """Return the keys of all sites."""
        with translated():
            return {row["key"] for row in await self._connection.fetch(read_query("sites.keys"))}

    async def list_all(self) -> list[Site]:
        """Return all sites in the order of their keys."""
        with translated():
            return [Site.of(dict(row)) for row in await self._connection.fetch(read_query("sites.list_all"))]


def _values(settings: SiteSettings) -> tuple[object, ...]:
    return astuple(settings)


def _site(row: "asyncpg.Record | None", key: str) -> Site:
    if row is None:
        raise UnknownSiteError(f"there is no site {key}")
    return Site.of(dict(row))
