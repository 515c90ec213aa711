"""The addresses for pages without script: the badge, the fragment for a server's include, the iframe's page.

They show what the widget shows, so they are as public as it is. Where the numbers cannot be
read, what stands in other people's pages answers 200 with a dash, as an error would tear a hole into them;
the iframe's page says 503.
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from aiohttp import web

from counter.errors import InvalidInputError, NumbersUnavailableError
from counter.http import ANY_ORIGIN, NO_STORE, RETRY_SECONDS, cacheable
from counter.sites.model import Metric, Site
from counter.sites.paths import normalise
from counter.sites.registry import SiteRegistry
from counter.widget.badge import badge, parse_look
from counter.widget.block import NOT_KNOWN, fragment, label_of, note_of, parse_metric, parse_style, value_of
from counter.widget.embed import AddressOf, EmbedPage, embed_page, frame_ancestors
from counter.widget.locales import Language, Languages
from counter.widget.markup import join
from counter.widget.pages import PageViews
from counter.widget.render import Numbers, numbers, tag
from counter.widget.snapshots import Snapshots

FRESH: Final = {"Cache-Control": "public, max-age=5, stale-while-revalidate=60"}
STALE: Final = {"Cache-Control": "no-cache"}
NO_REFERRER: Final = {"Referrer-Policy": "no-referrer"}
INERT: Final = {"Content-Security-Policy": "default-src 'none'; sandbox"}
"""For what is no page of its own, in case somebody opens it as one."""
EMBED_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {ancestors}"
)
PERIODS: Final = Numbers._fields


class EmbedHandlers:
    """Look up, render, answer."""

    def __init__(
        self,
        sites: SiteRegistry,
        snapshots: Snapshots,
        pages: PageViews,
        languages: Languages,
        asset: AddressOf,
    ) -> None:
        self._sites = sites
        self._snapshots = snapshots
        self._pages = pages
        self._languages = languages
        self._asset = asset

    def routes(self) -> list[web.RouteDef]:
        """Return the addresses of this room."""
        return [
            web.get("/v1/sites/{site}/badge.svg", self.get_badge),
            web.get("/v1/sites/{site}/widget.html", self.get_fragment),
            web.get("/embed/{site}", self.get_embed),
        ]

    async def get_badge(self, request: web.Request) -> web.Response:
        """Answer with one number of the site, or the views of a page, as a picture."""
        site = self._sites.find(request.match_info["site"])
        language = self._languages.pick(request.query.get("lang") or site.settings.language)
        label, value, stale = await self._one_number(request, site, language)
        look = parse_look(request.query, label)
        title = f"{look.label or label}: {value}"
        if value == NOT_KNOWN:
            title += f" ({language.words.unavailable})"
        elif stale:
            title, value = f"{title} ({language.words.stale})", f"{value} *"
        body = badge(look, value, title, language)
        headers = ANY_ORIGIN | INERT | (NO_STORE if value == NOT_KNOWN else STALE if stale else FRESH)
        return cacheable(request, body, tag(body), "image/svg+xml", headers)

    async def get_fragment(self, request: web.Request) -> web.Response:
        """Answer with the block as a piece of HTML."""
        site = self._sites.find(request.match_info["site"])
        metric = parse_metric(request.query, site.settings.metric)
        language = self._languages.pick(request.query.get("lang") or site.settings.language)
        shown, stale = await self._numbers(site, metric)
        note = note_of(shown, language, stale=stale)
        body = join(fragment(shown, metric, language, note), "\n").encode()
        headers = ANY_ORIGIN | INERT | (NO_STORE if shown is None else STALE if stale else FRESH)
        return cacheable(request, body, tag(body), "text/html", headers)

    async def get_embed(self, request: web.Request) -> web.Response:
        """Answer with a page that shows the block and nothing else."""
        site = self._sites.find(request.match_info["site"])
        metric = parse_metric(request.query, site.settings.metric)
        style = parse_style(request.query)
        language = self._languages.pick(request.query.get("lang") or site.settings.language)
        shown, stale = await self._numbers(site, metric)
        source = f"../v1/sites/{quote(site.key)}/widget?metric={metric}"
        title = f"{language.words.title} – {site.settings.name or site.key}"
        body = embed_page(EmbedPage(title, source, shown, metric, stale), style, language, self._asset)
        policy = EMBED_POLICY.format(ancestors=frame_ancestors(site.settings.hosts))
        headers = ANY_ORIGIN | NO_REFERRER | {"Content-Security-Policy": policy}
        if shown is None:
            headers |= NO_STORE | {"Retry-After": str(RETRY_SECONDS)}
            return cacheable(request, body, tag(body), "text/html", headers, HTTPStatus.SERVICE_UNAVAILABLE)
        return cacheable(request, body, tag(body), "text/html", headers | (STALE if stale else FRESH))

    async def _one_number(
        self, request: web.Request, site: Site, language: Language
    ) -> tuple[str, str, bool]:
        """Return the label of the number that is asked for, the number, and whether it is stale."""
        metric = parse_metric(request.query, site.settings.metric)
        if "path" in request.query:
            page = normalise(request.query["path"], site.settings.query_allow)
            (views,) = await self._pages.of(site, [page])
            value = NOT_KNOWN if views is None else language.number(views)
            return language.words.metrics["views"], value, False
        period = request.query.get("period", "total")
        if period not in PERIODS:
            raise InvalidInputError(f"the period is one of {', '.join(PERIODS)}")
        shown, stale = await self._numbers(site, metric)
        return label_of(period, metric, language), value_of(period, shown, language), stale

    async def _numbers(self, site: Site, metric: Metric) -> tuple[Numbers | None, bool]:
        """Return the numbers, None if there are none to be had, and whether they are stale."""
        try:
            snapshot = await self._snapshots.of(site)
        except NumbersUnavailableError:
            return None, False
        return numbers(snapshot, site, metric), snapshot.stale
