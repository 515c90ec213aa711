"""Changes of sites, for the command line and for HTTP alike."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from counter.administration.acting import acting
from counter.administration.documents import DEFAULTS, document_of, enabled_of, key_of, merged
from counter.administration.plan import Plan, Wanted, make_plan
from counter.database import Connection
from counter.errors import ChangedMeanwhileError, SiteError
from counter.sites.model import Site
from counter.sites.store import SiteStore

MOST_SITES: Final = 500


class SitePage(NamedTuple):
    """Some sites in the order of their keys; `next` is the key after which the next page begins, if any."""

    sites: list[Site]
    next: str | None


class SiteAdministration:
    """Adds, changes, lists and removes sites in somebody's name."""

    def __init__(self, connection: Connection, actor: str) -> None:
        self._connection = connection
        self._store = SiteStore(connection)
        self._actor = actor

    async def list_some(
        self, *, after: str = "", search: str = "", limit: int = 50, only: str | None = None
    ) -> SitePage:
        """Return a page of sites.

        Args:
            after: their keys come after this one.
            search: a text in the key, the name or a host of each.
            limit: how many at most.
            only: leave out all but this one.
        """
        found = await self._store.page(after, search, 0, limit + 1, only)
        return SitePage(found[:limit], found[limit - 1].key if len(found) > limit else None)

    async def add(self, document: Mapping[str, Any]) -> Site:
        """Register a site.

        Raises:
            SiteError: the document is no site.
            SiteExistsError: the key is taken.
        """
        key, settings = key_of(document), merged(DEFAULTS, document)
        enabled = enabled_of(document, default=True)
        async with acting(self._connection, self._actor):
            site = await self._store.add(key, settings)
            return site if enabled else await self._store.enable(key, enabled=False)

    async def change(self, key: str, document: Mapping[str, Any], tags: Sequence[str] = ()) -> Site:
        """Change what a document names; null brings back the default.

        Args:
            key: of the site.
            document: the fields to change.
            tags: entity tags; the site must still have one of them, unless there is none or `*`.

        Raises:
            UnknownSiteError: there is no such site.
            ChangedMeanwhileError: it is not as the tags say.
            SiteError: the document is no change of this site.
        """
        if document.get("key", key) != key:
            raise SiteError("key: it stays; add a new site instead")
        async with acting(self._connection, self._actor):
            site = await self._store.find_to_change(key)
            _check_tags(site, tags)
            settings = merged(site.settings, document)
            enabled = enabled_of(document, default=site.enabled)
            if settings != site.settings:
                site = await self._store.change(key, settings)
            if enabled != site.enabled:
                site = await self._store.enable(key, enabled=enabled)
        return site

    async def remove(self, key: str, confirmed: str | None, tags: Sequence[str] = ()) -> None:
        """Remove a site with all its numbers, for good.

        Args:
            key: of the site.
            confirmed: the key once more, as somebody typed it.
            tags: as for `change`.

        Raises:
            SiteError: it was not confirmed.
            UnknownSiteError: there is no such site.
            ChangedMeanwhileError: it is not as the tags say.
        """
        if confirmed != key:
            raise SiteError(f"nothing was removed; confirm it with the key {key}")
        async with acting(self._connection, self._actor):
            _check_tags(await self._store.find_to_change(key), tags)
            await self._store.remove(key)

    async def apply(
        self,
        wanted: Sequence[Wanted],
        *,
        prune: bool = False,
        dry_run: bool = False,
        confirmed: int | None = None,
    ) -> Plan:
        """Let the sites be as declared: all of them, or none if anything fails.

        Args:
            wanted: the sites that are declared.
            prune: remove all others, with their numbers.
            dry_run: change nothing.
            confirmed: how many sites may go, as somebody typed it.

        Raises:
            SiteError: a site is declared twice, or it was not confirmed that sites go.
            SiteExistsError: a key is not free yet.
        """
        async with acting(self._connection, self._actor):
            plan = make_plan(await self._store.list_to_change(), wanted, prune=prune)
            if dry_run or plan.is_empty:
                return plan
            if plan.removed and confirmed != len(plan.removed):
                raise SiteError(
                    f"nothing was changed; {len(plan.removed)} sites would be removed "
                    "with all their numbers, so confirm this number"
                )
            await self._carry_out(plan)
        return plan

    async def _carry_out(self, plan: Plan) -> None:
        changed = [after for before, after in plan.changed if before.settings != after.settings]
        await self._store.write_many(
            [(site.key, site.settings) for site in plan.added],
            [(site.key, site.settings) for site in changed],
        )
        switched = [after for before, after in plan.changed if before.enabled != after.enabled]
        for site in [*switched, *(site for site in plan.added if not site.enabled)]:
            await self._store.enable(site.key, enabled=site.enabled)
        for site in plan.removed:
            await self._store.remove(site.key)


def site_tag(site: Site) -> str:
    """Return the entity tag of a site: it differs whenever anything about the site does."""
    body = msgspec.json.encode([site.id, document_of(site)])
    return f'"{blake2b(body, digest_size=9).hexdigest()}"'


def _check_tags(site: Site, tags: Sequence[str]) -> None:
    if tags and "*" not in tags and site_tag(site) not in tags:
        raise ChangedMeanwhileError
