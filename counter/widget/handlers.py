"""The addresses that show numbers: the widget, the views of pages."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from aiohttp import web

from counter.asked import Asked, Reply, Short, query_of
from counter.bodies import read_body
from counter.http import cacheable_json, preflight
from counter.ready import Ready
from counter.sites.model import Metric, Site
from counter.sites.registry import SiteRegistry
from counter.widget.block import parse_metric
from counter.widget.listing import pages_of, parse_listing
from counter.widget.pages import PageViews
from counter.widget.render import Answer, pages_answer, widget_answer
from counter.widget.snapshot import Snapshot
from counter.widget.snapshots import Snapshots

MAX_LISTING_BYTES: Final = 256 * 1024
FRESH: Final = "public, max-age=2, stale-while-revalidate=30"
STALE: Final = "no-cache"


class _Rendered(NamedTuple):
    """An answer, and what it was made of."""

    snapshot: Snapshot
    site: Site
    answer: Answer


class WidgetHandlers:
    """Look up, render, answer."""

    def __init__(self, sites: SiteRegistry, snapshots: Snapshots, pages: PageViews) -> None:
        self._sites = sites
        self._snapshots = snapshots
        self._pages = pages
        self._rendered: dict[tuple[str, str], _Rendered] = {}

    def short(self) -> list[Short]:
        """Return the short way of the address that is asked most."""
        return [Short("GET", "/v1/sites/{site}/widget", self.take_widget)]

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this room."""
        return [
            web.get("/v1/sites/{site}/widget", self.get_widget),
            web.options("/v1/sites/{site}/widget", preflight("GET, HEAD, OPTIONS")),
            web.get("/v1/sites/{site}/pages", self.get_pages),
            web.post("/v1/sites/{site}/pages", self.post_pages),
            web.options("/v1/sites/{site}/pages", preflight("GET, HEAD, POST, OPTIONS")),
        ]

    async def get_widget(self, request: web.Request) -> web.StreamResponse:
        """Answer with online, today, yesterday, week, month and total, and what they mean."""
        site = self._sites.find(request.match_info["site"])
        return self._show(request, site, await self._snapshots.of(site))

    def take_widget(self, asked: Asked, key: str, _body: bytes, reply: Reply) -> bool:
        """Answer as `get_widget` does, if the numbers are in memory."""
        site = self._sites.find(key)
        snapshot = self._snapshots.kept(site)
        answer = snapshot and self._show(asked, site, snapshot)
        if not isinstance(answer, Ready):
            return False
        reply(answer)
        return True

    def _show(self, asked: Asked, site: Site, snapshot: Snapshot) -> Ready | web.Response:
        metric = site.settings.metric
        if "?" in asked.raw_path:
            metric = parse_metric(query_of(asked), metric)
        answer = self._render(snapshot, site, metric)
        return cacheable_json(asked, answer.body, answer.etag, STALE if snapshot.stale else FRESH)

    def _render(self, snapshot: Snapshot, site: Site, metric: Metric) -> Answer:
        """Render a snapshot once, however often it is asked for."""
        kept = self._rendered.get((site.key, metric))
        if kept is None or kept.snapshot is not snapshot or kept.site is not site:
            kept = _Rendered(snapshot, site, widget_answer(snapshot, site, metric))
            self._rendered[site.key, metric] = kept
        return kept.answer

    async def get_pages(self, request: web.Request) -> web.StreamResponse:
        """Answer with the views of up to 500 pages, in the order in which they were asked for."""
        site = self._sites.find(request.match_info["site"])
        return await self._views(request, site, request.query.getall("path", []))

    async def post_pages(self, request: web.Request) -> web.StreamResponse:
        """Answer as to a GET; the paths of a long list, which no URL has room for, are in the body."""
        site = self._sites.find(request.match_info["site"])
        return await self._views(request, site, parse_listing(await read_body(request, MAX_LISTING_BYTES)))

    async def _views(self, request: web.Request, site: Site, asked: Sequence[str]) -> web.StreamResponse:
        pages = pages_of(asked, site.settings.query_allow)
        known = [page for page in pages if page is not None]
        views = dict(zip(known, await self._pages.of(site, known), strict=True)) if known else {}
        answer = pages_answer(
            [
                (raw if page is None else page, None if page is None else views[page])
                for raw, page in zip(asked, pages, strict=True)
            ]
        )
        return cacheable_json(request, answer.body, answer.etag, STALE if None in views.values() else FRESH)
