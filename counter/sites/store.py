"""The sites in Postgres."""

from dataclasses import astuple

import asyncpg

from counter.database import Connection, read_query, translated
from counter.errors import SiteError, UnknownSiteError
from counter.sites.model import Site, SiteSettings, check_key


class SiteStore:
    """Adds, changes and lists sites."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, key: str, settings: SiteSettings) -> Site:
        """Register a site.

        Raises:
            SiteError: the key is malformed or taken.
        """
        with translated():
            try:
                row = await self._connection.fetchrow(
                    read_query("sites.add"), check_key(key), *_values(settings)
                )
            except asyncpg.UniqueViolationError as error:
                raise SiteError(f"the site {key} exists already") from error
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
