"""Views of pages: what is closed is asked of Postgres once, what is open of Redis each time."""

from collections.abc import Sequence
from typing import Final

import structlog

from counter.aggregates.store import AggregateStore, RowKey
from counter.buckets.store import BucketStore
from counter.buckets.stored import OpenPages
from counter.database import Pool, acquired, answering_soon
from counter.errors import CounterError
from counter.sites.model import Site
from counter.widget.snapshots import RefreshBase

KEPT_PAGES: Final = 50_000

log = structlog.get_logger(__name__)


class PageViews:
    """Answers how often pages were viewed.

    The closed part of a page's views cannot change while its site's base keeps its revision, so it is
    remembered under that revision, in bounded memory.
    """

    def __init__(self, store: BucketStore, pool: Pool, refresh_base: RefreshBase) -> None:
        self._store = store
        self._pool = pool
        self._refresh_base = refresh_base
        self._closed: dict[tuple[str, str, str], int] = {}

    async def of(self, site: Site, pages: Sequence[str]) -> list[int | None]:
        """Return the views of each page, None where they cannot be known at the moment."""
        try:
            found = await self._store.read_pages(site.key, pages)
            if found.revision is None:
                async with answering_soon():
                    await self._refresh_base(site.key)
                found = await self._store.read_pages(site.key, pages)
            if found.revision is None:
                return [None] * len(pages)
            closed = await self._closed_views(site, pages, found, found.revision)
        except CounterError as error:
            log.warning("views unknown", site=site.key, reason=str(error))
            return [None] * len(pages)
        return [closed[page] + views for page, views in zip(pages, found.views, strict=True)]

    async def _closed_views(
        self, site: Site, pages: Sequence[str], found: OpenPages, revision: str
    ) -> dict[str, int]:
        known = {page: self._closed.get((site.key, revision, page)) for page in pages}
        missing = [page for page, views in known.items() if views is None]
        if missing:
            known |= await self._ask_postgres(site, missing, found, revision)
        return {page: views for page, views in known.items() if views is not None}

    async def _ask_postgres(
        self, site: Site, pages: Sequence[str], found: OpenPages, revision: str
    ) -> dict[str, int]:
        lane = self._store.lane_of(site.key).lane
        without = [RowKey(site.id, name.day, name.generation, part, lane) for name, part in found.open]
        async with answering_soon(), acquired(self._pool) as connection:
            views = await AggregateStore(connection).page_views(site.id, pages, without)
        answer = {page: views.get(page, 0) for page in pages}
        for page, closed in answer.items():
            self._closed[site.key, revision, page] = closed
        while len(self._closed) > KEPT_PAGES:
            del self._closed[next(iter(self._closed))]
        return answer
