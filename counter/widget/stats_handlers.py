"""The address of the statistics page."""

import asyncio
from http import HTTPStatus
from typing import Final, NamedTuple

from aiohttp import web

from counter.http import NO_STORE, RETRY_SECONDS, cacheable
from counter.sites.model import Site
from counter.sites.registry import SiteRegistry
from counter.widget.block import parse_metric
from counter.widget.embed import AddressOf
from counter.widget.kept import Kept
from counter.widget.locales import Languages
from counter.widget.overview import Overviews
from counter.widget.periods import parse_asked
from counter.widget.render import Answer, tag
from counter.widget.stats import stats_page
from counter.widget.stats_past import View

FRESH: Final = "public, max-age=10, stale-while-revalidate=60"
STALE: Final = "no-cache"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept-Language",
    "X-Frame-Options": "DENY",
}
ROOM_BYTES: Final = 32 * 1024 * 1024
RENDERERS: Final = 2


class _Page(NamedTuple):
    """A page ready to be sent; `known` if it has numbers at all."""

    answer: Answer
    known: bool
    stale: bool


class StatsHandlers:
    """Look up, render, answer; a site whose statistics are not public is like an unknown one.

    A page takes some milliseconds to write, so it is kept for seconds, lest its readers slow down counting.

    Args:
        sites: all of them.
        overviews: what is known of one.
        languages: the page can be had in.
        asset: finds the page's files.
        fresh_seconds: how long a page is kept.
    """

    def __init__(
        self,
        sites: SiteRegistry,
        overviews: Overviews,
        languages: Languages,
        asset: AddressOf,
        *,
        fresh_seconds: float,
    ) -> None:
        self._sites = sites
        self._overviews = overviews
        self._languages = languages
        self._asset = asset
        self._pages = Kept[tuple[str, ...], _Page](
            fresh_seconds=fresh_seconds,
            weigh=lambda page: len(page.answer.body),
            room=ROOM_BYTES,
            readers=asyncio.Semaphore(RENDERERS),
        )

    def routes(self) -> list[web.RouteDef]:
        """Return the address of the page."""
        return [web.get("/sites/{site}", self.get_page)]

    async def get_page(self, request: web.Request) -> web.Response:
        """Answer with the page; where not even the numbers can be read, with dashes and 503."""
        site = self._sites.find_public(request.match_info["site"])
        view = View(
            unit=parse_asked(request.query.get("unit", "day"), None, None).unit,
            metric=parse_metric(request.query, site.settings.metric),
            language=self._languages.pick(
                request.query.get("lang") or site.settings.language,
                request.headers.get("Accept-Language", ""),
            ),
        )
        key = (site.key, view.unit, view.metric, view.language.code)
        page = (await self._pages.of(key, lambda: self._render(site, view))).value
        if not page.known:
            headers = HEADERS | NO_STORE | {"Retry-After": str(RETRY_SECONDS)}
            return cacheable(request, *page.answer, "text/html", headers, HTTPStatus.SERVICE_UNAVAILABLE)
        headers = HEADERS | {"Cache-Control": STALE if page.stale else FRESH}
        return cacheable(request, *page.answer, "text/html", headers)

    async def _render(self, site: Site, view: View) -> _Page:
        overview = await self._overviews.of(site, view.unit)
        body = stats_page(site, overview, view, self._languages, self._asset)
        return _Page(Answer(body, tag(body)), overview.snapshot is not None, overview.stale)
